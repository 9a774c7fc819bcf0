#!/bin/sh
# Print the command that compiles CUDA here: the first nvcc that compiles an empty kernel, of
# $NVCC, PATH, $CUDA_HOME, and where CUDA installs itself; with another host compiler if it
# refuses the usual one. Exit status 1 if none does, said on stderr if one is there at all.
# What was found is kept in build/cuda/nvcc, with what it was found by.
kept=build/cuda/nvcc
asked="$NVCC|$CUDA_HOME|$PATH"
if [ -f $kept ] && [ "$(sed -n 2p $kept)" = "$asked" ]; then
    sed -n 1p $kept
    exit 0
fi
here=$(mktemp -d) || exit 1
trap 'rm -rf "$here"' EXIT
[ ! -f $kept ] || mv $kept "$here/kept"
# of CUDA 12 or newer
printf '%s\n' '#include <cuda_runtime.h>' '__global__ void nothing() {}' \
    'static cudaGraphExecUpdateResultInfo newer;' >"$here/nothing.cu"

for nvcc in "$NVCC" "$(command -v nvcc)" "${CUDA_HOME:-/nowhere}/bin/nvcc" \
    /usr/local/cuda/bin/nvcc /opt/cuda/bin/nvcc; do
    command -v ${nvcc:-/nowhere} >/dev/null 2>&1 || continue
    for host in '' g++-13 g++-12 g++-11 clang++-14; do
        [ -z "$host" ] || command -v $host >/dev/null 2>&1 || continue
        found="$nvcc${host:+ -ccbin $host}"
        if (cd "$here" && $found -arch=sm_80 -c -o nothing.o nothing.cu) >"$here/said" 2>&1; then
            mkdir -p build/cuda
            printf '%s\n%s\n' "$found" "$asked" >$kept
            # what was built with the same command need not be built again
            [ "$(sed -n 1p "$here/kept" 2>/dev/null)" != "$found" ] || touch -r "$here/kept" $kept
            echo "$found"
            exit 0
        fi
        [ -n "$host" ] || sed "s|^|$nvcc: |" "$here/said" >>"$here/refused"
    done
done
[ ! -f "$here/refused" ] || head -n 5 "$here/refused" >&2
exit 1
