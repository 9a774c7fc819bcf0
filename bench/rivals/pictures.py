"""Pictures that rival_pixels wrote: read, and cut into the crops that a detector
judges."""

import csv
import os

import numpy as np

COVER_MAX = 64  # crops of a picture, at most


class Pictures:
    """The pictures of a split under one column, and what is known of each: arrays label
    (1: fake), generator, source and group, in the order of the file."""

    def __init__(self, folder, column):
        path = os.path.join(folder, column + ".tsv")
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        self.bytes = np.memmap(os.path.join(folder, column + ".rgb"), np.uint8, "r")
        self.size = [(int(r["width"]), int(r["height"])) for r in rows]
        self.start = np.concatenate([[0], np.cumsum([3 * w * h for w, h in self.size])])
        self.label = np.array([int(r["label"] == "fake") for r in rows])
        self.generator = np.array([r["generator"] for r in rows])
        self.source = np.array([r["source"] for r in rows])
        self.group = np.array([r["group"] for r in rows])
        if self.start[-1] != len(self.bytes):
            raise SystemExit("rivals: %s/%s.rgb is not as long as its index says; remove "
                             "the folder and start again." % (folder, column))

    def __len__(self):
        return len(self.size)

    def picture(self, i):
        """(h,w,3) bytes."""
        w, h = self.size[i]
        return self.bytes[self.start[i]:self.start[i + 1]].reshape(h, w, 3)


def corners(n, side, crop):
    """Where n crops along a side start."""
    if side <= crop:
        return [0] * n
    if n == 1:
        return [(side - crop) // 2]
    return [i * (side - crop) // (n - 1) for i in range(n)]


def cover(w, h, crop):
    """Corners (x, y) of the crops that cover a picture, as rj_cover() of
    lib/judge/predict.c has them: ceil(w / crop) columns, the first at 0, the last
    flush with the edge, rows likewise; the grid is thinned along its denser side
    until COVER_MAX are left."""
    across, down = -(-w // crop), -(-h // crop)
    while across * down > COVER_MAX:
        if down == 1 or (across > 1 and w * down <= h * across):
            across -= 1
        else:
            down -= 1
    return [(x, y) for y in corners(down, h, crop) for x in corners(across, w, crop)]


def crops_of(picture, crop):
    """(n,3,crop,crop) bytes: native, nothing is resized. A picture smaller than the
    crop is reflected out on the right and below, the edge pixel not repeated."""
    h, w = picture.shape[:2]
    if h < crop or w < crop:
        picture = np.pad(picture, ((0, max(0, crop - h)), (0, max(0, crop - w)), (0, 0)),
                         mode="reflect")
    cut = [picture[y:y + crop, x:x + crop] for x, y in cover(w, h, crop)]
    return np.ascontiguousarray(np.stack(cut).transpose(0, 3, 1, 2))


def judge(pictures, crop, logits, at_a_time=16):
    """The mean logit over the crops of each picture. logits: (n,3,crop,crop) bytes to
    n."""
    out = np.empty(len(pictures))
    for first in range(0, len(pictures), at_a_time):
        some = range(first, min(first + at_a_time, len(pictures)))
        crops = [crops_of(pictures.picture(i), crop) for i in some]
        ends = np.cumsum([len(c) for c in crops])
        of_crops = np.split(logits(np.concatenate(crops)), ends[:-1])
        out[first:first + len(some)] = [np.mean(x, dtype=np.float64) for x in of_crops]
    return out
