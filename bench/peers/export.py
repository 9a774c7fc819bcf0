"""Write a network of networks.py as ONNX, in evaluation mode, for any size of batch.
Arguments: network, crop, file."""

import sys
import warnings

import torch
from networks import network, parameters

name, crop, path = sys.argv[1:]
warnings.filterwarnings("ignore")
net = network(name).eval()
torch.onnx.export(net, torch.rand(1, 3, int(crop), int(crop)), path, opset_version=13,
                  input_names=["x"], output_names=["logit"],
                  dynamic_axes={"x": {0: "n"}, "logit": {0: "n"}})
print(parameters(net))
