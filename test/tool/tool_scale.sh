#!/bin/sh
# tool_scale.sh: the example of docs/scale.md, examples/realjudge/shards.sh: killed in the
# middle and started again, by GNU parallel where it is installed, and by xargs.
. "$(dirname "$0")/tool_checks.sh"
shards=$(dirname "$0")/../../examples/realjudge/shards.sh
export REALJUDGE="$TOOL" JOBS=2
for program in setsid ps xargs; do
    command -v $program >/dev/null || { skip "no $program here"; tally; exit; }
done
[ -d "$WORK/mixed" ] || { mkdir "$WORK/mixed" && "$MAKE_FILES" mixed "$WORK/mixed"; }
find "$WORK/mixed" ! -type d ! -name '*
*' >"$WORK/list"
ends "the list in one go" 1 "$TOOL" predict --quiet --model "$WORK/judge.safetensors" \
    --out "$WORK/one.jsonl" --from-stdin <"$WORK/list"

written() { cat "$1"/* 2>/dev/null | wc -l; }
# by NAME: start it, kill all of it when some records are there, start it again.
by() {
    out=$WORK/$1.jsonl
    setsid sh "$shards" "$WORK/judge.safetensors" "$WORK/list" 6 "$out" >/dev/null 2>&1 &
    pid=$!
    while [ "$(written "$out.parts")" -lt 200 ] && kill -0 $pid 2>/dev/null; do :; done
    while session=$(ps -o pid= -s $pid) && [ -n "$session" ]; do
        # shellcheck disable=SC2086
        kill -9 $session 2>/dev/null # parallel gives each job a group of its own
    done
    wait $pid 2>/dev/null
    [ ! -e "$out" ] || skip "$1: done before the kill"
    ends "$1 goes on" 0 sh "$shards" "$WORK/judge.safetensors" "$WORK/list" 6 "$out"
    check "$1: as in one go" cmp "$out" "$WORK/one.jsonl"
}
if command -v parallel >/dev/null; then
    by parallel
else
    skip "GNU parallel is not installed"
fi
export NO_PARALLEL=1
ends "a model that is none" 3 sh "$shards" "$0" "$WORK/list" 2 "$WORK/none.jsonl"
says "is told" "the same command goes on"
by xargs
tally
