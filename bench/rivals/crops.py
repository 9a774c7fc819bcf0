"""Training batches, as `rival_pixels crops` makes them while the one before is used."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np

BATCH = 64  # half of them real


def batches(command, steps, crop):
    """`steps` pairs of labels (BATCH) and pixels (BATCH,3,crop,crop), bytes. command: the
    program and its arguments."""
    size = BATCH * (1 + 3 * crop * crop)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, \
            ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(process.stdout.read, size)
        for step in range(steps):
            data = np.frombuffer(ahead.result(), np.uint8)
            if len(data) != size:
                raise SystemExit("rivals: the training crops ended after %d of %d steps."
                                 % (step, steps))
            ahead = reader.submit(process.stdout.read, size)
            yield data[:BATCH], data[BATCH:].reshape(BATCH, 3, crop, crop)
