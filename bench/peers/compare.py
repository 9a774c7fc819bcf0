"""Ours and the peers at the same work, by turns: the ratios, and whether they reach the
goals. `make bench-peers` runs it; the argument is the folder of our programs.

    ROUNDS=n   turns of each contender (7)
    QUICK=1    three turns; no resnet50, no default malloc, kernels of 128 pixels only
    WORK=a,b   these pieces of work only
    THREADS=n  of ours and the peers (one per processor)

All contenders of a piece of work live at the same time and take turns (A B C A B C ..),
so that what disturbs the machine disturbs all. Each does the warm-up of two runs; after
two rounds the best variant of each group goes on alone. Figures are medians over rounds;
the spread of a ratio is (third quartile - first) / median of the rounds' ratios.

Written are build/bench/peers.tsv and build/bench/peers.svg. Exit status 0 unless some
work could not be done; a missed goal is only shown."""

import os
import statistics
import subprocess
import sys
import time

from chart import chart
from contender import Contender, Failed

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join("build", "bench")
BINARIES = sys.argv[1]
QUICK = bool(os.environ.get("QUICK"))
ROUNDS = int(os.environ.get("ROUNDS") or (3 if QUICK else 7))
THREADS = os.environ.get("THREADS") or str(len(os.sched_getaffinity(0)))
WORK = [w for w in os.environ.get("WORK", "").split(",") if w]
TURN_S = 0.6
FEWEST, BUDGET_S = 3, 60  # rounds; after so many seconds of a piece of work no more

# work: network, crop, batch, precisions of ours, of the peer, goal
TRAIN = {
    "train_r18_fp32": ("resnet18", 128, 32, ["fp32"], ["fp32"], 1.6),
    "train_r18_bf16": ("resnet18", 128, 32, ["bf16"], ["bf16"], 1.5),
    "train_r50_fp32": ("resnet50", 128, 32, ["fp32"], ["fp32"], 1.4),
    "train_small": ("small", 128, 64, ["fp32", "bf16"], ["fp32", "bf16"], 2.0),
}
PREDICT = {
    "predict_r18_b1": ("resnet18", 224, 1, ["fp32"], 1.15),
    "predict_r18_b32": ("resnet18", 224, 32, ["fp32"], 1.5),
    "predict_r50_b1": ("resnet50", 224, 1, ["fp32", "bf16"], 1.2),
    "predict_r50_b32": ("resnet50", 224, 32, ["fp32", "bf16"], 1.8),
    "predict_small_b1": ("small", 128, 1, ["fp32", "bf16"], 1.5),
    "predict_small_b32": ("small", 128, 32, ["fp32", "bf16"], 2.0),
}
MEMORY_GOAL, KERNEL_GOAL = 2.0, 0.85


def wanted(work):
    """Whether this piece of work is asked for."""
    return work in WORK if WORK else not (QUICK and "_r50_" in work)


def python(script, *arguments):
    """The command that runs a script of this folder."""
    return [sys.executable, os.path.join(HERE, script)] + [str(a) for a in arguments]


def ours(program, net, crop, batch, precisions):
    """Our contenders, one a precision."""
    return [Contender("ours", "realjudge " + p,
                      [os.path.join(BINARIES, program), "--serve", "--front", "raw",
                       "--net", net, "--crop", str(crop), "--batch", str(batch),
                       "--precision", p, "--threads", THREADS]) for p in precisions]


def groups():
    """Of peers: tuned malloc, and default malloc for comparison."""
    return ["peer"] if QUICK else ["peer", "default"]


def training(net, crop, batch, mine, theirs):
    """Ours, then PyTorch in each precision, layout and malloc."""
    all_of_them = ours("bench_train", net, crop, batch, mine)
    for group in groups():
        for p in theirs:
            for layout in ("nchw", "nhwc"):
                all_of_them.append(Contender(
                    group, "torch %s %s" % (p, layout),
                    python("torch_train.py", net, crop, batch, THREADS, p, layout)))
    return all_of_them


def prediction(net, crop, batch, mine):
    """Ours, then ONNX Runtime, and PyTorch for comparison."""
    path = os.path.join(OUT, "%s_%d.onnx" % (net, crop))
    said = subprocess.run(python("export.py", net, crop, path), check=False, text=True,
                          stdout=subprocess.PIPE)
    if said.returncode != 0:
        raise Failed("%s could not be exported as ONNX" % net)
    count = said.stdout.split()[-1]
    all_of_them = ours("bench_predict", net, crop, batch, mine)
    for group in groups():
        all_of_them.append(Contender(
            group, "onnxruntime fp32",
            python("onnx_predict.py", path, count, crop, batch, THREADS)))
    for p in ("fp32", "bf16"):
        all_of_them.append(Contender(
            "other", "torch %s nhwc" % p,
            python("torch_predict.py", net, crop, batch, THREADS, p, "nhwc")))
    return all_of_them


def best(contenders, group):
    """The fastest of a group, of those that ran most rounds, or None."""
    ran = [c for c in contenders if c.group == group]
    most = max([1] + [len(c.rounds) for c in ran])
    ran = [c for c in ran if len(c.rounds) == most]
    return min(ran, key=lambda c: statistics.median(c.rounds), default=None)


def spread(numbers):
    """Interquartile range by median."""
    if len(numbers) < 2:
        return 0.0
    q = statistics.quantiles(numbers, n=4, method="inclusive")
    return (q[2] - q[0]) / q[1]


def compete(contenders):
    """Let them take turns; what they measured is in them afterwards."""
    try:
        present = [c for c in contenders if c.start()]
        if not any(c.group == "ours" for c in present):
            raise Failed("this library cannot do it")
        if len({c.parameters for c in present}) != 1:
            raise Failed("the networks differ: %s parameters" % ", ".join(
                "%s %d" % (c.label, c.parameters) for c in present))
        end = time.monotonic() + BUDGET_S
        for i in range(ROUNDS):
            active = present
            if i >= FEWEST and time.monotonic() > end:
                break
            if i >= 2:
                active = [best(present, g) for g in ("ours", "peer", "default", "other")]
            for c in active:
                if c:
                    c.turn(TURN_S)
        for c in present:
            c.stop()
    finally:
        for c in contenders:
            c.kill()


def row(work, c, batch, mine):
    """A line of the table: ratio says how many times faster ours is."""
    s = statistics.median(c.rounds)
    malloc = {"ours": "own", "default": "default"}.get(c.group, "tuned")
    return [work, c.label, malloc, "%.2f" % (s * 1e3), "%.1f" % (batch / s),
            "%.3f" % spread(c.rounds), "%.0f" % (c.memory / 1e6),
            "%.2f" % (s / statistics.median(mine.rounds))]


def result(work, mine, peer, goal, variation, larger_is_better=True):
    """One RESULT."""
    ratio = mine / peer if larger_is_better else peer / mine
    return {"work": work, "ours": mine, "peer": peer, "ratio": ratio, "goal": goal,
            "spread": variation}


def measure(work, contenders, batch, goal, table, results):
    """One piece of work, from starting its contenders to its lines."""
    compete(contenders)
    mine, peer = best(contenders, "ours"), best(contenders, "peer")
    for c in contenders:
        if c.rounds:
            table.append(row(work, c, batch, mine))
            print("\t".join(table[-1]), flush=True)
    if wanted(work):
        rate = [batch / statistics.median(c.rounds) for c in (mine, peer)]
        ratios = [b / a for a, b in zip(mine.rounds, peer.rounds)]
        results.append(result(work, rate[0], rate[1], goal, spread(ratios)))
    if work == "train_r18_fp32" and (not WORK or wanted("train_memory_r18")):
        results.append(result("train_memory_r18", mine.memory / 1e6, peer.memory / 1e6,
                              MEMORY_GOAL, 0, larger_is_better=False))


def kernels(results):
    """Convolutions against the peak; returns what the machine's peak is."""
    command = [os.path.join(BINARIES, "bench_kernel"), "--threads", THREADS,
               "--algorithm", "direct"]  # Winograd's share would pass 1
    said = subprocess.run(command + (["--quick"] if QUICK else []), check=False,
                          text=True, stdout=subprocess.PIPE)
    if said.returncode != 0:
        raise Failed("bench_kernel ended with status %d" % said.returncode)
    lines = [line.split("\t") for line in said.stdout.splitlines()]
    share = next(line for line in lines if line[0] == "all")
    print("\n".join("\t".join(line) for line in lines[-6:]), flush=True)
    results.append(result("kernel_peak", float(share[2]), 1.0, KERNEL_GOAL,
                          float(share[4])))
    return "\t".join(lines[0])


def write(table, results, peak):
    """The files, and the lines a reader or a program looks for."""
    with open(os.path.join(OUT, "peers.tsv"), "w", encoding="utf-8") as file:
        file.write("\n".join("\t".join(line) for line in table) + "\n")
    if results:
        chart(os.path.join(OUT, "peers.svg"), "realjudge by its peer", results)
    print("\n%s" % peak if peak else "")
    for r in results:
        print("RESULT bench work=%s ours=%.4g peer=%.4g ratio=%.3g goal=%g spread=%.3f"
              % (r["work"], r["ours"], r["peer"], r["ratio"], r["goal"], r["spread"]))


def main():
    """Every piece of work that is asked for."""
    table = [["work", "contender", "malloc", "ms", "images/s", "spread", "memory MB",
              "ours is faster by"]]
    results, failed, peak = [], [], ""
    load = os.getloadavg()[0]
    busy = "The machine was busy (load %.1f) at the start: ratios are unsure." % load
    if load > 0.3:
        print(busy, flush=True)
    print("\t".join(table[0]), flush=True)
    jobs = [(w, v[2], v[-1], training, v[:-1]) for w, v in TRAIN.items()]
    jobs += [(w, v[2], v[-1], prediction, v[:-1]) for w, v in PREDICT.items()]
    for work, batch, goal, line_up, arguments in jobs:
        if not wanted(work) and not (work == "train_r18_fp32" and
                                     "train_memory_r18" in WORK):
            continue
        try:
            measure(work, line_up(*arguments), batch, goal, table, results)
        except Failed as e:
            failed.append("%s: %s" % (work, e))
    if wanted("kernel_peak"):
        try:
            peak = kernels(results)
        except Failed as e:
            failed.append("kernel_peak: %s" % e)
    write(table, results, peak)
    if load > 0.3:
        print(busy)
    for line in failed:
        print("bench-peers: FAILED %s" % line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
