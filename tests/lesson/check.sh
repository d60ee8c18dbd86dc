#!/usr/bin/env bash
# check.sh CHECK ROOT [STAGE BUILD]: holds the tree ROOT to what ROOT/tests/lesson/lesson.txt promises. Prints what
# it measured, and BROKEN with exit status 1 where a promise is. selftest.sh shows that each check can fail.
set -euo pipefail

broken=0
complain() {
    echo "BROKEN: $*"
    broken=1
}

promises() { grep "^$1 " tests/lesson/lesson.txt || true; } # WORD: the lines that begin with it
stages() { printf '%s\n' stage[0-9]_*/ | tr -d /; }
stage() { stages | grep "^stage$1_"; }                          # N: its directory, if there is one
sources() { find "$1" -name '*.[ch]pp' -printf '%P\n' | sort; } # DIRECTORY: names within it
aside=$(sed -n 's/^aside \([^ ]*\) .*/\1/p' "$2/tests/lesson/lesson.txt")
is_aside() { [[ $'\n'$aside$'\n' == *$'\n'$1$'\n'* ]]; }       # FILE: whether it is not counted
same() { sed 's/stage[0-9]/stage/g' "$1"; }                     # FILE: all stages' namespaces are one
code() { same "$1" | sed -E '/^\s*(\/\/.*)?$/d'; }              # FILE: no blank lines, no comments

# What a stage carries over from the one before is the same.
check_carried() {
    local from to files file a b
    while read -r _ from to files; do
        a=$(stage "$from") || continue
        b=$(stage "$to") || continue
        for file in $files; do
            diff -u --label "$a/$file" --label "$b/$file" <(same "$a/$file") <(same "$b/$file") ||
                complain "$file is not the same in stages $from and $to"
        done
        echo "the same in stages $from and $to: $files"
    done < <(promises carried)
}

# A stage is the one before and something more.
check_diff() {
    local n a b promise lines percent file signs added taken of
    for n in 1 2 3 4; do
        a=$(stage "$n") || continue
        b=$(stage $((n + 1))) || continue
        for file in $(promises "idea $n $((n + 1))" | cut -d ' ' -f 4-); do
            [[ -e $b/$file ]] || complain "lesson.txt has the idea of stage $((n + 1)) in $file, which is not there"
        done
        promise=$(promises "diff $n $((n + 1))")
        [[ -n $promise ]] || { complain "lesson.txt does not say how far stage $((n + 1)) may go"; continue; }
        read -r _ _ _ lines percent <<<"$promise"
        added=0 taken=0 of=0
        while read -r file; do
            if [[ ! -e $b/$file ]]; then
                [[ -n $(promises "gone $n $((n + 1)) $file") ]] ||
                    complain "$a/$file is gone in stage $((n + 1)), and lesson.txt does not say why"
                continue
            fi
            is_aside "$file" && continue
            signs=$(diff --old-line-format=- --new-line-format=+ --unchanged-line-format= \
                <(code "$a/$file") <(code "$b/$file")) || true
            added=$((added + $(tr -dc + <<<"$signs" | wc -c)))
            taken=$((taken + $(tr -dc - <<<"$signs" | wc -c)))
            of=$((of + $(code "$a/$file" | wc -l)))
        done < <(sources "$a")
        echo "stage $n to $((n + 1)), in files that both have: $added lines added (at most $lines)," \
            "$taken of $of taken away (at most $((percent * of / 100)), $percent %)"
        [[ $added -le $lines && $((100 * taken)) -le $((percent * of)) ]] ||
            complain "too much changes from stage $n to $((n + 1))"
    done
}

# Includes point downwards: from the program to the rooms, and from a room to itself and to those below it. No
# two headers include each other.
check_rooms() {
    local rooms file to room
    rooms=$(promises rooms | cut -d ' ' -f 2-)
    while read -r file; do
        while read -r to; do
            room=$(room_of "$file")
            [[ -e $to ]] || { complain "$file includes $to, which is not there"; continue; }
            [[ $file == *.cpp ]] || ! included "$to" | grep -Fxq "$file" || complain "$file and $to include each other"
            [[ " $rooms " != *" $room "* || "$room ${rooms#*"$room"} " == *"$(room_of "$to") "* ]] ||
                complain "$file includes $to, which is above it"
        done < <(included "$file")
    done < <(find stage[0-9]_* -name '*.[ch]pp' | sort)
    echo "a room includes itself and those to the right of it: $rooms"
}
included() { # FILE: what it includes of its stage
    sed -nE "s|^#include \"(.*)\"|${1%/*}/\1|p" "$1" | sed -E ':a; s|[^/]+/\.\./||; ta'
}
room_of() { cut -d / -f 2 <<<"$1"; } # FILE: its room; its name if it is in none

# Each hunk between two neighbouring sketches has a sentence, in both languages, and each sentence has a hunk.
check_sentences() {
    local n a b starts first text used
    for n in 1 2 3 4; do
        a=$(stage "$n") || continue
        b=$(stage $((n + 1))) || continue
        used=""
        while IFS= read -r first; do
            text=""
            while IFS= read -r starts; do
                [[ $first != "$starts"* ]] || text=$starts
            done < <(awk -F ' [|] ' -v step="$n $((n + 1))" '$1 == step && NF == 4 { print $2 }' docs/sketches.txt)
            [[ -n $text ]] || complain "docs/sketches.txt says nothing of the hunk from $a to $b that begins: $first"
            used+=$text$'\n'
        done < <(diff -U3 "$a/sketch.cpp" "$b/sketch.cpp" | awk '/^@@/ { waits = 1; next } waits && /^[-+]/ { print; waits = 0 }')
        while IFS= read -r starts; do
            grep -Fxq -- "$starts" <<<"$used" || complain "no hunk from $a to $b begins any more: $starts"
        done < <(sed -n "s/^$n $((n + 1)) | \([^|]*[^ |]\) | .*/\1/p" docs/sketches.txt)
        echo "from $a to $b: $(grep -c . <<<"$used") hunks with a sentence"
    done
}

# A stage, a file and a function can be read at one sitting.
check_size() {
    local name limit lines file long_file long_function
    long_file=$(promises file | cut -d ' ' -f 2)
    long_function=$(promises function | cut -d ' ' -f 2)
    while read -r name; do
        limit=$(promises "size ${name:5:1}" | cut -d ' ' -f 3)
        lines=0
        while read -r file; do
            is_aside "$file" || lines=$((lines + $(code "$name/$file" | wc -l)))
            [[ $(wc -l <"$name/$file") -le $long_file ]] ||
                complain "$name/$file is longer than $long_file lines"
            long_functions "$long_function" "$name/$file" ||
                complain "a function is longer than $long_function lines"
        done < <(sources "$name")
        echo "$name: $lines lines of code (about ${limit:=0})"
        [[ $((10 * lines)) -le $((11 * limit)) ]] || complain "$name is longer than it may be"
    done < <(stages)
}

# LINES FILE: as clang-format lays it out, what opens at the left margin or, in a class, four columns
# from it is closed by the next brace in the same column.
long_functions() {
    awk -v longest="$1" '
        { column = match($0, /[^ ]/) }
        column != 1 && column != 5 { next }
        /^ *\}/ {
            if (begin[column] && FNR - begin[column] - 1 > longest) {
                print FILENAME ":" begin[column] ": " FNR - begin[column] - 1 " lines"
                failed = 1
            }
            begin[column] = 0
        }
        /\{$/ && !/^ *(namespace|class|struct|enum|union)/ { begin[column] = FNR }
        END { exit failed }' "$2"
}

# A sketch is one page that needs no other file, and the next sketch is a step from it.
check_sketches() {
    local n file before="" limit lines
    for n in 1 2 3 4 5; do
        file=$(stage "$n")/sketch.cpp || continue
        [[ -e $file ]] || { complain "there is no $file"; continue; }
        limit=$(promises "sketch $n" | cut -d ' ' -f 3)
        lines=$(wc -l <"$file")
        echo "$file: $lines lines (at most ${limit:=0})"
        [[ $lines -le $limit ]] || complain "$file is longer than it may be"
        ! grep '#include "' "$file" || complain "$file needs another file"
        if [[ -n $before ]]; then
            limit=$(promises "step $((n - 1)) $n" | cut -d ' ' -f 4)
            lines=$(diff "$before" "$file" | grep -c '^[<>]') || true
            echo "$before to $file: $lines lines differ (at most ${limit:=0})"
            [[ $lines -le $limit ]] || complain "too much changes from $before to $file"
        fi
        before=$file
    done
}

# Every stage explains itself in English and in Chinese, and neither says more than the other.
check_readmes() {
    local directory chinese english
    for directory in . stage[0-9]_*; do
        [[ -e $directory/README.md && -e $directory/README.zh-CN.md ]] ||
            complain "$directory lacks README.md or README.zh-CN.md"
    done
    while read -r chinese; do
        english=${chinese/.zh-CN/}
        diff -u --label "$english" --label "$chinese" <(outline "$english") <(outline "$chinese") ||
            complain "$chinese is not built as $english is"
        echo "$english and its translation: $(outline "$english" | sort | uniq -c | xargs)"
    done < <(find . -maxdepth 3 -name README.zh-CN.md -not -path "./build/*" -printf '%P\n' | sort)
}

# FILE: its headings, blocks of code and rows of tables, in their order.
outline() {
    awk '
        /^```/ { if (!fenced) print "code"; fenced = !fenced }
        fenced { next }
        /^    / { if (after_blank && !indented) print "code"; indented = 1 }
        /^[^ ]/ { indented = 0 }
        { after_blank = /^$/ }
        /^#+ / { print $1 }
        /^\|/ { print "row" }' "$1"
}

# Copied out of the tree, a stage builds with nothing else of the project: it is made there by the very
# commands that made it in BUILD, out of files that are all its own. To make it a second time would take
# minutes and prove no more.
check_alone() { # N BUILD
    local directory file flags own=0
    directory=$(stage "$1")
    work=$(mktemp -d)
    trap 'rm -r "$work"' EXIT
    while read -r file; do
        case $file in
            "$2"/*) ;; # made there: the headers that all stages share, precompiled
            "$PWD/$directory"/*) own=$((own + 1)) ;;
            "$PWD"/*) complain "stage $1 does not build alone: it needs $file" ;;
        esac
    done < <(read_by "$directory" "$2")
    [[ $own -gt 0 ]] || complain "the compiler has read no file of stage $1"

    cp -r "$directory" "$work/copy"
    flags=$(sed -n 's/^CMAKE_CXX_FLAGS:STRING=//p' "$2/CMakeCache.txt")
    cmake -G Ninja -S "$work/copy" -B "$work/build" "-DCMAKE_CXX_FLAGS=$flags" ||
        { complain "stage $1 does not build alone"; return; }
    diff <(ninja -C "$2" -t commands "$directory/all" | sed "s|$PWD/$directory|COPY|g; s|$directory/||g" | plain) \
        <(ninja -C "$work/build" -t commands all | sed "s|$work/copy|COPY|g" | plain) ||
        complain "stage $1 does not build alone: the commands are others"
    "$2/$directory/stage$1_server" --version || complain "stage $1 does not start"
}

# Commands without what only makes them quicker: precompiled headers and ccache.
plain() {
    sed -E 's/ -Winvalid-pch -include \S+//; s/^\S+ -E env CCACHE_SLOPPINESS=\S+ \S+ //' | grep -v shared_headers
}

read_by() { # DIRECTORY BUILD: what the compiler read to make it
    ninja -C "$2" -t deps |
        awk -v its="$1/" '/^[^ ]/ { mine = index($0, its) == 1 } mine && /^ / { print $1 }' |
        sort -u | xargs --no-run-if-empty realpath --no-symlinks --canonicalize-missing
}

cd "$2"
case $1 in
    carried) check_carried ;;
    rooms) check_rooms ;;
    diff) check_diff ;;
    size) check_size ;;
    sketches) check_sketches ;;
    sentences) check_sentences ;;
    readmes) check_readmes ;;
    alone) check_alone "$3" "$4" ;;
    *) complain "there is no check '$1'" ;;
esac
exit "$broken"
