"""Prediction in PyTorch: the network traced, frozen and optimised, in evaluation mode.
Arguments: network, crop, batch, threads, fp32 or bf16, nchw or nhwc."""

import sys

import torch
from networks import network, parameters
from worker import serve

name, crop, batch, threads, precision, layout = sys.argv[1:]
torch.set_num_threads(int(threads))
net = network(name).eval()
count = parameters(net)
pictures = torch.rand(int(batch), 3, int(crop), int(crop)) * 2 - 1
if layout == "nhwc":
    net = net.to(memory_format=torch.channels_last)
    pictures = pictures.to(memory_format=torch.channels_last)
if precision == "bf16":
    net, pictures = net.to(torch.bfloat16), pictures.to(torch.bfloat16)


def predict():
    """Logits of the batch."""
    with torch.no_grad():
        if not torch.isfinite(net(pictures)).all():
            raise SystemExit("a logit is not finite")


with torch.no_grad():
    if precision == "fp32":
        net = torch.jit.freeze(torch.jit.trace(net, pictures))
        net = torch.jit.optimize_for_inference(net)
serve(predict, count)
