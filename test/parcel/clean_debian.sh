#!/bin/sh
# clean_debian.sh VERSION: packages of build/deb in a Debian that holds nothing but apt,
# made by mmdebstrap of this machine's own sources. There the README's program is compiled
# by pkg-config and runs, man shows pages, and the program says its version and
# has pages of its own; what was installed can be removed again.
set -eu
version=$1 packages=build/deb
ls $packages/librealjudge-dev_*.deb >/dev/null 2>&1 || { echo "skipped: no packages were built"; exit 0; }
command -v mmdebstrap >/dev/null || { echo "skipped: no mmdebstrap here; apt-get install mmdebstrap"; exit 0; }
[ "$(id -u)" = 0 ] || { echo "skipped: a clean Debian is made by root"; exit 0; }
root=$PWD/$packages/clean log=$PWD/$packages/clean.log
sources=$(ls /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
passed=0
ok() { passed=$((passed + 1)); echo "  ok      $*"; }
die() { tail -n 15 "$log"; echo "  FAILED  $*"; echo "clean: $passed passed, 1 failed"; exit 1; }

# The cache, if it was filled before, saves two minutes; packages are always installed anew.
rm -rf "$root"
[ -f build/clean-debian.tar ] ||
    mmdebstrap --mode=root --variant=apt --include=gcc,libc6-dev,man-db,pkg-config \
        "$suite" build/clean-debian.tar "$sources" >"$log" 2>&1 || {
    tail -n 5 "$log"
    echo "skipped: no clean Debian could be made; the reason is above"
    exit 0
}
mkdir -p "$root"
tar -xf build/clean-debian.tar -C "$root"
cp $packages/*.deb examples/minimal.c "$root/tmp/"
cp /etc/resolv.conf "$root/etc/" 2>/dev/null || :
rm -f "$root"/tmp/*dbgsym*
in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive MANPAGER=cat "$@" >>"$log" 2>&1; }
say() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 MANPAGER=cat "$@" 2>>"$log"; }

in_root apt-get update || die "apt-get update"
in_root sh -c 'apt-get install -y --no-install-recommends /tmp/*.deb' || die "apt-get install"
ok "installed: $(say dpkg-query -W -f '${Package} ' librealjudge0 librealjudge-dev realjudge)"
[ "$(say pkg-config --modversion realjudge)" = "$version" ] || die "pkg-config --modversion"
ok "pkg-config --modversion realjudge: $version"
in_root sh -c 'cd /tmp && cc minimal.c $(pkg-config --cflags --libs realjudge) -o minimal' ||
    die "minimal.c is compiled"
in_root sh -c '/tmp/minimal none.safetensors none.png 2>&1 | grep "^none.safetensors: "' ||
    die "minimal.c runs"
ok "the README's program is compiled and runs"
say man rij_predict_file | grep -q 'Judge one image file' || die "man rij_predict_file"
ok "man rij_predict_file"
[ "$(say realjudge --version)" = "realjudge $version" ] || die "realjudge --version"
for page in realjudge realjudge-predict; do
    say man $page | grep -qi "^$page(1)" || die "man $page"
done
for file in bash-completion/completions/realjudge doc/realjudge/examples/shards.sh; do
    [ -s "$root/usr/share/$file" ] || die "/usr/share/$file"
done
ok "realjudge --version, its pages, completion and example"
in_root apt-get purge -y 'librealjudge*' realjudge || die "purge"
# Paths count from the clean Debian: this checkout may itself lie below /tmp.
left=$(cd "$root" && find . -xdev -name '*realjudge*' ! -path './tmp/*' ! -path './var/log/*' \
    ! -path './var/cache/*')
[ -z "$left" ] || die "purge left $left"
ok "purged without a trace"
rm -rf "$root"
echo "clean: $passed passed, 0 failed"
