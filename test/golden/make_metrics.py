"""Figures of some score lists by scikit-learn, as C text.

    python3 test/golden/make_metrics.py > test/golden/metrics.inc

AP and AUC are scikit-learn's own. EER and TPR are read off its ROC curve: EER on the
line between the two points where FPR - (1 - TPR) changes sign, TPR as the highest one
among the points whose FPR is within the bound. Probabilities are the scores' logistic
function, rounded so that some lie on the edges of bins; Brier's score is scikit-learn's,
the expected calibration error is summed here as its definition says. A list of one class
has no figures (NAN). Quantiles are numpy's.
"""
import numpy as np
import sklearn
from sklearn.metrics import (average_precision_score, brier_score_loss, roc_auc_score,
                             roc_curve)

rng = np.random.RandomState(7)


def numbers(values):
    return "{" + ", ".join("NAN" if np.isnan(v) else "%.17g" % v for v in values) + "}"


def equal_error(label, score):
    fpr, tpr, _ = roc_curve(label, score, drop_intermediate=False)
    gap = fpr - (1 - tpr)
    i = int(np.argmax(gap >= 0))
    share = -gap[i - 1] / (gap[i] - gap[i - 1])
    return fpr[i - 1] + share * (fpr[i] - fpr[i - 1])


def calibration_error(label, prob, weight):
    which = np.minimum((prob * 15).astype(int), 14)
    error = 0
    for k in range(15):
        w, y, p = weight[which == k], label[which == k], prob[which == k]
        if w.sum() > 0:
            error += w.sum() / weight.sum() * abs(np.average(y, weights=w) -
                                                  np.average(p, weights=w))
    return error


def figures(label, score, weight, prob):
    if len(set(label[weight > 0])) < 2:
        return [np.nan] * 11
    fpr, tpr, _ = roc_curve(label, score, drop_intermediate=False)
    return [average_precision_score(label, score),
            average_precision_score(label, score, sample_weight=weight),
            roc_auc_score(label, score),
            roc_auc_score(label, score, sample_weight=weight),
            equal_error(label, score)] + [tpr[fpr <= a].max() for a in (0.01, 0.05)] + [
                brier_score_loss(label, prob),
                brier_score_loss(label, prob, sample_weight=weight),
                calibration_error(label, prob, np.ones(len(label))),
                calibration_error(label, prob, weight)]


cases = []


def case(name, label, score, weight=None):
    label = np.asarray(label, int)
    score = np.asarray(score, float)
    weight = np.ones(len(label)) if weight is None else np.asarray(weight, float)
    with np.errstate(over="ignore"):
        prob = np.round(1 / (1 + np.exp(-score)), 2)
    cases.append((name, len(label)))
    print("static const int label_%s[] = %s;" % (name, numbers(label)))
    print("static const double score_%s[] = %s;" % (name, numbers(score)))
    print("static const double weight_%s[] = %s;" % (name, numbers(weight)))
    print("static const double prob_%s[] = %s;" % (name, numbers(prob)))
    print("static const double figure_%s[] = %s;"
          % (name, numbers(figures(label, score, weight, prob))))


def drawn(n, share, shift, digits):
    label = (rng.rand(n) < share).astype(int)
    return label, np.round(rng.randn(n) + shift * label, digits)


print("/* Made by make_metrics.py with scikit-learn %s. */" % sklearn.__version__)
case("random", *drawn(120, 0.5, 1.0, 3))
case("random_weighted", *drawn(90, 0.4, 0.7, 3), weight=np.round(rng.rand(90) * 3, 2))
case("heavy_ties", *drawn(150, 0.5, 1.0, 0))
case("heavy_ties_weighted", *drawn(100, 0.3, 0.8, 0), weight=np.round(rng.rand(100), 1))
case("reals_outnumber", *drawn(200, 0.04, 1.5, 2))
case("fakes_outnumber", *drawn(100, 0.93, 1.5, 2))
case("useless", *drawn(80, 0.5, 0.0, 2))
case("all_equal", [1, 0, 0, 1, 0], [0.5] * 5, [1, 2, 0.5, 0.25, 1])
case("perfect", [0, 0, 0, 1, 1], [1, 2, 3, 4, 5])
case("reversed", [1, 1, 0, 0, 0], [1, 2, 3, 4, 5])
case("two", [1, 0], [0.1, 0.2])
case("three", [0, 1, 0], [1e300, 1e-300, -1e300])
case("zero_weight_first", [0, 1, 0, 1, 0], [5, 4, 3, 2, 1], [0, 0, 1, 1, 2])
case("only_reals", [0, 0, 0], [1, 2, 3])
case("only_fakes", [1, 1], [3, 3])
case("one", [1], [2])
for name, share, digits in (("equal_prior", 0.2, 2), ("equal_prior_ties", 0.85, 0)):
    label, score = drawn(160, share, 1.0, digits)
    case(name, label, score, np.where(label == 1, 1, label.sum() / (1 - label).sum()))
values = rng.randn(57)
print("static const double quantiled[] = %s;" % numbers(values))
print("static const double quantiles[] = %s;"
      % numbers(np.percentile(values, [2.5, 97.5])))
print("#define RJ_GOLDEN_METRICS(X) \\\n    " +
      " \\\n    ".join("X(%s, %d)" % c for c in cases))
