"""Writes sliding.jsonl beside it: convolutions and reductions over windows, one a line, as JAX computes them.

Run by hand when something is added: python3 tests/library/sliding.py. The file is the same on every run.
A line has the call, its arguments and result, a cotangent of the result, and the gradients of Σ result · cotangent by
the arrays among the arguments (absent where they are integers, or where JAX has no gradient). An array is written as
{dtype, shape, data}; what JSON cannot hold as a string. Elements are whole, so that sums are exact.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

jax.config.update("jax_platforms", "cpu")
rng = np.random.default_rng(20250611)
lines = []

F, I, U = np.float32, np.int32, np.uint32
NAMES = {"float32": "f32", "int32": "i32", "uint32": "u32"}


def number(x):
    x = x.item()
    if isinstance(x, float):
        if math.isnan(x):
            return "NaN"
        if math.isinf(x):
            return "Infinity" if x > 0 else "-Infinity"
        if x == 0:
            return "-0" if math.copysign(1, x) < 0 else 0
        short = float(f"{x:.9g}")
        return int(short) if short.is_integer() else short
    return x


def encode(x):
    if isinstance(x, (np.ndarray, jax.Array)):
        x = np.asarray(x)
        return {"dtype": NAMES[str(x.dtype)], "shape": list(x.shape), "data": [number(v) for v in x.ravel()]}
    if isinstance(x, (list, tuple)):
        return [encode(v) for v in x]
    return x


def draw(*shape, dtype=F, low=-9, high=10):
    return rng.integers(0 if dtype == U else low, high, shape).astype(dtype)


def write(call, args, f, arrays):
    result = f(*arrays)
    line = {"call": call, "args": [encode(a) for a in args], "result": encode(result)}
    if arrays[0].dtype == F and np.isfinite(arrays[0]).all():  # where NaN is the largest, XLA picks another element
        ct = draw(*result.shape)
        try:
            grads = jax.vjp(f, *map(jnp.asarray, arrays))[1](jnp.asarray(ct))
            line |= {"ct": encode(ct), "grads": [encode(g) for g in grads]}
        except (NotImplementedError, TypeError, ValueError):
            pass
    lines.append(json.dumps(line, separators=(",", ":")))


def listed(n, count):
    return [n] * count if isinstance(n, int) else list(n)


def pads_of(padding, count):
    if isinstance(padding, str):
        return padding.upper()
    return [(padding, padding)] * count if isinstance(padding, int) else [tuple(p) for p in padding]


# --- convolution -----------------------------------------------------------------------------------------------------


def conv(x_shape, w_shape, dtype=F, **options):
    """Options as ours. An x of the rank of a single example is batched for JAX."""
    rank = len(w_shape) - 2
    x, w = draw(*x_shape, dtype=dtype), draw(*w_shape, dtype=dtype)
    base = listed(options.get("lhsDilation", 1), rank)
    padding = pads_of(options.get("padding", "valid"), rank)
    if isinstance(padding, str):  # around the dilated input, which JAX leaves to its caller
        sizes = [(n - 1) * d + 1 if n > 0 else 0 for n, d in zip(x_shape[-rank:], base)]
        spans = [(n - 1) * d + 1 for n, d in zip(w_shape[2:], listed(options.get("rhsDilation", 1), rank))]
        padding = lax.padtype_to_pads(sizes, spans, listed(options.get("strides", 1), rank), padding)

    def f(x, w):
        alone = x.ndim == rank + 1
        y = lax.conv_general_dilated(
            x[None] if alone else x,
            w,
            listed(options.get("strides", 1), rank),
            padding,
            base,
            listed(options.get("rhsDilation", 1), rank),
            feature_group_count=options.get("groups", 1),
            batch_group_count=options.get("batchGroups", 1),
            precision=lax.Precision.HIGHEST,
        )
        return y[0] if alone else y

    write("conv", [x, w, options], f, [x, w])


conv((2, 3, 9), (4, 3, 3))
conv((3, 9), (4, 3, 3))
conv((2, 3, 9), (4, 3, 3), padding="same")
conv((2, 3, 9), (4, 3, 4), padding="same")
conv((2, 3, 10), (4, 3, 3), padding="same", strides=2)
conv((2, 3, 10), (4, 3, 3), strides=3)
conv((1, 2, 8), (3, 2, 3), padding=2)
conv((1, 2, 8), (3, 2, 3), padding=[[0, 3]])
conv((1, 2, 8), (3, 2, 3), padding=[[-2, 1]])
conv((1, 2, 8), (3, 2, 3), padding=[[-1, -3]])
conv((1, 2, 7), (3, 2, 3), lhsDilation=2)
conv((1, 2, 7), (3, 2, 3), lhsDilation=3, padding=[[-2, -1]])
conv((1, 2, 11), (3, 2, 3), rhsDilation=3, strides=2)
conv((1, 2, 7), (3, 2, 3), lhsDilation=2, rhsDilation=3, strides=2, padding=3)
conv((1, 2, 7), (3, 2, 3), lhsDilation=2, padding="same")
conv((2, 4, 7), (6, 2, 3), groups=2)
conv((4, 7), (4, 1, 3), groups=4, padding="same")
conv((2, 4, 7), (8, 1, 3), groups=4, strides=2)
conv((4, 3, 7), (6, 3, 3), batchGroups=2)
conv((6, 2, 7), (3, 2, 2), batchGroups=3, strides=2, padding=1)
conv((0, 2, 7), (3, 2, 2))
conv((2, 0, 7), (3, 0, 2))
conv((1, 1, 1), (1, 1, 1))
conv((2, 3, 5), (2, 3, 5))
conv((2, 3, 6, 7), (4, 3, 3, 2))
conv((3, 6, 7), (4, 3, 3, 2), padding="same")
conv((2, 3, 6, 7), (4, 3, 3, 3), padding="same", strides=2)
conv((2, 3, 6, 7), (4, 3, 3, 2), strides=[2, 3], padding=[[1, 0], [-1, 2]])
conv((2, 3, 6, 7), (4, 3, 2, 2), lhsDilation=[2, 1], rhsDilation=[1, 3])
conv((2, 4, 6, 5), (4, 2, 3, 3), groups=2, padding=1)
conv((2, 4, 6, 5), (4, 1, 3, 3), groups=4, padding="same", strides=2)
conv((4, 2, 6, 5), (4, 2, 3, 3), batchGroups=2, padding="same")
conv((1, 2, 1, 5), (3, 2, 1, 3))
conv((1, 2, 4, 5, 6), (3, 2, 2, 3, 2))
conv((2, 4, 5, 3), (3, 2, 2, 3, 2), padding="same", strides=2)
conv((1, 4, 4, 5, 6), (4, 2, 2, 3, 2), groups=2, rhsDilation=[1, 2, 3], padding=[[0, 1], [2, 0], [-1, 1]])
for dtype in (I, U):
    conv((2, 3, 9), (4, 3, 3), dtype=dtype, padding="same")
    conv((4, 6, 5), (4, 2, 3, 3), dtype=dtype, groups=2, strides=2)

for _ in range(50):
    rank = int(rng.integers(1, 4))
    kind = rng.integers(0, 4)
    groups = int(rng.integers(2, 4)) if kind == 1 else 1
    batch_groups = int(rng.integers(2, 4)) if kind == 2 else 1
    share, filters, n = (int(k) for k in rng.integers(1, 3, 3))
    window = [int(k) for k in rng.integers(1, 4, rank)]
    pick = lambda high: [int(k) for k in rng.integers(1, high, rank)]
    options = {"strides": pick(4), "lhsDilation": pick(3), "rhsDilation": pick(3)}
    options["padding"] = ["valid", "same", [[int(k) for k in rng.integers(-1, 3, 2)] for _ in range(rank)]][rng.integers(0, 3)]
    if groups > 1:
        options["groups"] = groups
    if batch_groups > 1:
        options["batchGroups"] = batch_groups
    spatial = [int(k) for k in rng.integers(4, 11 - 2 * rank, rank)]
    cut = options["padding"] if isinstance(options["padding"], list) else [[0, 0]] * rank
    grown = [(n - 1) * d + 1 + low + high for n, d, (low, high) in zip(spatial, options["lhsDilation"], cut)]
    if any((n - 1) * d + 1 > size for n, d, size in zip(window, options["rhsDilation"], grown)):
        continue  # we refuse what JAX answers with an empty result
    x_shape = [n * batch_groups, share * groups, *spatial]
    if kind == 3:
        x_shape = x_shape[1:]
    conv(x_shape, [filters * groups * batch_groups, share, *window], **options)


def conv_transpose(x_shape, w_shape, **options):
    rank = len(w_shape) - 2
    x, w = draw(*x_shape), draw(*w_shape)
    order = "NCHWD"[: rank + 2], "OIHWD"[: rank + 2], "NCHWD"[: rank + 2]

    def f(x, w):
        return lax.conv_transpose(
            x,
            w,
            listed(options.get("strides", 1), rank),
            pads_of(options.get("padding", "valid"), rank),
            listed(options.get("rhsDilation", 1), rank),
            order,
            options.get("transposeKernel", False),
            precision=lax.Precision.HIGHEST,
        )

    write("convTranspose", [x, w, options], f, [x, w])


conv_transpose((2, 3, 5), (4, 3, 3))
for padding in ("valid", "same", [[1, 2]]):
    for strides in (1, 2, 3):
        conv_transpose((2, 3, 5), (4, 3, 2), strides=strides, padding=padding)
conv_transpose((2, 3, 4, 5), (4, 3, 3, 2), strides=[2, 3], padding="same", rhsDilation=[1, 2])
conv_transpose((2, 3, 4, 5), (3, 4, 3, 2), strides=2, transposeKernel=True)

# --- windows ---------------------------------------------------------------------------------------------------------

FOLDS = {"sum": (lax.add, 0), "mean": (lax.add, 0), "prod": (lax.mul, 1), "max": (lax.max, -np.inf), "min": (lax.min, np.inf)}


def fold(x, kind, window, options):
    step, init = FOLDS[kind]
    if x.dtype != F and kind in ("max", "min"):
        info = np.iinfo(x.dtype)
        init = info.min if kind == "max" else info.max
    outer, rank = x.ndim - len(window), len(window)
    one = [1] * outer
    sides = lambda name: one + listed(options.get(name, 1), rank)
    padding = pads_of(options.get("padding", "valid"), rank)
    if isinstance(padding, str):
        sizes = [(n - 1) * d + 1 if n > 0 else 0 for n, d in zip(x.shape[outer:], sides("baseDilation")[outer:])]
        spans = [(n - 1) * d + 1 for n, d in zip(window, sides("dilation")[outer:])]
        padding = lax.padtype_to_pads(sizes, spans, sides("strides")[outer:], padding)
    padding = [(0, 0)] * outer + list(padding)
    reduce = lambda y: lax.reduce_window(
        y, np.array(init, y.dtype), step, one + window, sides("strides"), padding, sides("baseDilation"), sides("dilation")
    )
    if kind != "mean":
        return reduce(x)
    count = math.prod(window) if options.get("countPadding", True) else reduce(jnp.ones_like(x))
    return reduce(x) / count


def windows(x, kind, window, **options):
    write("reduceWindow", [x, kind, {"window": window, **options}], lambda x: fold(x, kind, window, options), [x])


def pool(name, x, window, **options):
    sizes = [window] * 2 if isinstance(window, int) else window
    kind = "max" if name == "maxPool" else "mean"
    write(name, [x, window, options], lambda x: fold(x, kind, sizes, options), [x])


few = {"low": -2, "high": 3}  # many ties
for kind in FOLDS:
    windows(draw(7, **few), kind, [3])
    windows(draw(2, 9, **few), kind, [3], strides=2)
    windows(draw(2, 9, **few), kind, [4], strides=2, padding="same")
    windows(draw(3, 8, **few), kind, [2, 3], padding=[[1, 0], [2, 1]])
    windows(draw(2, 5, 6, **few), kind, [2, 3], strides=[1, 2], padding=[[-1, 1], [0, -1]])
    windows(draw(9, **few), kind, [3], dilation=2)
    windows(draw(5, **few), kind, [3], baseDilation=2)
    windows(draw(2, 5, **few), kind, [3], baseDilation=3, dilation=2, strides=2, padding=2)
    windows(draw(2, 4, 3, 5, **few), kind, [2, 2, 3], padding="same")
    windows(draw(0, 5), kind, [3])
    windows(draw(1), kind, [1])
    windows(draw(6, 6, **few), kind, [5, 5], padding="same")
    if kind != "mean":
        for dtype in (I, U):
            windows(draw(2, 9, dtype=dtype), kind, [4], strides=2, padding="same")
windows(draw(2, 9, **few), "mean", [4], strides=2, padding="same", countPadding=False)
windows(draw(5, **few), "mean", [3], baseDilation=2, padding=1, countPadding=False)
windows(draw(6, 6, **few), "mean", [5, 5], padding="same", countPadding=False)

for name in ("maxPool", "avgPool"):
    pool(name, draw(6, 7, **few), 2)
    pool(name, draw(3, 6, 7, **few), 2, strides=2)
    pool(name, draw(2, 3, 6, 7, **few), 2, strides=2)
    pool(name, draw(2, 3, 7, 7, **few), 3, strides=2, padding=1)
    pool(name, draw(2, 3, 7, **few), [3], padding="same")
    pool(name, draw(1, 2, 4, 5, 6, **few), [2, 3, 2], strides=2, padding="same")
    pool(name, draw(2, 9, 9, **few), 2, dilation=3)
pool("avgPool", draw(2, 3, 7, 7, **few), 3, strides=2, padding=1, countPadding=False)
pool("avgPool", draw(2, 9), [4], padding="same", countPadding=False)
pool("avgPool", draw(5, 5, dtype=I), 2)
holes = np.array([[1, np.nan, 3, np.inf], [2, 2, -np.inf, 1], [0, 1, 2, 3]], F)
pool("maxPool", holes, 2)
pool("maxPool", holes, [2], padding="same")
pool("avgPool", holes, [2])

Path(__file__).with_name("sliding.jsonl").write_text("\n".join(lines) + "\n")
print(len(lines), "cases")
