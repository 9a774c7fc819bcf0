"""A step of training in PyTorch, as bench_train.c does it: forward, binary cross entropy of
logits, backward, SGD with momentum. Arguments: network, crop, batch, threads, fp32 or
bf16, nchw or nhwc."""

import contextlib
import math
import sys

import torch
from networks import network, parameters
from worker import serve

name, crop, batch, threads, precision, layout = sys.argv[1:]
torch.set_num_threads(int(threads))
net = network(name).train()
pictures = torch.rand(int(batch), 3, int(crop), int(crop)) * 2 - 1
labels = (torch.arange(int(batch)) % 2).float().unsqueeze(1)
if layout == "nhwc":
    net = net.to(memory_format=torch.channels_last)
    pictures = pictures.to(memory_format=torch.channels_last)
loss_of = torch.nn.BCEWithLogitsLoss()
sgd = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)


def lowered():
    """Inside it the operations that may run in bf16 do."""
    if precision == "bf16":
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def step():
    """One step; what it leaves is a smaller loss."""
    sgd.zero_grad(set_to_none=True)
    with lowered():
        logits = net(pictures)
    loss = loss_of(logits.float(), labels)
    loss.backward()
    sgd.step()
    if not math.isfinite(loss.item()):
        raise SystemExit("the loss is not finite")


serve(step, parameters(net))
