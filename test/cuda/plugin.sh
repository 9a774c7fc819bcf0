#!/bin/sh
# The plugin exports one name and needs nothing that a system without CUDA lacks.
bad=0
names=$(nm -D --defined-only "$1" | awk '{print $3}')
[ "$names" = rj_plugin_entry ] || { echo "$1 exports:" $names; bad=1; }
needs=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -vE '^(lib(c|m|dl|rt|pthread|stdc\+\+)\.so\.[0-9]+|ld-linux-.*)$')
[ -z "$needs" ] || { echo "$1 needs:" $needs; bad=1; }
exit $bad
