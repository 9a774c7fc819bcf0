# functions.awk: an index of the public headers in Markdown, by their sections: each type
# and function with the first sentence of its comment.
#
#     awk -f packaging/site/functions.awk include/*.h
/^\/\* ---- / {
    sub(/^\/\* ---- /, ""); sub(/ -+ \*\/.*/, "")
    number = $1; sub(/^[0-9a-z]+\. /, "")
    key = sprintf("%03d%s", number, number)
    if (!(key in said)) { order[++n] = key; heading[key] = $0; said[key] = "" }
    text = ""; next
}
/^\/\*/ { text = ""; incomment = 1 }
incomment {
    line = $0
    sub(/^\/\* ?/, "", line); sub(/^ \* ?/, "", line)
    if ($0 ~ /\*\//) { sub(/ *\*\/.*/, "", line); incomment = 0 }
    text = text line " "
    next
}
/^RIJ_API/ { wanted = 1; declaration = "" }
wanted {
    declaration = declaration $0
    if (!/;/) next
    wanted = 0
    sub(/\(.*/, "", declaration); sub(/.*[ *]/, "", declaration)
    entry("[" declaration "()](man/" declaration ".3.html)")
    next
}
/^typedef struct rij_|^typedef enum rij_/ {
    name = $3; sub(/ .*/, "", name)
    entry("[" name "](" FILENAME ".html#" name ")")
    next
}
/^$/ { next }
{ text = "" }
function entry(link,   first) {
    first = text; sub(/[.;:] .*/, "", first); sub(/ +$/, "", first)
    if (key != "") said[key] = said[key] "\n" link "\n:   " (first != "" ? first : link ~ /_options\]/ ? "Options and their defaults" : "A type") "\n"
    text = ""
}
END {
    print "# Functions and types\n\nEvery page says what a call takes, gives, and refuses. Types stand in the headers,\nwhich are here as they are: [realjudge.h](include/realjudge.h.html) begins with an\nexample and the rules that hold for every function."
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && order[j - 1] > order[j]; j--) {
            swap = order[j]; order[j] = order[j - 1]; order[j - 1] = swap
        }
    for (i = 1; i <= n; i++)
        if (said[order[i]] != "") print "\n## " heading[order[i]] "\n" said[order[i]]
}
