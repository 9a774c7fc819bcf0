#!/bin/sh
# cubinfo, held against what is known: test_cubinfo.sh CUBINFO MAKE_CUBIN. A made cubin is
# read, damaged and asserted about everywhere; where there is nvcc, kernels of known machine
# code are; where NVIDIA's cuobjdump is or pip gets it, each instruction is compared with
# what that says. Exit status 77: all that ran is fine, not all could run.
cubinfo=$1 make_cubin=$2
here=$(mktemp -d) || exit 1
trap 'rm -rf "$here"' EXIT
failed=0 skipped=0

fail() {
    echo "cubinfo: $*"
    failed=$((failed + 1))
}
# status WANTED WHAT ARGUMENTS...: what it says is left in $here/said
status() {
    wanted=$1 what=$2
    shift 2
    "$cubinfo" "$@" >"$here/said" 2>&1
    got=$?
    [ $got = "$wanted" ] && return
    fail "$what: exit status $got, not $wanted"
    tail -n 4 "$here/said"
}
# says TEXT WHAT
says() {
    grep -q -- "$1" "$here/said" && return
    fail "$2: does not say '$1'"
    tail -n 4 "$here/said"
}
# holds ASSERTION CUBIN ARGUMENTS...
holds() {
    printf '%s\n' "$1" >"$here/assert"
    shift
    status 0 "'$(cat "$here/assert")'" --assert "$here/assert" "$@"
}
# fails ASSERTION SAID CUBIN ARGUMENTS...
fails() {
    printf '%s\n' "$1" >"$here/assert"
    says=$2
    shift 2
    status 1 "'$(cat "$here/assert")'" --assert "$here/assert" "$@"
    says "$says" "'$(cat "$here/assert")'"
}

for sm in 80 90; do
    for abi in 7 8; do # of CUDA 11.8, of 13.0
        "$make_cubin" $sm $abi "$here/made.$sm.$abi" || exit 1
    done
done
made="$here/made.80.8 $here/made.90.7 $here/made.90.8 $here/made.80.7"

# ---- usage -------------------------------------------------------------------------------
status 2 "no argument"
status 2 "an unknown option" --colour "$here/made.80.8"
status 2 "an option without its value" "$here/made.80.8" --log
status 2 "a scale that is none" --scale none "$here/made.80.8"
status 0 "help" --help

# ---- a made cubin ------------------------------------------------------------------------
# shellcheck disable=SC2086
{
    status 0 "a made cubin" $made
    name='tile_kernel<float,128,64>'
    command -v c++filt >/dev/null 2>&1 || name=_Z11tile_kernelIfLi128ELi64EEvPKT_Pf
    says "^$name *80 " "a made cubin"
    holds '.* HMMA == 2 and FFMA == 1 and LDG128 == 1 and LDS128 == 1 and STL32 == 1' $made
    holds '.* spill == 1 and insts == 9 and other == 1 and regs == 40 and stack == 8' $made
    holds '.* smem == 4096 and max_threads == 128 and blocks == 12 and occ == 75' $made
    holds '.* loop_insts == 6 and loop_HMMA == 2 and loop_STL == 0 and loop_issue == 6' $made
    # 2 x 2048 multiply-adds at 256 a cycle; LDS.128: 4 wavefronts for each of 4 partitions
    holds '.*@sm_80 loop_tensor > 15.9 and loop_tensor < 16.1 and loop_shared == 16' $made
    holds '.*@sm_90 loop_tensor > 12.8 and loop_tensor < 13.0' $made
    holds '.* (1 + 2) * 3 - 4 / 2 == 7 and not 1 > 2 or 0' $made
    holds '# nothing but a comment' $made
    fails '.* spill == 0' 'spill=1' $made
    fails '.* HMMA >= 3 and LDG32 == 0' 'HMMA=2 LDG32=0' $made
    fails 'other_kernel spill == 1' 'no kernel matches' $made
    fails '.*@sm_75 spill == 1' 'no kernel matches' $made
    fails '.*@sm80 spill == 1' 'not an architecture' $made
    fails '.* colour == 1' 'no such column' $made
    fails '.* HMMA = 2' 'not understood' $made
    fails '.* (HMMA == 2' 'is missing' $made
    fails '.*' 'no expression' $made
    fails '.*( spill == 1' 'not a regular expression' $made
    fails '.* roof_a100 >= 0 and roof_h100 >= 0' 'two cards' $made
    holds '.* roof_a100 >= 2' $made
    says 'want of a log' "a roof without a log"
    status 0 "a table with tabs" --tsv $made
    [ "$(awk -F'\t' '{ print NF }' "$here/said" | sort -u | wc -l)" = 1 ] || fail "ragged columns"
    status 1 "no file" "$here/nowhere"
    status 1 "no assertions" --assert "$here/nowhere" $made

    # ---- a log of launches: 216 blocks are 2 a SM on 108, at most 2 on 132 -----------------
    {
        printf 'kernel\tgrid_blocks\tblock_threads\tdyn_smem\tstatic_smem\tlaunches\t'
        printf 'read_sectors\twrite_sectors\tunique_read_sectors\tunique_write_sectors\t'
        printf 'shared_wavefronts\tmma_tf32\tmma_bf16\tcp_async_bytes\n'
        printf '(%s)\t216\t128\t1024\t4096\t2\t' "$(echo $name | sed 's/,/, /g')"
        printf '6000000\t2000000\t1500000\t500000\t600000\t0\t2000000\t0\n'
    } >"$here/log"
    holds '.* launches == 2 and grid == 216 and blocks > 0 and shared == 5120' --log "$here/log" $made
    holds '.* tensor_us_a100 > 13.1 and tensor_us_a100 < 13.2' --log "$here/log" $made
    holds '.* tensor_us_h100 > 8.1 and tensor_us_h100 < 8.2' --log "$here/log" $made
    holds '.* dram_us_a100 > 20.5 and dram_us_a100 < 20.7' --log "$here/log" $made
    holds '.* shared_us_a100 > 1.96 and shared_us_a100 < 1.98' --log "$here/log" $made
    holds '.* l2_us_a100 > 28 and bound_a100 == l2 and roof_a100 > 0.7' --log "$here/log" $made
    holds '.* trips == 500000 and quantisation_a100 == 1' --log "$here/log" $made
    holds '.* grid == 432 and dram_us_a100 > 41' --scale 2 --log "$here/log" $made
    sed 's/\t216\t/\t264\t/' "$here/log" >"$here/other"
    for holding in '@sm_80 grid == 216' '@sm_90 grid == 264 and quantisation_h100 == 1'; do
        holds ".*$holding" --log "sm_80=$here/log" --log "sm_90=$here/other" $made
    done
    fails '.*@sm_90 grid == 216' 'not in the log of launches' --log "sm_80=$here/log" $made
    fails '.* roof_h100 >= 0.99' 'roof_h100=0' --log "$here/log" $made
    says 'estimates' "the roofline"
    sed 's/^(.*)/no_kernel/' "$here/log" >"$here/other"
    fails '.* roof >= 0' 'not in the log of launches' --log "$here/other" $made
    says 'in no cubin: no_kernel' "a kernel of the log alone"
    cut -f1-8 "$here/log" >"$here/other"
    status 1 "a log without all columns" --log "$here/other" $made
    says "no column 'unique_read_sectors'" "a log without all columns"
    for wrong in 's/216/-1/' 's/216/many/' 's/128\t1024/0\t1024/' '2s/\t2000000\t0$//'; do
        sed "$wrong" "$here/log" >"$here/other"
        status 1 "a log after $wrong" --log "$here/other" $made
        says 'is damaged' "a log after $wrong"
    done
    : >"$here/other"
    status 1 "an empty log" --log "$here/other" $made
}

# ---- damaged files: an error and a reason, never a crash -----------------------------------
# damage FILE STEP: cut it off, and spoil its bytes, in steps
damage() {
    size=$(wc -c <"$1")
    at=0
    while [ $at -lt "$size" ]; do
        head -c $at "$1" >"$here/cut"
        "$cubinfo" "$here/cut" >"$here/said" 2>&1
        got=$?
        [ $got = 1 ] && [ -s "$here/said" ] || fail "cut off at $at of $size: exit status $got"
        for byte in '\377' '\001' '\200'; do
            cp "$1" "$here/spoilt"
            printf "$byte" | dd of="$here/spoilt" bs=1 seek=$at conv=notrunc 2>/dev/null
            "$cubinfo" "$here/spoilt" >"$here/said" 2>&1
            got=$?
            [ $got -le 1 ] || fail "byte $at of $size made $byte: exit status $got"
        done
        at=$((at + $2))
    done
}
: >"$here/empty"
status 1 "an empty file" "$here/empty"
echo 'not a cubin, by far not a cubin, and longer than the header of one would have to be' >"$here/text"
status 1 "a text" "$here/text"
says 'not an ELF file' "a text"
status 1 "a program" "$cubinfo"
says 'not of CUDA\|not an ELF' "a program"
damage "$here/made.90.8" 11

# ---- nvcc ----------------------------------------------------------------------------------
nvcc=$(sh bench/nvcc.sh) || nvcc=
if [ -z "$nvcc" ]; then
    echo "cubinfo: skipped: no nvcc, so no machine code of its"
    skipped=1
fi
for sm in ${nvcc:+80 90}; do
    facts=$here/facts.$sm
    $nvcc -O3 -std=c++17 -arch=sm_$sm -cubin -o "$facts" test/cuda/facts.cu || exit 1
    $nvcc -O3 -std=c++17 -arch=sm_$sm -cubin -maxrregcount 24 -o "$facts.few" test/cuda/facts.cu 2>/dev/null || exit 1
    holds "multiply_64 sm == $sm and FFMA == 64 and spill == 0 and LDG32 == 1 and STG32 == 1" "$facts"
    holds 'copy_16_bytes LDG128 == 1 and STG128 == 1 and LDG32 == 0 and max_threads == 128' "$facts"
    holds 'copy_4_bytes LDG32 == 1 and LDS32 == 1 and STS32 == 1 and BAR == 1 and smem == 1024' "$facts"
    holds 'sort_of_spills loop_FFMA == 64 and spill == 0 and regs > 64' "$facts"
    holds 'sort_of_spills spill > 0 and regs <= 24 and stack > 0' "$facts.few"
    holds '.* other == 0' "$facts"
    if command -v c++filt >/dev/null 2>&1; then
        holds 'templated<float,128,true> loop_SHFL == 1 and smem == 0' "$facts"
        holds 'templated<double,7,false> loop_DFMA == 1' "$facts"
    fi
    fails 'multiply_64 FFMA == 63' 'FFMA=64' "$facts"
    damage "$facts" 1511
done

# ---- cuobjdump -----------------------------------------------------------------------------
# What cuobjdump -sass says, as cubinfo --list would.
as_list() {
    awk 'BEGIN { split("LD LDG LDL LDS ST STG STL STS LDGSTS", a, " "); for (i in a) access[a[i]] = 1
                 alias["REDG"] = "RED"; alias["CGAERRBAR"] = "ERRBAR"
                 alias["UCGABAR_ARV"] = alias["UCGABAR_WAIT"] = "UCGABAR" }
    function bare(hex) { sub(/^(0x)?0*/, "", hex); return hex == "" ? "0" : hex }
    $1 == "Function" { kernel = substr($3, 1, 191) }
    /^[ \t]*\/\*[0-9a-f][0-9a-f][0-9a-f][0-9a-f]+\*\// {
        text = $0; sub(/\/\* 0x.*/, "", text); sub(/;.*/, "", text)
        at = $1; gsub(/[^0-9a-f]/, "", at)
        sub(/^[^*]*\*[^*]*\*\/[ \t]*/, "", text); sub(/^@!?U?P[A-Z0-9]+[ \t]+/, "", text)
        word = rest = text; sub(/[ \t].*/, "", word); sub(/^[^ \t]*/, "", rest)
        n = split(word, part, "."); op = part[1]; if (op in alias) op = alias[op]
        width = op in access ? 32 : 0
        for (i = 2; width && i <= n; i++)
            if (part[i] ~ /^[US]?(8|16)$/) { width = part[i]; sub(/[US]/, "", width) }
            else if (part[i] == "64" || part[i] == "128") width = part[i]
        to = "-"
        if ((op == "BRA" || op == "BSSY" || op == "CALL" && rest !~ /R[0-9]/) &&
            match(rest, /0x[0-9a-f]+[ \t]*$/)) {
            to = substr(rest, RSTART); gsub(/[ \t]/, "", to); to = bare(to)
        }
        print kernel "\t" bare(at) "\t" op "\t" width "\t" to
    }'
}
tool=$(command -v cuobjdump)
if [ -n "$nvcc" ] && [ -z "$tool" ]; then
    tool=$(find build/venv -name cuobjdump -type f 2>/dev/null | head -n 1)
    if [ -z "$tool" ] && python3 -m venv build/venv >/dev/null 2>&1; then
        build/venv/bin/pip -q --retries 0 --timeout 10 install nvidia-cuda-cuobjdump \
            nvidia-cuda-nvdisasm >/dev/null 2>&1
        tool=$(find build/venv -name cuobjdump -type f 2>/dev/null | head -n 1)
    fi
    [ -z "$tool" ] || PATH=$PATH:$(cd "$(dirname "$tool")" && pwd)
fi
if [ -z "$nvcc" ] || ! "${tool:-false}" -sass "$here/facts.80" >"$here/said" 2>&1; then
    echo "cubinfo: skipped: no cuobjdump that reads these cubins, so nothing to compare with"
    skipped=1
else
    instructions=0
    for cubin in "$here"/facts.[89]0* build/cuda/sm_*/*.cubin; do
        [ -f "$cubin" ] || continue
        "$tool" -sass "$cubin" | as_list | sort >"$here/theirs"
        "$cubinfo" --list "$cubin" | sort >"$here/ours"
        # what the decoder has no name for it counts as such, and cubinfo tells the share
        awk -F'\t' 'FILENAME == ARGV[1] { if ($3 == "?") unknown[$1, $2] = 1 }
            FILENAME == ARGV[2] && !(($1, $2) in unknown)' \
            "$here/ours" "$here/theirs" >"$here/known"
        mv "$here/known" "$here/theirs"
        awk -F'\t' '$3 != "?"' "$here/ours" >"$here/known" && mv "$here/known" "$here/ours"
        if ! diff "$here/theirs" "$here/ours" >"$here/said" || [ ! -s "$here/theirs" ]; then
            fail "$cubin: not what cuobjdump reads in it"
            head -n 6 "$here/said"
        fi
        instructions=$((instructions + $(wc -l <"$here/ours")))
    done
    echo "cubinfo: $instructions instructions compared with cuobjdump"
fi

[ $failed = 0 ] || { echo "cubinfo: $failed failed"; exit 1; }
echo "cubinfo: ok"
[ $skipped = 0 ] || exit 77
