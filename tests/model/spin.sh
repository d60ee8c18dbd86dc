#!/usr/bin/env bash
# spin.sh MODEL DIRECTORY: lets spin try every interleaving of the model, then of the model broken
# in three ways, which it must find. Works in DIRECTORY; exits with 77 where there is no spin.
set -euo pipefail
mkdir -p "$2"
cp "$1" "$2/model.pml"
cd "$2"
model=model.pml

if ! command -v spin >/dev/null; then
    echo "LEFT OUT: spin is not installed; apt-get install spin"
    exit 77
fi

errors() { # MODEL: prints how many errors pan finds, and leaves what it said in said.txt
    spin -a "$1" >/dev/null
    "${CC:-cc}" -w -DSAFETY -o pan pan.c
    ./pan -w20 >said.txt
    if grep -q "max search depth too small" said.txt; then cat said.txt >&2; exit 1; fi
    sed -n 's/.*errors: \([0-9]*\).*/\1/p' said.txt
}

found=$(errors "$model")
grep -E "states, stored|transitions|errors:" said.txt
if [[ $found != 0 ]]; then
    spin -t -p -v "$model" | tail -80 # the way there
    exit 1
fi

broken() { # WHAT SED-COMMAND
    sed "$2" "$model" >broken.pml
    if cmp -s "$model" broken.pml; then echo "$1: the model has no such line any more"; exit 1; fi
    found=$(errors broken.pml)
    if [[ $found == 0 ]]; then echo "$1: not found"; exit 1; fi
    echo "$1: found, $(grep -m1 -oE 'assertion violated[^)]*\)|invalid end state' said.txt)"
}
broken "no recheck" '/recheck/d'
broken "commit without compare-and-swap" '/commit/s/word == wait/true/'
broken "ready overwritten by a deadline" 's/word == wait || word == parked/word != nil/'
