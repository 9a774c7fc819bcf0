#!/bin/sh
# The test program's exit status counts: its one hidden test, which always fails, makes it
# nonzero, and so does asking for a suite that does not exist.
program=$3
[ -x "$program" ] || { echo "exitcode: no $program"; exit 1; }
if said=$("$program" -k must_fail 2>&1); then
    echo "exitcode: a failing test left exit status 0"
    exit 1
fi
if [ "$(printf '%s\n' "$said" | tail -n 1)" != "0 passed, 1 failed" ]; then
    printf 'exitcode: the failing test did not run:\n%s\n' "$said"
    exit 1
fi
if "$program" -k no_such_suite >/dev/null 2>&1; then
    echo "exitcode: no test ran and the exit status is 0"
    exit 1
fi
echo "exitcode: ok"
