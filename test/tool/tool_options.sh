#!/bin/sh
# tool_options.sh: help, pages, completion, configuration, and commands against the
# examples that do the same.
. "$(dirname "$0")/tool_checks.sh"
here=$(dirname "$0") commands='train predict evaluate report audit align forge model calibrate merge'
brief='--steps1 -1 --steps2 4 --crop 32 --batch2 8 --min-images 4 --traces -1 --seed 3 --quiet'

# ---- what it says of itself ----------------------------------------------------------
for c in '' $commands; do
    # shellcheck disable=SC2086
    "$TOOL" $c --help || echo "exit status $?"
done >"$WORK/help" 2>&1
[ -z "${TOOL_GOLDEN:-}" ] || cp "$WORK/help" "$here/help.txt"
check "--help is test/tool/help.txt (TOOL_GOLDEN=1 writes it anew)" \
    diff "$here/help.txt" "$WORK/help"
ends "a version" 0 "$TOOL" --version
check "it is that of VERSION" grep -qx "realjudge $(cat "$here/../../VERSION")" "$WORK/out"
ends "no command" 2 "$TOOL"
ends "a command that is none" 2 "$TOOL" judge
ends "an option that is none" 2 "$TOOL" predict --mdoel x
says "is told" "--mdoel: there is no such option"
ends "letters that are none" 2 "$TOOL" predict -ab
says "are told" "realjudge: -a: there is no such option"
ends "what begins several" 2 "$TOOL" predict --is
says "is told" "--is: several options begin so"
ends "an argument of a switch" 2 "$TOOL" predict --quiet=3
says "is told" "--quiet takes no argument"
ends "an argument that is missing" 2 "$TOOL" predict --model
says "is told" "--model needs an argument"
ends "a number that is none" 2 "$TOOL" predict --threads 2x
says "what is wrong with it" "'2x' is not a whole number in 0..256"
ends "a number out of range" 2 "$TOOL" predict --examine 0.7
ends "a word that is none" 2 "$TOOL" predict --precision fp8
ends "an option that the library refuses" 2 "$TOOL" train --data x --out y --crop 33
says "why it does" "crop is 33, not a multiple of 16"
ends "no inputs" 2 "$TOOL" predict --model "$WORK/judge.safetensors"
ends "a model that is not there" 3 "$TOOL" predict --model none.safetensors x.png

if [ -n "${HARDEN:-}" ] && command -v readelf >/dev/null; then
    check "all is bound before it runs" sh -c "readelf -d '$TOOL' | grep -q BIND_NOW"
    check "the program's own stack is protected" sh -c "nm -u ${TOOL%/*}/options.o |
        grep -q __stack_chk_fail"
else
    skip "hardening: a sanitizer's build, or no readelf here"
fi

# ---- pages and completion --------------------------------------------------------------
if command -v man >/dev/null && command -v groff >/dev/null; then
    for c in '' $commands; do
        # shellcheck disable=SC2086
        "$TOOL" --man $c >"$WORK/page.1"
        check "the manual page of '$c' has no warning" test -z \
            "$(LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l "$WORK/page.1" 2>&1 >/dev/null)"
    done
else
    skip "manual pages: no man or groff here"
fi
if command -v bash >/dev/null; then
    "$TOOL" --completion >"$WORK/completion"
    # shellcheck disable=SC2016
    offered='. "$1"; COMP_WORDS=(realjudge "${@:2}"); COMP_CWORD=$(($# - 1)); _realjudge
        echo "${COMPREPLY[*]}"'
    check "completion offers options" test "$(bash -c "$offered" - "$WORK/completion" \
        predict --mo)" = --model
    check "completion offers words" test "$(bash -c "$offered" - "$WORK/completion" \
        predict --precision b)" = bf16
    mkdir "$WORK/names"
    touch "$WORK/names/a b.safetensors"
    check "completion offers a name with a space as one" test "$(bash -c "$offered" - \
        "$WORK/completion" train --checkpoint "$WORK/names/a")" = "$WORK/names/a b.safetensors"
    check "and counts it once" test "$(bash -c "$offered; echo \${#COMPREPLY[@]}" - \
        "$WORK/completion" predict "$WORK/names/a" | tail -n 1)" = 1
    check "completion offers pages" test "$(bash -c "$offered" - "$WORK/completion" \
        --man pre)" = predict
    check "completion offers commands" test "$(bash -c "$offered" - "$WORK/completion" \
        me)" = merge
else
    skip "completion: no bash here"
fi

# ---- configuration ----------------------------------------------------------------------
for c in $commands; do
    "$TOOL" "$c" --print-config >"$WORK/a.json" &&
        "$TOOL" "$c" --config "$WORK/a.json" --print-config >"$WORK/b.json"
    check "the configuration of $c can be read again" cmp "$WORK/a.json" "$WORK/b.json"
done
# shellcheck disable=SC2086
"$TOOL" train $brief --data "$WORK/data" --out "$WORK/a.safetensors" --lambda -1 \
    --print-config >"$WORK/train.json"
check "it holds what was given" grep -q '"lambda": -1.0' "$WORK/train.json"
check "it holds what was not" grep -q '"rate2": 0.002' "$WORK/train.json"
ends "training by it" 0 "$TOOL" train --config "$WORK/train.json"
# shellcheck disable=SC2086
ends "training by options" 0 "$TOOL" train $brief --data "$WORK/data" --lambda -1 \
    --out "$WORK/b.safetensors"
# shellcheck disable=SC2086
ends "a split to judge that is none" 1 "$TOOL" train $brief --data "$WORK/data" --lambda -1 \
    --eval-split none --isolate --out "$WORK/unjudged.safetensors"
says "is told" "is saved, but was not judged"
check "and there is a model" cmp "$WORK/unjudged.safetensors" "$WORK/b.safetensors"
check "both give the same model" cmp "$WORK/a.safetensors" "$WORK/b.safetensors"
"$TOOL" train --seed 7 --config "$WORK/train.json" --print-config >"$WORK/b.json"
check "the command line wins" grep -q '"seed": "7"' "$WORK/b.json"
echo '{"model": "m", "inputs": ["a", "b"], "threads": 3}' >"$WORK/c.json"
"$TOOL" predict --config "$WORK/c.json" --print-config | tr -d ' \n' >"$WORK/b.json"
check "inputs come from it" grep -q '"threads":3.*"inputs":\["a","b"\]' "$WORK/b.json"
name=$(printf 'a\377.png')
ends "a configuration with a name that JSON cannot hold" 2 "$TOOL" predict --print-config "$name"
says "is refused" 'a\\xff.png. is not UTF-8'
"$TOOL" evaluate --level 0.30000000000000004 --print-config >"$WORK/a.json"
check "numbers are written exactly" grep -q '"level": 0.30000000000000004' "$WORK/a.json"
for wrong in '{"modle": "m"}' '{"threads": "3"}' '{"model": 3}' '{"jsonl": 1}' '[]' \
    '{"command": "train"}' '{"inputs": "a"}' '{"threads": 1e99}' '{' '{"isa": "z80"}'; do
    printf '%s' "$wrong" >"$WORK/c.json"
    ends "the configuration $wrong is refused" 2 "$TOOL" predict --config "$WORK/c.json"
done

# ---- the examples do the same --------------------------------------------------------------
# shellcheck disable=SC2086
check "examples/train gives the same model" sh -c "'$EXAMPLES/train' $brief --lambda -1 \
    --data '$WORK/data' --out '$WORK/c.safetensors' && cmp '$WORK/a.safetensors' \
    '$WORK/c.safetensors'"
judged="--model $WORK/judge.safetensors --data $WORK/data --quiet --columns native,jpeg75"
# shellcheck disable=SC2086
ends "evaluate" 0 "$TOOL" evaluate $judged --tsv -
cp "$WORK/out" "$WORK/figures"
# shellcheck disable=SC2086
"$EXAMPLES/evaluate" $judged --tsv "$WORK/their_figures" --report "$WORK/theirs" \
    >"$WORK/theirs.txt" 2>&1
check "examples/evaluate writes the same figures" cmp "$WORK/figures" "$WORK/their_figures"
# shellcheck disable=SC2086
ends "report" 0 "$TOOL" report $judged --no-audit --out "$WORK/ours"
for end in html json tsv; do
    mv "$WORK/ours.$end" "$WORK/page"
    check "examples/evaluate writes the same .$end" \
        cmp "$WORK/page" "$WORK/theirs.$end"
done
# shellcheck disable=SC2086
ends "figures that cannot be written" 3 "$TOOL" evaluate $judged --tsv /dev/full
# shellcheck disable=SC2086
ends "a report that cannot be written" 3 "$TOOL" report $judged --out "$WORK/no/where"
ends "audit finds shortcuts" 1 "$TOOL" audit --data "$WORK/data" --quiet
check "and names them" grep -q SHORTCUT "$WORK/out"
ends "align" 0 "$TOOL" align --data "$WORK/data" --out "$WORK/aligned" --quiet
check "it leaves a manifest" test -s "$WORK/aligned/manifest.tsv"
ends "align into the data" 2 "$TOOL" align --data "$WORK/data" --out "$WORK/data/new" --quiet
ends "align twice" 3 "$TOOL" align --data "$WORK/data" --out "$WORK/aligned" --quiet
ends "align to nowhere" 2 "$TOOL" align --data "$WORK/data" --quiet
ends "forge" 0 "$TOOL" forge --photos "$WORK/data/real" --out "$WORK/forged" --quiet \
    --families fixed-nearest --crop 32 --crops 1
check "it leaves a manifest" test -s "$WORK/forged/manifest.tsv"
ends "calibrate" 0 "$TOOL" calibrate --model "$WORK/judge.safetensors" --quiet \
    --data "$WORK/data" --out "$WORK/calibrated.safetensors"
ends "model" 0 "$TOOL" model --json "$WORK/judge.safetensors" "$WORK/calibrated.safetensors"
check "the two have other hashes" test "$(grep -o '"model":"[0-9a-f]*"' "$WORK/out" |
    sort -u | wc -l)" = 2
ends "model --onnx" 0 "$TOOL" model --onnx "$WORK/judge.onnx" "$WORK/judge.safetensors"
check "writes a graph" grep -q classifier "$WORK/judge.onnx"
ends "of two models" 2 "$TOOL" model --onnx "$WORK/judge.onnx" "$WORK/judge.safetensors" "$0"
ends "one model is none" 1 "$TOOL" model "$WORK/judge.safetensors" "$0"
ends "no model is one" 3 "$TOOL" model "$0"
tally
