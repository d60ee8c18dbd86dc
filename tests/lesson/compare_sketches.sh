#!/usr/bin/env bash
# compare_sketches.sh FROM TO: what the sketch of the stage TO changes in the sketch of the stage FROM, both directories
# of the tree that this is run in. Each hunk begins with the sentence of docs/sketches.txt that says what it is for, in
# Chinese where that is the language (LANG).
set -euo pipefail
from=$1/sketch.cpp to=$2/sketch.cpp
column=3
[[ ${LC_ALL:-${LC_MESSAGES:-${LANG:-}}} != zh* ]] || column=4

colour=never
[[ ! -t 1 ]] || colour=always
bold=$([[ $colour == never ]] || printf '\033[1m') plain=$([[ $colour == never ]] || printf '\033[0m')

# A hunk is held back until its first changed line is there, which tells the sentence.
diff -U3 --label "$from" --label "$to" "$from" "$to" | awk -F ' [|] ' -v step="${1:5:1} ${2:5:1}" -v column="$column" \
    -v bold="$bold" -v plain="$plain" -v colour="$colour" '
    function paint(line) {
        if (colour == "never") return line
        if (line ~ /^\+/) return "\033[32m" line "\033[0m"
        return line ~ /^-/ ? "\033[31m" line "\033[0m" : line
    }
    FILENAME != "-" { if ($1 == step) said[$2] = $column; next }
    FNR <= 2 { print; next }
    /^@@/ { held = ""; waits = 1; next }
    waits && /^[-+]/ {
        sentence = ""
        for (start in said) if (index($0, start) == 1) sentence = said[start]
        printf "\n%s%s%s\n%s", bold, sentence, plain, held
        waits = 0
    }
    waits { held = held $0 "\n"; next }
    { print paint($0) }' docs/sketches.txt - || true
