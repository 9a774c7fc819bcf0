#!/bin/sh
# tool_shards.sh: parts of shards: killed, continued, refused, joined; signals.
. "$(dirname "$0")/tool_checks.sh"
model=$WORK/judge.safetensors
predict() { "$TOOL" predict --quiet --model "$model" "$@"; }
# In a process of its own, $pid, which a signal reaches.
start() {
    "$TOOL" predict --quiet --threads 1 --model "$model" "$@" 2>"$WORK/err" &
    pid=$!
}
records() { { wc -l <"$1" || echo 0; } 2>/dev/null; }

[ -d "$WORK/mixed" ] || { mkdir "$WORK/mixed" && "$MAKE_FILES" mixed "$WORK/mixed"; }
ends "all at once" 1 predict --out "$WORK/whole.jsonl" "$WORK/mixed"
check "has a header and its records" test "$(records "$WORK/whole.jsonl")" = 1001

# until COUNT FILE: wait until a file has that many lines, or the program $pid has ended.
until_lines() {
    while [ "$(records "$2")" -lt "$1" ] && kill -0 $pid 2>/dev/null; do :; done
}

# ---- killed and continued ------------------------------------------------------------------
kills=0 part=$WORK/killed.jsonl
while [ ! -e "$part" ] && [ $kills -lt 50 ]; do
    had=$(records "$part.partial")
    start --out "$part" "$WORK/mixed"
    until_lines $((had + 150)) "$part.partial"
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
    [ -e "$part" ] || printf '{"index":1' >>"$part.partial" # a line that a crash cut
done
echo "kills: $kills" >"$WORK/said"
test $kills -ge 2
verdict "it was killed while it worked" $?
check "killed $kills times it is as if never" cmp "$part" "$WORK/whole.jsonl"
check "nothing is left beside it" test ! -e "$part.partial"

start --out "$WORK/term.jsonl" "$WORK/mixed"
until_lines 50 "$WORK/term.jsonl.partial"
kill -TERM $pid
wait $pid
status=$?
if [ -e "$WORK/term.jsonl" ]; then
    skip "SIGTERM: all was judged before it came"
else
    cp "$WORK/err" "$WORK/said"
    [ $status = 143 ]
    verdict "SIGTERM ends by SIGTERM" $?
    says "and says so" "stopped by SIGTERM"
    says "and how to go on" "the same command goes on"
fi
ends "going on" 1 predict --out "$WORK/term.jsonl" "$WORK/mixed"
check "gives the same" cmp "$WORK/term.jsonl" "$WORK/whole.jsonl"

start --out "$WORK/two.jsonl" "$WORK/mixed"
until_lines 5 "$WORK/two.jsonl.partial"
kill -STOP $pid
if [ -e "$WORK/two.jsonl.partial" ]; then
    ends "two at the same part" 3 predict --out "$WORK/two.jsonl" "$WORK/mixed"
    says "are told" "another process is writing it"
fi
kill -KILL $pid
wait $pid 2>/dev/null

# ---- shards ----------------------------------------------------------------------------------
for i in 0 1 2 3 4; do
    ends "shard $i of 5" 1 predict --shard $i/5 --out "$WORK/part$i.jsonl" "$WORK/mixed"
done
ends "merge" 0 "$TOOL" merge --out "$WORK/merged.jsonl" "$WORK/part*.jsonl"
check "the parts are the whole" cmp "$WORK/merged.jsonl" "$WORK/whole.jsonl"
ends "merged again" 0 "$TOOL" merge --out "$WORK/merged.jsonl" "$WORK/part*.jsonl"
ends "a shard that is done" 1 predict --shard 2/5 --out "$WORK/part2.jsonl" "$WORK/mixed"
check "is left alone" cmp "$WORK/merged.jsonl" "$WORK/whole.jsonl"
ends "patterns of nothing beside parts" 0 "$TOOL" merge "$WORK/part*.jsonl" \
    "$WORK/part*.partial"
mkdir -p "$WORK/no_parts"
ends "nothing to merge" 3 "$TOOL" merge --out "$WORK/no.jsonl" "$WORK/no_parts"
says "is told" "no part is there"
cp "$WORK/part"?.jsonl "$WORK/no_parts"
for i in once again; do
    ends "merged $i among the parts" 0 "$TOOL" merge --out "$WORK/no_parts/all.jsonl" \
        "$WORK/no_parts/*.jsonl"
done
for i in once again; do
    ends "a part among the inputs $i" 0 predict --out "$WORK/data/a.jsonl" "$WORK/data"
done
rm "$WORK/data/a.jsonl"
ends "two shards are missing" 1 "$TOOL" merge --out "$WORK/no.jsonl" "$WORK/part[024].jsonl"
says "one of them" "shard 1/5 is missing"
says "the other" "shard 3/5 is missing"
check "nothing was written" test ! -e "$WORK/no.jsonl"
ends "a shard twice" 3 "$TOOL" merge "$WORK"/part0.jsonl "$WORK"/part0.jsonl
head -n 100 "$WORK/part1.jsonl" >"$WORK/short.jsonl"
ends "a shard that is cut" 1 "$TOOL" merge "$WORK/short.jsonl" "$WORK/part[0234].jsonl"
says "is counted" "has 99 of 200 records"
ends "shards of two runs" 3 "$TOOL" merge "$WORK/part0.jsonl" "$WORK/whole.jsonl"
ends "something else" 3 "$TOOL" merge "$0"
ends "a shard that is none" 2 predict --shard 5/5 --out "$WORK/x.jsonl" "$WORK/mixed"
ends "a shard without --out" 2 predict --shard 0/5 "$WORK/mixed"

# ---- what belongs to another run ----------------------------------------------------------------
ends "another shard" 3 predict --shard 1/5 --out "$WORK/part0.jsonl" "$WORK/mixed"
says "is told" "its shard is 0, not 1"
ends "another list" 3 predict --shard 0/5 --out "$WORK/part0.jsonl" "$WORK/data"
says "is told" "its list is"
cp "$WORK/part0.jsonl" "$WORK/old.jsonl.partial"
"$TOOL" calibrate --quiet --model "$model" --data "$WORK/data/real" \
    --out "$WORK/other.safetensors" 2>/dev/null ||
    "$EXAMPLES/train" --data "$WORK/data" --out "$WORK/other.safetensors" --steps1 -1 \
        --steps2 2 --crop 32 --batch2 8 --min-images 4 --quiet >/dev/null
ends "another model" 3 "$TOOL" predict --quiet --model "$WORK/other.safetensors" --shard 0/5 \
    --out "$WORK/old.jsonl" "$WORK/mixed"
says "is told" "its model is"
printf 'notes of mine' >"$WORK/notes.partial"
ends "a file of another kind" 3 predict --out "$WORK/notes" "$WORK/data"
check "stays as it was" grep -qx 'notes of mine' "$WORK/notes.partial"
printf '{"realjudge_pa' >"$WORK/begun.partial"
ends "a header that was cut" 0 predict --out "$WORK/begun" "$WORK/data"
ends "another way of judging" 3 predict --crops 4 --shard 0/5 --out "$WORK/part0.jsonl" \
    "$WORK/mixed"
says "is told" "its crops is 64, not 4"
tally
