#!/usr/bin/env python3
"""Train and judge what bench/judge/experiments.tsv lists; a line of the result file a run.

    run.py --bin build/now/examples --data DIR --out FILE [--only NAME,..] [--seeds N] [--folds]

DIR holds manifest.tsv and pairs.tsv. A run is one training, by an experiment's flags and
one seed, and its judging; or, with --folds, the same three times more, each time without
one generator of the split train, judged on that generator and on photographs of groups
that did not train either. A run that FILE has already (same flags, seed, data and fold)
is not repeated, so the command may be killed and started again.
"""
import argparse
import csv
import hashlib
import os
import subprocess
import sys
import time

COLUMNS = "native,jpeg90,jpeg75,blur1,resize0.5"
FOLDS = {"stylegan2": ("stylegan2", "stylegan2-ada"), "cyclegan": ("cyclegan",),
         "stargan": ("stargan",)}
HELD_SHARE = 4  # one group of photographs in so many is held out of a fold
HEAD = ["experiment", "seed", "fold", "data", "seconds", "flags", "generator", "column",
        "n_real", "n_fake", "ap", "auc", "racc", "facc", "bacc", "eer", "tpr1", "tpr5", "ece"]


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:12]


def held(group):
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % HELD_SHARE == 0


def fold_manifest(data, fold, folder):
    """The split train without a fold's generators; these and held photographs are `fold`."""
    path = os.path.join(folder, f"fold-{fold}.tsv")
    rows = [r for r in read(os.path.join(data, "manifest.tsv")) if r["split"] == "train"]
    for row in rows:
        left_out = (held(row["group"] or row["path"]) if row["label"] == "real"
                    else row["generator"] in FOLDS[fold])
        row["split"] = "fold" if left_out else "train"
        row["path"] = os.path.relpath(os.path.join(data, row["path"]), folder)
    # A group never crosses: fakes that share one with a held photograph are left out.
    apart = {r["group"] for r in rows if r["split"] == "fold" and r["label"] == "real"}
    rows = [r for r in rows if r["split"] == "fold" or r["group"] not in apart]
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, rows[0].keys(), delimiter="\t", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    return path


def call(command, log):
    with open(log, "a", encoding="utf-8") as file:
        file.write(" ".join(command) + "\n")
        file.flush()
        if subprocess.call(command, stdout=file, stderr=file) != 0:
            sys.exit(f"run.py: this failed, see {log}: {' '.join(command)}")


def run(o, folder, name, flags, seed, fold):
    manifest = os.path.join(o.data, "manifest.tsv")
    judged = ["--split", "dev", "--pairs", os.path.join(o.data, "pairs.tsv")]
    if fold != "-":
        manifest, judged = fold_manifest(o.data, fold, folder), ["--split", "fold"]
    at = os.path.join(folder, f"{name}-{seed}-{fold}")
    # What a fold leaves may tell the label by sizes or colours, and leave a twin outside.
    allowed = ["--allow", "dimensions,mean colour,leaks"] if fold != "-" else []
    start = time.time()
    call([os.path.join(o.bin, "train"), "--manifest", manifest, "--split", "train", "--out",
          at + ".safetensors", "--seed", str(seed), "--quiet", *allowed, *flags.split()], at + ".log")
    seconds = round(time.time() - start)
    call([os.path.join(o.bin, "evaluate"), "--model", at + ".safetensors", "--manifest", manifest,
          *judged, "--columns", COLUMNS, "--tsv", at + ".tsv"], at + ".log")
    return seconds, read(at + ".tsv")


def append(path, key, seconds, flags, rows):
    """All lines of a run at once, so that a killed one leaves none."""
    fresh = not os.path.exists(path)
    lines = ["\t".join(HEAD)] if fresh else []
    for row in rows:
        lines.append("\t".join([*key, str(seconds), flags or "-"] + [row[h] for h in HEAD[6:]]))
    with open(path, "a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default="build/now/examples")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", action="store_true")
    o = parser.parse_args()
    folder = os.path.dirname(os.path.abspath(o.out))
    os.makedirs(folder, exist_ok=True)
    done = set()
    if os.path.exists(o.out):
        done = {(r["experiment"], r["flags"], r["seed"], r["fold"], r["data"]) for r in read(o.out)}
    data = digest(os.path.join(o.data, "manifest.tsv"))
    here = os.path.dirname(os.path.abspath(__file__))
    for e in read(os.path.join(here, "experiments.tsv")):
        if o.only and e["experiment"] not in o.only.split(","):
            continue
        for seed in range(1, o.seeds + 1):
            for fold in ["-", *(FOLDS if o.folds else [])]:
                key = (e["experiment"], str(seed), fold, data)
                if (key[0], e["flags"] or "-", *key[1:3], data) in done:
                    continue
                seconds, rows = run(o, folder, e["experiment"], e["flags"], seed, fold)
                append(o.out, key, seconds, e["flags"], rows)
                print(f"{e['experiment']} seed {seed} fold {fold}: {seconds} s", flush=True)


if __name__ == "__main__":
    main()
