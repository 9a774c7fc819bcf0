#!/bin/sh
# The shared library exports exactly the functions the header declares with RIJ_API, each
# under the version that its comment names (packaging/symbols.awk); the archive's other globals are rj_*. A sanitizer adds names of its own, so under one there
# is nothing to check.
[ -z "${SAN:-}" ] || { echo "symbols: skipped, a $SAN build"; exit 0; }
archive=$1 shared=$2
here=$(mktemp -d) || exit 1
trap 'rm -rf "$here"' EXIT
declared=$(awk '/^RIJ_API/ { d = 1; t = "" } d { t = t $0 }
    d && /;/ { sub(/\(.*/, "", t); sub(/.*[ *]/, "", t); print t; d = 0 }' \
    include/*.h | sort -u)
exported=$(nm -D --defined-only "$shared" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)
ours=$(nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort -u)
bad=0

for name in $exported; do
    echo "$declared" | grep -qx "$name" || { echo "exported, not declared: $name"; bad=1; }
done
for name in $declared; do
    echo "$exported" | grep -qx "$name" || { echo "declared, not exported: $name"; bad=1; }
done
# Each under the version its comment says it is there since.
nm -D --defined-only "$shared" | awk '$2 != "A" { sub(/@+REALJUDGE_/, " ", $3); print $3 }' | sort >"$here/is"
awk -f packaging/symbols.awk include/*.h | awk '/^REALJUDGE_/ { sub(/REALJUDGE_/, ""); v = $1 }
    /^        rij_/ { sub(/;/, ""); print $1, v }' | sort >"$here/wanted"
cmp -s "$here/is" "$here/wanted" || { diff "$here/is" "$here/wanted"; bad=1; }
odd=$(echo "$ours" | grep -v '^rij_\|^rj_')
[ -z "$odd" ] || { echo "globals without our prefix:" $odd; bad=1; }
[ -n "$declared" ] || { echo "the header declares nothing"; bad=1; }
[ $bad = 0 ] && echo "symbols: ok, $(echo "$declared" | wc -l) public"
exit $bad
