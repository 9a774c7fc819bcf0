"""Prediction in ONNX Runtime, of a file that export.py wrote. Arguments: file, how many
parameters it has, crop, batch, threads."""

import sys

import numpy as np
import onnxruntime
from worker import serve

path, count, crop, batch, threads = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
options.inter_op_num_threads = 1
options.log_severity_level = 3
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
random = np.random.default_rng(1)
pictures = random.uniform(-1, 1, (int(batch), 3, int(crop), int(crop))).astype(np.float32)


def predict():
    """Logits of the batch."""
    (logits,) = session.run(None, {"x": pictures})
    if not np.isfinite(logits).all():
        raise SystemExit("a logit is not finite")


serve(predict, int(count))
