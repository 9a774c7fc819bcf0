#!/bin/sh
# A file includes its own layer and the layers to its left, written from lib/:
# "tensor/tensor.h". cpu, and cuda/ outside lib, hang beside device: they see base and
# device only. data and the learning layers op, net, model do not know each other; forge
# and judge join them.
# Examples, and the tests of the public header, include nothing of ours but that header.
order="base device tensor data op net model forge judge export report"

find lib -name '*.[ch]' -o -name '*.def' | sort | xargs awk -v order="$order" '
BEGIN { n = split(order, layer, " "); for (i = 1; i <= n; i++) rank[layer[i]] = i }
FNR == 1 { split(FILENAME, part, "/"); mine = part[2] }
/^[ \t]*#[ \t]*include[ \t]*"/ {
    path = $0; sub(/^[^"]*"/, "", path); sub(/".*/, "", path)
    if (path == "realjudge.h" && mine == "base") next
    if (path !~ /^[a-z0-9_]+\//) { complain("\"" path "\" is not written from lib/"); next }
    theirs = path; sub(/\/.*/, "", theirs)
    if (theirs == mine) next
    place = mine == "cpu" ? rank["device"] : rank[mine]
    if (!(theirs in rank) || rank[theirs] > place ||
        (theirs == "data" && mine ~ /^(op|net|model)$/))
        complain("layer " mine " may not include " theirs "/")
}
function complain(why) { print FILENAME ":" FNR ": " why; bad = 1 }
END { exit bad }' || bad=1

if grep -n '^ *# *include *"[a-z_]*/' cuda/*.[ch] cuda/*.cu | grep -v '"\(base\|device\)/'; then
    echo "cuda includes base, device and its own headers only"
    bad=1
fi
if grep -n '^ *# *include *"' examples/*.[ch] examples/realjudge/*.[ch] |
    grep -v '"\(show.h\|figures.h\|findings.h\|train.def\|tool.h\|measured.def\)"'; then
    echo "examples include <realjudge.h>, the system's headers and their own only"
    bad=1
fi
if grep -n '^ *# *include *"[a-z_]*/' test/test_api*.c test/api_place.h; then
    echo "tests of the public header include no layer"
    bad=1
fi
[ -z "${bad:-}" ] && echo "layers: ok"
exit "${bad:-0}"
