#!/bin/sh
# Ceilings: a file 500 lines, a function 60 from its brace to its brace, a line 90 columns.
# Golden vectors are data and have no ceiling; tables (.def) have one entry a line, however
# wide.
find lib include cuda examples test bench -path test/golden -prune -o \
    \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cc' -o -name '*.def' \) -print | sort | xargs awk '
FNR == 1 { start = 0 }
FNR == 501 { complain("more than 500 lines") }
FILENAME !~ /\.def$/ { line = $0; gsub(/\t/, "        ", line); if (width(line) > 90) complain(width(line) " columns") }
/^{/ { start = FNR }
/^}/ { if (start && FNR - start + 1 > 62) complain(FNR - start - 1 " lines of a function"); start = 0 }
# Columns, not bytes: bytes 10xxxxxx continue a character.
function width(text) { gsub(/[\200-\277]/, "", text); return length(text) }
function complain(why) { print FILENAME ":" FNR ": " why; bad = 1 }
END { exit bad }' || exit 1
echo "size: ok"
