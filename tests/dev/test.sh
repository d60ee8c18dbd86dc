#!/usr/bin/env bash
# test.sh ROOT: ROOT/dev refuses what it can't read with one line on standard error and status 2, and tells how
# each command is called.
set -euo pipefail
dev=$1/dev
broken=0
complain() {
    echo "BROKEN: $*"
    broken=1
}

refuses() { # ARGUMENTS...
    local said status=0
    said=$("$dev" "$@" 2>&1 </dev/null) || status=$?
    echo "$said"
    [[ $status -eq 2 ]] || complain "dev $* ended with $status, not 2"
    [[ $said != *$'\n'* && $said == "dev: "* || $said == "bench: "* ]] || complain "dev $* did not say so in one line"
}

refuses nothing
refuses --nothing
refuses run 9
refuses run 12
refuses run 3 --verbose
refuses run 3 4
refuses test 9
refuses test 0
refuses test -x
refuses test release
refuses test 1 2
refuses test --all 3
refuses test --arm64 3
refuses diff
refuses diff 1
refuses diff 1 9
refuses diff 1 2 3
refuses diff sketch 1
refuses diff sketch 1 9
refuses diff 1 2 --whole
refuses docs 1
refuses lint all
refuses peers go
refuses install g++
refuses help run
refuses exercise 9.9
refuses exercise one
refuses soak long
refuses soak 1 9
refuses soak 1 2 3
refuses fuzz
refuses fuzz nothing
refuses fuzz timers long
refuses fuzz timers 10 slowly
! command -v python3 >/dev/null || refuses bench --nothing

commands=0
while read -r command; do
    for how in --help -h; do
        [[ $("$dev" "$command" $how 2>&1 </dev/null) == "./dev $command"* ]] || complain "dev $command $how is no help"
    done
    commands=$((commands + 1))
done < <("$dev" help | sed -nE 's|^\./dev ([a-z]+).*|\1|p' | sort -u)

# A step's table comes first, then what carries the idea, then the rest, then, if asked for, what is new.
for step in "1 2" "2 3" "3 4" "4 5"; do
    read -r from to <<<"$step"
    shown=$("$dev" diff "$from" "$to" | awk '/^Where the idea is:/ || /^The same in both:/ || /^--- / { print $1, $2 }')
    first=$(sed -n 's|^--- [^/]*/||p' <<<"$shown" | head -n 1)
    [[ $(sed -n 1p <<<"$shown") == "Where the"* && $(sed -n 2p <<<"$shown") == "The same" ]] ||
        complain "dev diff $step does not begin with its table"
    grep -q "^idea $step .*${first:-nothing}" "$1/tests/lesson/lesson.txt" || complain "dev diff $step begins with $first"
    [[ $shown != *"/dev/null"* ]] || complain "dev diff $step has whole files in it"
    [[ $("$dev" diff "$from" "$to" --all) == *"--- /dev/null"* || $step == "2 3" ]] || complain "dev diff $step --all has not"
done

[[ $commands -ge 12 ]] || complain "dev help names $commands commands only"
[[ $("$dev" --help) == "$("$dev")" ]] || complain "dev --help is not dev help"
exit "$broken"
