#!/usr/bin/env bash
# fresh.sh [--suite NAME] [--quick] [--keep]: whether the README's two commands do on a bare Debian 12 what it says.
# The system is debootstrap's smallest, with git; it has a temporary folder, mounts and a list of processes of its
# own, and the network of the machine. It gets a clone of what is committed here, and then
#   - an ordinary user without sudo gets one line that says what to install,
#   - ./dev run 1 installs that, builds, and starts a server that echoes and ends when told to,
#   - ./dev test has no failures (--quick leaves this out). What it skips is listed, with the reasons.
# --suite trixie takes another Debian; --keep keeps the folder. Prints BROKEN with exit status 1 where something is
# otherwise, and ends with status 77 where there is no root, no debootstrap or no mirror to try it with.
# A signal ends all of it.
set -euo pipefail

broken=0
complain() {
    echo "BROKEN: $*"
    broken=1
}

say() { echo "fresh: $*"; }
leave_out() { echo "LEFT OUT: $*"; exit 77; }
misused() { echo "fresh.sh [--suite NAME] [--quick] [--keep]: $*" >&2; exit 2; }

# ---- Outside: what is needed, and a namespace to do it in ---------------------------------------

outside() {
    local suite=bookworm quick=no keep=no status=0 root mirror inside
    while [[ $# -gt 0 ]]; do
        case $1 in
            --suite)
                [[ ${2-} =~ ^[a-z]+$ ]] || misused "--suite takes the name of a Debian"
                suite=$2
                shift
                ;;
            --quick) quick=yes ;;
            --keep) keep=yes ;;
            *) misused "there is no option ${1@Q}" ;;
        esac
        shift
    done
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

    [[ $(id -u) -eq 0 ]] || leave_out "only root can enter another system"
    command -v apt-get >/dev/null || leave_out "this needs apt"
    command -v git >/dev/null || leave_out "this needs git"
    unshare --mount-proc --pid --fork true 2>/dev/null || leave_out "mounts of our own are not allowed here"
    work=$(mktemp -d)
    chmod 755 "$work" # the ordinary user has to pass
    trap 'finish "'"$keep"'"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mirror=$(find_mirror "$suite") || leave_out "no mirror of Debian's $suite can be reached"
    find_debootstrap || leave_out "there is no debootstrap, and it can't be had: apt-get install debootstrap"
    git clone --quiet --no-hardlinks "$root" "$work/clone"
    say "$(git -C "$work/clone" log -1 --format='%h %s'), on $suite, in $work"

    # A group of its own, so that a Ctrl-C is ours; when unshare is killed, so is all that it has started.
    set -m
    unshare --mount-proc --pid --fork --kill-child \
        bash "$root/tests/fresh.sh" inside "$work" "$suite" "$mirror" "$quick" </dev/null &
    inside=$!
    set +m
    namespace=$inside
    wait "$inside" || status=$?
    namespace=
    exit "$status"
}

# shellcheck disable=SC2317 # a trap calls it
finish() { # KEEP: the end, whatever the reason
    if [[ -n ${namespace-} ]]; then
        kill -KILL "$namespace" 2>/dev/null || true
        wait "$namespace" 2>/dev/null || true
    fi
    if [[ $1 == yes ]]; then
        say "kept: $work"
        return
    fi
    local tries
    for ((tries = 0; tries < 50; ++tries)); do # a process that was killed a moment ago may still write
        rm -rf --one-file-system "$work" 2>/dev/null && return
        sleep 0.1
    done
    rm -rf --one-file-system "$work"
}

# Prints how apt is configured to reach a mirror, as lines of its configuration.
apt_settings() {
    apt-config dump | grep -E '^Acquire::(https?|Check-[A-Za-z-]+|Retries|ForceIPv[46])(::| )' |
        grep -vE ' "";$' || true
}

# Prints the first mirror this machine's apt knows, or else Debian's own, that has the suite.
find_mirror() { # SUITE
    local mirror release=$work/InRelease
    while IFS= read -r mirror; do
        rm -f "$release"
        /usr/lib/apt/apt-helper download-file "${mirror%/}/dists/$1/InRelease" "$release" >/dev/null 2>&1 || continue
        if grep -q '^Origin: Debian$' "$release" && grep -qE "^(Suite|Codename): $1\$" "$release"; then
            echo "${mirror%/}"
            return
        fi
    done < <({
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true
        echo "URIs: http://deb.debian.org/debian"
    } | awk '/^(deb|URIs:)[ \t]/ { for (i = 2; i <= NF; ++i) if ($i ~ /^https?:/) print $i }' | awk '!seen[$0]++')
    return 1
}

# Where debootstrap is not installed, its package is unpacked in the folder.
find_debootstrap() {
    if ! command -v debootstrap >/dev/null; then
        mkdir "$work/tools"
        (
            cd "$work/tools"
            apt-get -qq -o APT::Sandbox::User=root download debootstrap && dpkg-deb -x debootstrap_*.deb .
        ) || return 1
        export DEBOOTSTRAP_DIR=$work/tools/usr/share/debootstrap PATH=$PATH:$work/tools/usr/sbin
    fi
}

# ---- Inside: mounts and processes that end with this one ----------------------------------------

inside() { # WORK SUITE MIRROR QUICK
    work=$1
    local suite=$2 mirror=$3 quick=$4
    cd "$work"
    make_system "$suite" "$mirror"
    cp -a bare user
    mv bare root
    enter root
    enter user

    refused_to_user
    run_as_root
    if [[ $quick == no ]]; then
        test_as_root
    fi
    [[ $broken -ne 0 ]] || say "as the README says"
    exit "$broken"
}

make_system() { # SUITE MIRROR
    local began=$SECONDS proxy
    proxy=$(apt-config shell proxy Acquire::http::Proxy)
    eval "$proxy" # apt-config's own quoting
    [[ -z ${proxy-} ]] || export http_proxy=$proxy
    if ! debootstrap --variant=minbase --include=ca-certificates,git "$1" bare "$2" >debootstrap.log 2>&1; then
        tail -n 20 debootstrap.log
        complain "debootstrap could not make a system"
        exit "$broken"
    fi
    apt_settings >bare/etc/apt/apt.conf.d/90reach
    local file
    # The network is the machine's, and so are its names, its certificates and its passwords for a mirror.
    for file in /etc/hosts /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt /etc/apt/auth.conf; do
        [[ ! -e $file ]] || cp -L "$file" "bare$file"
    done
    cp -rL /etc/apt/auth.conf.d bare/etc/apt/ 2>/dev/null || true
    rm -rf bare/var/lib/apt/lists/* bare/var/cache/apt/archives/*.deb # as in a container's image
    cp -a clone "bare$clone"
    chown -R root:root "bare$clone"
    say "$(sed -n 's/^PRETTY_NAME=//p' bare/etc/os-release): $(packages bare | wc -l) packages," \
        "$((SECONDS - began)) s"
}

enter() { # SYSTEM: what a kernel shows in one
    local dev=$1/dev node
    mount -t proc proc "$1/proc"
    mount --bind /sys "$1/sys"
    mount -o remount,bind,ro "$1/sys"
    mount -t tmpfs -o mode=755 tmpfs "$dev"
    for node in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "$dev/${node%:*}" c 1 "${node#*:}"
    done
    mknod -m 666 "$dev/tty" c 5 0
    mkdir "$dev/pts" "$dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$dev/shm"
    ln -s pts/ptmx "$dev/ptmx"
    ln -s /proc/self/fd "$dev/fd"
    ln -s fd/0 "$dev/stdin"
    ln -s fd/1 "$dev/stdout"
    ln -s fd/2 "$dev/stderr"
}

# SYSTEM USER HOME COMMAND...: becomes that command, in the clone, with the environment of a fresh login.
within() {
    # shellcheck disable=SC2016 # the arguments of the shell inside
    exec chroot --userspec="$2:$2" "$1" /usr/bin/env -i HOME="$3" TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        /bin/sh -c 'cd "$0" && exec "$@"' "$clone" "${@:4}"
}

packages() { dpkg-query --admindir="$1/var/lib/dpkg" -W -f '${Package}\n'; } # SYSTEM
shown() { sed -u 's/^/    /'; }

# A user who may not install packages gets one line that says what to install.
refused_to_user() {
    local said status=0
    chroot user useradd --create-home --uid 1000 learner
    chown -R 1000:1000 "user$clone"
    said=$(within user 1000 /home/learner ./dev run 1 2>&1 </dev/null) || status=$?
    shown <<<"$said"
    [[ $status -eq 1 ]] || complain "an ordinary user's ./dev run 1 ended with $status, not 1"
    [[ $said == "dev: please run as root: apt-get install "* && $said != *$'\n'* ]] ||
        complain "an ordinary user was not told in one line what to install"
    missing=${said##*apt-get install }
}

run_as_root() {
    local status=0 port='' began=$SECONDS server before
    before=$(packages root | wc -l)
    set -m
    within root 0 /root ./dev run 1 -- --listen 127.0.0.1:0 >run.log 2>&1 </dev/null &
    server=$!
    set +m
    while [[ -z $port ]] && kill -0 "$server" 2>/dev/null && ((SECONDS - began < 1800)); do
        sleep 0.2
        port=$(sed -n 's/^listening on 127\.0\.0\.1:\([0-9]*\)$/\1/p' run.log)
    done
    grep -v '^\[' run.log | shown
    if [[ -n $port ]]; then
        say "./dev run 1: $(($(packages root | wc -l) - before)) packages more, listening after $((SECONDS - began)) s"
        (echoes "$port") || complain "the server did not echo a line"
    else
        complain "./dev run 1 did not begin to listen"
    fi
    kill -TERM "$server" 2>/dev/null || true
    in_time "$server" || complain "the server did not end within 10 s of SIGTERM"
    wait "$server" || status=$?
    [[ $status -eq 0 ]] || complain "./dev run 1 ended with $status, not 0"
    grep -qxF "dev: installing $missing" run.log || complain "what is installed is not what the user was told"
}

echoes() { # PORT
    local line
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    echo "one line" >&3
    read -r -t 10 line <&3 && [[ $line == "one line" ]]
}

in_time() { # PROCESS: waits until it is gone; ends it after 10 s
    local i
    for ((i = 0; i < 100; ++i)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$1"
    return 1
}

test_as_root() {
    local status=0 began=$SECONDS before
    before=$(packages root | wc -l)
    (within root 0 /root ./dev test 2>&1 </dev/null) | tee test.log | shown || status=$?
    say "./dev test: $(($(packages root | wc -l) - before)) packages more, $((SECONDS - began)) s"
    [[ $status -eq 0 ]] || complain "./dev test ended with $status, not 0"
    left_out_of "root$clone/build/release"
}

# BUILD: which tests were skipped there, by the reasons they gave; and what else was said to be missing.
left_out_of() {
    local name
    sed -nE 's|^ *[0-9]+/[0-9]+ +Test +#[0-9]+: (.*[^. ]) \.+\*\*\*Skipped.*|\1|p' "$1/test.log" |
        while IFS= read -r name; do
            NAME=$name awk '
                / Testing: / { its = substr($0, index($0, ": ") + 2) == ENVIRON["NAME"] }
                its && !why && sub(/^(LEFT OUT|left out): /, "") { why = $0 }
                END { print (why ? why : "no reason given") "\t" ENVIRON["NAME"] }' "$1/Testing/Temporary/LastTest.log"
        done | sort -s -t $'\t' -k 1,1 | awk -F '\t' '
            $1 != why { print "fresh: skipped: " $1; why = $1 }
            { print "    " $2 }'
    grep -hE 'command not found|: not found$|(is|are) not tested' "$1/test.log" \
        "$1/Testing/Temporary/LastTest.log" | sort -u | shown || true
}

clone=/srv/repository # in each of the systems
if [[ ${1-} == inside ]]; then
    inside "${@:2}"
else
    outside "$@"
fi
