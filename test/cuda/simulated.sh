#!/bin/sh
# The tests of the CUDA device on a machine without one: simulated.sh BUILD. The simulator
# itself; every kernel case against the reference, threads and blocks in three orders with
# three seeds, and the same bits in all of them; once more with every access checked; whole
# trainings and predictions. Two at a time, each with a log in BUILD/cuda-sim/. Ends with
# "N passed, 0 failed".
set -u
build=$1
logs=$build/cuda-sim/logs
rm -rf "$logs"
mkdir -p "$logs"

# one NAME PLUGIN_DIR ORDER SEED STREAMS SUITE: a run of the test program.
one() {
    CUDASIM_ORDER=$3 CUDASIM_SEED=$4 CUDASIM_STREAMS=$5 RIJ_TEST_BITS=$logs/$1.bits \
        RIJ_PLUGIN_DIR=$2 RIJ_TEST_DEVICE=cuda-sim:0 "$build/test/test" -k "$6" \
        >"$logs/$1.log" 2>&1
}
# In the background, two at most: the one before the last is waited for.
before='' last=''
begin() {
    [ -z "$before" ] || wait "$before"
    one "$@" &
    before=$last last=$!
}

"$build/cuda-sim/fast/itself" "$build/cuda-sim/fast/plants.so" >"$logs/itself_fast.log" 2>&1 &
last=$!
before=''
"$build/cuda-sim/check/itself" "$build/cuda-sim/check/plants.so" >"$logs/itself_check.log" 2>&1
begin checked "$build/cuda-sim/check" random 1 random device
begin whole "$build" random 1 late device_whole
begin alone "$build" random 1 late one_class
for order in ascending descending random; do
    begin "$order-1" "$build" $order 1 eager device
    begin "$order-2" "$build" $order 2 late device
    begin "$order-3" "$build" $order 3 random device
done
# large tiles are for GPUs that are full
export CUDASIM_MULTIPROCESSORS=1 RIJ_TEST_OP=conv2d
begin few "$build/cuda-sim/check" random 1 random device
unset CUDASIM_MULTIPROCESSORS RIJ_TEST_OP
wait

failed=0
for log in "$logs"/*.log; do
    bad=
    tail -n 1 "$log" | grep -q '^[1-9][0-9]* passed, 0 failed$' || bad=1
    # the simulator's own tests make it complain; nothing else may
    case ${log##*/} in
    itself*) ;;
    *) ! grep -q '^cudasim:' "$log" || bad=1 ;;
    esac
    if [ -n "$bad" ]; then
        echo "$(basename "$log" .log):"
        grep -v '^ *CC\|^Running\|^100%' "$log" | tail -n 15 | sed 's/^/    /'
        failed=$((failed + 1))
    fi
done
if [ "$(cat "$logs"/*-?.bits | sort -u | wc -l)" != 1 ]; then
    echo "the bits of a result depend on the order of threads or blocks:"
    grep . "$logs"/*-?.bits
    failed=$((failed + 1))
fi
passed=$(tail -q -n 1 "$logs"/*.log | awk '/ passed, / { n += $1 } END { print n + 0 }')
echo "cuda-sim: $passed passed, $failed failed"
[ "$failed" = 0 ]
