#!/bin/sh
# shards.sh: judge a long list in parts at the same time, then join them.
#
#     shards.sh MODEL LIST SHARDS OUT
#
# LIST holds paths, one a line. Killed at any moment and started again, it goes on where it
# was: parts that are finished are left alone, others continue with the record behind the
# last. GNU parallel hands the parts out, or xargs where there is none; $JOBS at a time
# (one per processor), $REALJUDGE is the program. Parts lie in OUT.parts, which may be
# removed when OUT is there. Exit status: that of realjudge; 3 also where a part failed.
set -eu
[ $# = 4 ] || { echo 'shards.sh MODEL LIST SHARDS OUT' >&2; exit 2; }
program=${REALJUDGE:-realjudge} jobs=${JOBS:-$(nproc)}
export program model="$1" list="$2" shards="$3" parts="$4.parts"
mkdir -p "$parts"

# --tolerant: that some file is no image is no reason to judge a part again.
one='"$program" predict --quiet --threads 1 --tolerant --model "$model" --from-stdin \
    --shard "$0/$shards" --out "$parts/$0.jsonl" <"$list"'
if command -v parallel >/dev/null && [ -z "${NO_PARALLEL:-}" ]; then
    seq 0 $((shards - 1)) | parallel --jobs "$jobs" --halt soon,fail=1 -q sh -c "$one" || failed=1
else
    seq 0 $((shards - 1)) | xargs -P "$jobs" -n 1 sh -c "$one" || failed=1
fi
[ -z "${failed:-}" ] || { echo "shards.sh: a part failed; the same command goes on" >&2; exit 3; }
"$program" merge --quiet --out "$4" "$parts"/*.jsonl
