#!/bin/sh
# PostgreSQL calls this for each file of WAL: push_wal.sh PYTHON PATH NAME
#
# `agentpg backup archive push` stores the file, and those that wait behind it as well, since it
# takes longer to start than to store one. Their turn then ends here: what lies in `done` says
# that the file is stored as it is, by the orders as they are.
set -eu
folder=${0%/*} python=$1 path=$2 name=$3
mark=$folder/done/$name

orders=$folder/orders.json
if [ -e "$mark" ] && [ "$(cat "$mark")" = "$(stat -c '%s %Y %i %d' "$path" "$orders")" ]; then
    rm -f "$mark"
    exit 0
fi
# A shell that finds no program ends in a way that the server does not count as a failure.
if [ ! -x "$python" ]; then
    echo "agentpg: there is no program $python; run \`agentpg backup archive on\` again" >&2
    exit 1
fi
exec "$python" -I -m agentpg backup archive push "$orders" "$path"
