#!/bin/sh
# abi.sh MAKE LIBRARY: the library's exported interface against that of the last tag, by
# abidiff (libabigail). A function that vanished or changed fails; new ones do not.
set -eu
make=$1 library=$2
tag=$(git describe --tags --abbrev=0 2>/dev/null) || {
    echo "skipped: no version is tagged yet, so there is nothing to compare with"
    exit 0
}
command -v abidiff >/dev/null || {
    echo "skipped: no abidiff here; apt-get install abigail-tools"
    exit 0
}
before=build/abi/$tag
if [ ! -f "$before/built" ]; then
    rm -rf "$before"
    mkdir -p "$before"
    git archive "$tag" | tar -xf - -C "$before"
    (unset MAKEFLAGS MFLAGS; $make -s -C "$before" -j2 lib)
    touch "$before/built"
fi
old=$(ls "$before"/build/now/librealjudge.so.*.*.*)
# Bit 4: a change that may break programs; 8: one that does.
status=0
abidiff --headers-dir1 "$before/include" --headers-dir2 include --no-added-syms \
    "$old" "$library" || status=$?
[ $((status & ~4)) = 0 ] && [ $((status & 12)) = 0 ] || {
    echo "abi: differs from $tag; see above"
    exit 1
}
echo "abi: as in $tag"
