"""Writes golden.jsonl beside it: calls of the numpy-named functions, one a line, with the results of NumPy itself.

Run by hand when a function is added: python3 tests/library/golden.py. The file is the same on every run.
An array is written as {dtype, shape, data}; what JSON cannot hold (NaN, infinities, -0) as a string.
"""

import json
import math
import string
from pathlib import Path

import numpy as np

rng = np.random.default_rng(20240817)
cases = []

F, I, U, B = np.float32, np.int32, np.uint32, np.bool_
NAMES = {"float32": "f32", "int32": "i32", "uint32": "u32", "bool": "bool"}


def number(x):
    if isinstance(x, (bool, np.bool_)):
        return int(x)
    x = x.item() if isinstance(x, np.generic) else x
    if isinstance(x, float):
        if math.isnan(x):
            return "NaN"
        if math.isinf(x):
            return "Infinity" if x > 0 else "-Infinity"
        if x == 0:
            return "-0" if math.copysign(1, x) < 0 else 0
        short = float(f"{x:.9g}")  # enough to tell any two f32 apart
        return int(short) if short.is_integer() and abs(short) < 2**53 else short
    return x


def encode(x):
    if isinstance(x, (np.ndarray, np.generic)):
        return {"dtype": NAMES[str(x.dtype)], "shape": list(x.shape), "data": [number(v) for v in x.ravel()]}
    if isinstance(x, (list, tuple)):
        return [encode(v) for v in x]
    if isinstance(x, dict):
        return {key: encode(v) for key, v in x.items()}
    if isinstance(x, float):
        return number(x)
    return x


def case(name, args, expected, dtype=F):
    """A call of our function `name`; `expected` is brought to the dtype that our promotion table gives."""
    with np.errstate(all="ignore"):
        result = np.asarray(expected).astype(dtype)
    cases.append({"call": name, "args": encode(list(args)), "result": encode(result)})


def case_of_parts(name, args, expected, dtype=F):
    """As `case`, for a function that gives several arrays."""
    result = [encode(np.asarray(x).astype(dtype)) for x in expected]
    cases.append({"call": name, "args": encode(list(args)), "result": result})


def draw(dtype, *shape, low=-4, high=4):
    if dtype == B:
        return rng.integers(0, 2, shape).astype(B)
    if dtype == I:
        return rng.integers(low, high, shape).astype(I)
    if dtype == U:
        return rng.integers(0, high + 3, shape).astype(U)
    return (rng.integers(low * 32, high * 32, shape) / 32).astype(F)


def wide(x):
    """In 64 bits, so that the expected value is rounded once."""
    return x.astype(np.float64) if x.dtype == F else x.astype(np.int64)


def wrap(x, dtype):
    """Integers wrap around, as on the device."""
    return x if dtype == F else np.asarray(x, dtype=np.int64).astype(dtype)


# --- elementwise -----------------------------------------------------------------------------------------------------

special = np.array([-np.inf, -2.5, -1.5, -1, -0.5, -0.0, 0, 0.5, 1, 1.5, 2.5, 3.7, np.inf, np.nan], F)
finite = np.array([-3, -1.25, -0.5, -0.0, 0, 1e-3, 0.5, 1, 2.75, 6], F)

with np.errstate(all="ignore"):
    for name, f in {
        "negative": np.negative,
        "abs": np.abs,
        "sign": np.sign,
        "square": np.square,
        "sqrt": np.sqrt,
        "rsqrt": lambda x: 1 / np.sqrt(x),
        "exp": np.exp,
        "log": np.log,
        "tanh": np.tanh,
        "floor": np.floor,
        "ceil": np.ceil,
        "round": np.round,
    }.items():
        if name == "sign":  # NumPy's sign of -0 is 0
            case(name, [special], np.where(special == 0, special, np.sign(special)))
        elif name == "rsqrt":  # of -0 it is open: left out
            x = special[special != 0]
            case(name, [x], f(wide(x)))
        else:
            case(name, [special], f(wide(special)))
    for name, f in {"sin": np.sin, "cos": np.cos, "tan": np.tan}.items():
        case(name, [finite], f(wide(finite)))
    for name, f in {
        "exp2": np.exp2,
        "expm1": np.expm1,
        "log2": np.log2,
        "log1p": np.log1p,
        "logistic": lambda x: 1 / (1 + np.exp(-x)),
        "cbrt": np.cbrt,
        "asin": np.arcsin,
        "acos": np.arccos,
        "atan": np.arctan,
        "sinh": np.sinh,
        "cosh": np.cosh,
        "asinh": np.arcsinh,
        "acosh": np.arccosh,
        "atanh": np.arctanh,
        "erf": np.vectorize(math.erf),
    }.items():
        case(name, [special], f(wide(special)))
        case(name, [np.array([0, 1], I)], f(np.array([0.0, 1])))
    angles = np.array([0, 1, -1, 2.5, -3, np.inf, -np.inf], F)
    case("atan2", [angles[:, None], angles], np.arctan2(wide(angles)[:, None], wide(angles)))
    case("atan2", [np.array([1, -2], I), np.array([True, False])], np.arctan2([1.0, -2], [1.0, 0]))

    for dtype in (I, U, B):
        x = draw(dtype, 2, 3)
        whole = I if dtype == B else dtype
        for name, f in {"negative": np.negative, "abs": np.abs, "sign": np.sign, "square": np.square}.items():
            case(name, [x], wrap(f(x.astype(np.int64)), whole), whole)
        for name, f in {"exp": np.exp, "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "sqrt": np.sqrt}.items():
            y = np.abs(x) if name == "sqrt" and dtype == I else x
            case(name, [y], f(y.astype(np.float64)))
        for name in ("floor", "ceil", "round"):
            case(name, [x], x, dtype)

pairs = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((2, 1), (3,)),
    ((4, 1, 2), (3, 1)),
    ((), (2, 2)),
    ((1,), (0,)),
    ((2, 0), (1, 1)),
    ((1, 3, 1, 2), (2, 1, 3, 1)),
]

arithmetic = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "minimum": np.minimum,
    "maximum": np.maximum,
}
comparison = {
    "equal": np.equal,
    "notEqual": np.not_equal,
    "less": np.less,
    "lessEqual": np.less_equal,
    "greater": np.greater,
    "greaterEqual": np.greater_equal,
}
logical = {"logicalAnd": np.logical_and, "logicalOr": np.logical_or, "logicalXor": np.logical_xor}

ORDER = [B, U, I, F]


def join(*dtypes):
    return max(dtypes, key=ORDER.index)


with np.errstate(all="ignore"):
    for shapes in pairs:
        x, y = (draw(F, *shape) for shape in shapes)
        for name, f in {**arithmetic, **comparison}.items():
            case(name, [x, y], f(x, y), B if name in comparison else F)
        case("divide", [x, y], wide(x) / wide(y))
    for left in ORDER:
        for right in ORDER:
            x, y = draw(left, 4), draw(right, 4)
            common = join(left, right)
            if {left, right} == {U, I}:
                x, y = np.abs(x).astype(left), np.abs(y).astype(right)
            to = I if common == B else common
            for name, f in arithmetic.items():
                case(name, [x, y], wrap(f(wide(x), wide(y)), to), to)
            for name, f in comparison.items():
                case(name, [x, y], f(x, y), B)
            for name, f in logical.items():
                case(name, [x, y], f(x, y), B)
            case("divide", [x, y], x.astype(np.float64) / y.astype(np.float64))
    for name, f in {**comparison, "minimum": np.minimum, "maximum": np.maximum}.items():
        x = special[special != 0][:, None]  # which zero is the smaller one is open
        y = np.array([np.nan, 0, -np.inf, 1.5], F)
        case(name, [x, y], f(x, y), B if name in comparison else F)
    for name, f in logical.items():
        case(name, [np.array([np.nan, 0, -0.0, 2], F)[:, None], np.array([1, 0], F)], f([[1], [0], [0], [1]], [1, 0]), B)
    for dtype in ORDER:
        x = draw(dtype, 5)
        case("logicalNot", [x], np.logical_not(x), B)
    for exponent in (0, 1, 2, 3, 7, -1, -2):
        x = draw(F, 4, low=1)
        case("power", [x, exponent], np.power(wide(x), exponent))
        n = draw(I, 4)
        n = n if exponent >= 0 else np.array([1, 2, -3, 4], I)
        expected = np.power(n.astype(np.float64), exponent)
        case("power", [n, exponent], expected, I if exponent >= 0 else F)
    base = np.array([0.5, 2, 3, 9], F)
    case("power", [base, np.array([0.5, -1.5, 2, 0], F)], np.power(wide(base), [0.5, -1.5, 2, 0]))
    case("power", [base, 0.5], np.sqrt(wide(base)))
    case("power", [np.array([1, 2, 3], I), np.array([2, 2, 3], I)], [1, 4, 27])

for dtypes in ((F, F), (I, F), (I, I), (U, I), (B, B), (B, I)):
    x, y = draw(dtypes[0], 2, 3), draw(dtypes[1], 3)
    if dtypes == (U, I):
        y = np.abs(y)
    condition = draw(B, 2, 1)
    case("where", [condition, x, y], np.where(condition, x, y), join(*dtypes))

for source in ORDER:
    for target in ORDER:
        x = np.abs(draw(source, 6)) if target == U else draw(source, 6)
        case("astype", [x, NAMES[np.dtype(target).name]], x.astype(target) if target != B else x != 0, target)

# --- reductions ------------------------------------------------------------------------------------------------------

axes_of = {0: [None], 1: [None, 0, -1, [0]], 2: [None, 0, 1, -1, [0, 1]], 3: [None, 0, -2, [0, 2], [2, 0], [-1, 1]]}

with np.errstate(all="ignore"):
    for shape in ((), (5,), (2, 3), (2, 3, 4)):
        for axis in axes_of[len(shape)]:
            np_axis = tuple(axis) if isinstance(axis, list) else axis
            for keep in (False, True):
                options = [{"keepDims": True}] if keep else []
                for dtype in (F, I) if shape else (F,):
                    x = draw(dtype, *shape)
                    for name, f in {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean}.items():
                        to = F if name == "mean" else dtype
                        case(name, [x, axis, *options], wrap(f(wide(x), axis=np_axis, keepdims=keep), to), to)
                    if not isinstance(axis, list):
                        for name, f in {"argmax": np.argmax, "argmin": np.argmin}.items():
                            case(name, [x, axis, *options], f(x, axis=np_axis, keepdims=keep), I)
    for dtype in (U, B):
        x = draw(dtype, 3, 4)
        whole = I if dtype == B else dtype
        for axis in (None, 0, 1):
            case("sum", [x, axis], np.sum(x, axis), whole)
            case("prod", [x, axis], np.prod(x.astype(np.int64), axis), whole)
            case("max", [x, axis], np.max(x, axis), dtype)
            case("min", [x, axis], np.min(x, axis), dtype)
            case("mean", [x, axis], np.mean(x, axis))
            case("argmax", [x, axis], np.argmax(x, axis), I)
            case("argmin", [x, axis], np.argmin(x, axis), I)
    holes = np.array([[1, np.nan, 3], [np.inf, 2, -np.inf], [2, 2, 2]], F)
    for name, f in {"sum": np.sum, "max": np.max, "min": np.min, "prod": np.prod, "mean": np.mean}.items():
        case(name, [holes, 1], f(holes, axis=1))
    for name, f in {"argmax": np.argmax, "argmin": np.argmin}.items():
        case(name, [holes, 1], f(holes, axis=1), I)
    empty = np.zeros((0, 3), F)
    case("sum", [empty, 0], empty.sum(0))
    case("prod", [empty, 0], empty.prod(0))
    case("sum", [empty, 1], empty.sum(1))
    case("mean", [empty, 0], [np.nan] * 3)
    case("max", [np.zeros((0, 3), F), 1], np.zeros(0))

# --- shapes ----------------------------------------------------------------------------------------------------------

x = draw(F, 2, 3, 4)
for shape in ([24], [4, 6], [-1, 2], [2, -1, 2], [2, 3, 4], [1, 24, 1], [6, -1]):
    case("reshape", [x, shape], x.reshape(shape))
case("reshape", [x, -1], x.reshape(-1))
case("reshape", [draw(I, 0, 3), [3, 0]], np.zeros((3, 0)), I)
case("ravel", [x], x.ravel())
case("ravel", [np.float32(3)], [3])
case("transpose", [x], x.T)
for perm in ([0, 1, 2], [2, 0, 1], [-1, 0, 1], [1, -1, 0]):
    case("transpose", [x, perm], x.transpose(perm))
for source in (0, 1, -1):
    for target in (0, 2, -2):
        case("moveAxis", [x, source, target], np.moveaxis(x, source, target))
        case("swapAxes", [x, source, target], np.swapaxes(x, source, target))
for axis in (0, 1, -1, [0, 2], [-1, 0], [1, 2, 4]):
    y = draw(B, 2, 3)
    case("expandDims", [y, axis], np.expand_dims(y, tuple(axis) if isinstance(axis, list) else axis), B)
y = draw(U, 1, 3, 1)
case("squeeze", [y], y.squeeze(), U)
for axis in (0, -1, [0, 2], [2]):
    case("squeeze", [y, axis], np.squeeze(y, tuple(axis) if isinstance(axis, list) else axis), U)
for source, target in (((3,), [2, 3]), ((2, 1), [2, 4]), ((), [2, 2]), ((1,), [0]), ((2, 1, 3), [5, 2, 4, 3])):
    y = draw(I, *source)
    case("broadcastTo", [y, target], np.broadcast_to(y, target), I)
for axis in (None, 0, 1, -1, [0, 2]):
    np_axis = tuple(axis) if isinstance(axis, list) else axis
    case("flip", [x] if axis is None else [x, axis], np.flip(x, np_axis))

for axis in (0, 1, -1):
    parts = [draw(F, 2, 3) for _ in range(3)]
    case("stack", [parts, axis], np.stack(parts, axis))
    case("concatenate", [parts, axis], np.concatenate(parts, axis))
uneven = [draw(I, 2, 1), draw(I, 2, 0), draw(I, 2, 4)]
case("concatenate", [uneven, 1], np.concatenate(uneven, 1), I)
mixed = [draw(B, 3), draw(I, 2), draw(F, 1)]
case("concatenate", [mixed], np.concatenate([m.astype(F) for m in mixed]))
case("stack", [[np.float32(1), 2, np.float32(3)]], [1, 2, 3])
case("stack", [[draw(B, 2) * False, np.array([3, 4], I)]], [[0, 0], [3, 4]], I)

y = draw(F, 2, 3)
case("pad", [y, 1], np.pad(y, 1))
case("pad", [y, [1, 2]], np.pad(y, (1, 2)))
case("pad", [y, [[1, 0], [0, 2]], 7], np.pad(y, ((1, 0), (0, 2)), constant_values=7))
case("pad", [y, [[-1, 0], [1, -2]], -1], np.pad(y[1:, :1], ((0, 0), (1, 0)), constant_values=-1))
case("pad", [draw(B, 2) | True, [1, 1], True], np.ones(4), B)
case("pad", [np.zeros((0,), I), [2, 1], 5], [5, 5, 5], I)

# --- indexing --------------------------------------------------------------------------------------------------------

x = draw(F, 4, 3, 5)
for index in ([0], [-1], [2, 1], [-4, -3, -5], [3, 2, 4], []):
    case("at", [x, *index], x[tuple(index)])


def random_spec(n):
    kind = rng.integers(0, 6)
    if kind == 0:
        return int(rng.integers(-n, n))
    if kind == 1:
        return None
    bound = lambda: None if rng.integers(0, 3) == 0 else int(rng.integers(-n - 2, n + 3))
    step = [None, 1, 2, 3, -1, -2, -7][rng.integers(0, 7)]
    return [bound(), bound(), step][: rng.integers(1, 4) if step in (None, 1) else 3]


def as_numpy(spec):
    if spec is None:
        return slice(None)
    if isinstance(spec, int):
        return spec
    start, stop, step = (spec + [None] * 3)[:3]
    return slice(start, stop, step)


for _ in range(60):
    shape = rng.integers(1, 6, rng.integers(1, 4))
    y = draw(I, *shape)
    specs = [random_spec(n) for n in shape[: rng.integers(1, len(shape) + 1)]]
    case("slice", [y, *specs], y[tuple(as_numpy(spec) for spec in specs)], I)

for indices in (np.array([0, -1, 2], I), np.array([[1, 1], [3, 0]], I), np.array(2, I), np.array([9, -9], I), np.array([], I)):
    for axis in (0, 1, -1):
        y = draw(F, 4, 4, 2)
        n = y.shape[axis]
        clipped = np.clip(np.where(indices < 0, indices + n, indices), 0, n - 1).astype(int)
        case("take", [y, indices, axis], np.take(y, clipped, axis))
case("take", [x, np.array([0, 59, -1], I)], np.take(x, [0, 59, -1]))
case("take", [x, np.array([1, 2], U), 1], np.take(x, [1, 2], 1))
case("take", [x, 2, 1], np.take(x, 2, 1))
case("take", [x, -1], np.take(x, -1))

# --- cutting, repeating, turning, and diagonals ------------------------------------------------------------------------


def grid(dtype, *shape):
    """Numbers that tell the places apart; drawn ones would change all cases behind."""
    return (np.arange(math.prod(shape)).reshape(shape) * (0.5 if dtype == F else 1)).astype(dtype)


x = grid(F, 4, 6)
for args in ([2], [3, 1], [[1, 3]], [[2, 2, 9], 1], [[-2], -1], [[]], [[5, 1], 1]):
    case_of_parts("split", [x, *args], np.split(x, *args[:1], *(args[1:] or [0])))
case_of_parts("split", [grid(I, 0, 2), 3], [np.zeros((0, 2))] * 3, I)
for args in ([3], [4, 1], [5, 1], [7], [[1, 2]]):
    case_of_parts("arraySplit", [x, *args], np.array_split(x, args[0], *(args[1:] or [0])))
for shift, axis in ((1, None), (-3, 0), (2, 1), (7, -1), ([1, 2], [0, 1]), (-1, [0, 1]), (0, 0), (25, None)):
    case("roll", [x, shift, axis], np.roll(x, shift, tuple(axis) if isinstance(axis, list) else axis))
case("roll", [x, 1], np.roll(x, 1))
case("roll", [grid(I, 0), 3, 0], np.zeros(0), I)
for reps in (2, [2], [2, 3], [2, 1, 2], [1], [0, 2], []):
    case("tile", [grid(I, 2, 3), reps], np.tile(grid(I, 2, 3), reps), I)
case("tile", [grid(B, 3), 2], np.tile(grid(B, 3), 2), B)
case("tile", [np.float32(3), [2, 2]], np.tile(3, (2, 2)))
for args in ([2], [3, 0], [2, -1], [0, 0], [[1, 0, 2], 1], [[2, 1], 0], [[1, 2, 0, 1, 0, 3]]):
    case("repeat", [grid(F, 2, 3), *args], np.repeat(grid(F, 2, 3), *args))
case("flipud", [x], np.flipud(x))
case("fliplr", [x], np.fliplr(x))
for args in ([], [2], [3], [-1], [4], [1, [1, 2]], [5, [2, 0]]):
    y = grid(F, 2, 3, 4)
    case("rot90", [y, *args], np.rot90(y, *args))
for parts in ([grid(F, 3), grid(F, 3)], [grid(F, 2, 3), grid(F, 3)[None]], [np.float32(1), np.float32(2)]):
    case("vstack", [parts], np.vstack(parts))
for parts in ([grid(F, 3), grid(F, 2)], [grid(I, 2, 3), grid(I, 2, 1)], [np.float32(1), np.float32(2)]):
    case("hstack", [parts], np.hstack(parts), parts[0].dtype.type)
vectors = [grid(F, 3), grid(F, 2) + 10, grid(F, 4) + 20]
for count in (1, 2, 3):
    for indexing in ("xy", "ij"):
        parts = vectors[:count]
        case_of_parts("meshgrid", [parts, {"indexing": indexing}], np.meshgrid(*parts, indexing=indexing))
case_of_parts("meshgrid", [vectors[:2]], np.meshgrid(*vectors[:2]))

for args in ([3], [2, 4], [3, 2], [0]):
    case("tri", args, np.tri(*args))
for k in (1, -1, 4, -5):
    case("tri", [3, 4, {"k": k, "dtype": "i32"}], np.tri(3, 4, k), I)
    for name, f in {"tril": np.tril, "triu": np.triu}.items():
        case(name, [x, k], f(x, k))
        case(name, [grid(B, 2, 3, 3), k], f(grid(B, 2, 3, 3), k), B)
case("tril", [x], np.tril(x))
case("triu", [x], np.triu(x))
for args in ([], [1], [-2], [7], [-4], [0, 1, 0]):
    case("diagonal", [x, *args], np.diagonal(x, *args))
for args in ([0, 0, 1], [1, -1, 0], [-1, 1, 2]):
    y = grid(I, 2, 3, 4)
    case("diagonal", [y, *args], np.diagonal(y, *args), I)
for k in (0, 1, -2):
    case("diag", [grid(F, 3) + 1, k], np.diag(grid(F, 3) + 1, k))
    case("diag", [x, k], np.diag(x, k))
case("diag", [grid(I, 0), 1], np.diag(grid(I, 0), 1), I)

# --- counting and segments -------------------------------------------------------------------------------------------

y = grid(F, 3, 4)
for indices, axis in (
    (np.array([[0, 3], [1, 1], [-1, 2]], I), 1),
    (np.array([[2, 0, -3, 1]], I), 0),
    (np.array([[1], [0], [2]], U), -1),
    (np.zeros((3, 0), I), 1),
):
    case("takeAlongAxis", [y, indices, axis], np.take_along_axis(y, indices.astype(int), axis))
    put = y.copy()
    np.put_along_axis(put, indices.astype(int), -1, axis)
    case("putAlongAxis", [y, indices, -1, axis], put)
put = y.copy()
np.put_along_axis(put, np.array([[0, 1], [1, 2], [3, 0]]), grid(F, 3, 2) + 50, 1)
case("putAlongAxis", [y, np.array([[0, 1], [1, 2], [3, 0]], I), grid(F, 3, 2) + 50, 1], put)
filled = np.array([[0, np.nan], [3.5, np.nan], [4, 4]], F)
case("takeAlongAxis", [y, np.array([[0, 4], [3, -5], [0, 0]], I), 1, {"mode": "fill"}], filled)
case("take", [y, np.array([1, 9, -1, -9], I), 1, {"mode": "fill"}], np.c_[y[:, 1], [np.nan] * 3, y[:, -1], [np.nan] * 3])
case("take", [grid(I, 3), np.array([0, 3], U), 0, {"mode": "fill"}], [0, -(2**31)], I)
case("take", [grid(U, 3), np.array([7], I), None, {"mode": "fill"}], [2**32 - 1], U)
case("take", [grid(B, 3) | True, np.array([2, -4], I), 0, {"mode": "fill"}], [1, 0], B)

for indices in (np.array([0, 2, 1], I), np.array([[3, -1], [2, 5]], I), np.array(1, U), np.array([], I)):
    hot = (indices[..., None].astype(int) == np.arange(4)).astype(F)
    case("oneHot", [indices, 4], hot)
    case("oneHot", [indices, 4, {"axis": 0, "dtype": "i32"}], np.moveaxis(hot, -1, 0), I)
case("oneHot", [np.array([0, 1], I), 2, {"dtype": "bool"}], np.eye(2), B)

ids = np.array([0, 2, 2, 7, 0, -1], I)
data = np.array([1, 2, 3.5, 4, -5, 6], F)
for name, f, empty in (
    ("segmentSum", np.sum, (0, 0, 0)),
    ("segmentProd", np.prod, (1, 1, 1)),
    ("segmentMax", np.max, (-np.inf, -(2**31), 0)),
    ("segmentMin", np.min, (np.inf, 2**31 - 1, 2**32 - 1)),
):
    for dtype, none in zip((F, I, U), empty):
        v = np.abs(data).astype(dtype) if dtype == U else data.astype(dtype)
        fold = lambda rows: np.array([f(wide(v)[ids == k], axis=0) if (ids == k).any() else none for k in range(rows)])
        case(name, [v, ids, 4], fold(4), dtype)
    rows = np.stack([data, data * 2], 1)
    folded = np.stack([f(rows[ids == k], axis=0) if (ids == k).any() else [empty[0]] * 2 for k in range(3)])
    case(name, [rows, ids, 3], folded)
    case(name, [np.zeros((0, 2), F), np.zeros(0, I), 2], np.full((2, 2), empty[0]))
case("segmentSum", [np.ones((2, 3), B), np.array([[0, 1, 0], [1, 1, 5]], I), 2], [2, 3], I)

for values in (np.array([0, 1, 1, 3], I), np.array([], I), np.array([2, 9, 2], U)):
    case("bincount", [values, {"length": 4}], np.bincount(values[values < 4], minlength=4), I)
weights = np.array([0.5, 2, 3, -1], F)
counted = np.bincount([0, 1, 1, 3], weights, 5)
case("bincount", [np.array([0, 1, 1, 3], I), {"length": 5, "weights": weights}], counted)

for length in (0, 1, 2, 7, 8, 9):
    rising = np.sort((np.arange(length) * 7 % 5).astype(F))
    values = np.array([-1, 0, 0.5, 1, 2, 3.5, 4, 9, -np.inf, np.inf, np.nan, -0.0], F)
    for side in ("left", "right"):
        case("searchsorted", [rising, values, {"side": side}], np.searchsorted(rising, values, side), I)
ends = np.array([1, 2, np.nan, np.nan], F)
for side in ("left", "right"):
    case("searchsorted", [ends, np.array([2, np.nan, 5], F), {"side": side}], np.searchsorted(ends, [2, np.nan, 5], side), I)
case("searchsorted", [np.array([1, 3, 3, 8], I), np.array([[3, 4], [0, 9]], I)], [[1, 3], [0, 4]], I)
case("searchsorted", [np.array([1, 3, 3, 8], U), 3.5], 3, I)
case("searchsorted", [np.array([False, True]), np.array([True, False])], [1, 0], I)

# --- products --------------------------------------------------------------------------------------------------------


def product(name, f, x, y, *rest, args=()):
    dtype = join(x.dtype.type, y.dtype.type)
    to = I if dtype == B else dtype
    case(name, [x, y, *args], wrap(f(wide(x), wide(y), *rest) + 0, to), to)  # a sum starts at +0


vectors_and_matrices = [
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((3,), (2, 3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (4, 3, 2)),
    ((2, 3), (2, 4, 3, 1)),
    ((2, 4, 1, 3), (2, 1, 3, 5)),
    ((1, 2, 3), (4, 3, 2)),
    ((2, 0), (0, 3)),
    ((0, 2), (2, 3)),
]
for shapes in vectors_and_matrices:
    product("matmul", np.matmul, draw(F, *shapes[0]), draw(F, *shapes[1]))
for dtypes in ((I, I), (U, U), (B, B), (B, F), (I, F)):
    product("matmul", np.matmul, draw(dtypes[0], 2, 3), draw(dtypes[1], 3, 2))
for shapes in [((3,), (3,)), ((2, 3), (3,)), ((3,), (2, 3, 4)), ((2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((), (2,)), ((2, 2), ()), ((), ())]:
    product("dot", np.dot, draw(F, *shapes[0]), draw(F, *shapes[1]))
for shapes in [((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (3, 2)), ((), ())]:
    product("vdot", np.vdot, draw(F, *shapes[0]), draw(F, *shapes[1]))
for shapes in [((2,), (3,)), ((2, 2), (3,)), ((), (2,)), ((0,), (2,))]:
    product("outer", np.outer, draw(F, *shapes[0]), draw(F, *shapes[1]))
for axes in (0, 1, 2, [[0], [1]], [[1, 0], [0, 1]], [[-1], [0]], [[], []]):
    np_axes = tuple(axes) if isinstance(axes, list) else axes
    shapes = {0: ((2,), (3, 2)), 1: ((2, 3), (3, 4)), 2: ((5, 2, 3), (2, 3, 4))}
    left, right = shapes[axes] if isinstance(axes, int) else ((2, 3), (3, 2))
    product("tensordot", np.tensordot, draw(F, *left), draw(F, *right), np_axes, args=[axes])
product("tensordot", np.tensordot, draw(I, 2, 3), draw(I, 2, 3))


def einsum(spec, *operands):
    dtype = join(*(x.dtype.type for x in operands))
    to = I if dtype == B else dtype
    case("einsum", [spec, *operands], wrap(np.einsum(spec, *map(wide, operands)), to), to)


written = {
    "i->": [(3,)],
    "ij->ji": [(2, 3)],
    "ij": [(2, 3)],
    "ba": [(2, 3)],
    "ii": [(3, 3)],
    "ii->i": [(3, 3)],
    "iij->j": [(3, 3, 2)],
    "iii->i": [(2, 2, 2)],
    "ij,jk": [(2, 3), (3, 4)],
    "ij,jk->ki": [(2, 3), (3, 4)],
    "i,j->ij": [(2,), (3,)],
    "i,i": [(3,), (3,)],
    "ij,ij->": [(2, 3), (2, 3)],
    "ij,k->": [(2, 3), (4,)],
    "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
    "bhqd,bhkd->bhqk": [(2, 2, 3, 4), (2, 2, 3, 4)],
    "ij,jk,kl->il": [(2, 3), (3, 4), (4, 2)],
    "i,ij,j": [(2,), (2, 3), (3,)],
    "a,b,c->cab": [(2,), (3,), (4,)],
    "...ij,...jk->...ik": [(2, 2, 3), (3, 4)],
    "...i,...i->...": [(4, 3), (2, 4, 3)],
    "...": [(2, 3)],
    "i...->...": [(2, 3, 4)],
    "i...->...i": [(2, 3, 4)],
    "...,": [(2, 3), ()],
    " i j , j k -> i k ": [(2, 3), (3, 2)],
    "ij,j->i": [(2, 3), (1,)],
    "Ab,bA->A": [(2, 3), (3, 2)],
    "ij,jk->ik": [(2, 0), (0, 3)],
    "->": [()],
    ",->": [(), ()],
}
for spec, shapes in written.items():
    einsum(spec, *(draw(F, *shape) for shape in shapes))
einsum("ij,jk->ik", draw(I, 2, 3), draw(I, 3, 2))
einsum("ij,jk->ik", draw(B, 2, 3), draw(F, 3, 2))
einsum("i,i->", draw(B, 4), draw(B, 4))

sizes = dict(zip(string.ascii_lowercase, [2, 3, 2, 4, 1, 3]))
for _ in range(60):
    letters = "abcdef"[: rng.integers(2, 7)]
    operands = []
    for _ in range(rng.integers(1, 5)):
        count = min(rng.integers(0, 4), len(letters))
        operands.append("".join(rng.choice(list(letters), count, replace=rng.integers(0, 4) == 0)))
    used = sorted(set("".join(operands)))
    output = "".join(rng.permutation([c for c in used if rng.integers(0, 2)]))
    spec = ",".join(operands) + ("->" + output if rng.integers(0, 5) else "")
    einsum(spec, *(draw(F, *(sizes[c] for c in names), low=-2, high=2) for names in operands))

# --- creation --------------------------------------------------------------------------------------------------------

for args in ([5], [2, 7], [0, 10, 3], [5, 0, -2], [0, 1, 0.25], [3, 3], [5, 2], [-2, 2, 1.5], [0.5, 3], [1e9, 1e9 + 3e2, 64]):
    case("arange", args, np.arange(*args))
case("arange", [0, 5, 1, {"dtype": "i32"}], np.arange(5), I)
case("arange", [9, 1, -3, {"dtype": "i32"}], np.arange(9, 1, -3), I)
case("arange", [3, 6, 1, {"dtype": "u32"}], np.arange(3, 6), U)
case("arange", [3000000000, 3000000004, 1, {"dtype": "u32"}], np.arange(3000000000, 3000000004), U)
case("arange", [3e9, 3e9 + 1024, 256], np.arange(3e9, 3e9 + 1024, 256))
for args in ([0, 1, 5], [2, -2, 4], [0, 1, 1], [3, 4, 0], [0, 1], [1, 1, 3]):
    case("linspace", args, np.linspace(*args))
case("linspace", [0, 1, 4, {"endpoint": False}], np.linspace(0, 1, 4, endpoint=False))
for args in ([3], [2, 4], [4, 2], [0], [2, 0]):
    case("eye", args, np.eye(*args))
for k in (1, -1, 5, -2):
    case("eye", [3, 4, {"k": k}], np.eye(3, 4, k))
case("eye", [2, 2, {"dtype": "bool"}], np.eye(2), B)
case("full", [[2, 3], 1.5], np.full((2, 3), 1.5))
case("full", [[2], 7, {"dtype": "i32"}], [7, 7], I)
case("full", [3, True], [1, 1, 1], B)
case("full", [[], -2], -2)
case("zeros", [[2, 0]], np.zeros((2, 0)))
case("ones", [[2], {"dtype": "u32"}], [1, 1], U)
case("zerosLike", [draw(I, 2, 2)], np.zeros((2, 2)), I)
case("onesLike", [draw(B, 3)], np.ones(3), B)

# --- sorting ---------------------------------------------------------------------------------------------------------


def ties(dtype, *shape):
    """Few different numbers; floats with NaN, infinities and both zeros."""
    if dtype != F:
        return draw(dtype, *shape, low=0 if dtype == U else -3, high=3)
    return rng.choice(np.array([-np.inf, -2, -0.0, 0, 0.5, 3, np.inf, np.nan], F), shape).astype(F)


for dtype in (F, I, U, B):
    for shape in ((7,), (3, 4), (2, 3, 5), (1,), (0,), (2, 0)):
        x = ties(dtype, *shape)
        for axis in range(-1, x.ndim):
            case("sort", [x, axis], np.sort(x, axis, kind="stable"), dtype)
            case("argsort", [x, axis], np.argsort(x, axis, kind="stable"), I)
    x = ties(dtype, 3, 4)
    case("sort", [x, None], np.sort(x, None, kind="stable"), dtype)
    case("argsort", [x, None], np.argsort(x, None, kind="stable"), I)
    keys = [ties(dtype, 2, 9) for _ in range(3)]
    for axis in (0, 1):
        case("lexsort", [keys, axis], np.lexsort(keys, axis), I)
x = draw(F, 3000)
case("argsort", [x], np.argsort(x, kind="stable"), I)
for shape in ((7,), (3, 4), (1, 5)):
    for dtype in (F, I):
        x = draw(dtype, *shape)
        for axis in (None, *range(x.ndim)):
            case("median", [x, axis], np.median(x, axis))
            case("quantile", [x, [0, 0.3, 1], axis], np.quantile(x.astype(F), [0, 0.3, 1], axis))
            case("percentile", [x, 40, axis, {"keepDims": True}], np.percentile(x.astype(F), 40, axis, keepdims=True))
x = draw(F, 2, 6)
for method in ("linear", "lower", "higher", "nearest", "midpoint"):
    for q in (0.1, 0.5, 0.77):
        case("quantile", [x, q, 1, {"method": method}], np.quantile(x, q, 1, method=method))
x[0, 2] = np.nan
case("median", [x, 1], np.median(x, 1))
case("quantile", [x, 0.25, 0], np.quantile(x, 0.25, 0))

text = "".join(json.dumps(c, separators=(",", ":")) + "\n" for c in cases)
Path(__file__).with_name("golden.jsonl").write_text(text)
print(f"{len(cases)} cases, {len(text)} bytes")
