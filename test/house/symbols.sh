#!/bin/sh
# The shared library exports exactly the functions the header declares with RIJ_API; the
# archive's other globals are rj_*. A sanitizer adds names of its own, so under one there
# is nothing to check.
[ -z "${SAN:-}" ] || { echo "symbols: skipped, a $SAN build"; exit 0; }
archive=$1 shared=$2
declared=$(awk '/^RIJ_API/ { d = 1; t = "" } d { t = t $0 }
    d && /;/ { sub(/\(.*/, "", t); sub(/.*[ *]/, "", t); print t; d = 0 }' \
    include/*.h | sort -u)
exported=$(nm -D --defined-only "$shared" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u)
ours=$(nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort -u)
bad=0

for name in $exported; do
    echo "$declared" | grep -qx "$name" || { echo "exported, not declared: $name"; bad=1; }
done
for name in $declared; do
    echo "$exported" | grep -qx "$name" || { echo "declared, not exported: $name"; bad=1; }
done
odd=$(echo "$ours" | grep -v '^rij_\|^rj_')
[ -z "$odd" ] || { echo "globals without our prefix:" $odd; bad=1; }
[ -n "$declared" ] || { echo "the header declares nothing"; bad=1; }
[ $bad = 0 ] && echo "symbols: ok, $(echo "$declared" | wc -l) public"
exit $bad
