#!/usr/bin/env bash
# test.sh NUMBER BUILD: check.sh says "not yet" of an exercise as it is, and "yes" once it is solved as in
# solutions/: NUMBER.patch, applied to a copy of the stage; NUMBER.cpp, a program; or NUMBER.answers, which
# are right or wrong. test.sh list: pages, checks and solutions are those of exercises.txt.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
broken=0

complain() {
    echo "BROKEN: $*"
    broken=1
}

numbers() { sed -nE 's/^([0-9]\.[0-9]) .*/\1/p' "$here/exercises.txt"; }

# STATUS WORD BUILD [ANSWER...]: what the check has to say.
expect() {
    local said status=0
    said=$(bash "$here/check.sh" "$number" "$3" "${@:4}" 2>&1 </dev/null) || status=$?
    echo "$said"
    [[ $status -ne 77 ]] || exit 77
    [[ $status -eq $1 && $said == "$2: "* && $said != *$'\n'* ]] ||
        complain "check.sh $number ${*:4} ended with $status; expected: $1, and one line with '$2'"
}

# A copy of the stage with the patch in it.
apply() {
    command -v git >/dev/null || { echo "left out: there is no git"; exit 77; }
    stage=$(sed -nE 's|^\+\+\+ b/([^/]+)/.*|\1|p;' "$solution" | head -n 1)
    mkdir "$work/tree"
    cp -r "$root/$stage" "$work/tree"
    (cd "$work/tree" && GIT_CEILING_DIRECTORIES=$work git apply "$solution") && return
    complain "solutions/$number.patch does not apply to $stage any more: make it anew"
    exit 1
}

# In $solved, which looks like BUILD, the stage's server from the copy: only what changed is compiled.
rebuild() {
    local commands file command server=stage${stage:5:1}_server library=$stage/libstage${stage:5:1}.a
    mkdir -p "$solved/$stage/CMakeFiles/stage${stage:5:1}.dir"/{net,poll,runtime,syscall}
    cp "$build/$stage"/lib*.a "$solved/$stage"
    ln -s "$build/$stage/CMakeFiles/$server.dir" "$solved/$stage/CMakeFiles"
    for file in "$build"/stage*; do
        [[ $file == */"$stage" ]] || ln -s "$file" "$solved"
    done
    commands=$(ninja -C "$build" -t commands "$server" | sed -E 's/ -Winvalid-pch -include \S+//')
    cd "$solved"
    while read -r file; do
        command=$(grep -F -- " -c $root/$file" <<<"$commands")
        command=${command//"$root/$stage/"/"$work/tree/$stage/"}
        eval "$command -O0" || { complain "$file does not compile with solutions/$number.patch"; exit 1; }
        ar r "$library" "$stage/CMakeFiles/stage${stage:5:1}.dir/${file#*/}.o"
    done < <(sed -nE 's|^\+\+\+ b/(.*)|\1|p' "$solution")
    eval "$(tail -n 1 <<<"$commands")"
}

# In $solved, the explorer with the copy's poll_desc.hpp, which is compiled into it.
rebuild_explorer() {
    local compiler
    compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[^=]*=//p' "$build/CMakeCache.txt")
    mkdir -p "$solved/tests/model"
    "$compiler" -std=c++23 -w -O1 -I "$work/tree/$stage/runtime" -I "$root/tests/model" -I "$root/tests/model/explore" \
        -o "$solved/tests/model/model_check" "$root"/tests/model/{actors,clients,invariants}.cpp \
        "$build/tests/model/libmodel_explorer.a" ||
        complain "the explorer does not compile with solutions/$number.patch"
}

try_patch() {
    expect 1 "not yet" "$build"
    solved=$work/solved
    apply
    if [[ $number == 4.1 ]]; then rebuild_explorer; else rebuild; fi
    expect 0 yes "$solved"
}

# A line is "yes ANSWER", "no ANSWER" or "either ANSWER": one of those is right, which depends on the machine.
try_answers() {
    local verdict answer either=()
    while read -r verdict answer; do
        # shellcheck disable=SC2086 # several words
        case $verdict in
            yes) expect 0 yes "$build" $answer ;;
            no) expect 1 "not yet" "$build" $answer ;;
            either) bash "$here/check.sh" "$number" "$build" $answer </dev/null && either+=(yes) || either+=(no) ;;
        esac
    done <"$solution"
    [[ ${#either[@]} -eq 0 || " ${either[*]} " == *" yes "* ]] || complain "none of the answers to $number is right"
}

try_program() { # a program that echoes by itself is not the answer
    sed 's/\*server/client/' "$solution" >"$work/wrong.cpp"
    ! cmp -s "$work/wrong.cpp" "$solution" || complain "nothing was wrong with wrong.cpp"
    expect 1 "not yet" "$build" "$work/wrong.cpp"
    expect 0 yes "$build" "$solution"
}

# What exercises.txt has, the pages have, and the checks, and the solutions.
check_list() {
    local page number
    for page in "$root"/docs/{en,zh}/exercises.md; do
        diff --label exercises.txt <(sed -nE 's/^([0-9]\.[0-9]) \S+ \S+/\1/p' "$here/exercises.txt") \
            --label "$page" <(sed -nE 's|^    \./dev exercise (.*)|\1|p' "$page") ||
            complain "$page has other commands than exercises.txt"
        diff <(numbers) <(sed -nE 's/^\*\*([0-9.]+)\*\* .*/\1/p' "$page") ||
            complain "$page has other exercises than exercises.txt"
    done
    for number in $(numbers); do
        compgen -G "$here/solutions/$number.*" >/dev/null || complain "exercise $number has no solution"
        grep -q "^exercise_${number/./_}()" "$here/check.sh" || complain "exercise $number has no check"
    done
    echo "$(numbers | wc -l) exercises"
}

number=$1
if [[ $number == list ]]; then
    check_list
else
    build=$(cd "$2" && pwd)
    for solution in "$here/solutions/$number".{patch,answers,cpp}; do
        [[ -e $solution ]] || continue
        case $solution in
            *.patch) try_patch ;;
            *.answers) try_answers ;;
            *.cpp) try_program ;;
        esac
    done
fi
exit "$broken"
