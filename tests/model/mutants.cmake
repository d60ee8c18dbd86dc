# A protocol's header with one precaution less, again and again: each time the explorer must find
# what that does. All mutants of a header are compiled together, as one program.

# begin_mutants(STAGE HEADER): the next ones are of this header.
macro(begin_mutants stage header)
  set(mutants_stage ${stage})
  set(mutants_header ${header})
  set(mutants_count 0)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  file(READ ${header} mutants_text)
endmacro()

# mutant(WHAT FINDS FROM TO): a test that fails unless the explorer finds the violation FINDS when
# FROM, in the header, is TO. In TO, BROKEN is true if this mutant is the one that is tried.
function(mutant what finds from to)
  math(EXPR number "${mutants_count} + 1")
  set(test "${mutants_stage}: broken on purpose: ${what}")
  string(REPLACE BROKEN "(model::the_mutant == ${number})" to "${to}")
  string(REPLACE "${from}" "${to}" changed "${mutants_text}")
  if(changed STREQUAL mutants_text)
    add_test(NAME "${test}" COMMAND sh -c
             "echo '${mutants_header} has no longer what tests/model/mutants changes'; exit 1")
    return()
  endif()
  get_filename_component(name ${mutants_header} NAME_WE)
  add_test(NAME "${test}" COMMAND mutants_of_${name} --mutant ${number} --finds "${finds}")
  set(mutants_count ${number} PARENT_SCOPE)
  set(mutants_text "${changed}" PARENT_SCOPE)
endfunction()

# end_mutants(LIBRARY SOURCE...): makes the program out of the explorer and what includes the header.
function(end_mutants library)
  get_filename_component(name ${mutants_header} NAME_WE)
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/mutants)
  set(text "#include \"mutant.hpp\"\n${mutants_text}")
  set(before "")
  if(EXISTS ${directory}/${name}.hpp)
    file(READ ${directory}/${name}.hpp before)
  endif()
  if(NOT text STREQUAL before) # or it would be compiled each time
    file(WRITE ${directory}/${name}.hpp "${text}")
  endif()
  get_filename_component(stage_dir ${mutants_header} DIRECTORY)
  add_executable(mutants_of_${name} ${ARGN})
  set_target_properties(mutants_of_${name} PROPERTIES UNITY_BUILD ON)
  target_compile_options(mutants_of_${name} PRIVATE -O1 -w)
  target_include_directories(mutants_of_${name} PRIVATE ${directory} ${stage_dir})
  target_link_libraries(mutants_of_${name} PRIVATE ${library})
endfunction()
