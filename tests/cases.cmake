# cases(NAME TARGET [PREFIX TEXT] [SPEC CATCH2-SPEC] [ARGUMENTS ...] [PROPERTIES ...]): a CTest for each
# case of TARGET that SPEC selects, named "PREFIX: CASE". They are listed when TARGET has been built, into
# cases/NAME.cmake, which another build can take in as well: case_list(NAME).
function(cases name target)
  cmake_parse_arguments(its "" "PREFIX;SPEC" "ARGUMENTS;PROPERTIES" ${ARGN})
  if(its_PREFIX)
    string(APPEND its_PREFIX ": ")
  endif()
  if(Catch2_VERSION VERSION_LESS 3)
    set(list_option --list-test-names-only)
  else()
    set(list_option --list-tests --verbosity quiet)
  endif()
  set(list ${PROJECT_BINARY_DIR}/tests/cases/${name}.cmake)
  # The prefix ends in a space, which -D would drop: hence the quotes inside.
  add_custom_command(TARGET ${target} POST_BUILD BYPRODUCTS ${list} VERBATIM
    COMMAND ${CMAKE_COMMAND} "-Dprogram=$<TARGET_FILE:${target}>" "-Dprefix='${its_PREFIX}'"
            "-Dlauncher=${CMAKE_CROSSCOMPILING_EMULATOR}"
            "-Dspec=${its_SPEC}" "-Darguments=${its_ARGUMENTS}" "-Dproperties=${its_PROPERTIES}"
            "-Dlist_option=${list_option}" "-Dlist=${list}" -P ${PROJECT_SOURCE_DIR}/tests/list_cases.cmake)
  case_list(${name} ${PROJECT_BINARY_DIR})
endfunction()

# case_list(NAME BUILD): the cases that BUILD has listed under NAME, to be run against this build's servers.
function(case_list name build)
  set(list ${build}/tests/cases/${name}.cmake)
  set(taken_in ${CMAKE_CURRENT_BINARY_DIR}/take_in_${name}.cmake)
  file(WRITE ${taken_in} "set(tested_build [==[${PROJECT_BINARY_DIR}]==])
if(EXISTS [==[${list}]==])
  include([==[${list}]==])
else()
  add_test([==[${name}: not built]==] [==[${list} is missing]==])
endif()
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${taken_in})
endfunction()
