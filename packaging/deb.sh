#!/bin/sh
# deb.sh VERSION: Debian packages of the tracked files as they are, or of an unpacked archive,
# in build/deb. Fails where lintian finds an error. The same commit gives the same packages:
# their times are the commit's, or that of the archive's VERSION.
set -eu
version=$1
out=build/deb
tree=$out/librealjudge-$version
# A repository around an unpacked archive is another's.
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
    files() { git ls-files -z; }
else
    SOURCE_DATE_EPOCH=$(stat -c %Y VERSION)
    files() { find . \( -path ./build -o -path ./.git \) -prune -o ! -type d -print0; }
fi
export SOURCE_DATE_EPOCH

rm -rf "$out"
mkdir -p "$tree"
files | tar --null -cf - -T - | tar -xf - -C "$tree"
cp -r packaging/debian "$tree/debian"
cat >"$tree/debian/changelog" <<END
librealjudge ($version-1) unstable; urgency=medium

  * What users notice stands in CHANGELOG.md.

 -- $(sed -n 's/^Maintainer: //p' packaging/debian/control)  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
(cd "$tree" && dpkg-checkbuilddeps) || { # a package without one would lack a format
    echo "skipped: what is named above is not here; apt-get install it"
    exit 0
}
(cd "$tree" && dpkg-buildpackage -us -uc -b >../build.log 2>&1) || {
    tail -n 40 "$out/build.log" >&2
    exit 1
}
ls -1 "$out"/*.deb
if ! command -v lintian >/dev/null; then
    echo "skipped: no lintian here; apt-get install lintian"
    exit 0
fi
lintian --allow-root --fail-on error --suppress-tags initial-upload-closes-no-bugs \
    "$out"/*.changes
echo "deb: $(ls "$out"/*.deb | wc -l) packages, lintian finds no error"
