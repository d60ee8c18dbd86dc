# find_package(stage5_coroutines CONFIG) reads this where the library has been installed.
include(CMakeFindDependencyMacro)
find_dependency(fmt)
find_dependency(Threads)
include(${CMAKE_CURRENT_LIST_DIR}/stage5_coroutines-targets.cmake)
