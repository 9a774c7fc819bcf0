#!/usr/bin/env python3
"""How the scores of a large picture's crops become one, and how many crops it takes.

    pooling.py --library FILE --model FILE --pictures DIR COLUMN ..

DIR holds what `rival_pixels columns` wrote: photographs and forged children of some
hundred pixels. Prints, for each column and family, the AUC of each rule.
"""
import argparse
import ctypes
import os
import sys

import numpy as np
from sklearn.metrics import roc_auc_score

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir,
                                "rivals"))
from pictures import Pictures, crops_of  # noqa: E402

BUDGETS = (1, 2, 4, 8)


class Image(ctypes.Structure):
    """rij_image."""
    _fields_ = [("width", ctypes.c_int), ("height", ctypes.c_int),
                ("stride", ctypes.c_size_t), ("rgb", ctypes.c_void_p)]


class Verdict(ctypes.Structure):
    """rij_verdict."""
    _fields_ = [("score", ctypes.c_double), ("margin", ctypes.c_double),
                ("classifier", ctypes.c_double), ("proximity", ctypes.c_double),
                ("generated", ctypes.c_int), ("crops", ctypes.c_int),
                ("softness", ctypes.c_double), ("p_real", ctypes.c_double),
                ("p_generated", ctypes.c_double)]


def margins(library, model, picture, crop):
    """The margin of each covering crop by itself, and the deviation of its pixels."""
    out = []
    for planar in crops_of(picture, crop):
        rgb, v = np.ascontiguousarray(planar.transpose(1, 2, 0)), Verdict()
        image = Image(crop, crop, 3 * crop, rgb.ctypes.data)
        if library.rij_predict(model, ctypes.byref(image), ctypes.byref(v)) != 0:
            raise SystemExit("pooling: a crop could not be judged")
        out.append((v.margin, rgb.std()))
    return np.array(out).T


def rules(m, contrast):
    """Margins (n,crops) to scores (n), by rule."""
    n = m.shape[1]
    order = np.sort(m, 1)
    out = {"mean": m.mean(1), "median": np.median(m, 1), "max": m.max(1),
           "top quarter": order[:, -n // 4:].mean(1),
           "middle half": order[:, n // 4:-(n // 4)].mean(1),
           "mean of P": (1 / (1 + np.exp(-m))).mean(1),
           "by contrast": (m * contrast).sum(1) / contrast.sum(1)}
    for k in BUDGETS:
        at = np.linspace(0, n - 1, k + 2).round().astype(int)[1:-1]
        out["mean of %d" % k] = m[:, at].mean(1)
    return out


def main():
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--pictures", required=True)
    parser.add_argument("--crop", type=int, default=144)
    parser.add_argument("columns", nargs="+")
    o = parser.parse_args()
    library, model = ctypes.CDLL(os.path.abspath(o.library)), ctypes.c_void_p()
    if library.rij_model_open(o.model.encode(), None, ctypes.byref(model)) != 0:
        sys.exit("pooling: %s cannot be opened" % o.model)
    for column in o.columns:
        p = Pictures(o.pictures, column)
        found = [margins(library, model, p.picture(i), o.crop) for i in range(len(p))]
        scores = rules(*np.array(found).transpose(1, 0, 2))
        for family in sorted(set(p.generator[p.label == 1])):
            use = (p.generator == family) | (p.label == 0)
            print(column, family, len(found[0][0]), "crops:",
                  ", ".join("%s %.3f" % (name, roc_auc_score(p.label[use], s[use]))
                            for name, s in scores.items()), flush=True)
    library.rij_model_free(model)


if __name__ == "__main__":
    main()
