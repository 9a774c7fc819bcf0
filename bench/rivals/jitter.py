"""What SAFE does to its training crops besides cutting them: turn, change colours, mask.
Crops are (n,3,h,w) numbers of 0..1; draws come from torch's generator."""

import math

import torch
from torch.nn import functional as F

PATCH = 16  # pixels, the side of what is masked


def turned(x):
    """By any angle, to the nearest pixel; black beyond the corners."""
    angle = (torch.rand(len(x)) * 2 - 1) * math.pi
    c, s, o = angle.cos(), angle.sin(), torch.zeros(len(x))
    matrix = torch.stack([torch.stack([c, -s, o], 1), torch.stack([s, c, o], 1)], 1)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="nearest", padding_mode="zeros",
                         align_corners=False)


def grey(x):
    """(n,1,h,w)"""
    return (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)


def coloured(x):
    """Brightness, contrast and saturation times 0.5 to 1.5, in an order drawn for each
    batch."""
    for which in torch.randperm(3).tolist():
        share = 0.5 + torch.rand(len(x), 1, 1, 1)
        other = (torch.zeros(1), grey(x).mean((2, 3), keepdim=True), grey(x))[which]
        x = (share * x + (1 - share) * other).clamp(0, 1)
    return x


def masked(x):
    """Of half of the crops up to three quarters, by squares, become black."""
    n, h, w = len(x), x.shape[2] // PATCH, x.shape[3] // PATCH
    share = torch.where(torch.rand(n) < 0.5, torch.rand(n) * 0.75, torch.zeros(n))
    rank = torch.rand(n, h * w).argsort(1).argsort(1)
    kept = (rank >= (share * h * w).floor()[:, None]).float().view(n, 1, h, w)
    kept = kept.repeat_interleave(PATCH, 2).repeat_interleave(PATCH, 3)
    kept = F.pad(kept, (0, x.shape[3] - w * PATCH, 0, x.shape[2] - h * PATCH), value=1.0)
    return x * kept


def jittered(x):
    """All three."""
    return masked(coloured(turned(x)))
