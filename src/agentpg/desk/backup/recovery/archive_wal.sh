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

refuse() {
    echo "agentpg: $1 is there and is not $path; it is not replaced" >&2
    exit 1
}

for kept in "$folder/$name.gz" "$folder/$name.zst"; do
    [ -e "$kept" ] || continue
    unpack "$kept" | cmp -s - "$path" || refuse "$kept"
    sync "$kept" "$folder"
    exit 0
done

# One server archives one file at a time, but a copy of it may archive into the same folder: so
# the file is written under a name that nobody else has. What a kill left there goes after an
# hour, which no file takes.
passing=$folder/.passing
mkdir -p "$passing"
find "$passing" -type f -mmin +60 -delete
new=$(mktemp "$passing/.$name.XXXXXXXX")
trap 'rm -f "$new"' EXIT
case $form in
    zst) zstd -q -1 -c <"$path" >"$new" ;;
    *) gzip -1 -c <"$path" >"$new" ;;
esac
# The moment of its last write tells up to when the archive reaches.
touch -r "$path" "$new"
sync "$new"
ln "$new" "$folder/$name.$form"
# A copy that compresses in the other form may have come in between: then neither is believed,
# and whoever tries again first is.
for other in "$folder/$name.gz" "$folder/$name.zst"; do
    if [ "$other" != "$folder/$name.$form" ] && [ -e "$other" ]; then
        rm -f "$folder/$name.$form"
        refuse "$other"
    fi
done
sync "$folder"
