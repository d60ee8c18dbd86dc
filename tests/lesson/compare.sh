#!/usr/bin/env bash
# compare.sh FROM TO [--all]: what the stage TO changes in the stage FROM, both directories of the tree that this is
# run in. First a table: the files that carry the idea (lesson.txt says which), then plumbing, what is new, what is
# gone and why, what stays. Then the differences in that order; with --all also the text of what is new or gone.
set -euo pipefail
from=$1 to=$2 all=${3:-}
list=tests/lesson/lesson.txt
step="${from:5:1} ${to:5:1}" # the stages' numbers

colour=never
[[ ! -t 1 ]] || colour=always

files() { (cd "$1" && find . -name '*.[ch]pp' -not -name sketch.cpp -printf '%P\n' | sort); } # STAGE
plain() { sed 's/stage[0-9]/stage/g' "$1"; }                                                  # FILE: no namespace's number
promised() { sed -n "s|^$1 $step ||p" "$list"; }                                              # WORD: what lesson.txt says of this step
what() { # FILE: the first sentence of what it says about itself
    awk '/^\/\/\/ \\file/ { on = 1; next } on && /^\/\/\/ / { sub(/^\/\/\/ /, ""); text = text $0 " "; next } on { exit }
         END { sub(/[.] .*/, "", text); print substr(text, 1, 90) (length(text) > 90 ? "…" : "") }' "$1"
}
signs() { diff --old-line-format=- --new-line-format=+ --unchanged-line-format= <(plain "$from/$1") <(plain "$to/$1") || true; }
count() { # FILE: how many lines of it are added and taken away
    local all
    all=$(signs "$1")
    local added=${all//-/} removed=${all//+/}
    printf '%+5d %+5d' "${#added}" "-${#removed}"
}
show() { # FILE: its difference; /dev/null stands for a file that is not there
    local old=$from/$1 new=$to/$1
    [[ -e $old ]] || old=/dev/null
    [[ -e $new ]] || new=/dev/null
    diff -u --color="$colour" --label "$old" --label "$new" <(plain "$old") <(plain "$new") || true
}

idea=$(promised idea | tr ' ' '\n')
changed=() idea_changed=() new=() gone=() same=()
for file in $idea $(files "$to"); do
    [[ " ${idea_changed[*]} ${new[*]} ${same[*]} " != *" $file "* ]] || continue
    if [[ ! -e $from/$file ]]; then
        new+=("$file")
    elif [[ -z $(signs "$file") ]]; then
        same+=("$file")
    elif grep -Fxq "$file" <<<"$idea"; then
        idea_changed+=("$file")
    else
        changed+=("$file")
    fi
done
while read -r file; do
    [[ -e $to/$file ]] || gone+=("$file")
done < <(files "$from")

changes() { # FILE: a line of the table, of a file that both have
    printf '%s  %s\n' "$(count "$1")" "$1"
}
news() { # FILE: a line of the table, of a file that is new; a header and its .cpp share one
    local file=$1 name=$1 lines
    lines=$(wc -l <"$to/$file")
    if [[ $file == *.cpp && " ${new[*]} " == *" ${file%.cpp}.hpp "* ]]; then return; fi
    if [[ $file == *.hpp && " ${new[*]} " == *" ${file%.hpp}.cpp "* ]]; then
        name="$file, .cpp"
        lines=$((lines + $(wc -l <"$to/${file%.hpp}.cpp")))
    fi
    printf '%+5d        %s: %s\n' "$lines" "$name" "$(what "$to/$file")"
}
table() { # TITLE HOW FILES
    [[ $# -gt 2 ]] || return 0
    printf '\n%s\n' "$1"
    local file
    for file in "${@:3}"; do "$2" "$file"; done
}
goes() { printf '      %+5d  %s: %s\n' "-$(wc -l <"$from/$1")" "$1" "$(promised gone | sed -n "s|^$1 ||p")"; }

echo "From $from to $to"
table "Where the idea is:" changes "${idea_changed[@]}"
idea_new=() other_new=()
for file in "${new[@]}"; do
    if grep -q "^${file%.*}\." <<<"$idea"; then idea_new+=("$file"); else other_new+=("$file"); fi
done
for file in "${idea_new[@]}"; do news "$file"; done
table "Plumbing:" changes "${changed[@]}"
table "Also new:" news "${other_new[@]}"
table "Gone:" goes "${gone[@]}"
echo
echo "The same in both: ${same[*]}"

for file in "${idea_changed[@]}" "${changed[@]}"; do
    echo
    show "$file"
done
for file in "${new[@]}" "${gone[@]}"; do
    [[ $all == --all ]] || continue
    echo
    show "$file"
done
[[ $all == --all ]] || echo "
The text of new files and of those that are gone: ./dev diff $step --all"
