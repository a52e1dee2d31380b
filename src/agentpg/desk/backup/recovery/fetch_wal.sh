#!/bin/sh
# PostgreSQL calls this for each file of WAL that it recovers from:
# fetch_wal.sh FOLDER NAME TARGET LAST
#
# 1 says that there is no such file, which is how the end is found. A file that is there and
# damaged is something else: then more than 125 ends the recovery, instead of letting it take
# the damage for the end. Nothing after the segment LAST is there, on whichever timeline.
folder=$1 name=$2 target=$3 last=$4

# Names of segments begin with their timeline, in eight digits; those of histories have a dot.
number=${name#????????}
case $number in
    .*) ;;
    *) [ "$(expr "x$number" \> "x${last#????????}")" = 0 ] || exit 1 ;;
esac

if [ -e "$folder/$name.zst" ]; then
    zstd -q -dc <"$folder/$name.zst" >"$target" && exit 0
elif [ -e "$folder/$name.gz" ]; then
    gzip -dc <"$folder/$name.gz" >"$target" && exit 0
elif [ -e "$folder/$name" ]; then
    cp "$folder/$name" "$target" && exit 0
elif [ -d "$folder" ]; then
    exit 1
fi
rm -f "$target"
echo "agentpg: $name in $folder can't be read" >&2
exit 200
