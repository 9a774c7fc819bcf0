# ops.awk: the first comment of every op's file, one after the other.
#
#     awk -f docs/ops.awk lib/op/*.c > build/docs/ops.md
BEGIN { print "# Operators\n\nMade from the comments of lib/op by `make docs`." }
FNR == 1 { done = 0; opened = 0 }
!done && /^\/\*/ { opened = 1; name = FILENAME; sub(/.*\//, "", name); print "\n## " name "\n" }
opened && !done {
    line = $0
    sub(/^\/\* ?/, "", line); sub(/^ \* ?/, "", line)
    if (line ~ /\*\//) { done = 1; sub(/ *\*\/.*/, "", line) }
    print line
}
