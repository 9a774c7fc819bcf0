#!/bin/sh
# deb.sh MAKE VERSION: Debian packages of the tracked files as they are, in build/deb. Fails
# where lintian finds an error. The same commit gives the same packages: their times are
# the commit's.
set -eu
make=$1 version=$2
out=build/deb
tree=$out/librealjudge-$version
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

rm -rf "$out"
mkdir -p "$tree"
git ls-files -z | tar --null -cf - -T - | tar -xf - -C "$tree"
cp -r packaging/debian "$tree/debian"
cat >"$tree/debian/changelog" <<END
librealjudge ($version-1) unstable; urgency=medium

  * What users notice stands in CHANGELOG.md.

 -- $(sed -n 's/^Maintainer: //p' packaging/debian/control)  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
# The program is packaged once `make install` installs one.
if ! $make -s -n install PREFIX=/usr | grep -q '/usr/bin'; then
    echo "deb: make install has no program yet; package realjudge is left out"
    export DH_OPTIONS=-Nrealjudge
fi
(cd "$tree" && dpkg-buildpackage -us -uc -b -d >../build.log 2>&1) || {
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
