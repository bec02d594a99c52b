# kvs_unity_by_module(TARGET): with CMAKE_UNITY_BUILD the target's sources are compiled some at a
# time, but none with those of another folder: what stands in an unnamed namespace needs a name of
# its own inside its module only.
function(kvs_unity_by_module target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    cmake_path(GET source PARENT_PATH folder)
    cmake_path(GET folder FILENAME module)
    list(APPEND of_${module} ${source})
    list(LENGTH of_${module} count)
    math(EXPR group "(${count} - 1) / 8")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${module}_${group})
  endforeach()
endfunction()
