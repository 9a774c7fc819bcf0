#!/bin/sh
# run.sh PROGRAM NAME SECONDS: one fuzz target, from its corpus and its dictionary. New
# inputs lie in build/fuzz/NAME/new, what stopped it in build/fuzz/NAME; the last line
# tells how much was done. Exit status 0: nothing was found.
program=$1 name=$2 seconds=$3
out=build/fuzz/$name
longest=$(sed -n "s/^RJ_FUZZ($name, \([0-9]*\))/\1/p" test/fuzz/targets.def)
dict=
[ ! -f "test/fuzz/$name.dict" ] || dict=-dict=test/fuzz/$name.dict
mkdir -p "$out/new"
"$program" -max_total_time="$seconds" -max_len="$longest" -timeout=20 -rss_limit_mb=2048 \
    -artifact_prefix="$out/" -print_final_stats=1 $dict "$out/new" "test/fuzz/corpus/$name" \
    >"$out/log" 2>&1
status=$?
executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/log")
peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$out/log")
if [ $status = 0 ]; then
    echo "fuzz $name: ${executed:-0} executions in $seconds s, at most ${peak:-?} MiB, no finding"
else
    echo "fuzz $name: stopped, status $status; $out/log says why:"
    grep -E '^(SUMMARY|==[0-9]*== *ERROR|artifact)' "$out/log" | head -n 5
fi
exit $status
