#!/bin/sh
# tool_predict.sh: inputs, records, exit statuses, and a folder of a thousand good, damaged
# and hostile files.
. "$(dirname "$0")/tool_checks.sh"
model=$WORK/judge.safetensors
real=$WORK/data/real
predict() { "$TOOL" predict --model "$model" "$@"; }
lines() { test "$(wc -l <"$1")" = "$2"; }

# ---- inputs -----------------------------------------------------------------------------
ends "a file" 0 predict "$real/00.png"
check "has a line" grep -q '^0\.[0-9]*  [a-z]*  *.*/real/00\.png$' "$WORK/out"
ends "a folder" 0 predict --jsonl "$WORK/data"
check "has a record for each file" lines "$WORK/out" 48
ends "a pattern" 0 predict --jsonl "$real/0*.png"
check "has those that match" lines "$WORK/out" 10
cp "$WORK/out" "$WORK/ten"
check "from standard input" sh -c "ls '$real'/0*.png | '$TOOL' predict --model '$model' \
    --jsonl - | cmp - '$WORK/ten'"
check "the same, ended by zero bytes" sh -c "find '$real' -name '0*.png' -print0 | sort -z |
    '$TOOL' predict --model '$model' --jsonl -0 --from-stdin | cmp - '$WORK/ten'"
check "one thread says the same" sh -c "'$TOOL' predict --model '$model' --jsonl \
    --threads 1 '$real'/0*.png | cmp - '$WORK/ten'"
cp "$real/00.png" "$WORK/[x].png"
ends "a name that looks like a pattern" 0 predict "$WORK/[x].png"
ends "a pattern of nothing is an input that fails" 1 predict "$WORK/nothing*.png"
ends "one of two fails" 1 predict "$real/00.png" none.png
says "and why" "none.png: No such file"
says "and how many" "1 of 2 could not be judged"
ends "--tolerant forgives" 0 predict --tolerant none.png
mkdir -p "$WORK/empty"
ends "an empty folder" 0 predict "$WORK/empty"
if mkfifo "$WORK/pipe"; then # a record must come before the list ends
    "$TOOL" predict --model "$model" --jsonl - <"$WORK/pipe" >"$WORK/live" 2>&1 &
    exec 5>"$WORK/pipe"
    echo "$real/00.png" >&5
    i=0
    while [ ! -s "$WORK/live" ] && [ $i -lt 200 ]; do
        sleep 0.05
        i=$((i + 1))
    done
    check "paths are judged as they come" lines "$WORK/live" 1
    exec 5>&-
    wait $!
fi

# ---- records -----------------------------------------------------------------------------
ends "answers without a calibration" 3 predict --jsonl --examine 0.05 "$real/00.png"
says "are refused in words" "examine: for level 0.05 at least 19"
ends "by no record" 3 predict --tolerant --examine 0.05 --out "$WORK/never.jsonl" "$real"
says "and how to go on is told" "0 records are written; the same command goes on"
check "the part is not finished" lines "$WORK/never.jsonl.partial" 1
ends "answers" 0 predict --jsonl --examine 0.4 "$real/00.png"
check "have a strip of six" test "$(grep -o '"name":' "$WORK/out" | wc -l)" = 6
ends "a folder for maps that cannot be" 3 predict --explain "$WORK/none/maps" "$real/00.png"
ends "maps in a folder that is made" 0 predict --jsonl --explain "$WORK/maps" --level 0.4 \
    "$real/00.png"
check "are painted" test -s "$WORK/maps/000000.png"
check "without an answer" sh -c "! grep -q '\"answer\"' '$WORK/out'"
ends "maps at a level of their own" 3 predict --explain "$WORK/maps" --examine 0.4 \
    --level 0.001 "$real/00.png"
says "is told" "explain: for level 0.001"
rm "$WORK/maps/000000.png"
mkdir "$WORK/maps/000000.png"
ends "a map that cannot be written" 3 predict --tolerant --explain "$WORK/maps" --level 0.4 \
    --out "$WORK/unmapped.jsonl" "$real/00.png"
check "finishes no part" test ! -e "$WORK/unmapped.jsonl"
ends "exemplars of a model that keeps none" 3 predict --tolerant --nearest 2 "$real/00.png"
says "are refused in words" "the model keeps no exemplars"
ends "a training that keeps four" 0 "$TOOL" train --data "$WORK/data" --out "$WORK/four.st" \
    --seed 3 --steps1 -1 --steps2 4 --crop 32 --batch2 8 --min-images 4 --traces -1 \
    --validation 0.4 --exemplars 4 --quiet
ends "is described" 0 "$TOOL" model "$WORK/four.st"
check "with their number" grep -qx 'exemplars   4 photographs, by name' "$WORK/out"
ends "exemplars" 0 "$TOOL" predict --model "$WORK/four.st" --jsonl --nearest 9 "$real/00.png"
check "are as many as there are" test "$(grep -o '{"id":"real/[0-9]*.png","similarity":' \
    "$WORK/out" | wc -l)" = 4
ends "two of them, for people" 0 "$TOOL" predict --model "$WORK/four.st" --nearest 2 \
    "$real/00.png"
check "stand below the line" test "$(grep -c '^  near [0-9.-]*  real/' "$WORK/out")" = 2
cp "$WORK/out" "$WORK/two"
check "the example says the same" sh -c "'$EXAMPLES/predict' --model '$WORK/four.st' \
    --nearest 2 '$real/00.png' | cmp - '$WORK/two'"
ends "standard output that is full" 3 sh -c "'$TOOL' predict --model '$model' '$real' \
    >/dev/full"
says "is told" "standard output could not be written"
ends "a device that is full" 3 predict --out /dev/full "$real"
says "is told too" "/dev/full: No space left on device"
check "and still is a device" test -c /dev/full

printf '\033c\302\2332J.png\n' >"$WORK/hostile"
ends "a name that clears the screen" 1 predict - <"$WORK/hostile"
says "is shown" '\\x1bc\\xc2\\x9b2J'

# ---- good, damaged, hostile ----------------------------------------------------------------
mkdir "$WORK/mixed"
"$MAKE_FILES" mixed "$WORK/mixed"
[ "$(id -u)" = 0 ] || chmod 0 "$WORK/mixed/a/000.png" # root reads it anyway
limit=1500000 # KiB of address space; a picture of 100 million pixels alone has 300 MB
if (ulimit -v $limit && "$TOOL" --version) >"$WORK/said" 2>&1; then
    ends "a thousand files" 1 sh -c "ulimit -v $limit && exec '$TOOL' predict --model \
        '$model' --threads 4 --jsonl '$WORK/mixed'"
else
    skip "the limit of memory: this build does not run below it"
    ends "a thousand files" 1 predict --threads 4 --jsonl "$WORK/mixed"
fi
cp "$WORK/out" "$WORK/mixed.jsonl"
if (ulimit -v 70000 && "$TOOL" --version) >"$WORK/said" 2>&1; then
    ends "without memory" 3 sh -c "ulimit -v 70000 && exec '$TOOL' predict --model '$model' \
        --threads 1 --tolerant --out '$WORK/mem.jsonl' '$WORK/mixed'"
    check "a part is not finished" test ! -e "$WORK/mem.jsonl"
fi
check "have a record each" lines "$WORK/mixed.jsonl" 1000
check "in order" test "$(sed 's/^{"index":\([0-9]*\),.*/\1/' "$WORK/mixed.jsonl" |
    cmp - "$WORK/numbers" 2>&1)" = ''
check "none is without status" test "$(grep -c '"status":"RIJ_[A-Z_]*"' \
    "$WORK/mixed.jsonl")" = 1000
check "none ran out of memory" test "$(grep -c RIJ_E_MEMORY "$WORK/mixed.jsonl")" = 0
good=$(grep -c '"status":"RIJ_OK"' "$WORK/mixed.jsonl")
check "the good ones are judged" test "$good" -ge 400
check "pipes are refused" test "$(grep -c 'not a regular file' "$WORK/mixed.jsonl")" = 25
check "a path that is not UTF-8 is told exactly" test \
    "$(grep -c '"path_percent":"[^"]*%FF%0A.png"' "$WORK/mixed.jsonl")" = 25
if command -v python3 >/dev/null; then
    check "every record is JSON and UTF-8" python3 -c "
import json, sys
for line in open('$WORK/mixed.jsonl', 'rb'):
    record = json.loads(line.decode('utf-8'))
    assert ('score' in record) == (record['status'] == 'RIJ_OK') != ('message' in record)"
else
    skip "JSON read by another program: no python3 here"
fi
ends "the same on one thread" 1 predict --threads 1 --jsonl "$WORK/mixed"
check "says the same" cmp "$WORK/out" "$WORK/mixed.jsonl"
ends "for people" 1 predict "$WORK/mixed"
check "no name writes a line of its own" lines "$WORK/out" "$good"
tally
