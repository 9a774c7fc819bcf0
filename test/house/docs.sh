#!/bin/sh
# Documentation that a machine can check: every function of the header has its page; code
# marked ```c in README.md and docs/ compiles beside the header with -Werror; the README's
# first program is examples/minimal.c; the header is C99 and C++11; relative links lead
# somewhere.
CC=${CC:-cc}
here=$(mktemp -d) || exit 1
trap 'rm -rf "$here"' EXIT
bad=0

awk -f docs/man.awk include/*.h >"$here/said" || bad=1

awk -v dir="$here" '
FNR == 1 { inside = 0 }
/^```c$/ { n++; inside = 1; out = sprintf("%s/block%02d.c", dir, n)
           print "#line " FNR + 1 " \"" FILENAME "\"" > out; next }
/^```/ { inside = 0; next }
inside { print > out }' README.md CONTRIBUTING.md docs/*.md
first=$(find "$here" -name 'block01.c')
if [ -z "$first" ]; then
    echo "README.md holds no program"
    bad=1
elif ! sed 1d "$first" | cmp -s - examples/minimal.c; then
    echo "README.md's program is not examples/minimal.c"
    bad=1
fi
for block in "$here"/block*.c; do
    [ -f "$block" ] || continue
    # A block is a program, or a piece of one that declares what it uses.
    grep -q '#include' "$block" || sed -i '1i #include <realjudge.h>\n#include <stdio.h>' "$block"
    $CC -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused -Werror -Iinclude -fsyntax-only \
        "$block" || bad=1
done

printf '#include <realjudge.h>\nint main(void) { return RIJ_OK; }\n' >"$here/header.c"
$CC -std=c99 -Wall -Wextra -pedantic -Werror -Iinclude -fsyntax-only "$here/header.c" || bad=1
if echo 'int x;' | $CC -x c++ -fsyntax-only - 2>/dev/null; then
    $CC -x c++ -std=c++11 -Wall -Wextra -pedantic -Werror -Iinclude -fsyntax-only \
        "$here/header.c" || bad=1
else
    echo "docs: $CC compiles no C++ here, so the header was not tried in C++"
fi

for page in *.md docs/*.md; do
    for link in $(grep -o '](\([A-Za-z0-9_./-]*\))' "$page" | sed 's/^](//; s/)$//'); do
        [ -e "$(dirname "$page")/$link" ] || { echo "$page: no $link"; bad=1; }
    done
done
[ $bad = 0 ] && echo "docs: ok, $(cat "$here/said")"
exit $bad
