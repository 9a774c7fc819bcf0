"""What rivals look at instead of pixels. Each takes (n,3,h,w) numbers, h and w even, and
gives as many."""

import torch
from torch.nn import functional as F

# Exchanges after which the 4th and 5th of eight numbers are in their places (Batcher).
EXCHANGES = ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (1, 2),
             (5, 6), (0, 4), (1, 5), (2, 6), (3, 7), (2, 4), (3, 5), (3, 4))


def neighbouring(x):
    """x less the first pixel of its 2 x 2 block, times 2/3: the relations of neighbouring
    pixels (NPR; Tan et al. 2024)."""
    first = F.interpolate(x[:, :, ::2, ::2], scale_factor=2, mode="nearest")
    return (x - first) * (2 / 3)


def diagonal(x):
    """The diagonal details of one level of a wavelet transform, enlarged again (SAFE;
    Li et al. 2024). The high-pass filter of its wavelet, bior1.3, is Haar's."""
    a, b = x[:, :, ::2, ::2], x[:, :, ::2, 1::2]
    c, d = x[:, :, 1::2, ::2], x[:, :, 1::2, 1::2]
    return F.interpolate((a - b - c + d) / 2, scale_factor=2, mode="bilinear",
                         align_corners=False)


def median_residual(x):
    """x less the median of its 3 x 3 neighbours, its own place taken as 0 (FerretNet;
    Liang et al. 2025): of nine numbers one of which is 0, the median is 0 clamped
    between the 4th and the 5th of the other eight. Zeros lie beyond the border."""
    h, w = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1))
    v = [padded[:, :, i:i + h, j:j + w] for i in range(3) for j in range(3)
         if (i, j) != (1, 1)]
    for i, j in EXCHANGES:
        v[i], v[j] = torch.minimum(v[i], v[j]), torch.maximum(v[i], v[j])
    return x - torch.minimum(v[4], torch.clamp(v[3], min=0))
