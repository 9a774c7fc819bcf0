#!/usr/bin/env python3
"""What each family of forgeries takes, and how well it is told when it never trained.

    families.py --bin BUILD --photos DIR --others DIR --out DIR [--strips DIR] [--steps N]

Forges every family from the photographs in --photos and from those in --others. Then, for
each family, trains as the demonstration does (AS_DEMO) on the children of all the others
made from --photos, and judges the family's children made from --others beside their
parents. A line a family: seconds of processors to forge it (bench_forge), decibels of
children against parents, and the AUC of the judging per column. What lies in --out already
is not made again.
"""
import argparse
import csv
import os
import subprocess
import sys

COLUMNS = "native,jpeg75,blur1,resize0.5"
AS_DEMO = ("--forged", "0.4", "--sharp", "1", "--weight-decay", "0.8")  # examples/demo.c


def run(command, log=None):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode != 0:
        sys.exit(f"families: {' '.join(command)}\n{done.stdout}")
    if log:
        with open(log + ".part", "w", encoding="utf-8") as file:
            file.write(done.stdout)
        os.replace(log + ".part", log)


def forge(a, part, photos, strips):
    """Seconds and decibels by family, all there are, in the order of bench_forge; pictures lie
    in OUT/PART."""
    folder, log = os.path.join(a.out, part), os.path.join(a.out, f"{part}.txt")
    if not os.path.exists(log):
        run([os.path.join(a.bin, "bench", "bench_forge"), "--photos", photos, "--out",
             folder] + (["--strips", strips] if strips else []), log)
    with open(log, encoding="utf-8") as file:
        words = [line.split() for line in file]
    return {w[0]: (w[1], w[3]) for w in words if "dB" in w}


def pictures(a, part, kind):
    folder = os.path.join(a.out, part, kind)
    return [os.path.join(part, kind, name) for name in sorted(os.listdir(folder))
            if name.endswith(".png")]


def groups(a, part):
    """The photograph of each parent, by the number that its file and its children's bear."""
    with open(os.path.join(a.out, part, "manifest.tsv"), newline="", encoding="utf-8") as file:
        return {os.path.basename(r["path"]): r["group"]
                for r in csv.DictReader(file, delimiter="\t") if r["label"] == "real"}


def manifest(a, all_families, left_out):
    """Split train: parents and children of all families but one; split test: the one."""
    path = os.path.join(a.out, f"without-{left_out}.tsv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("path\tlabel\tgenerator\tsplit\tgroup\n")
        for part, split, families in (("photos", "train", [f for f in all_families if f != left_out]),
                                      ("others", "test", [left_out])):
            group = groups(a, part)
            for family in [None, *families]:
                for p in pictures(a, part, "real" if family is None else "fake/" + family):
                    label = "real" if family is None else "fake"
                    file.write(f"{p}\t{label}\t{family or ''}\t{split}\t"
                               f"{group[os.path.basename(p)]}\n")
    return path


def judge(a, all_families, left_out):
    """AUC by column of a family that did not train."""
    tsv = os.path.join(a.out, f"without-{left_out}.result.tsv")
    if not os.path.exists(tsv):
        data, model = manifest(a, all_families, left_out), os.path.join(a.out, "model.safetensors")
        examples = os.path.join(a.bin, "examples")
        run([os.path.join(examples, "train"), "--manifest", data, "--split", "train", "--out",
             model, "--steps2", str(a.steps), "--seed", "1", "--quiet", *AS_DEMO])
        run([os.path.join(examples, "evaluate"), "--model", model, "--manifest", data, "--split",
             "test", "--columns", COLUMNS, "--min-fakes", "1", "--tsv", tsv + ".part", "--quiet"])
        os.replace(tsv + ".part", tsv)
    with open(tsv, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [next(r["auc"] for r in rows if r["generator"] == left_out and r["column"] == c)
            for c in COLUMNS.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--bin", "--photos", "--others", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--strips")
    parser.add_argument("--steps", type=int, default=600)
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    took = forge(a, "photos", a.photos, a.strips)
    forge(a, "others", a.others, None)
    print("| family | processor s | dB | " + " | ".join(COLUMNS.split(",")) + " |")
    print("|---" * 7 + "|", flush=True)
    for family in took:
        auc = [f"{float(v):.3f}" for v in judge(a, took, family)]
        print(f"| `{family}` | {took[family][0]} | {took[family][1]} | " + " | ".join(auc) + " |",
              flush=True)


if __name__ == "__main__":
    main()
