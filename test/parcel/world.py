"""world.py: pictures, models and the C program's verdicts, for the tests of what other
programs read. Nothing beyond Python's own library."""

import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path


def paint(width, height, number, generated=False):
    """Slopes and noise as tight rows of RGB; generated ones carry a grid of two pixels."""
    noise = iter(random.Random(number).randbytes(3 * width * height))
    return bytes(
        40 + (x * 2 + y + next(noise) % 32 + (40 if generated and (x + y) % 2 else 0)) % 200
        for y in range(height) for x in range(width) for _ in range(3))


def write_png(path, width, height, rgb):
    def chunk(name, data):
        return (struct.pack(">I", len(data)) + name + data
                + struct.pack(">I", zlib.crc32(name + data)))

    rows = b"".join(b"\0" + rgb[y * 3 * width:(y + 1) * 3 * width] for y in range(height))
    Path(path).write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class World:
    """A folder of pictures; trains models of any kind by the C program `told`."""

    def __init__(self, root, told):
        self.root, self.told = Path(root), told
        for side in (98, 64):  # the small ones are for networks that take their time
            for i in range(12):
                for kind in ("real", "fake/grid"):
                    folder = self.root / ("data%d" % side) / kind
                    folder.mkdir(parents=True, exist_ok=True)
                    write_png(folder / ("%02d.png" % i), side + 2, side,
                              paint(side + 2, side, 100 * (kind == "real") + i, kind != "real"))
        self.pictures = [self.picture(*size, 1000 + i, i % 2) for i, size in enumerate(
            ((64, 64), (151, 90), (40, 130), (9, 8)))]

    def picture(self, width, height, number, generated=False):
        """(path, width, height, rgb) of a new one."""
        path = self.root / ("%dx%d-%d.png" % (width, height, number))
        rgb = paint(width, height, number, generated)
        write_png(path, width, height, rgb)
        return str(path), width, height, rgb

    def model(self, encoder, front="raw", decide="classifier", embedding=16):
        path = self.root / ("%s-%s-%s-%d.safetensors" % (encoder, front, decide, embedding))
        if not path.exists():
            data = self.root / ("data98" if encoder == "statistics" else "data64")
            self.tell("train", data, encoder, front, decide, embedding, path)
        return str(path)

    def tell(self, *arguments):
        """Lines of the C program, each split into words."""
        said = subprocess.run([self.told, *map(str, arguments)], check=True,
                              stdout=subprocess.PIPE, universal_newlines=True).stdout
        return [line.split() for line in said.splitlines()]

    def margins(self, model, paths):
        """(margin, S_cls, S_prox) of each picture by the C program."""
        return [tuple(float.fromhex(word) for word in line[1:4])
                for line in self.tell("judge", model, *paths)]


class Tally:
    """Named checks, told one a line; the last line counts them."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, condition, detail=""):
        self.passed += bool(condition)
        self.failed += not condition
        print("  %s  %s%s" % ("ok    " if condition else "FAILED", name,
                              " (%s)" % detail if detail else ""))

    def end(self, what):
        print("%s: %d passed, %d failed" % (what, self.passed, self.failed))
        sys.exit(1 if self.failed or not self.passed else 0)
