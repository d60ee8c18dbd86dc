# headers_only(TARGET DIRECTORY): the library TARGET, as its headers alone: /usr/include/DIRECTORY. They are the
# same for every processor. They get a folder of their own, because the rest of /usr/include is for this
# machine's: the cross-compiler has its own.
function(headers_only target directory)
  find_path(found_${directory} ${directory} PATHS /usr/include NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH REQUIRED)
  set(include ${CMAKE_BINARY_DIR}/include)
  file(MAKE_DIRECTORY ${include})
  file(CREATE_LINK ${found_${directory}}/${directory} ${include}/${directory} SYMBOLIC)
  if(NOT TARGET ${target})
    add_library(${target} INTERFACE IMPORTED)
    target_include_directories(${target} INTERFACE ${include})
    target_compile_definitions(${target} INTERFACE ${ARGN})
  endif()
endfunction()
