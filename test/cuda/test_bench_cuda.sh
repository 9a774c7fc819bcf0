#!/bin/sh
# The GPU benchmark runs: on the simulated device, small, with stand-ins for the libraries,
# every kind of line is printed; where there is no device it says why and that is no
# failure. $1: the build's folder.
build=$1
here=$(mktemp -d) || exit 1
trap 'rm -rf "$here"' EXIT
bad=0
said=$here/said
RIJ_PLUGIN_DIR=$build RIJ_CUDA_BLAS=$build/cuda-sim/libfake_cublas.so \
    RIJ_CUDA_DNN=$build/cuda-sim/libfake_cudnn.so \
    "$build/bench/bench_cuda" --device cuda-sim:0 --quick >"$said" 2>&1 ||
    { echo 'bench_cuda failed:'; tail -n 5 "$said"; bad=1; }
for words in '^device	simulated' '^libraries	cublas serves.*cudnn serves' '^note	times of a simulated' \
    '^conv2d	.*	bf16	' '^conv2d_grad_x	.*	tf32	' '^conv2d_grad_w	.*	fp32	' '^linear_grad_w	' \
    '^batchnorm_grad	' '^contrast_grad	' '^train	small	' '^predict	small	'; do
    grep -q "$words" "$said" || { echo "bench_cuda printed no line with '$words'"; bad=1; }
done
RIJ_PLUGIN_DIR=$here "$build/bench/bench_cuda" >"$said" 2>&1
status=$?
[ $status = 0 ] && grep -q '^skipped: there is no plugin' "$said" ||
    { echo "without a plugin: exit status $status"; cat "$said"; bad=1; }
CUDASIM_NO_DEVICE=1 RIJ_PLUGIN_DIR=$build "$build/bench/bench_cuda" --device cuda-sim:0 >"$said" 2>&1
status=$?
[ $status = 0 ] && grep -q '^skipped: the GPU is not used' "$said" ||
    { echo "without a device: exit status $status"; cat "$said"; bad=1; }
[ $bad = 0 ] && echo 'bench_cuda: ok'
exit $bad
