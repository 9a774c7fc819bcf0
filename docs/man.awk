# man.awk: one section-3 page for each function of the public header.
#
#     awk -v dir=build/man/man3 -f docs/man.awk include/*.h
#
# The comment directly above an RIJ_API declaration is the page: its first sentence is
# NAME, all of it DESCRIPTION. A function without a comment, or whose comment does not say
# since which version it exists, is an error; test/house/docs.sh runs this without `dir` to
# check just that.
/^\/\* ----/ { text = ""; next }
/^\/\*/ { text = ""; incomment = 1 }
incomment {
    line = $0
    sub(/^\/\* ?/, "", line); sub(/^ \* ?/, "", line)
    if ($0 ~ /\*\//) { sub(/ *\*\/.*/, "", line); incomment = 0 }
    text = text line "\n"
    next
}
/^RIJ_API/ { declaration = ""; wanted = 1 }
wanted { declaration = declaration $0 " "; if ($0 ~ /;/) { wanted = 0; page() } next }
/^$/ { next }
{ text = "" }

function page(   name, first, file, part, n_part, i) {
    name = declaration; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
    if (text == "") return complain(name " has no comment")
    if (text !~ /Since [0-9]+\.[0-9]+/) return complain(name " does not say since when")
    n++
    first = text; gsub(/\n/, " ", first); sub(/[.;:] .*/, "", first)
    gsub(/RIJ_API |RIJ_MUST_USE /, "", declaration); gsub(/  +/, " ", declaration); sub(/ $/, "", declaration)
    gsub(/\\/, "\\e", text); gsub(/\n\./, "\n\\\\\\&.", text); gsub(/-/, "\\-", text)
    if (dir == "") return 0
    file = dir "/" name ".3"
    printf ".TH %s 3 \"\" librealjudge\n.SH NAME\n%s \\- %s\n", toupper(name), name, first > file
    printf ".SH SYNOPSIS\n.nf\n#include <realjudge.h>\n\n%s\n.fi\n", declaration > file
    printf ".SH DESCRIPTION\n" > file
    n_part = split(text, part, /\n\n+/)
    for (i = 1; i <= n_part; i++) printf "%s%s", (i > 1 ? ".PP\n" : ""), paragraph(part[i]) > file
    close(file)
    text = ""
}
# Prose is filled; what is set in columns or indented stands as it is in the header.
function paragraph(lines) {
    sub(/\n+$/, "", lines)
    if (lines == "") return ""
    if (lines !~ /^ |\n |[^.]  /) return lines "\n"
    gsub(/\n /, "\n\\\\\\& ", lines); sub(/^ /, "\\\\\\& ", lines)
    return ".nf\n" lines "\n.fi\n"
}
function complain(why) { print "docs/man.awk: " why > "/dev/stderr"; bad = 1; return 0 }
END { print n + 0 " functions documented"; exit bad }
