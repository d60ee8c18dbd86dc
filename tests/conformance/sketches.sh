#!/usr/bin/env bash
# sketches.sh BUILD [N]: the list of cases, run against stage N's sketch, or against all five, two at a time. A sketch
# must fail the cases that sketches.txt lists, and no others: the stages' pages say so.
set -euo pipefail
build=$1
known=$(dirname "${BASH_SOURCE[0]}")/sketches.txt
if [[ $# -eq 1 ]]; then
    printf '%s\n' 4 5 1 2 3 | xargs -P 2 -n 1 bash "${BASH_SOURCE[0]}" "$build"
    exit
fi

# COLUMN: the cases that sketches.txt lists under it
listed() { sed -nE "s/^$1 \| ([^|]*) \| .*/\1/p" "$known" | sort; }

# Makes of each case that is read a name for Catch2, which separates names by commas
quoted() { sed 's/,/\\,/g; s/..*/"&"/'; }

# SPEC: runs these cases, and prints Catch2's report
run() { "$build/tests/check_server" --server "$sketch {port}" --reporter xml "$1" || true; }

# Those that failed, of a report
failures() {
    awk '
        /<TestCase / { match($0, / name="[^"]*"/); name = substr($0, RSTART + 7, RLENGTH - 8) }
        /<OverallResult success="false"/ { print name }' | sort
}

sketch=$(echo "$build/stage$2"_*/"stage$2_sketch")
left_out=$(listed "$2\?")
report=$(run "~[ours]$(quoted <<<"$left_out" | sed 's/"/~"/' | tr -d '\n')")
cases=$(grep -c '<TestCase ' <<<"$report") || true
expected=$(listed "$2")
failed=$(failures <<<"$report")

broken=0
[[ $cases -gt 30 ]] || { echo "BROKEN: the cases did not run against stage $2's sketch"; broken=1; }
while IFS= read -r name; do
    # Once more, alone: on a busy machine a client may have waited for something else.
    [[ -n $(run "$(quoted <<<"$name")" | failures) ]] || continue
    echo "BROKEN: stage $2's sketch fails, and sketches.txt does not say so: $name"
    broken=1
done < <(comm -13 <(echo "$expected") <(echo "$failed") | grep .)
while IFS= read -r name; do
    echo "BROKEN: stage $2's sketch does not fail any more: $name"
    broken=1
done < <(comm -23 <(echo "$expected") <(echo "$failed") | grep .)
echo "stage $2's sketch: $cases cases run, $(grep -c . <<<"$failed") failed;" \
    "left out: ${left_out:-none}"
exit "$broken"
