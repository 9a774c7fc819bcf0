"""Outputs and gradients of ops as PyTorch computes them, in float64.

    python3 test/golden/make_ops.py > test/golden/ops.inc

Inputs are random numbers of three decimals. A case has, as test_kernels.c reads it: the
op with its parameters and shapes, then as {n, numbers} the inputs, dy, y, the gradients
of the inputs marked g, and what became of the inputs marked c or v (the running
statistics of batch norm).
"""
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(5)
print("/* Made by make_ops.py with PyTorch %s. */" % torch.__version__.split("+")[0])


def drawn(*shape):
    return torch.randn(shape).mul(1000).round().div(1000)


def numbers(tensors):
    flat = [v for t in tensors for v in t.detach().flatten().tolist()]
    text = ", ".join(repr(v + 0.0) for v in flat or [0.0])
    return "{%d, (const double[]){%s}}" % (len(flat), text)


def case(op, name, inputs, par, shapes, f, ready=None):
    """inputs: a letter for each as in cases.def; f: the op in PyTorch."""
    x = ready or [drawn(*s) for s in shapes]
    for kind, t in zip(inputs, x):
        if kind == "v":
            t.abs_().add_(0.5)
        t.requires_grad_(kind in "gk")
    before = numbers(x)
    y = f(*x)
    dy = drawn(*y.shape)
    g = torch.autograd.grad(y, [t for t in x if t.requires_grad], dy)
    left = [t for t in x if not t.requires_grad]
    text = ", ".join(("PIC(%d, %d, %d, %d)" if len(s) == 4 and (i == 0 or op in ("absdiff", "batchnorm")) else
                      "PLAIN(%d, " % len(s) + ", ".join(["%d"] * len(s)) + ")") % tuple(s)
                     for i, s in enumerate(shapes))
    print('{{&rj_op_%s, "%s", "%s", %s, {%s}},' % (op, name, inputs.ljust(3, "-"), par, text))
    for t in (before, numbers([dy]), numbers([y]), numbers(g)):
        print(" " + t + ",")
    print(" " + numbers(left) + "},")


def par(op, *values):
    return "PAR(rj_%s_par, %s)" % (op, ", ".join(str(v) for v in values))


for name, x, w, stride, pad in (("three", (2, 3, 5, 4), (2, 3, 3, 3), 1, 1),
                                ("strided", (1, 2, 5, 7), (3, 2, 3, 3), 2, 1),
                                ("even", (1, 1, 6, 4), (2, 1, 4, 4), 2, 1),
                                ("seven", (1, 2, 5, 4), (1, 2, 7, 7), 2, 3)):
    case("conv2d", name, "ggg", par("conv2d", stride, pad), (x, w, w[:1]),
         lambda x, w, b: F.conv2d(x, w, b, stride=stride, padding=pad))
for name, x, w, stride, pad in (("four", (1, 2, 3, 2), (2, 3, 4, 4), 2, 1),
                                ("three", (2, 1, 2, 3), (1, 2, 3, 3), 1, 1)):
    case("deconv2d", name, "ggg", par("deconv2d", stride, pad), (x, w, w[1:2]),
         lambda x, w, b: F.conv_transpose2d(x, w, b, stride=stride, padding=pad))
for name, train in (("batch", True), ("running", False)):
    case("batchnorm", name, "gggcv-", par("batchnorm", str(train).lower(), 1e-5, 0.1),
         ((3, 2, 3, 2),) + ((2,),) * 4,
         lambda x, g, b, m, v: F.batch_norm(x, m, v, g, b, train, 0.1, 1e-5))
case("maxpool2d", "three", "k", par("maxpool2d", 3, 2, 1), ((1, 2, 5, 6),),
     lambda x: F.max_pool2d(x, 3, 2, 1))
case("maxpool2d", "two", "k", par("maxpool2d", 2, 2, 0), ((1, 2, 5, 3),),
     lambda x: F.max_pool2d(x, 2, 2))
case("avgpool", "mean", "g", "NOPAR", ((2, 3, 3, 2),), lambda x: x.mean((2, 3)))
for name, x, p, q in (("double", (1, 2, 3, 4), 6, 8), ("odd", (1, 1, 5, 3), 7, 8),
                      ("shrink", (1, 1, 7, 5), 3, 2)):
    for mode in ("nearest", "bilinear"):
        extra = {"align_corners": False} if mode == "bilinear" else {}
        case("resize2d", mode + "_" + name, "g", par("resize2d", p, q, "RJ_" + mode.upper()),
             (x,), lambda x: F.interpolate(x, (p, q), mode=mode, **extra))
case("shuffle2d", "two", "g", par("shuffle2d", 2), ((1, 8, 2, 3),),
     lambda x: F.pixel_shuffle(x, 2))
case("relu", "plain", "k", "NOPAR", ((3, 4),), F.relu)
case("linear", "rows", "ggg", "NOPAR", ((3, 4), (2, 4), (2,)), F.linear)
case("l2norm", "rows", "g", "NOPAR", ((3, 5),),
     lambda x: x / x.square().sum(1, keepdim=True).add(1e-12).sqrt())
case("bce", "logits", "gc", "NOPAR", ((5, 1), (5,)),
     lambda s, y: F.binary_cross_entropy_with_logits(s[:, 0], y),
     [drawn(5, 1) * 20, torch.tensor([0.0, 1, 1, 0, 1])])
case("absdiff", "smooth", "gg", par("absdiff", 0.1), ((1, 3, 2, 2),) * 2,
     lambda x, u: ((x - u) ** 2 + 0.01).sqrt().sub(0.1).mean())
case("decouple", "rows", "gg", "NOPAR", ((4, 3), (4, 3)),
     lambda x, u: (x.t() @ u).square().sum() / 16)
for name, train in (("relu", True), ("running_relu", False)):
    case("batchnorm", name, "gggcv-", par("batchnorm", str(train).lower(), 1e-5, 0.1, "true"),
         ((3, 2, 3, 2),) + ((2,),) * 4,
         lambda x, g, b, m, v: F.relu(F.batch_norm(x, m, v, g, b, train, 0.1, 1e-5)))
for name, last in (("add", "false"), ("add_relu", "true")):
    case("batchnorm", name, "gggcvg", par("batchnorm", "true", 1e-5, 0.1, last),
         ((3, 2, 3, 2),) + ((2,),) * 4 + ((3, 2, 3, 2),),
         lambda x, g, b, m, v, u: (F.relu if last == "true" else lambda y: y)(
             F.batch_norm(x, m, v, g, b, True, 0.1, 1e-5) + u))
