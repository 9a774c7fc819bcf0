# symbols.awk: the linker's version script, from the public headers.
#
#     awk -f packaging/symbols.awk include/*.h
#
# Each function stands under the version that its comment says it is there since, each
# version inherits the one before, and nothing else leaves the library. So an older program
# asks a newer library for what it was linked with, and a newer program on an older library
# is told by the loader what is missing.
/^\/\*/ { text = "" }
/^RIJ_API/ { wanted = 1; declaration = "" }
wanted {
    declaration = declaration $0
    if ($0 !~ /;/) next
    wanted = 0
    sub(/\(.*/, "", declaration); sub(/.*[ *]/, "", declaration)
    if (!match(text, /Since [0-9]+\.[0-9]+/)) {
        print "packaging/symbols.awk: " declaration " does not say since when" > "/dev/stderr"
        bad = 1
    }
    since = substr(text, RSTART + 6, RLENGTH - 6)
    names[since] = names[since] "        " declaration ";\n"
    text = ""
    next
}
{ text = text $0 "\n" }
END {
    for (since in names) version[++n] = since
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && later(version[j - 1], version[j]); j--) {
            swap = version[j]; version[j] = version[j - 1]; version[j - 1] = swap
        }
    for (i = 1; i <= n; i++) {
        printf "REALJUDGE_%s {\n    global:\n%s", version[i], names[version[i]]
        if (i == 1) print "    local:\n        *;"
        print "}" (i == 1 ? "" : " REALJUDGE_" version[i - 1]) ";"
    }
    exit bad || n == 0
}
function later(a, b,   x, y) {
    split(a, x, "."); split(b, y, ".")
    return x[1] + 0 != y[1] + 0 ? x[1] + 0 > y[1] + 0 : x[2] + 0 > y[2] + 0
}
