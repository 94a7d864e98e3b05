"""Writes golden-functions.jsonl beside it: calls of functions with the results of JAX 0.10.2, NumPy or SciPy, one a line.

Run by hand when a function is added: python3 tests/library/golden-functions.py. Written as golden.jsonl is.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import erfinv

F, I, U, B = np.float32, np.int32, np.uint32, np.bool_
NAMES = {"float32": "f32", "int32": "i32", "uint32": "u32", "bool": "bool"}
cases = []


def number(x):
    x = x.item() if isinstance(x, np.generic) else x
    if isinstance(x, bool):
        return int(x)
    if isinstance(x, float):
        if math.isnan(x):
            return "NaN"
        if math.isinf(x):
            return "Infinity" if x > 0 else "-Infinity"
        if x == 0:
            return "-0" if math.copysign(1, x) < 0 else 0
        return float(f"{x:.9g}")  # enough to tell any two f32 apart
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


def case(name, args, expected):
    cases.append({"call": name, "args": encode(list(args)), "result": encode(np.asarray(expected))})


special = np.array([-np.inf, -88, -20, -2.5, -1, -0.5, -1e-4, -0.0, 0, 1e-4, 0.5, 1, 2.5, 20, 100, np.inf, np.nan], F)
x = np.array([[0.5, -1, 2, 0], [1e4, 1e4, -1e4, 0], [-np.inf, 0, 1, -np.inf], [-100, -101, -102, -103]], F)
rows = np.array([[-np.inf, -np.inf], [np.inf, 1], [np.inf, -np.inf], [np.nan, 1], [3e38, 3e38]], F)
ints = np.array([[1, -2, 3], [4, 0, -6]], I)

with np.errstate(all="ignore"):
    for name, f in {
        "softplus": jax.nn.softplus,
        "sigmoid": jax.nn.sigmoid,
        "logSigmoid": jax.nn.log_sigmoid,
        "silu": jax.nn.silu,
        "relu": jax.nn.relu,
        "elu": jax.nn.elu,
        "leakyRelu": jax.nn.leaky_relu,
        "gelu": jax.nn.gelu,
    }.items():
        case(name, [special[1:-2] if name == "gelu" else special], f(special[1:-2] if name == "gelu" else special))
    case("gelu", [special[1:-2], {"approximate": "none"}], jax.nn.gelu(special[1:-2], approximate=False))
    case("elu", [special, 2], jax.nn.elu(special, 2))
    case("leakyRelu", [special, 0.25], jax.nn.leaky_relu(special, 0.25))
    case("relu", [ints], jax.nn.relu(ints))

    for array in (x, rows):
        for axis in (0, 1, -1):
            case("logsumexp", [array, axis], jax.nn.logsumexp(array, axis))
            case("softmax", [array, axis], jax.nn.softmax(array, axis))
            case("logSoftmax", [array, axis], jax.nn.log_softmax(array, axis))
    case("logsumexp", [x], jax.nn.logsumexp(x))
    case("logsumexp", [x, [0, 1], {"keepDims": True}], jax.nn.logsumexp(x, (0, 1), keepdims=True))
    case("logsumexp", [np.zeros((2, 0), F), 1], np.full(2, -np.inf, F))
    case("logsumexp", [ints, 1], jax.nn.logsumexp(ints.astype(F), 1))
    case("softmax", [np.zeros((2, 0), F)], np.zeros((2, 0), F))
    case("softmax", [x, [0, 1]], jax.nn.softmax(x, (0, 1)))
    case("logaddexp", [special[:, None], special], jnp.logaddexp(special[:, None], special))

    a = np.array([-np.inf, -7, -6, -3.5, -1, -0.0, 0, 0.5, 2, 7.25, 1e6, 3e38, np.inf, np.nan], F)
    for left, right in ((a[:, None], a), (ints, np.array([2, -3, 0], I)), (np.array([7, 8, 9], U), np.array([2, 0, 5], U))):
        case("mod", [left, right], np.mod(left, right))
        case("remainder", [left, right], np.remainder(left, right))
        case("fmod", [left, right], np.fmod(left, right))
        case("floorDivide", [left, right], np.floor_divide(left, right))
    case("mod", [ints, 4], np.mod(ints, 4))
    case("mod", [7, ints], np.where(ints == 0, 0, np.mod(7, np.where(ints == 0, 1, ints))).astype(I))
    case("floorDivide", [ints, 2.5], np.floor_divide(ints.astype(F), F(2.5)))
    case("floorDivide", [np.array([True, False]), 2], np.array([0, 0], I))
    case("trunc", [a], np.trunc(a))
    case("hypot", [a[:, None], a], np.hypot(a[:, None].astype(float), a.astype(float)).astype(F))
    part = np.array([-1, -0.9999, -0.5, 0, 1e-3, 0.25, 0.9, 1, 1.5, np.nan], F)
    case("erfInv", [part], erfinv(part.astype(float)).astype(F))
    case("clip", [a, -2, 3.5], np.clip(a, F(-2), F(3.5)))
    case("clip", [a, 0.25], np.clip(a, F(0.25), None))
    case("clip", [ints, None, 2], np.clip(ints, None, 2))
    case("clip", [ints, np.array([0, 1, 2], I), 3], np.clip(ints, np.array([0, 1, 2], I), 3))
    for name, f in {"isNan": np.isnan, "isInf": np.isinf, "isFinite": np.isfinite}.items():
        case(name, [a], f(a))
        case(name, [ints], f(ints))
    case("isClose", [a[:, None], a], np.isclose(a[:, None], a))
    case("isClose", [a[:, None], a, {"equalNan": True, "rtol": 0.5}], np.isclose(a[:, None], a, rtol=0.5, equal_nan=True))
    case("allClose", [x, x], np.array(True))
    case("allClose", [np.array([1, 2], F), np.array([1, 2.001], F)], np.array(False))
    points = np.array([-2, -1, -0.5, 1, 2, 3.4028234663852886e38, np.inf, np.nan], F)
    case("nextAfter", [points[:, None], points], np.nextafter(points[:, None], points))

    wide = np.array([0, 1, -1, 7, -8, 2**31 - 1, -(2**31), 12345678], I)
    shifts = np.array([0, 1, 5, 31, 32, 40, -1], I)
    for dtype in (I, U):
        w, s = wide.astype(dtype)[:, None], shifts.astype(dtype)
        case("leftShift", [w, s], jax.lax.shift_left(*np.broadcast_arrays(w, s)))
        right = jax.lax.shift_right_arithmetic if dtype == I else jax.lax.shift_right_logical
        case("rightShift", [w, s], right(*np.broadcast_arrays(w, s)))
        case("bitCount", [wide.astype(dtype)], np.bitwise_count(wide.astype(dtype)).astype(dtype))
        case("countLeadingZeros", [wide.astype(dtype)], jax.lax.clz(wide.astype(dtype)))
        case("bitwiseNot", [wide.astype(dtype)], ~wide.astype(dtype))
        for name, f in {"bitwiseAnd": np.bitwise_and, "bitwiseOr": np.bitwise_or, "bitwiseXor": np.bitwise_xor}.items():
            case(name, [w, wide.astype(dtype)], f(w, wide.astype(dtype)))
    case("bitwiseAnd", [np.array([True, False]), np.array([True, True])], np.array([True, False]))
    case("leftShift", [wide, 3], wide << 3)
    case("bitcast", [points, "u32"], points.view(U))
    case("bitcast", [points, "i32"], points.view(I))
    case("bitcast", [points.view(I), "f32"], points)
    case("bitcast", [wide, "u32"], wide.view(U))

    y = np.array([[1, 2, 4, 8], [3, 3, 3, 3], [-1, 0, 0.5, 2]], F)
    for axis in (None, 0, 1, [0, 1]):
        at = tuple(axis) if isinstance(axis, list) else axis
        case("var", [y, axis], np.var(y.astype(float), axis=at).astype(F))
        case("std", [y, axis, {"ddof": 1, "keepDims": True}], np.std(y.astype(float), axis=at, ddof=1, keepdims=True).astype(F))
        case("norm", [y, axis], np.sqrt((y.astype(float) ** 2).sum(at)).astype(F))
        case("norm", [y, axis, {"ord": 1}], np.abs(y).sum(at))
        case("any", [ints, axis], np.any(ints, axis=at))
        case("all", [ints, axis, {"keepDims": True}], np.all(ints, axis=at, keepdims=True))
        case("countNonzero", [ints, axis], np.asarray(np.count_nonzero(ints, axis=at)).astype(I))
        case("ptp", [y, axis], np.ptp(y, axis=at))
    case("var", [np.array([1], F), None, {"ddof": 1}], np.array(np.nan, F))
    case("any", [np.zeros((0, 2), F), 0], np.array([False, False]))
    case("all", [np.zeros((0, 2), F), 0], np.array([True, True]))
    case("average", [y, 1], np.average(y, axis=1))
    w = np.array([1, 2, 3, 4], F)
    case("average", [y, 1, {"weights": w}], np.average(y, axis=1, weights=w).astype(F))
    case("average", [y, None, {"weights": y * y}], np.average(y, weights=y * y))

out = Path(__file__).with_name("golden-functions.jsonl")
out.write_text("".join(json.dumps(c, separators=(",", ":")) + "\n" for c in cases))
print(f"{len(cases)} cases, {out.stat().st_size} bytes")
