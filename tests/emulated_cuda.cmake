# The CUDA kernels translated to C++ and run by fibers, under the backend as it is: the tests of
# backends find wrong arithmetic, tiles and addresses on machines without a device.
if(TARGET kvs_kernels_cuda)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/support/emulated_cuda)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/emulated_cuda)
  file(MAKE_DIRECTORY ${out})
  get_property(kernels GLOBAL PROPERTY KVS_CUDA_KERNELS)
  set(translated ${kernels})
  list(TRANSFORM translated REPLACE ".*/([^/]+)[.]cu$" "${out}/\\1.cpp")
  add_custom_command(OUTPUT ${translated}
    COMMAND Python3::Interpreter ${folder}/translate.py ${out} ${kernels}
    DEPENDS ${kernels} ${folder}/translate.py)

  get_property(sources GLOBAL PROPERTY KVS_CUDA_SOURCES)
  list(FILTER sources EXCLUDE REGEX "cuda_gemm[.]cpp$")  # replaced here
  add_library(kvs_cuda_emulated OBJECT ${translated} ${sources} ${folder}/emulation.cpp
    ${folder}/runtime.cpp ${folder}/devices.cpp)
  target_include_directories(kvs_cuda_emulated
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/lib)
  target_include_directories(kvs_cuda_emulated SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(kvs_cuda_emulated PRIVATE kvs::kvs GTest::gtest)
  set_source_files_properties(${translated} PROPERTIES COMPILE_OPTIONS "-w;-O2")
endif()

# kvs_emulated_cuda_test(NAME files...): the same tests over the emulated device.
function(kvs_emulated_cuda_test name)
  if(TARGET kvs_cuda_emulated)
    set(KVS_TEST_LABEL slow)
    kvs_test(${name}_emulated_cuda ${ARGN} $<TARGET_OBJECTS:kvs_cuda_emulated>)
  endif()
endfunction()
