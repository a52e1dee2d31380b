#!/bin/sh
# PostgreSQL calls this for each file of WAL: archive_wal.sh FORM PATH NAME
#
# It keeps a compressed copy beside itself: whole or not at all, on the disk before it
# succeeds, and never in place of another. An equal one that is there is a success.
set -eu
umask 077
folder=${0%/*} form=$1 path=$2 name=$3

unpack() {
    case $1 in *.zst) zstd -q -dc <"$1" ;; *) gzip -dc <"$1" ;; esac
}

for kept in "$folder/$name.gz" "$folder/$name.zst"; do
    [ -e "$kept" ] || continue
    if unpack "$kept" | cmp -s - "$path"; then
        sync "$kept" "$folder"
        exit 0
    fi
    echo "agentpg: $kept is there and is not $path; it is not replaced" >&2
    exit 1
done

# One server archives one file at a time: what a kill left is written over by the next try.
new=$folder/.$name.new
trap 'rm -f "$new"' EXIT
case $form in
    zst) zstd -q -1 -c <"$path" >"$new" ;;
    *) gzip -1 -c <"$path" >"$new" ;;
esac
# The moment of its last write tells up to when the archive reaches.
touch -r "$path" "$new"
sync "$new"
ln "$new" "$folder/$name.$form"
sync "$folder"
