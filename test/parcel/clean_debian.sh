#!/bin/sh
# clean_debian.sh VERSION: packages of build/deb in a Debian that has nothing but apt, made
# by mmdebstrap of this machine's own sources. There the program says its version, the
# README's program is compiled by pkg-config and runs, man shows pages.
set -eu
version=$1
[ -n "$(find build/deb -name '*.deb' 2>/dev/null)" ] || { echo "skipped: no packages were built"; exit 0; }
command -v mmdebstrap >/dev/null || { echo "skipped: no mmdebstrap here; apt-get install mmdebstrap"; exit 0; }
[ "$(id -u)" = 0 ] || { echo "skipped: a clean Debian is made by root"; exit 0; }
. /etc/os-release
place=$PWD/build/deb/clean
rm -rf "$place"
# This machine's sources, and how it reaches them.
apt-config dump | grep -E '^Acquire::(http|https|Check|Retries)' >build/deb/apt.conf || :
cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null >build/deb/sources || :
mmdebstrap --mode=root --variant=apt --aptopt=build/deb/apt.conf \
    --include=ca-certificates "$VERSION_CODENAME" "$place" <build/deb/sources.list
