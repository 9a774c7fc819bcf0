#!/bin/sh
# The demonstration: find photographs, split them by photograph, run examples/demo.c.
#
#   sh examples/demo.sh PROGRAM      (make demo does that)
#
# PHOTOS=dir   your own camera photographs (PNG or JPEG) instead of Debian's
# DEMO=short   fewer steps: about two minutes
#
# Debian's photographs come from the packages named in photographs.txt, and a few that
# calibrate from those of photographs_calibrate.txt: they are fetched with
# `apt-get download` and unpacked under build/photos; nothing is installed. What the
# demonstration makes, the images it judges included, lies under build/demo.
set -u
here=$(dirname "$0")
program=$1
photos=build/photos
demo=build/demo
fewest=6
fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}
elsewhere="Give photographs of your own: make demo PHOTOS=dir
(camera photographs as the camera wrote them, PNG or JPEG, a dozen or more)."

# Fetch and unpack one package, unless that was done before.
fetch() {
    package=$1
    [ -d "$photos/$package" ] && return 0
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        echo "demo: there is no apt-get here to fetch photographs with" >&2
        return 1
    fi
    echo "Fetching $package (photographs; unpacked under $photos, not installed)"
    rm -rf "$photos/fetch" "$photos/unpack"
    mkdir -p "$photos/fetch" "$photos/unpack" || return 1
    if ! (cd "$photos/fetch" && apt-get download "$package") >"$photos/fetch.log" 2>&1; then
        # The package lists may be missing; only root may fetch them.
        if [ "$(id -u)" = 0 ]; then
            apt-get update >"$photos/fetch.log" 2>&1
        elif sudo -n true 2>/dev/null; then
            sudo -n apt-get update 2>&1 | cat >"$photos/fetch.log"
        fi
        (cd "$photos/fetch" && apt-get download "$package") >"$photos/fetch.log" 2>&1 || {
            cat "$photos/fetch.log" >&2
            return 1
        }
    fi
    dpkg-deb -x "$photos/fetch/"*.deb "$photos/unpack" || return 1
    mv "$photos/unpack" "$photos/$package" && rm -rf "$photos/fetch"
}

# Print the absolute path of every photograph, in an order that is the same everywhere.
# A folder of one's own is sorted by path, so that a series shot in a row rarely parts.
list_photographs() {
    if [ -n "${PHOTOS:-}" ]; then
        find -L "$(cd "$PHOTOS" && pwd)" -type f \
            \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' \) | LC_ALL=C sort
        return
    fi
    list_packaged photographs.txt
}

# Those of a list that are there.
list_packaged() {
    grep -v '^#' "$here/$1" | while read -r package path; do
        if [ -f "$photos/$package/$path" ]; then
            echo "$PWD/$photos/$package/$path"
        else
            echo "demo: this version of $package has no $path" >&2
        fi
    done
}

packages_of() {
    grep -v '^#' "$here/$1" | cut -d' ' -f1 | sort -u
}

if [ -n "${PHOTOS:-}" ]; then
    [ -d "$PHOTOS" ] || fail "PHOTOS=$PHOTOS is not a folder"
else
    for package in $(packages_of photographs.txt); do
        fetch "$package" || fail "$package could not be fetched (see above).
$elsewhere"
    done
    for package in $(packages_of photographs_calibrate.txt); do
        fetch "$package" || echo "demo: answers are not calibrated with $package" >&2
    done
fi

# Split by photograph: the first two thirds train, the rest tests. Others calibrate: those
# of the second list, or the fifth of every five of one's own, if there are thirty. Links,
# numbered because two photographs may have one name.
rm -rf "$demo"
mkdir -p "$demo/photos/train" "$demo/photos/test" "$demo/photos/calibrate" || fail "cannot write under $demo"
list_photographs >"$demo/photos/list"
total=$(wc -l <"$demo/photos/list")
[ "$total" -ge $fewest ] || fail "$total photographs are too few, $fewest are the least.
$elsewhere"
count=0
while IFS= read -r path; do
    if [ "$count" -lt $((2 * total / 3)) ]; then part="train"; else part="test"; fi
    [ -z "${PHOTOS:-}" ] || [ "$total" -lt 30 ] || [ $((count % 5)) -ne 4 ] || part="calibrate"
    count=$((count + 1))
    ln -s "$path" "$demo/photos/$part/$(printf '%04d' $count)-${path##*/}"
done <"$demo/photos/list"
[ -n "${PHOTOS:-}" ] || list_packaged photographs_calibrate.txt | while IFS= read -r path; do
    ln -s "$path" "$demo/photos/calibrate/${path##*/}"
done
echo "$total photographs: $(find "$demo/photos/train" -type l | wc -l) to train on," \
    "$(find "$demo/photos/test" -type l | wc -l) to test on;" \
    "$(find "$demo/photos/calibrate" -type l | wc -l) calibrate"

short=
[ "${DEMO:-}" != short ] || short=--short
calibrate=
[ -z "$(find "$demo/photos/calibrate" -type l)" ] || calibrate="--calibrate $demo/photos/calibrate"
# shellcheck disable=SC2086
exec "$program" $short $calibrate "$demo/photos/train" "$demo/photos/test" "$demo"
