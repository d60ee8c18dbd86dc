#!/usr/bin/env bash
# peers.sh BUILD: the list of cases, run against servers that others' libraries make. It finds in them what
# peers.txt knows, and nothing else; so what it finds in ours is not the list's own mistake.
set -euo pipefail
build=$1
here=$(dirname "${BASH_SOURCE[0]}")
broken=0

for peer in go_echo asio_echo uv_echo; do
    server=$build/tests/bench/$peer
    [[ -x $server ]] || { echo "$peer is left out: it is not built"; continue; }
    said=$("$build/tests/check_server" --server "$server --listen 127.0.0.1:{port} --threads 1" \
        --reporter junit) || true
    mapfile -t failed < <(awk '
        /<testcase / { match($0, / name="[^"]*"/); name = substr($0, RSTART + 7, RLENGTH - 8) }
        /<(failure|error) / { print name }' <<<"$said" | sort -u |
        grep -vxF -f <(sed -n "s/^$peer? //p" "$here/peers.txt") || true)
    mapfile -t known < <(sed -n "s/^$peer //p" "$here/peers.txt" | sort -u)
    cases=$(grep -c '<testcase ' <<<"$said") || true
    echo "$peer: $cases cases, ${#failed[@]} fail, ${#known[@]} of them known"
    [[ $cases -gt 20 ]] || { echo "BROKEN: the cases did not run against $peer"; broken=1; }
    difference=$(diff <(printf '%s\n' "${known[@]}") <(printf '%s\n' "${failed[@]}")) && continue
    sed -n "s/^> /BROKEN: $peer fails, and nobody knew: /p; s/^< /BROKEN: $peer does not fail any more: /p" <<<"$difference"
    broken=1
done
exit "$broken"
