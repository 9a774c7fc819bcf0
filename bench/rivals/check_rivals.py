#!/usr/bin/env python3
"""The rivals' own tests: check_rivals.py PROGRAM, which is rival_pixels. Data are
made here, below $TMPDIR: small pictures, half of which carry a mark. Exit status 0 if
all is well."""

import csv
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SIDE, CROP = 72, 32
PIXELS = sys.argv.pop(1) if len(sys.argv) > 1 else sys.exit(__doc__)


def png(picture):
    """The file of an (h,w,3) picture."""
    h, w = picture.shape[:2]
    lines = b"".join(b"\0" + picture[y].tobytes() for y in range(h))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def make_data(folder):
    """60 pictures in train and 96 in dev, of two generators."""
    random = np.random.default_rng(1)
    lines = ["path\tlabel\tgenerator\tsplit\tsource\tgroup"]
    for i in range(156):
        split, fake = ("train" if i < 60 else "dev"), i % 2
        generator = ("gen-a", "gen-b")[i // 2 % 2] if fake else ""
        picture = random.integers(60, 200, (SIDE, SIDE, 3), np.uint8)
        if fake:
            picture[::2] = picture[1::2]
        with open(os.path.join(folder, "%d.png" % i), "wb") as file:
            file.write(png(picture))
        source = "" if fake else ("camera", "scans", "scans")[i // 2 % 3]
        lines.append("%d.png\t%s\t%s\t%s\t%s\tg%d" % (
            i, ("real", "fake")[fake], generator, split, source, i // 2))
    with open(os.path.join(folder, "manifest.tsv"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    with open(os.path.join(folder, "pairs.tsv"), "w", encoding="utf-8") as file:
        file.write("generator\treal_sources\tsame_group\ngen-a\tcamera\t1\n"
                   "gen-b\tcamera,scans\t0\n")


class Metrics(unittest.TestCase):
    """figures.py"""

    label = np.repeat([0, 1], [10, 40])

    def test_a_perfect_score_has_an_ap_of_1(self):
        """And every other figure is at its best."""
        from figures import row
        found = row(self.label, np.where(self.label == 1, 50.0, -50.0), [-40.0, -40.0])
        for name in ("ap", "auc", "racc", "facc", "bacc", "tpr1", "tpr5"):
            self.assertEqual(found[name], 1, name)
        self.assertEqual(found["eer"], 0)
        self.assertLess(found["ece"], 1e-9)

    def test_a_constant_score_has_an_ap_of_one_half(self):
        """At equal prior, whatever the numbers of pictures."""
        from figures import row
        found = row(self.label, np.zeros(50), [0.0, 0.0])
        self.assertAlmostEqual(found["ap"], 0.5)
        self.assertAlmostEqual(found["auc"], 0.5)
        self.assertAlmostEqual(found["eer"], 0.5)

    def test_an_alarm_leaves_the_share_above_it(self):
        """At most 5 of 100, and a smaller threshold would leave more."""
        from figures import alarm
        reals = np.arange(100.0)
        self.assertEqual((reals > alarm(reals, 0.05)).sum(), 5)

    def test_calibration_turns_no_order_around(self):
        """Backward scores get a small positive slope."""
        from figures import Decision
        scores = np.random.default_rng(2).normal(size=50)
        good = Decision(scores + 2 * self.label, self.label)
        self.assertGreater(good.a, 0.5)
        self.assertGreater(Decision(scores - 2 * self.label, self.label).a, 0)


class Views(unittest.TestCase):
    """pictures.py and fronts.py"""

    def test_crops_cover_every_pixel(self):
        """Up to the 64th crop, which is flush with the edge."""
        from pictures import cover
        for w, h in ((32, 32), (33, 32), (97, 131), (256, 256), (8, 100)):
            seen = np.zeros((h, w), bool)
            places = cover(w, h, CROP)
            for x, y in places:
                seen[y:y + CROP, x:x + CROP] = True
            self.assertTrue(seen.all())
            self.assertEqual(places[-1], (max(w - CROP, 0), max(h - CROP, 0)))
        self.assertLessEqual(len(cover(16384, 6000, CROP)), 64)
        thin = cover(100, 16384, CROP)  # one column is left, in the middle
        self.assertEqual((len(thin), {x for x, _ in thin}), (64, {34}))

    def test_a_small_picture_is_reflected(self):
        """The edge pixel is not repeated."""
        from pictures import crops_of
        picture = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
        crop = crops_of(picture, 12)[0]
        np.testing.assert_array_equal(crop[:, :8, 8], picture[:, 6].T)

    def test_the_median_takes_its_own_place_as_0(self):
        """Against a sort of nine numbers."""
        import torch
        from fronts import median_residual
        x = torch.randn(2, 3, 8, 10)
        nine = torch.nn.functional.unfold(torch.nn.functional.pad(x, (1, 1, 1, 1)), 3)
        nine = nine.view(2, 3, 9, 80).clone()
        nine[:, :, 4] = 0
        wanted = x - nine.median(2).values.view(2, 3, 8, 10)
        self.assertTrue(torch.equal(median_residual(x), wanted))

    def test_smooth_pictures_have_no_details(self):
        """A constant gives nothing to NPR and SAFE; a single pixel does."""
        import torch
        from fronts import diagonal, neighbouring
        x = torch.full((1, 3, 8, 8), 0.7)
        for front in (neighbouring, diagonal):
            self.assertEqual(front(x).abs().max(), 0)
        x[0, 0, 3, 3] = 1
        for front in (neighbouring, diagonal):
            self.assertEqual(front(x).shape, x.shape)
            self.assertGreater(front(x).abs().max(), 0.01)


class Whole(unittest.TestCase):
    """rival_pixels and rivals.py on data made here."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="rj_rivals_")
        make_data(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def crops(self, *more):
        """What the program says to two steps of crops."""
        return subprocess.run(
            [PIXELS, "crops", "--split", "train", "--manifest",
             os.path.join(self.folder.name, "manifest.tsv"), "--steps", "2",
             "--crop", str(CROP), *more], check=True, stdout=subprocess.PIPE).stdout

    def test_crops_repeat_and_depend_on_the_seed(self):
        """Half real, half fake."""
        first = self.crops("--seed", "1")
        self.assertEqual(len(first), 2 * 64 * (1 + 3 * CROP * CROP))
        self.assertEqual(first[:64], bytes(32) + bytes([1] * 32))
        self.assertEqual(first, self.crops("--seed", "1"))
        self.assertNotEqual(first, self.crops("--seed", "2"))
        self.assertNotEqual(first, self.crops("--seed", "1", "--law", "blur-jpeg"))

    def test_native_pictures_are_the_files(self):
        """Bit for bit, and pairs hold reals of the generator's groups."""
        from figures import read_pairs
        from pictures import Pictures
        out = os.path.join(self.folder.name, "columns")
        subprocess.run([PIXELS, "columns", "--manifest",
                        os.path.join(self.folder.name, "manifest.tsv"), "--split", "dev",
                        "--out", out, "native", "jpeg90"], check=True)
        native, jpeg = Pictures(out, "native"), Pictures(out, "jpeg90")
        self.assertEqual(len(native), 96)
        for i in np.flatnonzero(native.label == 1):
            picture = native.picture(i)
            self.assertTrue((picture[::2] == picture[1::2]).all())
            self.assertFalse((jpeg.picture(i) == picture).all())
        pair = read_pairs(os.path.join(self.folder.name, "pairs.tsv"), native)
        groups = native.group[native.generator == "gen-a"]
        self.assertTrue(np.isin(native.group[pair["gen-a"]], groups).all())
        self.assertEqual(pair["gen-a"].sum(), 8)
        self.assertEqual(pair["gen-b"].sum(), 48)

    def rivals(self, out, *more):
        """The driver, four steps and one seed."""
        return subprocess.run(
            [sys.executable, "-B", os.path.join(HERE, "rivals.py"), "--pixels", PIXELS,
             "--data", self.folder.name, "--steps", "4", "--seeds", "1", "--crop",
             str(CROP), "--out", out, *more], text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_every_rival_gets_its_lines_once(self):
        """Four rows (two generators, mean, all) of five columns each."""
        from recipes import RIVALS
        from run import HEAD
        out = os.path.join(self.folder.name, "out", "rivals.tsv")
        said = self.rivals(out)
        self.assertEqual(said.returncode, 0, said.stderr)
        with open(out, newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file, delimiter="\t"))
        self.assertEqual(list(lines[0]), HEAD)
        self.assertEqual({r["experiment"] for r in lines}, set(RIVALS))
        self.assertEqual(len(lines), 5 * 4 * len(RIVALS))
        ap = [float(r["ap"]) for r in lines if r["generator"] != "mAP"]
        self.assertTrue(all(0 <= a <= 1 for a in ap))
        again = self.rivals(out)
        self.assertEqual((again.returncode, again.stdout), (0, ""), again.stderr)
        paper = self.rivals(out, "--schedule", "paper")
        self.assertEqual(paper.stdout.count("seed"), len(RIVALS) - 1, paper.stderr)

    def test_the_mark_is_learned_by_statistics(self):
        """Fakes repeat every row, so trees rank them above all reals."""
        out = os.path.join(self.folder.name, "mark", "rivals.tsv")
        self.assertEqual(self.rivals(out, "--only", "trivial").returncode, 0)
        with open(out, newline="", encoding="utf-8") as file:
            ap = {(r["generator"], r["column"]): r["ap"]
                  for r in csv.DictReader(file, delimiter="\t")}
        self.assertGreater(float(ap["POOLED", "native"]), 0.99)

    def test_what_is_missing_is_said_in_a_sentence(self):
        """One line, status 1."""
        out = os.path.join(self.folder.name, "none", "rivals.tsv")
        for more, word in ((["--data", HERE], "holds no manifest.tsv"),
                           (["--pixels", os.path.join(HERE, "nothing")], "no program"),
                           (["--only", "nobody"], "nobody is none of"),
                           (["--crop", "33"], "no multiple of 16")):
            said = self.rivals(out, *more)
            self.assertEqual(said.returncode, 1)
            self.assertIn(word, said.stderr)
            self.assertEqual(said.stderr.count("\n"), 1, said.stderr)

    def test_a_module_that_is_missing_is_said(self):
        """Python without its packages finds no PyTorch."""
        said = subprocess.run(
            [sys.executable, "-B", "-I", "-S", os.path.join(HERE, "rivals.py"),
             "--pixels", PIXELS, "--data", self.folder.name], text=True, check=False,
            stderr=subprocess.PIPE)
        self.assertEqual(said.returncode, 1)
        self.assertIn("PyTorch (python3-torch) is not installed", said.stderr)


if __name__ == "__main__":
    sys.path[:0] = [HERE, os.path.join(HERE, os.pardir, "judge")]
    unittest.main()
