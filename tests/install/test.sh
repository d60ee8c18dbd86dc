#!/usr/bin/env bash
# test.sh ROOT BUILD: installs what BUILD has, builds ROOT/tests/consumer with that and with nothing else of ROOT,
# and talks to it. Ends with status 77 where a program can't be linked with the library as it is in BUILD.
set -euo pipefail
root=$1 build=$2
broken=0
complain() {
    echo "BROKEN: $*"
    broken=1
}

cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; } # NAME: what BUILD was configured with

if [[ $(cached CMAKE_CXX_FLAGS) == *-fsanitize=* ]]; then
    echo "left out: the library needs its sanitizer, which a program of your own does not have"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix"

# What an installed header includes is installed, too. That each header can be compiled alone: ./dev lint.
cd "$work/prefix/include/stage5_coroutines"
while read -r header; do
    [[ -e $header ]] || complain "$header is included and was not installed"
done < <(find . -name '*.hpp' -printf '%h %p\n' | while read -r directory file; do
    sed -nE "s|^#include \"(.*)\"|$directory/\1|p" "$file"
done | sort -u)
for header in clients options server; do
    [[ ! -e $header.hpp ]] || complain "$header.hpp is the program's, and was installed"
done

# The package has the version that the programs print.
version=$("$build/stage5_coroutines/stage5_server" --version)
grep -F "set(PACKAGE_VERSION \"${version##* }\")" "$work"/prefix/lib*/cmake/stage5_coroutines/*-version.cmake ||
    complain "the package is not $version"

# A program of your own gets the language's version, and none of this project's files and warnings.
cp -r "$root/tests/consumer" "$work/source"
cmake -G Ninja -S "$work/source" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCMAKE_CXX_COMPILER="$(cached CMAKE_CXX_COMPILER)"
cmake --build "$work/build"
compiled=$(ninja -C "$work/build" -t commands | grep -F -- ' -c ')
echo "$compiled"
[[ $compiled == *" -std=gnu++2"* ]] || complain "it is not compiled as C++23"
for word in "$root" " -W"; do
    [[ $compiled != *"$word"* ]] || complain "it is compiled with $word"
done

CHAT=$work/build/chat "$build/tests/stages/stage_programs" "stage5: the chat server passes*" ||
    complain "built with the installed library, the chat server does not do what it does here"
exit "$broken"
