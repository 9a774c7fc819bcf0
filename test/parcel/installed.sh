#!/bin/sh
# installed.sh MAKE BUILD: `make install` into a folder, then what a stranger does with it:
# pkg-config and CMake find the headers and both libraries, also after the tree moved;
# the README's program is built and runs; versions that do not fit are refused; uninstall
# leaves no file.
set -eu
make=$1 top=$PWD
place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
passed=0
ok() { passed=$((passed + 1)); echo "  ok      $*"; }
die() { echo "  FAILED  $*"; echo "install: $passed passed, 1 failed"; exit 1; }
quietly() { "$@" >"$place/log" 2>&1 || { cat "$place/log"; return 1; }; }
# Without a model the program must say so, in the library's words.
runs() { "$@" none.safetensors none.png 2>&1 | grep -q '^none.safetensors: '; }

quietly $make install DESTDIR="$place/root" PREFIX=/usr/local || die "make install"
[ -f "$place/root/usr/local/share/man/man3/rij_predict.3" ] || die "no manual pages"
mv "$place/root/usr/local" "$place/moved"
lib=$place/moved/lib
pkgconfig="env PKG_CONFIG_PATH=$lib/pkgconfig ${PKG:-pkg-config} --define-variable=prefix=$place/moved"
pkgconfig="$pkgconfig --define-variable=libdir=$lib --define-variable=includedir=$place/moved/include"
[ "$($pkgconfig --modversion realjudge)" = "$(cat VERSION)" ] || die "pkg-config's version"
# shellcheck disable=SC2046
quietly ${CC:-cc} examples/minimal.c $($pkgconfig --cflags --libs realjudge) -o "$place/minimal" ||
    die "minimal.c by pkg-config"
LD_LIBRARY_PATH=$lib runs "$place/minimal" || die "the program of pkg-config runs"
ok "pkg-config: the README's program is built and runs"

if command -v cmake >/dev/null; then
    project() {
        rm -rf "$place/cmake"
        quietly cmake -S test/parcel/cmake -B "$place/cmake" -DTOP="$top" -DWANTED="$1" \
            -DCMAKE_PREFIX_PATH="$place/moved" -DCMAKE_C_COMPILER="${CC:-cc}"
    }
    project 0.1 || die "CMake finds version 0.1"
    quietly cmake --build "$place/cmake" || die "CMake builds"
    runs "$place/cmake/with_shared" || die "with the shared library"
    runs "$place/cmake/with_static" || die "with the static library"
    ok "CMake: built with both libraries, and runs, from a moved tree"
    for version in 0.2 1.0 9; do
        if project $version >/dev/null; then die "CMake takes version $version"; fi
    done
    ok "CMake: versions 0.2, 1.0 and 9 are refused"
else
    echo "  skipped CMake: it is not here"
fi
mv "$place/moved" "$place/root/usr/local"
quietly $make uninstall DESTDIR="$place/root" PREFIX=/usr/local || die "make uninstall"
left=$(find "$place/root" -type f -o -type l)
[ -z "$left" ] || die "uninstall left $left"
ok "uninstall leaves nothing"
echo "install: $passed passed, 0 failed"
