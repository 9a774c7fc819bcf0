#!/bin/sh
# File names are unique in the whole tree, so a name alone finds a file. Examples, which are
# programs, may be called by the verb they show, and any folder may have a README.
# Functions that cross files say so: rj_ for ours, rij_ for the promise. A static function
# has no such prefix.
bad=0
twice=$(find . \( -name '.?*' -o -path ./build -o -path ./examples \) -prune -o \
    -type f -name '*.*' ! -name README.md -print |
    sed 's|.*/||' | sort | uniq -d)
[ -z "$twice" ] || { echo "more than one file is called:" $twice; bad=1; }

# A definition starts a line with its type and has its brace at the start of a line below.
find lib -name '*.c' | sort | xargs awk '
function check(text, where,   name) {
    if (text !~ /\(/ || text ~ /[;=]/ || text ~ /^(typedef|struct|enum|union|extern|#)/) return
    name = text; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
    if (text ~ /(^|[ \t])static[ \t]/) {
        if (name ~ /^ri?j_/) { print where ": static " name " bears the prefix of shared names"; bad = 1 }
    } else if (name !~ /^(rij_|rj_)/ && name ~ /^[a-z]/) {
        print where ": " name " is neither static nor rj_"; bad = 1
    }
}
FNR == 1 { text = "" }
/;[ \t]*$/ { text = ""; next }
/^[a-z].*[^;]$/ || (text != "" && /^[ \t]/) { text = text $0; where = FILENAME ":" FNR; next }
/^{/ { if (text != "") check(text, where); text = ""; next }
{ text = "" }
END { exit bad }' || bad=1
[ $bad = 0 ] && echo "names: ok"
exit $bad
