"""A rival without a network: boosted trees on 28 statistics of a crop that anyone would
think of first. What beats it has seen more than softness, blocks and colours."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

RINGS = 9


def log(x):
    """Of a mean of absolute differences, in grey levels."""
    return np.log(x + 0.05)


def means(x):
    """Over all but the first axis."""
    return x.reshape(len(x), -1).mean(1)


def laplacian(g):
    """Four times a pixel less its four neighbours, borders left out."""
    return (4 * g[:, 1:-1, 1:-1] - g[:, :-2, 1:-1] - g[:, 2:, 1:-1] - g[:, 1:-1, :-2]
            - g[:, 1:-1, 2:])


def blocks(dx, dy):
    """Of columns, then of rows: how far the largest mean step of the 8 phases of the JPEG
    grid stands out of their median."""
    out = []
    for profile in (dx.mean(1), dy.mean(2)):
        phase = np.stack([profile[:, k::8].mean(1) for k in range(8)])
        out.append(log(phase.max(0)) - log(np.median(phase, 0)))
    return out


def rings(g):
    """Log power in RINGS - 1 rings of equal width of the spectrum, and in its corners."""
    h, w = g.shape[1:]
    window = np.hanning(h)[:, None] * np.hanning(w)[None]
    centred = (g - g.mean((1, 2), keepdims=True)) * window
    power = np.abs(np.fft.fft2(centred)) ** 2
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None])
    edge = np.append(np.linspace(0.02, 0.5, RINGS), np.inf)
    return [np.log(power[:, (radius >= a) & (radius < b)].mean(1) + 1)
            for a, b in zip(edge, edge[1:])]


def residuals(g):
    """Of noise, of the median of a pixel and its four neighbours, of 2 x 2 blocks."""
    noise = (laplacian(g) / 4).reshape(len(g), -1)
    square = (noise - noise.mean(1, keepdims=True)) ** 2
    peaked = (square ** 2).mean(1) / (square.mean(1) ** 2 + 1e-6)
    centre = g[:, 1:-1, 1:-1]
    plus = np.stack([centre, g[:, :-2, 1:-1], g[:, 2:, 1:-1], g[:, 1:-1, :-2],
                     g[:, 1:-1, 2:]])
    off = np.abs(centre - np.median(plus, 0))
    a, b, c, d = g[:, ::2, ::2], g[:, ::2, 1::2], g[:, 1::2, ::2], g[:, 1::2, 1::2]
    return [np.log(peaked + 1), log(np.sqrt(square.mean(1))), log(means(off)),
            means(off < 0.5), log(means(np.abs(a - b - c + d)) / 2),
            log((means(np.abs(a - b + c - d)) + means(np.abs(a + b - c - d))) / 4),
            log((means(np.abs(b - a)) + means(np.abs(c - a)) + means(np.abs(d - a))) / 3)]


def colours(f, g):
    """Saturation, brightness, spread, clipping, noise of a colour difference, and how red
    and green steps go together."""
    high, low = f.max(1), f.min(1)
    red, green = np.diff(f[:, 0], axis=2), np.diff(f[:, 1], axis=2)
    together = means(red * green) / np.sqrt(means(red ** 2) * means(green ** 2) + 1e-6)
    return [means((high - low) / (high + 1)), means(g), g.std((1, 2)), means(low < 2),
            means(high > 253), log(means(np.abs(laplacian(f[:, 0] - f[:, 1]))) / 4),
            together]


def statistics_of(crops):
    """(n,3,h,w) bytes, sides even and at least 16, to (n,28) numbers."""
    f = crops.astype(np.float32)
    g = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), f, (0, 1))
    dx, dy = np.abs(np.diff(g, axis=2)), np.abs(np.diff(g, axis=1))
    edges = np.abs(laplacian(g)).reshape(len(g), -1)
    across, down = blocks(dx, dy)
    out = [np.maximum(across, down), across + down, log(edges.mean(1)),
           log(np.median(edges, 1)), log(means(dx) + means(dy))]
    return np.stack(out + residuals(g) + colours(f, g) + rings(g), 1)


def train_trees(seed, batches):
    """Trees fitted to the statistics of all crops of the batches."""
    found = [(label, statistics_of(pixels)) for label, pixels in batches]
    trees = HistGradientBoostingClassifier(max_iter=200, learning_rate=0.08,
                                           max_leaf_nodes=15, l2_regularization=1.0,
                                           early_stopping=False, random_state=seed)
    return trees.fit(np.concatenate([f[1] for f in found]),
                     np.concatenate([f[0] for f in found]))


def tree_logits_of(trees):
    """A function from (n,3,crop,crop) bytes to n logits."""
    return lambda crops: trees.decision_function(statistics_of(crops))
