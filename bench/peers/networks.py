"""The networks of lib/net/encoder.c in PyTorch, behind the front-end "raw": an encoder and
a classifier of one output. resnet18 and resnet50 are torchvision's own."""

import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock

WIDTHS, BLOCKS = (16, 32, 96, 160), (1, 1, 1, 2)


def block(channels, width, stride):
    """A basic block; its shortcut is projected where the shape changes."""
    down = None
    if stride != 1 or channels != width:
        down = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False),
                             nn.BatchNorm2d(width))
    return BasicBlock(channels, width, stride, down)


def small():
    """Stem 3x3 with stride 2 and no pooling, then four stages of basic blocks."""
    layers = [nn.Conv2d(3, WIDTHS[0], 3, 2, 1, bias=False), nn.BatchNorm2d(WIDTHS[0]),
              nn.ReLU(inplace=True)]
    channels = WIDTHS[0]
    for stage, (width, blocks) in enumerate(zip(WIDTHS, BLOCKS)):
        for i in range(blocks):
            layers.append(block(channels, width, 2 if stage > 0 and i == 0 else 1))
            channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1)]
    return nn.Sequential(*layers)


def network(name):
    """A network of random weights, the same ones every time."""
    torch.manual_seed(1)
    if name == "small":
        return small()
    return getattr(torchvision.models, name)(weights=None, num_classes=1)


def parameters(net):
    """How many numbers it learns."""
    return sum(p.numel() for p in net.parameters())
