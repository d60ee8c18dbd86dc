#!/usr/bin/env bash
# Breaks each promise of check.sh once, in a small tree made for it, and expects check.sh to complain.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
passed=0 failed=0

# Two stages of a few lines, with which every check is content.
plant() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/tests/lesson"
    cd "$work/tree"
    printf '%s\n' 'carried 1 2 same.hpp' 'gone 1 2 gone.cpp for a reason' 'diff 1 2 3 20' \
        'size 1 20' 'size 2 20' 'file 20' 'function 3' 'aside sketch.cpp for a reason' 'rooms net runtime' \
        'sketch 1 2' 'sketch 2 2' 'step 1 2 2' >tests/lesson/lesson.txt
    printf '%s\n' 'cmake_minimum_required(VERSION 3.25)' 'project(all LANGUAGES CXX)' >CMakeLists.txt
    local n
    for n in 1 2; do
        mkdir "stage${n}_x"
        printf '%s\n' '#pragma once' "namespace stage$n {}" >"stage${n}_x/same.hpp"
        printf '%s\n' '#include "same.hpp"' '' '// a comment' 'int main() {' '    return 0;' '}' \
            >"stage${n}_x/main.cpp"
        printf '%s\n' 'cmake_minimum_required(VERSION 3.25)' "project(stage$n LANGUAGES CXX)" \
            "add_executable(stage${n}_server main.cpp)" >"stage${n}_x/CMakeLists.txt"
        echo "add_subdirectory(stage${n}_x)" >>CMakeLists.txt
        printf '%s\n' '#include <map>' "int sketch$n;" >"stage${n}_x/sketch.cpp"
        printf '%s\n' '# Stage' '' '    code' '' '| a |' >"stage${n}_x/README.md"
        cp "stage${n}_x/README.md" "stage${n}_x/README.zh-CN.md"
    done
    touch stage1_x/gone.cpp
    echo '# Title' | tee README.md >README.zh-CN.md
}

expect() { # STATUS COMPLAINT CHECK [STAGE BUILD]
    local output status=0
    output=$(bash "$here/check.sh" "$3" "$work/tree" "${@:4}" 2>&1) || status=$?
    if [[ $status -eq $1 && $output == *"$2"* ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s\n' "check.sh ${*:3} ended with $status; expected: $1, and '$2' in:" "$output"
    fi
}

plant
for check in carried rooms diff size sketches readmes; do
    expect 0 '' $check
done

plant && echo 'int more;' >>stage2_x/same.hpp
expect 1 'same.hpp is not the same' carried
plant && rm stage2_x/same.hpp
expect 1 'same.hpp is not the same' carried

plant && mkdir stage1_x/{net,runtime} && echo '#include "../net/high.hpp"' >stage1_x/runtime/low.hpp &&
    touch stage1_x/net/high.hpp
expect 1 'stage1_x/runtime/low.hpp includes stage1_x/net/high.hpp, which is above it' rooms
echo '#include "../same.hpp"' >stage1_x/runtime/low.hpp
expect 1 'stage1_x/runtime/low.hpp includes stage1_x/same.hpp, which is above it' rooms
echo '#include "../runtime/low.hpp"' >stage1_x/net/high.hpp
echo '#include "also.hpp"' >stage1_x/runtime/low.hpp
expect 1 'includes stage1_x/runtime/also.hpp, which is not there' rooms
touch stage1_x/runtime/also.hpp
expect 0 '' rooms
echo '#include "low.hpp"' >stage1_x/runtime/also.hpp
expect 1 'include each other' rooms

plant && printf 'int a;\nint b;\nint c;\n' | tee -a stage2_x/main.cpp >/dev/null
expect 0 '3 lines added' diff
echo 'int d;' >>stage2_x/main.cpp
expect 1 'too much changes' diff
plant && sed -i '/return 0/d; /main/d' stage2_x/main.cpp
expect 1 'too much changes' diff
plant && rm stage2_x/main.cpp
expect 1 'main.cpp is gone' diff
plant && mkdir docs && printf '%s\n' 'int a;' >stage1_x/sketch.cpp && printf '%s\n' 'int b;' >stage2_x/sketch.cpp &&
    echo '1 2 | -int a; | Another. | 另一个。' >docs/sketches.txt
expect 0 '' sentences
sed -i 's/int a/int c/' stage1_x/sketch.cpp
expect 1 'begins: -int c;' sentences
expect 1 'no hunk from stage1_x to stage2_x begins any more: -int a;' sentences
plant && echo 'idea 1 2 main.cpp lost.cpp' >>tests/lesson/lesson.txt
expect 1 'has the idea of stage 2 in lost.cpp' diff
plant && sed -i '/^diff/d' tests/lesson/lesson.txt
expect 1 'does not say how far' diff

plant && for i in {1..17}; do echo "int i$i;"; done >stage1_x/more.cpp
expect 1 'stage1_x is longer than it may be' size
plant && for i in {1..21}; do echo "// $i"; done >stage2_x/more.hpp
expect 1 'more.hpp is longer than 20 lines' size
plant && sed -i 's|    return 0;|    // 1\n    // 2\n\n    return 0;|' stage2_x/main.cpp
expect 1 'a function is longer than 3 lines' size
plant && printf '%s\n' 'struct s {' '    int f() {' '' '' '' '        return 0;' '    }' '};' >stage2_x/s.hpp
expect 1 's.hpp:2: 4 lines' size
plant && sed -i '/^size 2/d' tests/lesson/lesson.txt
expect 1 'stage2_x is longer than it may be' size

plant && for i in {1..17}; do echo "int i$i;"; done >>stage1_x/sketch.cpp # aside
expect 0 '' size
expect 0 '0 lines added (at most 3)' diff
plant && echo >>stage2_x/sketch.cpp
expect 1 'stage2_x/sketch.cpp is longer than it may be' sketches
plant && sed -i '/^sketch 2/d' tests/lesson/lesson.txt
expect 1 'stage2_x/sketch.cpp is longer than it may be' sketches
plant && sed -i 's/map/set/' stage2_x/sketch.cpp
expect 1 'too much changes from stage1_x/sketch.cpp to stage2_x/sketch.cpp' sketches
plant && sed -i 's/<map>/"same.hpp"/' stage1_x/sketch.cpp stage2_x/sketch.cpp
expect 1 'stage1_x/sketch.cpp needs another file' sketches
plant && rm stage1_x/sketch.cpp
expect 1 'there is no stage1_x/sketch.cpp' sketches

plant && rm stage2_x/README.zh-CN.md
expect 1 'stage2_x lacks' readmes
plant && rm README.zh-CN.md
expect 1 '. lacks' readmes
for line in '## More' '```' '| b |'; do
    plant && echo "$line" >>stage1_x/README.md
    expect 1 'stage1_x/README.zh-CN.md is not built as' readmes
done

# Stage 1, as it has just been planted and built with the whole tree.
expect_alone() { # STATUS COMPLAINT
    cmake -G Ninja -S "$work/tree" -B "$work/build" >/dev/null
    ninja -C "$work/build" >/dev/null
    expect "$1" "$2" alone 1 "$work/build"
}
plant
expect_alone 0 ''
plant && sed -i 's|same.hpp|../stage2_x/same.hpp|' stage1_x/main.cpp
expect_alone 1 'does not build alone: it needs'
rm "$work/build/.ninja_deps"
expect 1 'has read no file of stage 1' alone 1 "$work/build"
plant && sed -i '2a add_compile_options(-O1)' CMakeLists.txt
expect_alone 1 'does not build alone: the commands are others'
plant && echo 'target_link_libraries(stage1_server PRIVATE its::own)' >>stage1_x/CMakeLists.txt &&
    echo 'add_library(its::own INTERFACE IMPORTED GLOBAL)' >>CMakeLists.txt
expect_alone 1 'stage 1 does not build alone'
plant && sed -i 's|return 0|return 3|' stage1_x/main.cpp
expect_alone 1 'does not start'

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
