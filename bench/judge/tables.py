#!/usr/bin/env python3
"""Tables in Markdown from what run.py wrote: tables.py FILE [EXPERIMENT ...]

A figure is the mean over seeds, then half the range. Part A: LDM and pix2pix; part B: the
other generators of dev; folds: generators of train left out in turn.
"""
import collections
import csv
import sys

COLUMNS = ("native", "jpeg90", "jpeg75", "blur1", "resize0.5")
PART_A = ("ldm", "pix2pix")
PART_B = ("sd1", "esrgan-x2", "esrgan-x4")


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else None


def show(values):
    if not values:
        return "-"
    spread = (max(values) - min(values)) / 2
    return f"{mean(values):.3f}" + (f" ±{spread:.3f}" if len(values) > 1 else "")


def figures(rows):
    """Of one run's lines: what the table shows, by name."""
    ap = {(r["generator"], r["column"]): float(r["ap"]) for r in rows if r["ap"] != "-"}
    part = {c: mean(ap[g, c] for g in PART_A + PART_B if (g, c) in ap) for c in COLUMNS}
    out = {c: v for c, v in part.items() if v is not None}
    out["mean of 5"] = mean(out.values())
    for name, generators in (("part A", PART_A), ("part B", PART_B)):
        out[name] = mean(ap[g, c] for g in generators for c in COLUMNS if (g, c) in ap)
    return {k: v for k, v in out.items() if v is not None}


def fold_figure(rows):
    ap = [float(r["ap"]) for r in rows if r["generator"] == "mAP" and r["ap"] != "-"]
    return mean(ap)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    runs = collections.OrderedDict()
    for r in lines:
        runs.setdefault((r["experiment"], r["flags"], r["seed"], r["fold"]), []).append(r)
    head = [*COLUMNS, "mean of 5", "part A", "part B"]
    print("| experiment | " + " | ".join(head) + " | folds | seconds | flags |")
    print("|---" * (len(head) + 4) + "|")
    for name, flags in collections.OrderedDict.fromkeys(k[:2] for k in runs):
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        whole = {k: v for k, v in runs.items() if k[:2] == (name, flags) and k[3] == "-"}
        folds = [v for k, v in runs.items() if k[:2] == (name, flags) and k[3] != "-"]
        of = [figures(v) for v in whole.values()]
        cells = [show([f[h] for f in of if h in f]) for h in head]
        cells.append(show([fold_figure(v) for v in folds]))
        cells.append(f"{mean(float(v[0]['seconds']) for v in whole.values()) or 0:.0f}")
        print(f"| {name} | " + " | ".join(cells) + f" | `{flags}` |")


if __name__ == "__main__":
    main()
