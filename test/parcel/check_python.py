"""check_python.py TOLD ROOT: examples/python/realjudge.py against the C program, bit for
bit, and its structures against the header. REALJUDGE_LIBRARY names the library; the
compiler is $CC."""

import ctypes
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from world import Tally, World

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "examples" / "python"))
import realjudge  # noqa: E402

HEADERS = "".join((TOP / "include" / name).read_text() for name in (
    "realjudge.h", "realjudge_verdict.h", "realjudge_data.h", "realjudge_exchange.h"))
# How C's compiler names the types that ctypes has.
C_TYPES = {ctypes.c_double: "double", ctypes.c_int: "int", ctypes.c_size_t: "size_t",
           ctypes.c_char_p: "const char *", ctypes.c_void_p: "const uint8_t *"}
ENUMS = {"_answer", "_alone"}  # ints here


def header_fields(name):
    """Names of a structure's fields in the header, in order."""
    body = re.search(r"typedef struct %s \{(.*?)\n\} %s;" % (name, name), HEADERS, re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return [re.search(r"(\w+)(\[\w+\])?$", part.strip()).group(1)
            for line in body.split(";") for part in line.split(",") if part.strip()]


def layout(structure):
    """C that compiles only if the structure lies as ctypes has it."""
    c = structure._c_name_
    lines = ['_Static_assert(sizeof(%s) == %d, "%s");' % (c, ctypes.sizeof(structure), c)]
    for name, kind in structure._fields_:
        field, at = name.lstrip("_"), getattr(structure, name)
        where = '"%s.%s"' % (c, field)
        lines.append("_Static_assert(offsetof(%s, %s) == %d, %s);" % (c, field, at.offset, where))
        lines.append("_Static_assert(sizeof(((%s *)0)->%s) == %d, %s);"
                     % (c, field, at.size, where))
        if kind in C_TYPES and name not in ENUMS:
            lines.append("_Static_assert(_Generic(((%s *)0)->%s, %s: 1, default: 0), %s);"
                         % (c, field, C_TYPES[kind], where))
    return "\n".join(lines)


def compiles(text, root):
    path = Path(root) / "layout.c"
    path.write_text("#include <realjudge.h>\n%s\n" % text)
    done = subprocess.run([*os.environ.get("CC", "cc").split(), "-std=c11", "-I%s" % (TOP / "include"),
                           "-fsyntax-only", str(path)], stderr=subprocess.PIPE,
                          universal_newlines=True)
    return done.returncode == 0, done.stderr.strip()


def check_layout(tally, root):
    structures = [s for s in vars(realjudge).values()
                  if isinstance(s, type) and issubclass(s, ctypes.Structure)]
    tally("structures are mirrored", len(structures) >= 8, "%d of them" % len(structures))
    for s in structures:
        ours = [name.lstrip("_") for name, _ in s._fields_]
        tally("%s has the header's fields" % s._c_name_, ours == header_fields(s._c_name_))
    text = "\n".join(layout(s) for s in structures)
    for name, number in realjudge.STATUSES.items():
        text += '\n_Static_assert(RIJ_%s == %d, "%s");' % (name, number, name)
    for number, name in enumerate(realjudge.ANSWERS):
        text += '\n_Static_assert(RIJ_ANSWER_%s == %d, "%s");' % (name.upper(), number, name)
    text += '\n_Static_assert(RIJ_SHIPPINGS == %d, "strip");' % realjudge.SHIPPINGS
    good, why = compiles(text, root)
    tally("every size, offset and type is the header's", good, why)
    good, _ = compiles(text.replace("offsetof(rij_verdict, score) == 0",
                                    "offsetof(rij_verdict, score) == 4"), root)
    tally("a wrong offset does not compile", not good)
    statuses = re.findall(r"X\((\w+), (\d+),", HEADERS)
    tally("statuses are the header's",
          {name: int(number) for name, number in statuses} == realjudge.STATUSES)


def verdict_words(v):
    return [v.score.hex(), v.margin.hex(), v.classifier.hex(), v.proximity.hex(), v.generated,
            v.crops, v.softness.hex(), v.p_real.hex(), v.p_generated.hex()]


def same(words, ours):
    """Words of C against numbers of Python: %a and float.hex() are the same numbers."""
    def number(word):
        if isinstance(word, int):
            return word
        try:
            return float.fromhex(word).hex()
        except ValueError:
            return word
    return len(words) == len(ours) and all(
        number(int(w) if isinstance(o, int) else w) == number(o) for w, o in zip(words, ours))


def check_predictions(tally, world, model, path):
    files = [p[0] for p in world.pictures]
    told = world.tell("judge", path, *files)
    for line, (file, width, height, rgb) in zip(told, world.pictures):
        name = "%d x %d" % (width, height)
        tally("%s: a file is judged as by C" % name,
              same(line, verdict_words(model.predict(file))))
        writable = memoryview(bytearray(rgb)).cast("B", (height, width, 3))
        readonly = memoryview(rgb).cast("B", (height, width, 3))
        tally("%s: pixels are judged as the file" % name,
              same(line, verdict_words(model.predict(writable)))
              and same(line, verdict_words(model.predict(readonly))))
        try:
            import numpy
        except ImportError:
            continue
        array = numpy.frombuffer(rgb, numpy.uint8).reshape(height, width, 3)
        wide = numpy.zeros((height, width + 5, 3), numpy.uint8)
        wide[:, :width] = array
        backwards = numpy.ascontiguousarray(array[:, ::-1])[:, ::-1]
        tally("%s: NumPy arrays, cut and backwards too" % name, all(
            same(line, verdict_words(model.predict(a)))
            for a in (array, array.copy(), wide[:, :width], backwards)))


def check_answers(tally, world, model, path):
    files = [p[0] for p in world.pictures]
    for line, file in zip(world.tell("examine", path, 0.4, *files), files):
        e = model.examine(file, level=0.4)
        ours = verdict_words(e.as_it_is) + [e._answer, e._alone, e.contradictions]
        for s in e.strip:
            ours += [s.name, s.margin.hex(), s.p_real.hex(), s.p_generated.hex(), s._answer]
        tally("examined as by C: %s" % e, same(line, ours))
    for line, file in zip(world.tell("explain", path, 0.4, *files), files):
        s = model.explain(file, level=0.4)
        ours = verdict_words(s.verdict) + [s.columns, s.rows, s.left, s.top, s.cell, s.window,
                                           s.found, s.p.hex(), s.peak.hex(), s.peak_x, s.peak_y]
        ours += [x.hex() for x in (s.threshold, s.area, s.concentration, s.far)]
        ours += [x.hex() for row in s.cells for x in row]
        tally("explained as by C: %d x %d cells" % (s.columns, s.rows), same(line, ours))
    for k in (2, 8):
        for line, file in zip(world.tell("nearest", path, k, *files), files):
            near = model.nearest(file, k)
            tally("exemplars as by C: %d of %d" % (len(near), k), 1 <= len(near) <= k and
                  same(line, [x for n in near for x in (n.id, n.similarity.hex())]))
    png = str(world.root / "map.png")
    model.explain(files[1], level=0.4).write_png(png)
    graphs = [str(world.root / name) for name in ("python.onnx", "c.onnx")]
    model.export_onnx(graphs[0], "crops")
    world.tell("onnx", path, "crops", graphs[1])
    tally("a graph is exported as by C", len({Path(g).read_bytes() for g in graphs}) == 1)
    tally("a map is written", Path(png).read_bytes()[:4] == b"\x89PNG")


def check_errors(tally, world, model):
    def fails(kind, call, words, status=None):
        try:
            call()
        except kind as error:
            tally("refused: %s" % error, words in str(error)
                  and (status is None or error.name == status))
        else:
            tally("refused: %s" % words, False)

    fails(realjudge.Error, lambda: model.predict("none.png"), "none.png", "RIJ_E_FILE")
    fails(realjudge.Error, lambda: model.predict(__file__), "check_python.py", "RIJ_E_IMAGE")
    fails(realjudge.Error, lambda: realjudge.Model.open(world.pictures[0][0]), "", "RIJ_E_MODEL")
    fails(realjudge.Error, lambda: realjudge.Model.open("none", crops=65), "crops is 65",
          "RIJ_E_ARGUMENT")
    fails(realjudge.Error, lambda: model.examine(world.pictures[0][0], level=1e-3), "",
          "RIJ_E_DATA")
    fails(realjudge.Error, lambda: model.nearest(world.pictures[0][0], 0), "most is 0",
          "RIJ_E_ARGUMENT")
    tiny = memoryview(bytearray(7 * 7 * 3)).cast("B", (7, 7, 3))
    fails(realjudge.Error, lambda: model.predict(tiny), "7 x 7", "RIJ_E_ARGUMENT")
    fails(TypeError, lambda: model.predict(bytearray(192)), "(height, width, 3)")
    fails(TypeError, lambda: model.predict(memoryview(bytearray(8 * 8 * 12)).cast("f", (8, 8, 3))),
          "'f'")
    fails(TypeError, lambda: model.predict(3), "")


def check_threads(tally, model, file):
    alone, said = verdict_words(model.predict(file)), []
    threads = [threading.Thread(target=lambda: said.append(verdict_words(model.predict(file))))
               for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tally("four threads share a model", said == [alone] * 4)


def main(told, root):
    tally = Tally()
    check_layout(tally, root)
    world = World(root, told)
    path = world.model("statistics")
    with realjudge.Model.open(path, threads=1) as model:
        tally("the version is the file VERSION's",
              realjudge.version() == (TOP / "VERSION").read_text().strip())
        tally("a model is described", "statistics encoder" in model.describe())
        check_predictions(tally, world, model, path)
        check_answers(tally, world, model, path)
        check_errors(tally, world, model)
        check_threads(tally, model, world.pictures[1][0])
    try:
        model.predict(world.pictures[0][0])
        tally("a closed model is refused", False)
    except ValueError:
        tally("a closed model is refused", True)
    try:
        model.describe()
        tally("and is not described", False)
    except ValueError:
        tally("and is not described", True)
    said = subprocess.run([sys.executable, "-B", "-c", "import realjudge"],
                          cwd=TOP / "examples" / "python", capture_output=True, text=True,
                          env=dict(os.environ, REALJUDGE_LIBRARY="none.so")).stderr
    tally("a library that is not there is told", "ImportError: none.so" in said
          and "REALJUDGE_LIBRARY" in said)
    tally.end("python")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="rj_python_") as folder:
        main(sys.argv[1], folder)
