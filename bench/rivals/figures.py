"""Logits into rows of figures, as examples/evaluate writes them: a row for each
generator, for the mean over generators (mAP) and for all (POOLED). docs/math.md
defines the figures; scikit-learn computes them."""

import csv
import math

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

MIN_FAKES = 40  # that a generator needs to count in the mean
BINS = 15
NAMES = ("ap", "auc", "racc", "facc", "bacc", "eer", "tpr1", "tpr5", "ece")


# ---- the decision, on pictures kept out of the training ----

def logistic(x):
    """1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def alarm(reals, share):
    """The smallest margin that at most this share of the reals lie above."""
    return np.sort(reals)[::-1][int(share * len(reals))]


class Decision:
    """margin = a logit + b by Platt's method, classes alike, and the margins that 1 % and
    5 % of the reals lie above, as lib/judge/calibrate.c does it."""

    def __init__(self, logits, label):
        n = np.bincount(label, minlength=2)
        if n.min() == 0:
            raise SystemExit("rivals: no %s picture is kept out of the training to "
                             "calibrate by." % ("real", "fake")[n.argmin()])
        each = 0.5 / n[label]
        mean = np.sum(each * logits)
        deviation = math.sqrt(np.sum(each * (logits - mean) ** 2))
        deviation = deviation if deviation > 1e-7 * (1 + abs(mean)) else 1.0
        target = np.where(label == 1, (n[1] + 1) / (n[1] + 2), 1 / (n[0] + 2))
        x = np.tile((logits - mean) / deviation, 2)[:, None]
        fit = LogisticRegression(C=1e6, max_iter=1000)
        fit.fit(x, np.repeat([1, 0], len(label)),
                np.concatenate([each * target, each * (1 - target)]))
        a, b = float(fit.coef_[0, 0]), float(fit.intercept_[0])
        if not a > 1e-3:  # ranks backwards: the order is kept, nothing is known
            a, b = 1e-3, 0.0
        self.a, self.b = a / deviation, b - a * mean / deviation
        reals = self.margin(logits[label == 0])
        self.alarms = [alarm(reals, share) for share in (0.01, 0.05)]

    def margin(self, logits):
        """Above 0: generated."""
        return self.a * logits + self.b


# ---- one row ----

def equal_error(label, margin):
    """Where the share of reals above equals that of fakes below, on the ROC's line."""
    fpr, tpr, _ = roc_curve(label, margin, drop_intermediate=False)
    gap = fpr + tpr - 1
    i = int(np.argmax(gap >= 0))
    if i == 0:
        return float(fpr[0])
    t = -gap[i - 1] / (gap[i] - gap[i - 1])
    return float(fpr[i - 1] + t * (fpr[i] - fpr[i - 1]))


def calibration_error(label, margin, weight):
    """Expected calibration error over BINS bins of equal width."""
    p = logistic(margin)
    which = np.minimum((p * BINS).astype(int), BINS - 1)
    off = np.bincount(which, weight * (label - p), BINS)
    return float(np.abs(off).sum() / weight.sum())


def row(label, margin, alarms):
    """The figures of some pictures; ap is at equal class prior."""
    fakes, reals = margin[label == 1], margin[label == 0]
    if not len(fakes) or not len(reals):
        return dict.fromkeys(NAMES, math.nan)
    weight = np.where(label == 1, 1.0, len(fakes) / len(reals))
    racc, facc = float((reals <= 0).mean()), float((fakes > 0).mean())
    return {"ap": average_precision_score(label, margin, sample_weight=weight),
            "auc": roc_auc_score(label, margin), "racc": racc, "facc": facc,
            "bacc": (racc + facc) / 2, "eer": equal_error(label, margin),
            "tpr1": float((fakes > alarms[0]).mean()),
            "tpr5": float((fakes > alarms[1]).mean()),
            "ece": calibration_error(label, margin, weight)}


# ---- which reals go with a generator ----

def read_pairs(path, pictures):
    """Of each generator the reals it is compared with, as a mask over the pictures.
    The table names sources of reals; same_group 1: only reals that share a group with
    a fake of the generator. Generators that it does not name have all reals."""
    reals = pictures.label == 0
    pair = {g: reals for g in sorted(set(pictures.generator[pictures.label == 1]))}
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    for line in lines:
        generator = line["generator"]
        if generator not in pair:
            continue
        sources = [s.strip() for s in line["real_sources"].split(",")]
        for source in sources:
            if not (reals & (pictures.source == source)).any():
                raise SystemExit("rivals: %s: no real picture is of source %s, which %s "
                                 "is to be compared with." % (path, source, generator))
        mask = reals & np.isin(pictures.source, sources)
        if line["same_group"] == "1":
            groups = pictures.group[pictures.generator == generator]
            mask = mask & np.isin(pictures.group, groups)
        if not mask.any():
            raise SystemExit("rivals: %s: no real picture shares a group with "
                             "generator %s." % (path, generator))
        pair[generator] = mask
    return pair


# ---- all rows of a column ----

def shown(value):
    """A figure as the TSV has it."""
    if isinstance(value, (int, np.integer)):
        return str(value)
    return "-" if math.isnan(value) else "%.6f" % value


def rows(column, pictures, pair, logits, decision):
    """Dictionaries of texts: generator, column, n_real, n_fake and NAMES."""
    margin, label, out, counted = decision.margin(logits), pictures.label, [], []

    def add(name, n_real, n_fake, figures):
        texts = {k: shown(v) for k, v in figures.items()}
        out.append({"generator": name, "column": column, "n_real": str(n_real),
                    "n_fake": str(n_fake), **texts})

    for generator, reals in pair.items():
        fakes = (label == 1) & (pictures.generator == generator)
        chosen = fakes | reals
        figures = row(label[chosen], margin[chosen], decision.alarms)
        add(generator, reals.sum(), fakes.sum(), figures)
        if fakes.sum() >= MIN_FAKES:
            counted.append((fakes, reals, figures))
    means = dict.fromkeys(NAMES, math.nan)
    if counted:
        means = {k: math.fsum(c[2][k] for c in counted) / len(counted) for k in NAMES}
    union = np.any([c[1] for c in counted], axis=0) if counted else np.zeros(1, bool)
    add("mAP", union.sum(), sum(c[0].sum() for c in counted), means)
    add("POOLED", (label == 0).sum(), (label == 1).sum(),
        row(label, margin, decision.alarms))
    return out
