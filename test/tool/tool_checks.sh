# tool_checks.sh: what the tests of the program realjudge share; read by each of them.
# $TOOL is the program, $EXAMPLES where the examples are, $MAKE_FILES what makes files,
# $WORK a folder that is there, with `data` and `judge.safetensors` in it.
passed=0 failed=0

# verdict NAME STATUS: counts a check by the exit status of what was just run.
verdict() {
    if [ "$2" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1"
        [ ! -s "$WORK/said" ] || sed 's/^/    | /' "$WORK/said" | tail -n 8
    fi
}
# check NAME COMMAND...: it must succeed.
check() {
    name=$1
    shift
    "$@" >"$WORK/said" 2>&1
    verdict "$name" $?
}
# ends NAME STATUS COMMAND...: it must end with this exit status; its words are kept.
ends() {
    name=$1 wanted=$2
    shift 2
    "$@" >"$WORK/out" 2>"$WORK/err"
    status=$?
    { echo "exit status $status, not $wanted"; cat "$WORK/err"; } >"$WORK/said"
    [ $status = "$wanted" ]
    verdict "$name" $?
}
# says NAME TEXT: the words of the last `ends` hold this.
says() {
    cp "$WORK/err" "$WORK/said"
    grep -q -e "$2" "$WORK/err"
    verdict "$1" $?
}
# skip WHY: told, not counted.
skip() { echo "  skipped: $*"; }

# tally: what a script ends with.
tally() {
    echo "$(basename "$0"): $passed passed, $failed failed"
    [ $failed = 0 ]
}
