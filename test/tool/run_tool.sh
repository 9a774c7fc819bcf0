#!/bin/sh
# run_tool.sh TOOL EXAMPLES MAKE_FILES: the tests of the program realjudge, in a folder of
# their own below $TMPDIR. Exit status 0 only if none failed.
export TOOL="$PWD/$1" EXAMPLES="$PWD/$2" MAKE_FILES="$PWD/$3"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/rj_tool_XXXXXX") || exit 1
export WORK
trap 'rm -rf "$WORK"' EXIT
"$MAKE_FILES" data "$WORK/data" 24 &&
    "$TOOL" train --data "$WORK/data" --out "$WORK/judge.safetensors" --quiet --seed 3 \
        --steps1 -1 --steps2 20 --crop 32 --batch2 16 --min-images 4 --traces -1 \
        --validation 0.4 2>"$WORK/said" || { cat "$WORK/said"; exit 1; }
seq 0 999 >"$WORK/numbers"
bad=0
for script in tool_options tool_predict tool_shards tool_scale; do
    sh "$(dirname "$0")/$script.sh" || bad=1
done
exit $bad
