#!/bin/sh
# compare.sh COMMAND DRIVER ARGUMENTS...: compare.js with these, or status 77 where there is no node.
node=$(command -v node || command -v nodejs) || {
    echo "left out: there is no node"
    exit 77
}
exec "$node" "$(dirname "$0")/compare.js" "$@"
