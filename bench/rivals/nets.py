"""The rivals' networks: residual ones and FerretNet. All give (n) logits, above 0:
fake."""

import torch
from fronts import diagonal, median_residual, neighbouring
from torch import nn
from torch.nn import functional as F

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation, of 0..1
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def conv(i, o, side, stride=1, groups=1):
    """Without bias; what it gives is as large as what it takes, by the stride."""
    return nn.Conv2d(i, o, side, stride, side // 2, groups=groups, bias=False)


def conv_bn(i, o, side, stride=1):
    """Convolution, batch norm, relu."""
    return nn.Sequential(conv(i, o, side, stride), nn.BatchNorm2d(o), nn.ReLU(True))


def shortcut(i, o, stride):
    """What a block adds its input through."""
    if stride == 1 and i == o:
        return nn.Identity()
    return nn.Sequential(conv(i, o, 1, stride), nn.BatchNorm2d(o))


class Residual(nn.Module):
    """relu(branch(x) + shortcut(x)); two convolutions, or with `narrow` three of
    which the middle one has o / 4 channels."""

    def __init__(self, i, o, stride, narrow):
        super().__init__()
        if narrow:
            layers = [conv_bn(i, o // 4, 1), conv_bn(o // 4, o // 4, 3, stride),
                      conv(o // 4, o, 1), nn.BatchNorm2d(o)]
        else:
            layers = [conv_bn(i, o, 3, stride), conv(o, o, 3), nn.BatchNorm2d(o)]
        self.branch = nn.Sequential(*layers)
        self.shortcut = shortcut(i, o, stride)

    def forward(self, x):
        """(n,i,h,w) to (n,o,h/stride,w/stride)."""
        return F.relu(self.branch(x) + self.shortcut(x), True)


class Front(nn.Module):
    """A function of fronts.py as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        """Whatever the function gives."""
        return self.function(x)


class Detector(nn.Module):
    """Normalised pixels, front-end, body, mean over places, a linear layer."""

    def __init__(self, norm, front, body, width, drop=0.0):
        super().__init__()
        self.register_buffer("mean", torch.tensor(norm[0]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(norm[1]).view(1, 3, 1, 1))
        self.front, self.body = front, body
        self.drop, self.linear = nn.Dropout(drop), nn.Linear(width, 1)

    def forward(self, x):
        """x: (n,3,h,w) of 0..1."""
        x = self.front((x - self.mean) / self.deviation)
        x = self.body(x.contiguous(memory_format=torch.channels_last))
        return self.linear(self.drop(x.mean((2, 3))))[:, 0]


def residual_body(stem, widths, blocks, narrow):
    """A stem that halves, pooling that halves, then stages of blocks."""
    layers, i = [conv_bn(3, 64, stem, 2), nn.MaxPool2d(3, 2, 1)], 64
    for stage, (o, n) in enumerate(zip(widths, blocks)):
        for k in range(n):
            layers.append(Residual(i, o, 2 if stage and k == 0 else 1, narrow))
            i = o
    body = nn.Sequential(*layers)
    for m in body.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    return body


def resnet18():
    """On pixels (11.2 M parameters). CNNDetection has ResNet-50, begun with
    ImageNet's."""
    body = residual_body(7, (64, 128, 256, 512), (2, 2, 2, 2), False)
    return Detector(IMAGENET, nn.Identity(), body, 512)


def half_resnet50(norm, front):
    """The first two stages of ResNet-50 behind a 3 x 3 stem (1.4 M parameters), the whole
    network of NPR and of SAFE."""
    return Detector(norm, front, residual_body(3, (256, 512), (3, 4), True), 512)


class Dilated(nn.Module):
    """Two 3 x 3 convolutions by channel, of dilation 1 and 2, added: computed as the
    one of 5 x 5 that they are. o: once or twice i."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.near = nn.Parameter(torch.empty(o, 1, 3, 3))
        self.far = nn.Parameter(torch.empty(o, 1, 3, 3))
        for weight in (self.near, self.far):
            nn.init.kaiming_uniform_(weight, a=5 ** 0.5)
        self.times, self.stride = o // i, stride

    def forward(self, x):
        """(n,i,h,w) to (n,o,h/stride,w/stride)."""
        far = torch.zeros(len(self.far), 1, 5, 5)
        far[:, :, ::2, ::2] = self.far
        x = x.repeat_interleave(self.times, 1) if self.times > 1 else x
        x = x.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, F.pad(self.near, (1, 1, 1, 1)) + far, None, self.stride, 2, 1,
                        len(far))


class Ferret(nn.Module):
    """FerretNet's block: dilated, 1 x 1, then 3 x 3 by channel, 1 x 1; and a shortcut."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.branch = nn.Sequential(
            Dilated(i, o, stride), conv(o, o, 1), nn.BatchNorm2d(o), nn.ReLU(True),
            conv(o, o, 3, 1, o), conv(o, o, 1), nn.BatchNorm2d(o))
        self.shortcut = shortcut(i, o, stride)

    def forward(self, x):
        """(n,i,h,w) to (n,o,h/stride,w/stride)."""
        return F.relu(self.branch(x) + self.shortcut(x), True)


def ferretnet(width=64):
    """0.5 M parameters; the paper's, of width 96, has 1.1 M."""
    layers = [conv_bn(3, width // 2, 3), conv_bn(width // 2, width, 3, 2)]
    for _ in range(2):
        layers += [Ferret(width, 2 * width, 2), Ferret(2 * width, 2 * width, 1)]
        width *= 2
    layers.append(conv(width, width, 1))
    return Detector(CLIP, Front(median_residual), nn.Sequential(*layers), width, 0.2)


def network(name):
    """The network of a rival, of random weights."""
    if name == "cnndetection":
        return resnet18()
    if name == "npr":
        return half_resnet50(IMAGENET, Front(neighbouring))
    if name == "safe":
        return half_resnet50(PLAIN, Front(diagonal))
    return ferretnet()
