#!/bin/sh
# What calls cuBLAS and cuDNN, on the simulated device, with stand-ins that compute on the
# host: every case of the ops that may use them, and that they were used; an absent library
# changes no result. $1: the build's folder.
build=$1
here=$(mktemp -d) || exit 1
trap 'rm -rf "$here"' EXIT
bad=0
export RIJ_PLUGIN_DIR="$build" RIJ_TEST_DEVICE=cuda-sim:0 CK_FORK=no FAKE_LOG="$here/log"
sim=$build/cuda-sim

# used WHAT: the stand-in was asked for it.
used() {
    grep -q "^$1" "$here/log" 2>/dev/null || { echo "the stand-in was not asked for $1"; bad=1; }
}
# cases OP: every case of it on the device.
cases() {
    RIJ_TEST_OP=$1 "$build/test/test" -k device >"$here/said" 2>&1 ||
        { tail -n 5 "$here/said"; bad=1; }
}
export RIJ_CUDA_LIBRARIES=cublas,cudnn
export RIJ_CUDA_BLAS="$sim/libfake_cublas.so" RIJ_CUDA_DNN="$sim/libfake_cudnn.so"
for op in linear conv2d; do cases $op; done
used 'sgemm 0 0'
used 'sgemm 1 0'
used 'sgemm 0 1'
used 'convolution 10 1'
used 'convolution 11 1'
used 'convolution 12 1'
export CUDASIM_STREAMS=late
cases linear
export RIJ_CUDA_BLAS=/nonexistent RIJ_CUDA_DNN=/nonexistent
rm -f "$here/log"
cases linear
[ ! -e "$here/log" ] || { echo 'a library that is not there was used'; bad=1; }
export RIJ_CUDA_LIBRARIES=abacus
RIJ_TEST_OP=linear "$build/test/test" -k device >"$here/said" 2>&1 &&
    { echo 'an unknown library was taken'; bad=1; }
grep -q 'known are cublas and cudnn' "$here/said" || { echo 'no sentence about it'; bad=1; }
[ $bad = 0 ] && echo 'libraries: ok'
exit $bad
