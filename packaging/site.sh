#!/bin/sh
# site.sh VERSION: the manual as static pages, in build/site: the documents by pandoc, the
# manual pages by mandoc, the headers as they are. Links are checked at the end. Nothing is
# fetched, by the pages neither, and no page has a script.
set -eu
version=$1
out=build/site made=build/site.new site=packaging/site
rm -rf "$made"
mkdir -p "$made/docs" "$made/man" "$made/include"
cp $site/style.css "$made/"

# page FROM TO [OPTION...]: Markdown to a page; links count from the folder of TO.
page() {
    from=$1 to=$2
    shift 2
    up=$(printf '%s' "$to" | sed 's|[^/]*/|../|g; s|[^/]*$||')
    pandoc -f "${format:-gfm}" -t html5 --template $site/page.html --lua-filter $site/links.lua \
        -V version="$version" -V root="$up" --wrap=preserve "$@" "$from" -o "$made/$to"
}
for document in *.md docs/*.md docs/*/*.md; do
    mkdir -p "$made/$(dirname "$document")"
    case $document in
    README.md) page README.md index.html ;;
    *) page "$document" "${document%.md}.html" --toc --toc-depth=2 ;;
    esac
done
# What the documents show or name beside each other.
cp -r docs/*.svg docs/report docs/forge "$made/docs/" 2>/dev/null || :
cp LICENSE "$made/"
mkdir -p "$made/examples"
cp -r examples/*.c examples/*.txt examples/python examples/realjudge "$made/examples/"
rm -rf "$made"/examples/python/__pycache__

# Headers: lines of types get names to link to.
for header in include/*.h; do
    { printf '# %s\n\n```c\n' "${header#include/}"; cat "$header"; printf '```\n'; } |
        format=markdown page - "$header.html"
    awk '/typedef/ && match($0, /rij_[a-z_]+/) {
        $0 = "<a id=\"" substr($0, RSTART, RLENGTH) "\"></a>" $0 } { print }' \
        "$made/$header.html" >"$made/tmp" && mv "$made/tmp" "$made/$header.html"
done
awk -f $site/functions.awk include/realjudge.h include/realjudge_verdict.h \
    $(ls include/*.h | grep -v 'realjudge.h$\|verdict.h$') >"$made/functions.md"
format=markdown page "$made/functions.md" functions.html
rm "$made/functions.md"

# Manual pages: one empty page, filled with what mandoc makes of each.
printf 'BODY\n' | format=markdown page - man/empty.html -V pagetitle=TITLE
programs=
for manual in build/man/man1/*.1 build/man/man3/*.3; do
    [ -f "$manual" ] || continue
    name=$(basename "$manual")
    case $name in *.1) programs="$programs ${name%.1}" ;; esac
    mandoc -T html -O fragment,man=%N.%S.html "$manual" >"$made/fragment"
    awk -v title="$name" -v body="$made/fragment" '
        /<title>/ { sub(/TITLE/, title) }
        /^<p>BODY<\/p>$/ { while ((getline line < body) > 0) print line; next } { print }' \
        "$made/man/empty.html" >"$made/man/$name.html"
done
rm -f "$made/fragment" "$made/man/empty.html"

# The contents: what there is, in the order in which one would read it.
title() { sed -n 's/^# //p' "$1" | head -n 1; }
{
    printf '# Contents\n\n* [Beginning](index.html): what it is, and how to use it\n'
    printf '* [Functions and types](functions.html)\n'
    for program in $programs; do printf '* [%s(1)](man/%s.1.html)\n' "$program" "$program"; done
    for document in math model_file results architecture testing; do
        [ ! -f docs/$document.md ] || printf '* [%s](docs/%s.html)\n' "$(title docs/$document.md)" $document
    done
    printf '\n## More\n\n'
    for document in docs/*.md *.md; do
        case $document in
        README.md | docs/math.md | docs/model_file.md | docs/results.md | docs/architecture.md | docs/testing.md) ;;
        *) printf '* [%s](%s.html)\n' "$(title "$document")" "${document%.md}" ;;
        esac
    done
} >"$made/contents.md"
format=markdown page "$made/contents.md" contents.html
rm "$made/contents.md"

rm -rf "$out"
mv "$made" "$out"
if command -v python3 >/dev/null; then
    python3 -B test/parcel/check_site.py "$out"
else
    echo "site: made; no python3 here to check its links"
fi
