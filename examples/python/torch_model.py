"""torch_model.py: a model file in PyTorch, and back. Needs torch, nothing else.

    judge, about = load("judge.safetensors")
    crops = torch.zeros(2, 144, 144, 3, dtype=torch.uint8)  # RGB, side about["input.crop"]
    logits = judge(crops)                                   # (2): classifier of rij_verdict
    save(judge, about, "weights.safetensors")               # after training it further, say

`save` writes weights without hash and self-test; rij_model_import() makes a model file of
them (realjudge.py: import_model). docs/model_file.md names every entry and tensor, and
docs/math.md the formulas. A judge is a plain torch.nn.Module: its state_dict() has the file's
names, and gradients flow through all of it but the statistics' front, which has no weights.
"""

import ctypes
import json
import struct

import torch
import torch.nn.functional as F
from torch import nn

# ---- safetensors ---------------------------------------------------------------------------


# Numbers are copied as they lie, so this is for machines of the file's byte order, little-endian.


def read_safetensors(path):
    """({name: tensor}, {key: text}) of a file of float32 tensors."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    about = header.pop("__metadata__", {})
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        if t["dtype"] != "F32":
            raise ValueError("%s: tensor %s is %s, not F32" % (path, name, t["dtype"]))
        numbers = torch.frombuffer(data, dtype=torch.float32, count=(end - begin) // 4,
                                   offset=begin)
        tensors[name] = numbers.reshape(t["shape"]).clone()
    return tensors, about


def write_safetensors(path, tensors, about):
    header, data, at = {"__metadata__": about}, [], 0
    for name, tensor in tensors.items():
        numbers = tensor.detach().to("cpu", torch.float32).contiguous()
        data.append(ctypes.string_at(numbers.data_ptr(), 4 * numbers.numel()))
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [at, at + len(data[-1])]}
        at += len(data[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))


# ---- what comes before the weights: lib/op/residual.c, lib/op/statistics.c -------------------


def off_median(x):
    """x less the median of the 3x3 around it; borders are reflected."""
    n, c, h, w = x.shape
    near = F.unfold(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3).reshape(n, c, 9, h, w)
    return x - near.median(dim=2).values


def haar(x):
    a, b, c, d = (x[:, :, i // 2::2, i % 2::2] for i in range(4))
    return torch.cat(((a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2), 1)


def octaves(x):
    fine = off_median(x)
    return torch.cat([fine[:, :, i // 2::2, i % 2::2] for i in range(4)]
                     + [off_median(2 * F.avg_pool2d(x, 2))], 1)


def npr(x):
    return x - x[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)


FRONTS = {"raw": (lambda x: x, 3), "median": (off_median, 3), "npr": (npr, 3),
          "haar": (haar, 9), "octaves": (octaves, 15)}  # and channels

EPS = 0.02
COLOURS = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5],
                        [0.5, -0.418688, -0.081312]], dtype=torch.float64)
CENTRE = [-0.8, -3.8, -3.8, 1.9, -0.8, 0.25, 0, 0, -2, 0, 0.9, 0.9]
SCALE = [0.55, 1.4, 1.4, 0.6, 0.3, 0.18, 0.17, 0.15, 0.8, 1, 0.15, 0.15]
PHASES = [[0.035, 0.065, 0.11, 0.2], [0.04, 0.055, 0.08, 0.14]]  # by band


def band_numbers(plane):
    """The twelve numbers of a band, (N,12); `fall` is the log of the band's own energy."""
    def mean(x):
        return x.mean(dim=(-2, -1))

    tap = torch.tensor([0.25, 0.5, 0.25], dtype=plane.dtype)
    blur = (tap[:, None] * tap).expand(3, 1, 3, 3)
    band = plane[:, :, 1:-1, 1:-1] - F.conv2d(plane, blur, groups=3)
    turned = torch.einsum("kc,nchw->nkhw", COLOURS, band)
    energy = mean(turned ** 2) + EPS
    luma, r = energy[:, 0], turned[:, 0]
    first, square = r[:, :-2, :-2], r ** 2
    near = mean(first * (r[:, :-2, 1:-1] + r[:, 1:-1, :-2]))
    slant = mean(first * r[:, 1:-1, 1:-1] + r[:, :-2, 1:-1] * r[:, 1:-1, :-2])
    far = mean(first * (r[:, :-2, 2:] + r[:, 2:, :-2]))
    y = torch.einsum("c,nchw->nhw", COLOURS[0], plane)
    a, b, c, d = (y[:, i // 2::2, i % 2::2] for i in range(4))
    sides = mean((a - d) ** 2 + (b - c) ** 2) / 4 + EPS
    check = mean((a + d - b - c) ** 2) / 4 + EPS
    phase = torch.log(torch.stack([mean(square[:, i // 2::2, i % 2::2]) for i in range(4)], 1)
                      + EPS).std(dim=1, unbiased=False)
    own = mean(band ** 2) + EPS
    together = [mean(band[:, i] * band[:, j]) / (own[:, i] * own[:, j]).sqrt()
                for i, j in ((0, 1), (1, 2))]
    return torch.stack([
        luma.log(), (energy[:, 1] / luma).log(), (energy[:, 2] / luma).log(),
        ((mean(square ** 2) + 3 * EPS ** 2) / luma ** 2).log(),
        ((mean(r.abs()) ** 2 + EPS) / luma).log(), near / 2 / luma, slant / 2 / luma,
        far / 2 / luma, (check / sides).log(), phase, *together], 1)


def statistics(grey):
    """Grey levels (N,3,S,S) -> (N,48)."""
    plane, bands = grey.double(), []
    for _ in range(4):
        bands.append(band_numbers(plane))
        plane = F.avg_pool2d(plane, 2)
    s = torch.stack(bands, 1)
    s[:, :3, 0] -= s[:, 1:, 0].clone()
    centre = torch.tensor([CENTRE] * 4, dtype=s.dtype)
    scale = torch.tensor([SCALE] * 4, dtype=s.dtype)
    centre[3, 0], scale[3, 0] = 4, 1.8
    centre[:, 9], scale[:, 9] = torch.tensor(PHASES, dtype=s.dtype)
    return ((s - centre) / scale).flatten(1).float()


# ---- networks, with torchvision's names -----------------------------------------------------

PLANS = {  # stem, its kernel, pooled, bottleneck, then width, blocks, stride of each stage
    "patch": (16, 3, False, False, (16, 64, 96), (1, 1, 1), (1, 2, 1)),
    "small": (16, 3, False, False, (16, 32, 96, 160), (1, 1, 1, 2), (1, 2, 2, 2)),
    "resnet18": (64, 7, True, False, (64, 128, 256, 512), (2, 2, 2, 2), (1, 2, 2, 2)),
    "resnet50": (64, 7, True, True, (64, 128, 256, 512), (3, 4, 6, 3), (1, 2, 2, 2)),
}


class Block(nn.Module):
    def __init__(self, c, width, stride, bottleneck):
        super().__init__()
        k = 4 * width if bottleneck else width
        shapes = (((c, width, 1, 1), (width, width, 3, stride), (width, k, 1, 1)) if bottleneck
                  else ((c, width, 3, stride), (width, k, 3, 1)))
        self.layers = len(shapes)
        for i, (a, b, r, s) in enumerate(shapes, 1):
            self.add_module("conv%d" % i, nn.Conv2d(a, b, r, s, r // 2, bias=False))
            self.add_module("bn%d" % i, nn.BatchNorm2d(b))
        self.downsample = None
        if stride != 1 or c != k:
            self.downsample = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False),
                                            nn.BatchNorm2d(k))

    def forward(self, x):
        past = self.downsample(x) if self.downsample else x
        for i in range(1, self.layers + 1):
            x = getattr(self, "bn%d" % i)(getattr(self, "conv%d" % i)(x))
            x = F.relu(x + past if i == self.layers else x)
        return x


class Residual(nn.Module):
    def __init__(self, name, front):
        super().__init__()
        stem, r, self.pooled, bottleneck, widths, blocks, strides = PLANS[name]
        self.front, c = FRONTS[front]
        self.conv1 = nn.Conv2d(c, stem, r, 2 if c == 3 else 1, r // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        c, self.stages = stem, len(widths)
        for i, (width, n, stride) in enumerate(zip(widths, blocks, strides), 1):
            stage = []
            for j in range(n):
                stage.append(Block(c, width, 1 if j else stride, bottleneck))
                c = 4 * width if bottleneck else width
            self.add_module("layer%d" % i, nn.Sequential(*stage))
        self.features = c

    def forward(self, grey):
        x = F.relu(self.bn1(self.conv1(self.front((grey - 127.5) / 127.5))))
        if self.pooled:
            x = F.max_pool2d(x, 3, 2, 1)
        for i in range(1, self.stages + 1):
            x = getattr(self, "layer%d" % i)(x)
        h = x.mean(dim=(2, 3))
        return h, h


class Weighed(nn.Module):
    """The encoder `statistics`: two layers."""

    features = 128

    def __init__(self):
        super().__init__()
        self.weigh = nn.Sequential(nn.Linear(48, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())

    def forward(self, grey):
        s = statistics(grey)
        return self.weigh(s), s


class Judge(nn.Module):
    def __init__(self, encoder, front="raw", embedding=128):
        super().__init__()
        self.encoder = Weighed() if encoder == "statistics" else Residual(encoder, front)
        m = self.encoder.features
        for name, bias in (("g_hom", False), ("g_het", True)):
            self.add_module(name, nn.Sequential(nn.Linear(m, m), nn.ReLU(),
                                                nn.Linear(m, embedding, bias=bias)))
        self.classifier = nn.Linear(m, 1)
        self.register_buffer("traces", None)  # (H,d) unit rows
        self.register_buffer("distance", None)  # two rows: m, w

    def look(self, crops):
        """(S_cls, S_prox) of bytes (N,S,S,3); S_prox is S_dist where there is a distance,
        and 0 where there is neither."""
        h, seen = self.encoder(crops.permute(0, 3, 1, 2).float())
        cls = self.classifier(h)[:, 0]
        if self.distance is not None:
            return cls, (seen - self.distance[0]) @ self.distance[1]
        if self.traces is not None:
            u = self.g_hom(h)
            z = u / (u.square().sum(1, keepdim=True) + 1e-12).sqrt()
            return cls, -(z @ self.traces.T).max(1).values
        return cls, torch.zeros_like(cls)

    def forward(self, crops):
        return self.look(crops)[0]


def margin(about, cls, prox):
    """Of an image whose crops have these means."""
    by, number = about["decision.by"], {k: float(v) for k, v in about.items()
                                        if k.startswith("decision.") and k != "decision.by"}
    standard = (prox - number["decision.prox_mean"]) / number["decision.prox_deviation"]
    s = {"classifier": cls, "proximity": standard, "distance": standard}.get(
        by, cls + number["decision.kappa"] * standard)
    return number["decision.a"] * s + number["decision.b"]


# ---- files -----------------------------------------------------------------------------------


def load(path):
    """(judge, about): the network in evaluation mode, and the file's entries."""
    tensors, about = read_safetensors(path)
    if about.get("format") != "realjudge" or about.get("format_version") != "1":
        raise ValueError("%s is no model file of version 1" % path)
    judge = Judge(about["net.encoder"], about["net.front"], int(about["net.embedding"]))
    judge.traces, judge.distance = tensors.get("traces"), tensors.get("distance")
    judge.load_state_dict(
        {name: t for name, t in tensors.items()
         if not name.startswith(("calibration.", "exemplars", "selftest."))}
        | {name: torch.tensor(0) for name in judge.state_dict() if name.endswith("tracked")})
    return judge.eval(), about


def save(judge, about, path):
    """Weights for rij_model_import(). `about` are the entries of the model it came from, or
    those of about_new()."""
    tensors = {name: t for name, t in judge.state_dict().items() if not name.endswith("tracked")}
    write_safetensors(path, tensors, {k: v for k, v in about.items() if k != "hash"})


def about_new(encoder, front="raw", embedding=128, crop=144):
    """Entries of a model that PyTorch made: it decides by its classifier's logit."""
    return {
        "format": "realjudge", "format_version": "1", "input.colour": "RGB",
        "input.scale": "(v-127.5)/127.5", "input.resize": "never",
        "input.cover": "evenly spaced native crops, at most 64, mean of S; short sides reflected",
        "input.crop": str(crop), "net.encoder": encoder, "net.front": front,
        "net.embedding": str(embedding), "decision.by": "classifier", "decision.kappa": "0.0",
        "decision.prox_mean": "0.0", "decision.prox_deviation": "1.0", "decision.a": "1.0",
        "decision.b": "0.0", "selftest.margin": "0.0",
    }
