#!/usr/bin/env bash
# repeat.sh BUILD TIMES [BUSY [WHICH]]: does the ladder say the same each time? Runs it TIMES times against servers
# that must stop at a known rung, or at none, while BUSY loops (4, if left out) keep the processor busy. WHICH is a
# part of a command: only servers with that. Prints how often each rung was the last, and how long the slowest climb
# took; status 1 if any verdict differs.
set -euo pipefail
build=$(realpath "$1") times=$2 busy=${3:-4} which=${4:-} loops=() broken=0
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
for ((i = 0; i < busy; ++i)); do
    (while :; do :; done) &
    loops+=($!)
done
trap 'kill "${loops[@]}" 2>/dev/null || true' EXIT

last_rung() { # SAID: prints the rung that failed, 0 if all have passed, "none" if there was no verdict
    if [[ $1 =~ ✗\ +([0-9]+) ]]; then
        echo "${BASH_REMATCH[1]}"
    elif [[ $1 == *"all 12 rungs passed"* ]]; then
        echo 0
    else
        echo none
    fi
}

climb() { # RUNG COMMAND: the rung that it must stop at, 0 for none
    local i began counts
    [[ $2 == *"$which"* ]] || return 0
    counts=$(for ((i = 0; i < times; ++i)); do
        began=$EPOCHREALTIME
        last_rung "$(LC_ALL=C.UTF-8 "$build/tests/echo_check" "$2" 2>&1)"
        echo "$((${EPOCHREALTIME/./} - ${began/./}))"
    done | awk '
        NR % 2 == 1 { ++times[$1]; next }
        $1 > most { most = $1 }
        END { for (rung in times) printf "%s:%d ", rung, times[rung]; printf "slowest %.1f s\n", most / 1e6 }')
    echo "expected $1, stopped at $counts  ${2#"$build"/}"
    [[ $counts == "$1:$times slowest"* ]] || broken=1
}

server=$build/tests/broken_server
climb 0 "$server nothing {port}"
climb 0 "$build/stage1_blocking/stage1_server --listen 127.0.0.1:{port}"
climb 0 "$build/stage5_coroutines/stage5_server --listen 127.0.0.1:{port}"
climb 4 "$server loses_the_edge {port}"
climb 7 "$server mistakes_newcomers {port}"
climb 8 "$server serves_one_until_it_rests {port}"
climb 9 "$server accepts_few_an_edge {port}"
climb 10 "$server leaks_memory {port}"
climb 12 "$server spins_on_emfile {port}"
climb 9 "python3 $here/naive/streams.py {port}"
exit "$broken"
