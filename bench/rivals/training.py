"""A rival's network from batches of crops to a function that gives logits."""

import math

import torch
from jitter import jittered
from nets import network
from torch.nn import functional as F

WARMUP, MEAN = 0.05, 0.99


def numbers(crops):
    """(n,3,h,w) bytes as numbers of 0..1."""
    return torch.from_numpy(crops.copy()).float() / 255


def rate_of(shape, step, steps):
    """The share of the rate that a step has."""
    if shape == "constant":
        return 1.0
    if shape == "steps":
        return 0.8 ** (5 * step // steps)
    warm = math.ceil(WARMUP * steps)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def optimiser_of(net, s):
    """By the schedule."""
    kind = torch.optim.AdamW if s.optimiser == "adamw" else torch.optim.Adam
    return kind(net.parameters(), s.rate, (s.beta, 0.999), weight_decay=s.decay)


@torch.no_grad()
def average(mean, net, step):
    """mean: a copy of the network's state; batch norm's statistics count as
    parameters."""
    kept = min(MEAN, (1 + step) / (10 + step))
    for name, now in net.state_dict().items():
        if now.is_floating_point():
            mean[name].lerp_(now, 1 - kept)
        else:
            mean[name].copy_(now)


def train(name, schedule, steps, seed, batches):
    """The trained network, in evaluation mode. batches: `steps` pairs of labels and
    pixels."""
    torch.manual_seed(seed)
    net = network(name).to(memory_format=torch.channels_last).train()
    optimiser = optimiser_of(net, schedule)
    mean = {k: v.clone() for k, v in net.state_dict().items()}
    for step, (label, pixels) in enumerate(batches):
        x = jittered(numbers(pixels)) if name == "safe" else numbers(pixels)
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate * rate_of(schedule.shape, step, steps)
        y = torch.from_numpy(label.copy()).float()
        loss = F.binary_cross_entropy_with_logits(net(x), y)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        average(mean, net, step)
        if not math.isfinite(loss.item()):
            raise SystemExit("rivals: %s: the loss is not finite after step %d."
                             % (name, step))
    if schedule.mean:
        net.load_state_dict(mean)
    return net.eval()


def logits_of(net):
    """A function from (n,3,crop,crop) bytes to n logits, 64 at a time."""
    def logits(crops):
        with torch.no_grad():
            return torch.cat([net(numbers(crops[i:i + 64]))
                              for i in range(0, len(crops), 64)]).double().numpy()
    return logits
