#!/usr/bin/env python3
"""Whether the evidence lies where a photograph was forged, and nowhere in others.

    evidence.py --bin BUILD --photos DIR --others DIR --out DIR [--data DIR]

Forges two families from the photographs in --photos and trains on them as the
demonstration does (AS_DEMO); forges those two and twelve others, in parents of 512 pixels,
from the photographs in --others; then bench_evidence calibrates the model on the parents
that trained, for lack of others, and makes the cases. With --data, a folder with manifest.tsv, a model of its split
train is calibrated on one half of the large photographs of its split dev, by group, and
the null state counted on the other half. What lies in --out already is not made again.
"""
import argparse
import csv
import hashlib
import os
import subprocess
import sys

from families import AS_DEMO

TRAINED = "deconv,bilinear"
JUDGED = TRAINED + (",nearest,shuffle,nearest-vq,gan,latent,sr,sr4,fixed-nearest,fixed-bilinear,"
                    "fixed-bicubic,fixed-zero,fixed-median")
SIDES = "160,256,384,512,768,1024,1536"
LARGE = 192  # pixels of the shorter side


def run(command):
    if subprocess.call(command) != 0:
        sys.exit(f"evidence: this failed: {' '.join(command)}")


def forge(a, photos, part, *options):
    folder = os.path.join(a.out, part)
    if not os.path.exists(os.path.join(folder, "manifest.tsv")):
        run([os.path.join(a.bin, "examples", "forge"), "--photos", photos, "--out", folder,
             "--quiet", *options])
    return folder


def train(a, data, out, *options):
    if not os.path.exists(out):
        run([os.path.join(a.bin, "examples", "train"), "--manifest", data, "--out", out,
             "--seed", "1", "--quiet", *AS_DEMO, *options])
    return out


def halves(a):
    """Large photographs of dev: a manifest to calibrate on, and a folder of links."""
    with open(os.path.join(a.data, "manifest.tsv"), newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t")
                if r["split"] == "dev" and r["label"] == "real"
                and min(int(r["width"]), int(r["height"])) >= LARGE]
    manifest, folder = os.path.join(a.out, "dev.tsv"), os.path.join(a.out, "dev")
    os.makedirs(folder, exist_ok=True)
    with open(manifest, "w", encoding="utf-8") as file:
        file.write("path\tlabel\tgroup\n")
        for i, r in enumerate(rows):
            path, group = os.path.abspath(os.path.join(a.data, r["path"])), r["group"] or r["path"]
            if int(hashlib.sha256(group.encode()).hexdigest(), 16) % 2:
                file.write(f"{path}\treal\t{group}\n")
                continue
            link = os.path.join(folder, f"{i:05d}{os.path.splitext(path)[1]}")
            if not os.path.lexists(link):
                os.symlink(path, link)
    return manifest, folder


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--bin", "--photos", "--others", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--data", help="a second world, for the null state alone")
    a = parser.parse_args()
    bench = os.path.join(a.bin, "bench", "bench_evidence")
    os.makedirs(a.out, exist_ok=True)
    part = forge(a, a.photos, "train", "--families", TRAINED, "--crop", "160", "--crops", "20",
                 "--seed", "1")
    data = os.path.join(part, "manifest.tsv")
    model = train(a, data, os.path.join(a.out, "model.safetensors"))
    forged = forge(a, a.others, "test", "--families", JUDGED, "--crop", "512", "--crops", "10",
                   "--seed", "2")
    cases = [bench, "--model", model, "--calibrate", data, "--forged", forged, "--families", JUDGED]
    run([*cases, "--untouched", f"{a.others},{os.path.dirname(a.others)}", "--sides", SIDES,
         "--show", os.path.join(a.out, "show")])
    for quality in ("95", "85", "75"):
        print(f"\nJPEG {quality}", flush=True)
        run([*cases, "--jpeg", quality])
    if a.data:
        world = train(a, os.path.join(a.data, "manifest.tsv"),
                      os.path.join(a.out, "world.safetensors"), "--split", "train")
        manifest, folder = halves(a)
        run([bench, "--model", world, "--calibrate", manifest, "--untouched", folder])


if __name__ == "__main__":
    main()
