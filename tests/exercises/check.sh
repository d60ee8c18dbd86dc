#!/usr/bin/env bash
# check.sh NUMBER BUILD [ARGUMENTS]: whether the answer to an exercise is right, or the change in the tree
# from which BUILD was made. One line; status 0 and "yes", or 1 and "not yet"; 2 for what can't be asked;
# 77 where it can't be found out. ./dev exercise builds what is needed first; test.sh tests the checks.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
number=${1:-} build=${2:-}
shift 2 || { echo "check.sh NUMBER BUILD [ARGUMENTS]" >&2; exit 2; }
build=$(cd "$build" && pwd)
work=$(mktemp -d)
started=()
finish() {
    exec 2>/dev/null # nobody wants to know who was killed
    ((${#started[@]} == 0)) || kill -KILL "${started[@]}" 2>/dev/null || true
    wait
    rm -r "$work"
}
trap finish EXIT

yes() { echo "yes: $*"; exit 0; }
not_yet() { echo "not yet: $*"; exit 1; }
leave_out() { echo "left out: $*"; exit 77; }

# ---- What the checks are made of ----------------------------------------------------------------

program() { find -L "$build" -maxdepth 2 -path "*/stage[0-9]_*/$1" -type f; } # NAME: its path

# COMMAND...: starts a server, and sets pid and port.
start() {
    : >"$work/out"
    "$@" >"$work/out" 2>"$work/err" &
    pid=$!
    started+=("$pid")
    local i
    for ((i = 0; i < 500; ++i)); do
        port=$(sed -nE 's/^[Ll]istening on .*:([0-9]+)$/\1/p' "$work/out")
        [[ -z $port ]] || return 0
        sleep 0.02
    done
    not_yet "the server does not start: $(head -n 3 "$work/err" | xargs)"
}

start_stage() { # N [OPTIONS]
    start "$(program "stage$1_server")" --listen 127.0.0.1:0 "${@:2}"
}

# N CALLS: a server whose system calls of these kinds are in $work/calls, a line each.
start_traced() {
    command -v strace >/dev/null || leave_out "there is no strace"
    strace -o /dev/null true 2>/dev/null || leave_out "strace may not trace here"
    start strace -D -o "$work/calls" -e "trace=$2" "$(program "stage$1_server")" \
        --listen 127.0.0.1:0 "${@:3}"
}
calls() { wc -l <"$work/calls"; }

connect() { exec {client}<>"/dev/tcp/127.0.0.1/$port"; } # sets client
leave() { exec {client}>&-; }

# MESSAGE: whether the client gets it back within SECONDS (2).
echoes() {
    local back=
    { echo "$1" >&"$client"; } 2>/dev/null && read -r -t "${2:-2}" -u "$client" back && [[ $back == "$1" ]]
}

milliseconds() { local now=${EPOCHREALTIME//[.,]/}; echo $((now / 1000)); }
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; } # of processor time, 10 ms each

# True if the server uses a good part of a core, though there is nothing to do: 200 ms soon, or, where others
# use the cores as well, a little all the time.
is_busy() {
    local from used=0 i
    from=$(ticks)
    for ((i = 0; i < 30 || (used > 2 && i < 400); ++i)); do
        sleep 0.05
        used=$(($(ticks) - from))
        ((used < 20)) || return 0
    done
    return 1
}

# SAID IS WHAT: the end of an exercise whose answer is a number.
compare() {
    [[ $1 == "$2" ]] && yes "$2 $3"
    not_yet "you said $1; look again"
}

wants() { # COUNT ARGUMENTS...: as many, or how to call it
    (($# - 1 != $1)) || return 0
    echo "./dev exercise $(sed -nE "s/^($number) \S+ \S+/\1/p" "$here/exercises.txt")" >&2
    exit 2
}

# A client that sends nothing is closed after a second; one that sends is not.
check_idle() {
    local began quiet talker closed_after=0 status i
    began=$(milliseconds)
    connect && quiet=$client
    connect && talker=$client
    for ((i = 0; i < 6; ++i)); do
        sleep 0.3
        client=$talker
        echoes "still here" || not_yet "a client that talks is not answered any more"
        status=0
        ((closed_after != 0)) || read -r -t 0.01 -n 1 -u "$quiet" || status=$?
        ((status != 1)) || closed_after=$(($(milliseconds) - began))
    done
    ((closed_after != 0)) || not_yet "a client that says nothing for 1.8 s is still connected"
    ((closed_after >= 800)) || not_yet "a client that said nothing was closed after $closed_after ms only"
    ! is_busy || not_yet "it is closed, but the server does not rest any more"
    yes "who says nothing is closed after a second, who talks is not"
}

# ---- The exercises ------------------------------------------------------------------------------

exercise_1_1() { # CONNECTED ANSWERED
    wants 2 "$@"
    start "$(program stage1_one_at_a_time)" --listen 127.0.0.1:0
    local connected=0 answered=0 i
    for i in 1 2; do
        connect && connected=$((connected + 1)) # and stays
        ! echoes "hello" 0.5 || answered=$((answered + 1))
    done
    compare "$1 $2" "$connected $answered" "it is: the kernel connects, only the server answers"
}

exercise_1_2() {
    start_stage 1 --grace 1s
    connect
    echoes "hello" || not_yet "the server does not echo any more"
    local began took
    began=$(milliseconds)
    kill -TERM "$pid"
    wait "$pid" || true
    took=$(($(milliseconds) - began))
    ((took >= 900)) && yes "with a client that says nothing, a stop takes all of --grace 1s: $took ms"
    not_yet "a stop takes $took ms: the client's thread has been woken"
}

# Ten clients have echoed and stay: has the server as many threads as was said?
check_threads() { # THREADS STAGE [OPTIONS]
    start_stage "${@:2}"
    local i tasks
    for ((i = 0; i < 10; ++i)); do
        connect
        echoes "hello" || not_yet "the server does not echo any more"
    done
    tasks=("/proc/$pid/task"/*)
    compare "$1" "${#tasks[@]}" "threads"
}

exercise_1_3() { # THREADS
    wants 1 "$@"
    check_threads "$1" 1
}

exercise_1_4() {
    start_stage 1
    check_idle
}

exercise_2_1() {
    start_stage 2
    local sent=67108864 got
    connect
    echoes "hello" || not_yet "not even a small message comes back"
    # Nobody reads for a while, so that all buffers are full. (Stage 1's client has a thread for each way.)
    got=$(head -c "$sent" /dev/zero | "$(program stage1_client)" "127.0.0.1:$port" | { sleep 0.5; wc -c; })
    ((got < sent)) && yes "hello comes back, but of 64 MiB only $got bytes"
    not_yet "64 MiB come back"
}

exercise_2_2() { # ACCEPTS
    wants 1 "$@"
    start_traced 2 accept4,read --wait spin
    local accepts reads
    sleep 0.5
    kill -KILL "$pid"
    { wait "$pid" || true; } 2>/dev/null
    accepts=$(grep -c '^accept4.*EAGAIN' "$work/calls") || true
    reads=$(grep -c '^read.*EAGAIN' "$work/calls") || true
    ((reads > 0)) || not_yet "the server did not try to read at all"
    compare "$1" "$(((accepts + reads / 2) / reads))" "of accept4 for each read: $accepts and $reads in all"
}

exercise_2_3() { # ENTRIES
    wants 1 "$@"
    start_traced 2 poll --wait poll
    local i
    for ((i = 0; i < 100; ++i)); do
        connect # and stays
        echoes "hello" || not_yet "the server does not echo any more"
    done
    echoes "and once more" # the list is complete now
    # poll([{fd=4, ...}, ...], 102, -1) = 1 ([{fd=104, revents=POLLIN}])
    compare "$1" "$(sed -nE 's/^poll\(.*\], ([0-9]+), -?[0-9]+\) = 1.*/\1/p' "$work/calls" | tail -n 1)" \
        "entries go into the kernel for each message"
}

exercise_2_4() {
    start_stage 2
    check_idle
}

# An idle client keeps the server awake.
check_restless() { # N
    start_stage "$1"
    connect
    echoes "hello" || not_yet "the server does not echo any more"
    is_busy && yes "one idle client, and the server does not rest"
    not_yet "with an idle client the server rests"
}

exercise_3_1() { check_restless 3; }

exercise_3_2() {
    ulimit -n 256 # for us; the server gets fewer
    start bash -c "ulimit -n 20; exec \"\$@\"" - "$(program stage3_server)" --listen 127.0.0.1:0
    local i
    for ((i = 0; i < 30; ++i)); do connect; done # and stay
    sleep 0.2
    is_busy && yes "out of descriptors, the server does not rest"
    not_yet "out of descriptors, the server rests until it may try again"
}

# Sets cost to how often the server calls epoll_ctl in the life of a client.
count_epoll_ctl() { # N
    start_traced "$1" epoll_ctl
    local before
    sleep 0.2 # its own descriptors
    before=$(calls)
    connect
    echoes "hello" || not_yet "the server does not echo any more"
    leave
    sleep 0.3
    cost=$(($(calls) - before))
}

exercise_3_3() { # CALLS
    wants 1 "$@"
    count_epoll_ctl 3
    compare "$1" "$cost" "calls of epoll_ctl in the life of a client"
}

exercise_3_4() {
    count_epoll_ctl 3
    ((cost == 1)) && yes "a client's life costs one epoll_ctl, and its echo comes back"
    not_yet "a client's life costs $cost calls of epoll_ctl"
}

exercise_4_1() {
    local found
    if found=$("$build/tests/model/model_check" --finds "though it is closed" 2>&1); then
        yes "the explorer finds an interleaving in which a waiter parks though it is closed"
    fi
    not_yet "the explorer finds nobody who parks though it is closed: $(tail -n 1 <<<"$found")"
}

exercise_4_2() { check_restless 4; }

exercise_4_3() { # CALLS
    wants 1 "$@"
    start_traced 4 all
    local before i
    connect
    for ((i = 0; i < 3; ++i)); do echoes "hello" || not_yet "the server does not echo any more"; done
    sleep 0.1
    before=$(calls)
    for ((i = 0; i < 20; ++i)); do
        echoes "hello $i"
        sleep 0.02 # or the next message may be there before the server waits for it
    done
    sleep 0.1
    compare "$1" "$((($(calls) - before + 10) / 20))" "system calls a message"
}

exercise_4_4() {
    start_stage 4
    connect
    connect
    echoes "hello" || not_yet "the server does not echo any more"
    local from to
    from=$(grep -cw 2 "$work/err") || true
    sleep 2.4
    to=$(grep -cw 2 "$work/err") || true
    ((to - from >= 2)) || not_yet "two clients, 2.4 s, and $((to - from)) lines with a 2 on standard error"
    ((to - from <= 3)) || not_yet "$((to - from)) lines in 2.4 s: one a second is enough"
    ! is_busy || not_yet "there is a line each second, but the server does not rest any more"
    yes "a line each second says that there are 2 clients"
}

exercise_5_1() {
    start_stage 5
    local before began line i descriptors
    connect # and stays
    began=$(milliseconds)
    for i in 1 2 3; do
        read -r -t 1.5 -u "$client" line || not_yet "for 1.5 s no line comes from the server"
    done
    (($(milliseconds) - began >= 1500)) || not_yet "three lines in less than 1.5 s: one a second is enough"
    descriptors=("/proc/$pid/fd"/*) before=${#descriptors[@]}
    connect
    read -r -t 1.5 -u "$client" line || not_yet "a second client is told nothing"
    leave
    sleep 0.5 # a writer alone would notice after a second or two
    descriptors=("/proc/$pid/fd"/*)
    ((${#descriptors[@]} == before)) || not_yet "the client has left, and its descriptor is still open"
    yes "a line each second ($line), and who leaves is noticed at once"
}

exercise_5_2() { # NAMED RETURNED IN_PLACE PASSED
    wants 4 "$@"
    local compiler=${CXX:-g++}
    "$compiler" -std=c++23 -o "$work/temporaries" "$here/temporaries.cpp" ||
        not_yet "$compiler does not compile temporaries.cpp"
    compare "$*" "$("$work/temporaries" | xargs)" \
        "times they are destroyed, with $("$compiler" --version | head -n 1)"
}

exercise_5_3() { # THREADS
    wants 1 "$@"
    check_threads "$1" 5 --threads 2
}

# FILE.cpp: a program that is called with an address to listen at and one to pass everything on to.
exercise_5_4() {
    wants 1 "$@"
    [[ -f $1 ]] || { echo "there is no file $1" >&2; exit 2; }
    local stage
    stage=$(cd "$here/../.." && echo "$PWD"/stage5_*)
    ${CXX:-g++} -std=c++23 -I "$stage" -o "$work/proxy" "$1" "$(program libstage5_coroutines.a)" -lfmt -pthread \
        >"$work/compiled" 2>&1 || not_yet "it does not compile: $(grep -m 1 error "$work/compiled")"
    start_stage 5 --mode lines
    local behind=$pid
    start "$work/proxy" 127.0.0.1:0 "127.0.0.1:$port"
    connect
    # A program that echoes by itself does not know about lines.
    printf 'half a' >&"$client"
    ! read -r -t 0.4 -n 1 -u "$client" _ || not_yet "half a line was answered: not by the server behind it"
    echo ' line' >&"$client"
    local line=
    read -r -t 2 -u "$client" line || not_yet "a whole line was not answered"
    [[ $line == "half a line" ]] || not_yet "half a line came back as '$line'"
    kill -TERM "$behind" # whose streams end
    local status=0
    read -r -t 2 -n 1 -u "$client" _ || status=$?
    ((status == 1)) || not_yet "the server behind has gone, and the client is not told"
    yes "what the client says reaches the server behind it, and the other way, and the end, too"
}

declare -F "exercise_${number/./_}" >/dev/null || { echo "there is no exercise $number" >&2; exit 2; }
"exercise_${number/./_}" "$@"
