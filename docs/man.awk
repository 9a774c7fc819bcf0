# man.awk: one section-3 page for each function of the public header.
#
#     awk -v dir=build/man/man3 -f docs/man.awk include/*.h
#
# The comment directly above an RIJ_API declaration is the page: its first sentence is
# NAME, all of it DESCRIPTION, printed as it is set in the header. A function without a
# comment, or whose comment does not say since which version it exists, is an error;
# test/house/docs.sh runs this without `dir` to check just that.
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

function page(   name, first, file) {
    name = declaration; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
    if (text == "") return complain(name " has no comment")
    if (text !~ /Since [0-9]+\.[0-9]+/) return complain(name " does not say since when")
    n++
    first = text; gsub(/\n/, " ", first); sub(/[.;:] .*/, "", first)
    gsub(/RIJ_API |RIJ_MUST_USE /, "", declaration); gsub(/  +/, " ", declaration)
    gsub(/\\/, "\\e", text); gsub(/\n\./, "\n\\\\\\&.", text); gsub(/-/, "\\-", text)
    # A line that begins with a space, or is empty, stands as it is in every viewer.
    text = "\n" text; gsub(/\n /, "\n\\\\\\& ", text)
    while (sub(/\n\n/, "\n\\\\\\&\n", text)) continue
    sub(/^\n/, "", text)
    if (dir == "") return 0
    file = dir "/" name ".3"
    printf ".TH %s 3 \"\" librealjudge\n.SH NAME\n%s \\- %s\n", toupper(name), name, first > file
    printf ".SH SYNOPSIS\n.nf\n#include <realjudge.h>\n\n%s\n.fi\n", declaration > file
    printf ".SH DESCRIPTION\n.nf\n%s.fi\n", text > file
    close(file)
    text = ""
}
function complain(why) { print "docs/man.awk: " why > "/dev/stderr"; bad = 1; return 0 }
END { print n + 0 " functions documented"; exit bad }
