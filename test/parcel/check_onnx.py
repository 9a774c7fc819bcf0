"""check_onnx.py TOLD [ENCODER...]: exported graphs, run by ONNX Runtime, give the library's margins.
ENCODER: these alone. Needs onnxruntime and numpy; onnx's own checker is asked where it is there."""

import sys
import tempfile

import numpy
import onnxruntime

from world import Tally, World

BOUND = 1e-4  # of logits, and of what they are made of
KINDS = (
    [("statistics", "raw", by) for by in ("classifier", "proximity", "fused", "distance", "joint")]
    + [("small", front, "classifier") for front in ("raw", "median", "npr", "haar", "octaves")]
    + [("patch", "haar", "distance"), ("resnet18", "raw", "fused"), ("resnet18", "octaves", "joint"),
       ("resnet50", "haar", "classifier")])


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def check(path):
    """What onnx's checker says: None where all is well, or onnx is not there."""
    try:
        import onnx
    except ImportError:
        return None
    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as error:
        return str(error)
    return None


def array(picture):
    _, width, height, rgb = picture
    return numpy.frombuffer(rgb, numpy.uint8).reshape(height, width, 3)


def check_images(tally, world, name, model, pictures):
    path = str(world.root / "image.onnx")
    world.tell("onnx", model, "image", path)
    said = check(path)
    tally("%s: the checker accepts it" % name, said is None, said or "")
    judge = session(path)
    outputs = [o.name for o in judge.get_outputs()]
    worst = 0
    for picture, line in zip(pictures, world.tell("judge", model, *(p[0] for p in pictures))):
        told = dict(zip(("score", "margin", "classifier", "proximity"),
                        (float.fromhex(w) for w in line[:4])))
        got = dict(zip(outputs, judge.run(None, {"image": array(picture)})))
        for output in outputs:
            assert got[output].shape == (1,), (output, got[output].shape)
            off = abs(float(got[output][0]) - told[output])
            worst = max(worst, off / (1 + abs(told[output])) if off == off else float("inf"))
    tally("%s: %s as by the library" % (name, ", ".join(outputs)), worst <= BOUND,
          "off by %.1e at most" % worst)


def check_crops(tally, world, name, model, pictures):
    """Pictures of one crop each, as a batch."""
    path = str(world.root / "crops.onnx")
    world.tell("onnx", model, "crops", path)
    said = check(path)
    judge = session(path)
    got = judge.run(["margin"], {"crops": numpy.stack([array(p) for p in pictures])})[0]
    told = [m[0] for m in world.margins(model, [p[0] for p in pictures])]
    worst = max(abs(float(a) - b) / (1 + abs(b)) for a, b in zip(got, told))
    tally("%s: a batch of crops" % name, said is None and len(got) == len(told) and worst <= BOUND,
          said or "off by %.1e at most" % worst)


def main(root, told, *only):
    tally = Tally()
    world = World(root, told)
    one_crop = [world.picture(64, 64, 50 + i, i % 2) for i in range(3)]
    large = [world.picture(w, h, 60, False) for w, h in ((1100, 330), (200, 2000), (100, 6500))]
    for kind in KINDS:
        if only and kind[0] not in only:
            continue
        name, model = "%s %s %s" % kind, world.model(*kind)
        pictures = world.pictures + (large if kind[0] == "statistics" else [])
        check_images(tally, world, name, model, pictures)
        check_crops(tally, world, name, model, one_crop)
    tally.end("onnx")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="rj_onnx_") as folder:
        main(folder, *sys.argv[1:])
