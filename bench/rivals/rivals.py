#!/usr/bin/env python3
"""Other detectors trained and judged on what ours is trained and judged on: the same
files, kept out by the same seed, the same degradations, the same columns, pairs and
figures.

    rivals.py --pixels PROGRAM --data DIR [--out FILE] [--only NAME,..] [--seeds N]
              [--steps N] [--schedule ours|paper] [--crop N] [--threads N]

PROGRAM is rival_pixels; DIR holds manifest.tsv and pairs.tsv. FILE
(build/rivals/rivals.tsv) has the columns of what bench/judge/run.py writes: a line
for each rival, seed, generator and column. A run that it has already (same flags,
seed and data) is not repeated, so the command may be killed and started again. A
network is what its last step leaves: no checkpoint is chosen. Pictures of the columns
are kept beside FILE.
"""
import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "judge"))
MODULES = {"torch": "PyTorch (python3-torch)",
           "sklearn": "scikit-learn (python3-sklearn)",
           "numpy": "numpy (python3-numpy)"}


def missing(o):
    """What is not there, in a sentence; or None."""
    for name, what in MODULES.items():
        if importlib.util.find_spec(name) is None:
            return "%s is not installed for %s." % (what, sys.executable)
    for name in ("manifest.tsv", "pairs.tsv"):
        if not os.path.isfile(os.path.join(o.data, name)):
            return "%s holds no %s." % (o.data, name)
    if not os.access(o.pixels, os.X_OK):
        return "there is no program %s." % o.pixels
    return None


def written(o, folder, key, arguments, columns):
    """The folder of what `rival_pixels columns` writes; made if it is not there, or
    was made by another program or of other data (key)."""
    mark = os.path.join(folder, "key")
    if os.path.exists(mark):
        with open(mark, encoding="utf-8") as file:
            if file.read() == key:
                return folder
    shutil.rmtree(folder, ignore_errors=True)
    command = [o.pixels, "columns", "--manifest", os.path.join(o.data, "manifest.tsv"),
               "--out", folder, *arguments, *columns]
    if subprocess.call(command) != 0:
        raise SystemExit("rivals: the pictures of the columns could not be made.")
    with open(mark, "w", encoding="utf-8") as file:
        file.write(key)
    return folder


def learn(o, name, schedule, seed):
    """A trained rival: (n,3,crop,crop) bytes to n logits."""
    from crops import batches
    from training import logits_of, train
    from trivial import train_trees, tree_logits_of

    command = [o.pixels, "crops", "--manifest", os.path.join(o.data, "manifest.tsv"),
               "--split", "train", "--seed", str(seed), "--steps", str(o.steps),
               "--law", schedule.law, "--crop", str(o.crop)]
    made = batches(command, o.steps, o.crop)
    if name == "trivial":
        return tree_logits_of(train_trees(seed, made))
    return logits_of(train(name, schedule, o.steps, seed, made))


def run(o, name, seed, key):
    """Seconds of training, and the rows of all columns."""
    from figures import Decision, read_pairs, rows
    from pictures import Pictures, judge
    from recipes import schedule_of
    from run import COLUMNS

    start, columns = time.time(), COLUMNS.split(",")
    logits = learn(o, name, schedule_of(name, o.schedule), seed)
    seconds, out = round(time.time() - start), []
    folder = os.path.dirname(os.path.abspath(o.out))
    held = Pictures(written(o, os.path.join(folder, "held-%d" % seed), key,
                            ["--split", "train", "--held", "--seed", str(seed)],
                            ["native"]), "native")
    decision = Decision(judge(held, o.crop, logits), held.label)
    dev = written(o, os.path.join(folder, "dev"), key, ["--split", "dev"], columns)
    for column in columns:
        pictures = Pictures(dev, column)
        pair = read_pairs(os.path.join(o.data, "pairs.tsv"), pictures)
        out += rows(column, pictures, pair, judge(pictures, o.crop, logits), decision)
    return seconds, out


def run_all(o):
    """Every run that the file does not have yet."""
    import torch
    from recipes import NETWORKS, RIVALS
    from run import append, digest, read

    if o.threads:
        torch.set_num_threads(o.threads)
    chosen = o.only.split(",") if o.only else RIVALS
    for name in chosen:
        if name not in RIVALS:
            raise SystemExit("rivals: %s is none of %s." % (name, ", ".join(RIVALS)))
    os.makedirs(os.path.dirname(os.path.abspath(o.out)), exist_ok=True)
    done = set()
    if os.path.exists(o.out):
        done = {(r["experiment"], r["flags"], r["seed"], r["data"]) for r in read(o.out)}
    data = digest(os.path.join(o.data, "manifest.tsv"))
    key = "%s %s" % (data, digest(o.pixels))
    for name in chosen:
        flags = "--steps %d --crop %d" % (o.steps, o.crop)
        if name in NETWORKS:
            flags += " --schedule " + o.schedule
        for seed in range(1, o.seeds + 1):
            if (name, flags, str(seed), data) in done:
                continue
            seconds, found = run(o, name, seed, key)
            append(o.out, (name, str(seed), "-", data), seconds, flags, found)
            print("%s seed %d: %d s" % (name, seed, seconds), flush=True)


def main():
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pixels", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", default="build/rivals/rivals.tsv")
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--schedule", choices=("ours", "paper"), default="ours")
    parser.add_argument("--crop", type=int, default=96)
    parser.add_argument("--threads", type=int, default=0)
    o = parser.parse_args()
    why = missing(o)
    if why:
        sys.exit("rivals: " + why)
    if o.crop % 16 or not 32 <= o.crop <= 512:
        sys.exit("rivals: --crop %d is no multiple of 16 from 32 to 512." % o.crop)
    if o.steps < 1 or o.seeds < 1:
        sys.exit("rivals: --steps and --seeds are whole numbers from 1.")
    run_all(o)


if __name__ == "__main__":
    main()
