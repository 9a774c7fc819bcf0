"""realjudge.py: librealjudge from Python, by ctypes. One file, nothing to build.

    from realjudge import Model

    with Model.open("judge.safetensors") as model:
        verdict = model.predict("photo.jpg")        # or an array of (height, width, 3) bytes
        print(verdict.score, verdict.verdict)       # 0 photograph .. 1 generated
        print(model.examine("photo.jpg", level=0.05).verdict)   # real, generated or unsure

Arrays are whatever shares its memory as bytes of red, green, blue: NumPy's of dtype uint8,
memoryviews. Numbers come back as C has them, to the last bit. What fails raises Error, with
the library's own line. Many threads may use one Model: the library runs outside the
interpreter's lock.

The library is the one named by REALJUDGE_LIBRARY, or else librealjudge as the system's
loader finds it. What each call promises is said in realjudge.h; a test holds the structures
below against that header, so they cannot drift (test/parcel).
"""

import collections
import ctypes
import ctypes.util
import os
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int, c_size_t, c_void_p

__all__ = ["Error", "Evidence", "Examination", "Model", "Neighbour", "Verdict",
           "import_model", "version"]

# ---- the header's types ------------------------------------------------------------------

SHIPPINGS = 6  # RIJ_SHIPPINGS
ANSWERS = ("unsure", "real", "generated")  # by rij_answer
STATUSES = {
    "OK": 0, "E_ARGUMENT": 10, "E_SHAPE": 11, "E_CANCELLED": 12, "E_FILE": 20,
    "E_IMAGE": 21, "E_MODEL": 22, "E_DATA": 23, "E_MEMORY": 30, "E_DEVICE": 31,
    "E_DIVERGED": 40,
}  # RIJ_STATUS_MAP


class Image(ctypes.Structure):
    _c_name_ = "rij_image"
    _fields_ = [("width", c_int), ("height", c_int), ("stride", c_size_t), ("rgb", c_void_p)]


class Verdict(ctypes.Structure):
    """What the judge says of one image: the fields of rij_verdict."""

    _c_name_ = "rij_verdict"
    _fields_ = [
        ("score", c_double), ("margin", c_double), ("classifier", c_double),
        ("proximity", c_double), ("generated", c_int), ("crops", c_int),
        ("softness", c_double), ("p_real", c_double), ("p_generated", c_double),
        ("width", c_int), ("height", c_int),
    ]

    @property
    def verdict(self):
        """"generated" where the margin is above 0, else "photograph"."""
        return "generated" if self.generated else "photograph"

    def __repr__(self):
        return "<Verdict %s, score %.3f>" % (self.verdict, self.score)


class Shipped(ctypes.Structure):
    """The image under one of the ways in which images are shipped on."""

    _c_name_ = "rij_shipped"
    _fields_ = [
        ("_name", c_char_p), ("margin", c_double), ("p_real", c_double),
        ("p_generated", c_double), ("_answer", c_int),
    ]
    name = property(lambda self: self._name.decode())
    answer = property(lambda self: ANSWERS[self._answer])


class Examination(ctypes.Structure):
    """An answer with a promise about error, and what it rests on (rij_examination)."""

    _c_name_ = "rij_examination"
    _fields_ = [
        ("_answer", c_int), ("_verdict", Verdict), ("_alone", c_int),
        ("contradictions", c_int), ("_strip", Shipped * SHIPPINGS),
    ]
    verdict = property(lambda self: ANSWERS[self._answer], doc="unsure, real or generated.")
    alone = property(lambda self: ANSWERS[self._alone], doc="The same without the strip.")
    score = property(lambda self: self._verdict.score)
    margin = property(lambda self: self._verdict.margin)
    p_real = property(lambda self: self._verdict.p_real)
    p_generated = property(lambda self: self._verdict.p_generated)
    as_it_is = property(lambda self: self._verdict, doc="The Verdict of the image alone.")
    strip = property(lambda self: tuple(self._strip), doc="Six times Shipped.")

    def __repr__(self):
        return "<Examination %s, p_real %.3f, p_generated %.3f>" % (
            self.verdict, self.p_real, self.p_generated)


class Summary(ctypes.Structure):
    _c_name_ = "rij_evidence_summary"
    _fields_ = [
        ("verdict", Verdict), ("columns", c_int), ("rows", c_int), ("left", c_int),
        ("top", c_int), ("cell", c_int), ("window", c_int), ("found", c_int),
        ("p", c_double), ("peak", c_double), ("peak_x", c_int), ("peak_y", c_int),
        ("threshold", c_double), ("area", c_double), ("concentration", c_double),
        ("far", c_double),
    ]


class NeighbourRow(ctypes.Structure):
    _c_name_ = "rij_neighbour"
    _fields_ = [("id", c_char_p), ("similarity", c_double)]  # the name is the model's


# A photograph that the model keeps, by name, and how similar a picture's traces are.
Neighbour = collections.namedtuple("Neighbour", "id similarity")


class OpenOptions(ctypes.Structure):
    _c_name_ = "rij_open_options"
    _fields_ = [
        ("size", c_size_t), ("device", c_char_p), ("threads", c_int),
        ("precision", c_char_p), ("crops", c_int), ("isolate", c_int),
    ]


class ExamineOptions(ctypes.Structure):
    _c_name_ = "rij_examine_options"
    _fields_ = [("size", c_size_t), ("level", c_double)]


class ExplainOptions(ctypes.Structure):
    _c_name_ = "rij_explain_options"
    _fields_ = [("size", c_size_t), ("level", c_double)]


class OnnxOptions(ctypes.Structure):
    _c_name_ = "rij_onnx_options"
    _fields_ = [("size", c_size_t), ("input", c_char_p)]


# ---- the library -------------------------------------------------------------------------

_FUNCTIONS = {
    "rij_version": (c_char_p,),
    "rij_status_name": (c_char_p, c_int),
    "rij_last_error": (c_char_p,),
    "rij_model_open": (c_int, c_char_p, POINTER(OpenOptions), POINTER(c_void_p)),
    "rij_model_exemplars": (c_int, c_void_p),
    "rij_model_describe": (c_size_t, c_void_p, c_char_p, c_size_t),
    "rij_model_export_onnx": (c_int, c_void_p, POINTER(OnnxOptions), c_char_p),
    "rij_model_import": (c_int, c_char_p, c_char_p),
    "rij_model_free": (None, c_void_p),
    "rij_predict": (c_int, c_void_p, POINTER(Image), POINTER(Verdict)),
    "rij_predict_file": (c_int, c_void_p, c_char_p, POINTER(Verdict)),
    "rij_examine": (c_int, c_void_p, POINTER(Image), POINTER(ExamineOptions),
                    POINTER(Examination)),
    "rij_examine_file": (c_int, c_void_p, c_char_p, POINTER(ExamineOptions),
                         POINTER(Examination)),
    "rij_explain": (c_int, c_void_p, POINTER(Image), POINTER(ExplainOptions),
                    POINTER(c_void_p)),
    "rij_explain_file": (c_int, c_void_p, c_char_p, POINTER(ExplainOptions),
                         POINTER(c_void_p)),
    "rij_nearest": (c_int, c_void_p, POINTER(Image), c_int, POINTER(NeighbourRow),
                    POINTER(c_int)),
    "rij_nearest_file": (c_int, c_void_p, c_char_p, c_int, POINTER(NeighbourRow),
                         POINTER(c_int)),
    "rij_evidence_sum_up": (c_int, c_void_p, POINTER(Summary)),
    "rij_evidence_cells": (POINTER(c_float), c_void_p),
    "rij_evidence_write_png": (c_int, c_void_p, c_char_p),
    "rij_evidence_free": (None, c_void_p),
}  # result, arguments


def _load():
    path = (os.environ.get("REALJUDGE_LIBRARY") or ctypes.util.find_library("realjudge")
            or "librealjudge.so.0")
    try:
        library = ctypes.CDLL(path)
    except OSError as why:
        raise ImportError("%s: the library realjudge was not found; install it, or let the "
                          "environment variable REALJUDGE_LIBRARY name its file" % why) from why
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_lib = _load()


class Error(Exception):
    """A call failed: str() is the library's line, `status` its number, `name` as in
    RIJ_E_IMAGE."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status
        self.name = _lib.rij_status_name(status).decode()


def _check(status):
    if status != STATUSES["OK"]:
        raise Error(status, _lib.rij_last_error().decode("utf-8", "replace"))


def version():
    """Version of the library in use, such as "0.1.0"."""
    return _lib.rij_version().decode()


def import_model(weights, path):
    """Make the model file `path` of weights that another program wrote (torch_model.py)."""
    _check(_lib.rij_model_import(os.fsencode(weights), os.fsencode(path)))


def _pixels(array):
    """An rij_image over the array's memory, or over a copy where rows are not tight or
    nothing may be written to it; and what must live as long."""
    view = memoryview(array)
    if view.ndim != 3 or view.shape[2] != 3 or view.format != "B":
        raise TypeError("pixels must be (height, width, 3) bytes (uint8), not %s of '%s'"
                        % (view.shape, view.format))
    if view.c_contiguous and not view.readonly and view.nbytes:
        kept = (ctypes.c_ubyte * view.nbytes).from_buffer(view)
    else:
        kept = (ctypes.c_ubyte * view.nbytes).from_buffer_copy(view.tobytes())
    height, width = view.shape[:2]
    return Image(width, height, 3 * width, ctypes.addressof(kept)), kept


class Model:
    """A trained judge. Close it, or use it in a `with`; it closes itself at the end."""

    def __init__(self, handle):
        self._handle = handle

    @classmethod
    def open(cls, path, device=None, threads=0, precision=None, crops=0,
             isolate=False):
        """Open a model file; the options are those of rij_open_options."""
        handle = c_void_p()
        options = OpenOptions(ctypes.sizeof(OpenOptions), device and device.encode(), threads,
                              precision and precision.encode(), crops, isolate)
        _check(_lib.rij_model_open(os.fsencode(path), byref(options), byref(handle)))
        return cls(handle)

    def _call(self, name, image, *rest):
        """NAME_file(model, path, ...), or NAME(model, pixels, ...)."""
        if not self._handle:
            raise ValueError("the model is closed")
        if isinstance(image, (str, bytes, os.PathLike)):
            file = getattr(_lib, name + "_file")
            return _check(file(self._handle, os.fsencode(image), *rest))
        pixels, kept = _pixels(image)
        _check(getattr(_lib, name)(self._handle, byref(pixels), *rest))
        del kept  # until here

    def predict(self, image):
        """Judge one image, the path of a file or pixels: a Verdict."""
        verdict = Verdict()
        self._call("rij_predict", image, byref(verdict))
        return verdict

    def examine(self, image, level=0.0):
        """Answer real, generated or unsure at this level of false alarms (0.05): an
        Examination."""
        options = ExamineOptions(ctypes.sizeof(ExamineOptions), level)
        examination = Examination()
        self._call("rij_examine", image, byref(options), byref(examination))
        return examination

    def explain(self, image, level=0.0):
        """Say where in the image the evidence lies: Evidence."""
        options = ExplainOptions(ctypes.sizeof(ExplainOptions), level)
        handle = c_void_p()
        self._call("rij_explain", image, byref(options), byref(handle))
        return Evidence(handle)

    def nearest(self, image, most=5):
        """The exemplars with the most similar traces, at most so many, the nearest first: a
        list of Neighbour. They need not show the same (rij_nearest())."""
        kept = _lib.rij_model_exemplars(self._handle)
        rows, found = (NeighbourRow * max(1, min(most, kept)))(), c_int()
        self._call("rij_nearest", image, min(most, len(rows)), rows, byref(found))
        return [Neighbour(row.id.decode(), row.similarity) for row in rows[:found.value]]

    def describe(self):
        """The model in English lines."""
        if not self._handle:
            raise ValueError("the model is closed")
        n = _lib.rij_model_describe(self._handle, None, 0)
        text = ctypes.create_string_buffer(n + 1)
        _lib.rij_model_describe(self._handle, text, n + 1)
        return text.value.decode("utf-8", "replace")

    def export_onnx(self, path, input="image"):
        """Write the model as an ONNX file: of whole pictures, or of "crops"."""
        if not self._handle:
            raise ValueError("the model is closed")
        options = OnnxOptions(ctypes.sizeof(OnnxOptions), input.encode())
        _check(_lib.rij_model_export_onnx(self._handle, byref(options), os.fsencode(path)))

    def close(self):
        handle, self._handle = self._handle, None
        _lib.rij_model_free(handle)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()

    def __del__(self):
        if getattr(self, "_handle", None):
            self.close()


class Evidence:
    """How far small windows of a picture stand out. Fields of rij_evidence_summary are
    attributes (found, p, peak, peak_x, ..); `cells` is a list of rows."""

    def __init__(self, handle):
        self._handle = handle
        self._summary = Summary()
        _check(_lib.rij_evidence_sum_up(handle, byref(self._summary)))

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._summary, name)

    @property
    def cells(self):
        cells, columns = _lib.rij_evidence_cells(self._handle), self._summary.columns
        return [cells[i * columns:(i + 1) * columns] for i in range(self._summary.rows)]

    def write_png(self, path):
        """The picture, dimmed, with what stands out in red."""
        _check(_lib.rij_evidence_write_png(self._handle, os.fsencode(path)))

    def __del__(self):
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            _lib.rij_evidence_free(handle)
