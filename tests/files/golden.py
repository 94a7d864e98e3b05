"""Writes the files beside it, as NumPy and the safetensors package make them, and golden.jsonl with what they hold.

Run by hand: python3 tests/files/golden.py. Needs numpy and safetensors; the files are the same on
every run. There an array is {dtype, shape, data} of what is read; NaN and infinities are strings.
"""

import json
import math
import struct
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from safetensors.numpy import save as safetensors

here = Path(__file__).parent
rng = np.random.default_rng(7)
golden = {}


def number(x):
    x = x.item()
    if isinstance(x, float) and not math.isfinite(x):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    return x


def entry(x):
    kind = {"f": "f32", "i": "i32", "u": "u32", "b": "bool"}[x.dtype.kind]
    if kind == "f32":
        x = x.astype(np.float32)
    return {"dtype": kind, "shape": list(x.shape), "data": [number(v) for v in x.ravel()]}


def save(name, contents, arrays):
    if contents is not None:
        (here / name).write_bytes(contents)
    golden[name] = {key: entry(x) for key, x in arrays.items()} if isinstance(arrays, dict) else entry(arrays)


def save_npy(name, x, version=None):
    with open(here / name, "wb") as file:
        npy.write_array(file, x, version=version)
    save(name, None, x)


ours = {
    "layer.weight": rng.normal(size=(3, 4)).astype(np.float32),
    "layer.bias": rng.normal(size=4).astype(np.float32),
    "step": np.array(-7, np.int32),
    "counts": np.arange(5, dtype=np.uint32) * 900_000_000,
    "mask": np.array([[True, False, True]]),
    "none": np.zeros((0, 3), np.float32),
    "größe": np.ones(2, np.float32),
}
others = {
    "f2": np.array([0, -0.0, 1, 65504, 6e-8, -6.1e-5, np.inf, -np.inf, np.nan], np.float16),
    "f8": np.array([np.pi, 1e-300, np.inf, np.nan]),
    "i1": np.array([-128, 127], np.int8),
    "i2": np.array([-32768, 32767], np.int16),
    "i8": np.array([-(2**31), 2**31 - 1], np.int64),
    "u1": np.array([0, 255], np.uint8),
    "u2": np.array([0, 65535], np.uint16),
    "u8": np.array([0, 2**32 - 1], np.uint64),
}

# ours are written in the same bytes by us
save("ours.safetensors", safetensors(ours, {"format": "pt"}), ours)
save("others.safetensors", safetensors(others), others)
np.savez(here / "ours.npz", **ours)
save("ours.npz", None, ours)
np.savez_compressed(here / "compressed.npz", **ours, **others)
save("compressed.npz", None, {**ours, **others})


class Stream:
    """A file that cannot go back, so that sizes stand behind the members."""

    def __init__(self, path):
        self.file = open(path, "wb")

    def write(self, data):
        return self.file.write(data)

    def flush(self):
        self.file.flush()

    def read(self):  # by which NumPy sees a file
        raise OSError("written only")


two = {name: ours[name] for name in ("step", "layer.bias")}
stream = Stream(here / "streamed.npz")
np.savez(stream, **two)
stream.file.close()
save("streamed.npz", None, two)
zipfile.ZIP64_LIMIT = zipfile.ZIP_FILECOUNT_LIMIT = 1  # as if it were large
np.savez_compressed(here / "zip64.npz", **two)
save("zip64.npz", None, two)

weight = ours["layer.weight"]
save_npy("weight.npy", weight)
save_npy("fortran.npy", np.asfortranarray(np.arange(24, dtype=np.int32).reshape(2, 3, 4)))
save_npy("big-endian.npy", weight.astype(">f4"))
save_npy("fortran-big-endian.npy", np.asfortranarray(rng.integers(0, 999, (3, 5)).astype(">i8")))
save_npy("half.npy", np.asarray(others["f2"], ">f2"))
save_npy("version2.npy", ours["mask"], (2, 0))
save_npy("version3.npy", ours["counts"], (3, 0))
save_npy("scalar.npy", ours["step"])

# bfloat16, which NumPy has not: the upper halves of f32
upper = weight.view(np.uint32) & 0xFFFF0000
header = json.dumps({"x": {"dtype": "BF16", "shape": [3, 4], "data_offsets": [0, 24]}}).encode()
elements = (upper >> 16).astype("<u2").tobytes()
save("bf16.safetensors", struct.pack("<Q", len(header)) + header + elements, {"x": upper.view(np.float32)})

# what is refused, for its dtype
np.save(here / "objects.npy", np.array([{}, None], object), allow_pickle=True)
np.save(here / "fields.npy", np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
np.save(here / "complex.npy", np.zeros(2, np.complex64))

lines = [json.dumps({"file": name, "holds": holds}, ensure_ascii=False) for name, holds in golden.items()]
(here / "golden.jsonl").write_text("\n".join(lines) + "\n")
