# A protocol's header with one precaution less, again and again: each time the explorer must find
# what that does. Each mutant is a header and a program of its own, so that its text is plain: some of
# them are levels of the page docs/en/lose.md, which shows it.

# begin_mutants(STAGE HEADER LIBRARY SOURCE...): the next ones are of this header, which the sources
# include.
macro(begin_mutants stage header library)
  set(mutants_stage ${stage})
  set(mutants_header ${header})
  set(mutants_library ${library})
  set(mutants_sources ${ARGN})
  set(mutants_count 0)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  file(READ ${header} mutants_text)
endmacro()

# mutant(WHAT FINDS FROM TO): a test that fails unless the explorer finds the violation FINDS when
# FROM, in the header, is TO.
function(mutant what finds from to)
  set(test "${mutants_stage}: broken on purpose: ${what}")
  string(REPLACE "${from}" "${to}" text "${mutants_text}")
  if(text STREQUAL mutants_text)
    add_test(NAME "${test}" COMMAND sh -c
             "echo '${mutants_header} has no longer what tests/model/mutants changes'; exit 1")
    return()
  endif()
  math(EXPR number "${mutants_count} + 1")
  set(mutants_count ${number} PARENT_SCOPE)
  get_filename_component(name ${mutants_header} NAME)
  get_filename_component(stem ${mutants_header} NAME_WE)
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/mutants/${stem}_${number})
  file(CONFIGURE OUTPUT ${directory}/${name} CONTENT "@text@" @ONLY) # unchanged: not compiled again
  file(CONFIGURE OUTPUT ${directory}/about.txt CONTENT "@what@\n@finds@\n" @ONLY)
  set(program mutant_${stem}_${number})
  add_executable(${program} ${mutants_sources})
  set_target_properties(${program} PROPERTIES UNITY_BUILD ON RUNTIME_OUTPUT_DIRECTORY ${directory})
  get_filename_component(stage_dir ${mutants_header} DIRECTORY)
  target_include_directories(${program} PRIVATE ${directory} ${stage_dir})
  target_compile_options(${program} PRIVATE -O1 -w)
  target_link_libraries(${program} PRIVATE ${mutants_library})
  if(number EQUAL 1)
    target_precompile_headers(${program} PRIVATE <algorithm> <array> <atomic> <functional> <memory>
                              <optional> <stdexcept> <string> <utility> <vector>)
  else()
    target_precompile_headers(${program} REUSE_FROM mutant_${stem}_1)
  endif()
  add_test(NAME "${test}" COMMAND ${program} --finds "${finds}")
endfunction()
