#!/bin/sh
# The real plugin on a machine without a driver: opening cuda:0 fails with the sentence that
# says so, through the library and in the examples, and nothing crashes or falls back to the
# processor. $1: the build's folder, $2: the helper open_device. Exit status 77 and a
# sentence: there is no plugin, or there is a driver.
build=$1 open=$2
if [ ! -f "$build/librealjudge_cuda.so" ]; then
    echo 'skipped: no plugin was built: no nvcc'
    exit 77
fi
if [ -e /proc/driver/nvidia/version ] || [ -e /dev/nvidiactl ] || [ -e /dev/dxg ]; then
    echo 'skipped: this machine has a driver'
    exit 77
fi
here=$(mktemp -d) || exit 1
trap 'rm -rf "$here"' EXIT
bad=0
RIJ_PLUGIN_DIR=$build
export RIJ_PLUGIN_DIR
sentence='the GPU is not used: there is no NVIDIA driver'

# said WHAT STATUS LEAST MOST: its output, in $here/said, has the sentence, and it ended
# with a status of LEAST to MOST.
said() {
    grep -q "$sentence" "$here/said" && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] && return
    echo "$1: exit status $2, and it said:"
    sed 's/^/    /' "$here/said"
    bad=1
}
for device in cuda:0 cuda:7; do
    "$open" $device >"$here/said" 2>&1
    said "$device" $? 0 0
    grep -q '^RIJ_E_DEVICE' "$here/said" || { echo "$device: not RIJ_E_DEVICE"; bad=1; }
done
"$build/examples/train" --data "$here" --out "$here/model" --device cuda:0 >"$here/said" 2>&1
said train $? 1 2
[ ! -e "$here/model" ] || { echo 'train left a model'; bad=1; }
"$open" --model "$here/model" >"$here/said" 2>&1
if [ -f "$here/model" ]; then
    : >"$here/image.png"
    "$build/examples/predict" --model "$here/model" --device cuda:0 "$here/image.png" \
        >"$here/said" 2>&1
    said predict $? 1 2
else
    echo 'no model could be made:' && cat "$here/said"
    bad=1
fi
[ $bad = 0 ] && echo 'no driver: ok'
exit $bad
