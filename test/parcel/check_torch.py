"""check_torch.py TOLD [ENCODER...]: examples/python/torch_model.py against the library, both
ways. ENCODER: these alone. Needs torch."""

import math
import sys
import tempfile
from pathlib import Path

from world import Tally, World

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import torch  # noqa: E402

import torch_model  # noqa: E402

BOUND = 1e-4  # of 1 + the number
KINDS = (
    [("statistics", "raw", by) for by in ("classifier", "proximity", "fused", "distance", "joint")]
    + [("small", front, "fused") for front in ("raw", "median", "npr", "haar", "octaves")]
    + [("patch", "haar", "distance"), ("resnet18", "raw", "joint"),
       ("resnet50", "octaves", "classifier")])


def crops_of(pictures):
    """Pictures of one crop each as (N,S,S,3) bytes."""
    return torch.stack([torch.frombuffer(bytearray(rgb), dtype=torch.uint8).reshape(h, w, 3)
                        for _, w, h, rgb in pictures])


def off(judge, about, pictures, told):
    """How far margins, S_cls and S_prox are from what the C program told."""
    with torch.no_grad():
        cls, prox = judge.look(crops_of(pictures))
    margins = [torch_model.margin(about, float(c), float(p)) for c, p in zip(cls, prox)]
    return max(abs(float(a) - b) / (1 + abs(b)) if a == a else math.inf
               for ours, theirs in zip(zip(margins, cls, prox), told)
               for a, b in zip(ours, theirs))


def selftest(judge, about, path):
    """Margin of the file's own image, reflected out to a crop, against the stored one."""
    tensors, _ = torch_model.read_safetensors(path)
    image = tensors["selftest.image"]
    assert image.shape[0] == int(about["input.crop"])
    with torch.no_grad():
        cls, prox = judge.look(image[None])
    stored = float(about["selftest.margin"])
    return abs(torch_model.margin(about, float(cls), float(prox)) - stored) / (1 + abs(stored))


def train(judge, pictures):
    """Two steps of gradient descent, everything that learns; batch norm too. Returns whether
    every weight that classifies has moved."""
    before = {name: p.detach().clone() for name, p in judge.named_parameters()}
    labels = torch.tensor([float(i % 2) for i in range(len(pictures))])
    descent = torch.optim.SGD(judge.parameters(), lr=1e-3)
    judge.train()
    for _ in range(2):
        descent.zero_grad()
        logits = judge(crops_of(pictures))
        torch.nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()
        descent.step()
    judge.eval()
    return all(not torch.equal(p, before[name]) for name, p in judge.named_parameters()
               if not name.startswith("g_h"))


def back(tally, world, name, judge, about, pictures):
    """Weights of PyTorch judged by the library as by PyTorch."""
    weights, made = str(world.root / "weights"), str(world.root / "made")
    torch_model.save(judge, about, weights)
    world.tell("import", weights, made)
    worst = off(judge, about, pictures, world.margins(made, [p[0] for p in pictures]))
    tally(name, worst <= BOUND, "off by %.1e at most" % worst)
    return made


def main(root, told, *only):
    tally, world = Tally(), World(root, told)
    torch.manual_seed(3)
    torch.set_num_threads(1)
    pictures = [world.picture(64, 64, 70 + i, i % 2) for i in range(4)]
    files = [p[0] for p in pictures]
    for kind in KINDS:
        if only and kind[0] not in only:
            continue
        name, path = "%s %s %s" % kind, world.model(*kind)
        judge, about = torch_model.load(path)
        told = world.margins(path, files)
        worst = off(judge, about, pictures, told)
        tally("%s: margins in PyTorch" % name, worst <= BOUND, "off by %.1e at most" % worst)
        worst = selftest(judge, about, path)
        tally("%s: the self-test in PyTorch" % name, worst <= BOUND, "off by %.1e" % worst)
        made = back(tally, world, "%s: back again" % name, judge, about, pictures)
        tally("%s: the same bits" % name, world.margins(made, files) == told)
        moved = train(judge, pictures)
        back(tally, world, "%s: trained further in PyTorch" % name, judge, about, pictures)
        tally("%s: which moved every weight" % name, moved)
    for encoder in [e for e in ("statistics", "small", "resnet18") if not only or e in only]:
        about = torch_model.about_new(encoder, embedding=32, crop=64)
        back(tally, world, "%s: made in PyTorch" % encoder,
             torch_model.Judge(encoder, embedding=32).eval(), about, pictures)
    tally.end("torch")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="rj_torch_") as folder:
        main(folder, *sys.argv[1:])
