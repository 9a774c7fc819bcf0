#!/bin/sh
# Calls a library must not make: it never exits, prints, or allocates past the counter;
# what overflows a buffer or holds hidden state has a better sister. Comments and strings
# do not count. Also: no mutable globals, no VLAs (-Wvla says), no CUDA outside its room.
banned='exit _exit abort printf fprintf vprintf vfprintf puts putchar fputs perror
malloc calloc realloc reallocarray free aligned_alloc posix_memalign strdup
strcpy strcat sprintf vsprintf gets atoi atol atof strtok rand srand random drand48
setjmp longjmp assert system popen'
# File:name pairs that are allowed, each for its reason.
# Processes of the cage end by _exit(): they are not the caller's.
allowed='lib/base/memory.c:aligned_alloc lib/base/memory.c:free
lib/base/cage.c:_exit lib/base/cage_inside.c:_exit'

find lib -name '*.[ch]' | sort | xargs awk -v banned="$banned" -v allowed="$allowed" '
BEGIN {
    n = split(banned, b, /[ \n]+/); for (i = 1; i <= n; i++) ban[b[i]] = 1
    n = split(allowed, b, /[ \n]+/); for (i = 1; i <= n; i++) may[b[i]] = 1
}
FNR == 1 { incomment = 0 }
{
    line = $0
    if (incomment) { if (!match(line, /\*\//)) next; line = substr(line, RSTART + 2); incomment = 0 }
    gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
    gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", line)
    if (match(line, /\/\*/)) { line = substr(line, 1, RSTART - 1); incomment = 1 }
    sub(/\/\/.*/, "", line)
    rest = line
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
        before = substr(rest, 1, RSTART - 1)
        name = substr(rest, RSTART, RLENGTH); sub(/[ \t]*\(/, "", name)
        if ((name in ban) && !((FILENAME ":" name) in may) && before !~ /(->|\.)[ \t]*$/ &&
            before !~ /format\($/) {
            print FILENAME ":" FNR ": " name "()"; bad = 1
        }
        rest = substr(rest, RSTART + RLENGTH)
    }
}
END { exit bad }' || bad=1

if grep -ri cuda lib/ | grep -v '^lib/device/plugin\.c:'; then
    echo "CUDA has its own room"
    bad=1
fi

# Writable data of the archive: faults.c and memory.c count for the tests, status.c keeps
# the thread's last error. A sanitizer adds its own.
[ -n "${SAN:-}" ] || writable=$(nm -A -f sysv "$1" 2>/dev/null | tr -d ' ' | awk -F'|' '
    $NF ~ /^\.(t?data|t?bss)(\.|$)/ && $NF !~ /^\.data\.rel\.ro/ && ($4 == "OBJECT" || $4 == "TLS") || $NF == "*COM*" {
        n = split($1, part, ":"); print part[n - 1] ": " part[n] }' |
    grep -v '^faults.o: \|^memory.o: \|^status.o: ')
if [ -n "${writable:-}" ]; then
    echo "mutable globals:"
    echo "$writable"
    bad=1
fi
[ -z "${bad:-}" ] && echo "banned: ok"
exit "${bad:-0}"
