#!/usr/bin/env bash
# build.sh STAGE [DIRECTORY]: makes DIRECTORY/NAME/stage5_server for each NAME of steps.txt, from a copy of the
# sources in STAGE. A line of steps.txt that changes nothing any more is an error: what it was for is gone.
# Without a DIRECTORY that is all it finds out.
set -euo pipefail
stage=$1 into=${2:-}
steps=$(grep -v -e '^#' -e '^$' "$(dirname "${BASH_SOURCE[0]}")/steps.txt")

for name in $(cut -d ' ' -f 1 <<<"$steps" | sort -u); do
    copy=$(mktemp -d)
    cp -r "$stage/." "$copy"
    while read -r step file change; do
        [[ $step == "$name" ]] || continue
        sed -i "$change" "$copy/$file"
        ! cmp -s "$copy/$file" "$stage/$file" || { echo "steps.txt: $name changes nothing in $file" >&2; exit 1; }
    done <<<"$steps"
    [[ -n $into ]] || { rm -r "$copy"; continue; }
    # What is the same as last time keeps its date, and is not compiled again.
    mkdir -p "$into/$name/source"
    for file in $(cd "$copy" && find . -type f); do
        mkdir -p "$(dirname "$into/$name/source/$file")"
        cmp -s "$copy/$file" "$into/$name/source/$file" || cp "$copy/$file" "$into/$name/source/$file"
    done
    rm -r "$copy"
    cmake -S "$into/$name/source" -B "$into/$name" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
    cmake --build "$into/$name" --target stage5_server >/dev/null
done
