#!/bin/sh
# dist.sh MAKE ARCHIVE: two runs of make dist, the second in a clone of its own a moment
# later, give the same bytes; the archive holds what git tracks.
set -eu
make=$1 archive=$2
place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
$make -s dist
cp "$archive" "$place/first"
git clone -q . "$place/clone" 2>/dev/null
sleep 1
(unset MAKEFLAGS MFLAGS; $make -s -C "$place/clone" dist)
cmp "$place/first" "$place/clone/$archive" || { echo "dist: 0 passed, 1 failed"; exit 1; }
tar -tzf "$place/first" | sed 's|^[^/]*/||' | grep -v '/$' | grep . | sort >"$place/held"
git ls-tree -r --name-only HEAD | sort | cmp - "$place/held" ||
    { echo "dist: 0 passed, 1 failed"; exit 1; }
echo "dist: 1 passed, 0 failed"
