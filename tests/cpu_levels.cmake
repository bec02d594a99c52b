# Tests of the CPU kernels, once over every native level and once over AVX-512 emulated by SIMDe,
# so that the AVX-512 sources are run on machines without it.
find_path(KVS_SIMDE_INCLUDE simde/x86/avx512.h)
get_property(kvs_levels GLOBAL PROPERTY KVS_CPU_LEVELS)
get_property(kvs_kernels GLOBAL PROPERTY KVS_CPU_KERNELS)
set(kvs_probe ${CMAKE_CURRENT_SOURCE_DIR}/support/simd_probe.cpp)
set(kvs_emulated_reason "SIMDe (libsimde-dev) is not installed")

foreach(level IN LISTS kvs_levels)
  get_property(flags GLOBAL PROPERTY KVS_CPU_FLAGS_${level})
  kvs_cpu_objects(kvs_probe_${level} ${PROJECT_SOURCE_DIR}/kernels/cpu/${level}
    SOURCES ${kvs_probe} FLAGS ${flags})
  target_include_directories(kvs_probe_${level} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  list(APPEND kvs_probes $<TARGET_OBJECTS:kvs_probe_${level}>)
endforeach()

if(KVS_SIMDE_INCLUDE AND "avx2" IN_LIST kvs_levels)
  get_property(flags GLOBAL PROPERTY KVS_CPU_FLAGS_avx2)
  # SIMDe is not clean under our warnings; -O2 since without
  # optimisation GCC's intrinsics are macros that hide the emulated ones.
  kvs_cpu_objects(kvs_kernels_emulated ${CMAKE_CURRENT_SOURCE_DIR}/support/emulated
    SOURCES ${kvs_kernels} ${kvs_probe}
    FLAGS ${flags} -O2 -w)
  target_include_directories(kvs_kernels_emulated PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_include_directories(kvs_kernels_emulated SYSTEM PRIVATE ${KVS_SIMDE_INCLUDE})

  # The whole CPU backend over the emulated kernels.
  get_property(kvs_backend_sources GLOBAL PROPERTY KVS_BACKEND_SOURCES)
  add_library(kvs_backend_emulated OBJECT ${kvs_backend_sources})
  target_include_directories(kvs_backend_emulated
    PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/lib)
  target_link_libraries(kvs_backend_emulated PRIVATE kvs::kvs kvs_warnings)
else()
  add_test(NAME avx512_emulated COMMAND ${CMAKE_COMMAND} -E echo "skipped: ${kvs_emulated_reason}")
  set_tests_properties(avx512_emulated PROPERTIES SKIP_REGULAR_EXPRESSION "skipped:")
endif()

if("avx2" IN_LIST kvs_levels)
  set(kvs_native_levels support/native_levels.cpp)
else()
  set(kvs_native_levels support/portable_levels.cpp)
endif()

# kvs_kernel_test(NAME files...): tests that call the kernels' functions directly.
function(kvs_kernel_test name)
  kvs_test(${name} ${ARGN} ${kvs_native_levels} ${kvs_probes})
  target_link_libraries(${name}_test PRIVATE kvs_kernels_cpu)
  if(TARGET kvs_kernels_emulated)
    kvs_test(${name}_emulated ${ARGN} support/emulated_levels.cpp
      $<TARGET_OBJECTS:kvs_kernels_emulated>)
  endif()
endfunction()

# kvs_backend_test(NAME files...): tests of backends, once per device.
function(kvs_backend_test name)
  kvs_test(${name} ${ARGN} support/native_devices.cpp)
  if(TARGET kvs_backend_emulated)
    kvs_test(${name}_emulated ${ARGN} support/emulated_devices.cpp support/emulated_levels.cpp
      $<TARGET_OBJECTS:kvs_backend_emulated> $<TARGET_OBJECTS:kvs_kernels_emulated>)
  endif()
  kvs_emulated_cuda_test(${name} ${ARGN})
endfunction()
