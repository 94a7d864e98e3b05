"""Writes order-golden.jsonl beside it: sorting and running folds with their gradients, as JAX computes them.

Run by hand with JAX 0.10 on the CPU: python3 tests/library/order-golden.py. The file is the same on every run.
Gradients are those of the sum of the result times weights 1, 2, 3, ...; what JSON cannot hold is a string.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

jax.config.update("jax_enable_x64", True)  # for derivatives; values are computed in f32
rng = np.random.default_rng(7)
cases = []


def number(x):
    if isinstance(x, float) and (math.isnan(x) or math.isinf(x) or (x == 0 and math.copysign(1, x) < 0)):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(x), "-0")
    return x


def encode(x):
    x = np.asarray(x)
    dtype = {"float32": "f32", "int32": "i32", "int64": "i32"}[str(x.dtype)]
    return {"dtype": dtype, "shape": list(x.shape), "data": [number(v) for v in x.ravel().tolist()]}


def weighted(y):
    return jnp.sum(y * (1 + jnp.arange(y.size, dtype=y.dtype).reshape(y.shape)))


def case(name, f, x, args, gradient=True):
    results = f(jnp.asarray(x))
    results = results if isinstance(results, (tuple, list)) else [results]
    entry = {"call": name, "x": encode(x), "args": args, "results": [encode(r) for r in results]}
    if gradient:
        first = lambda v: (f(v)[0] if isinstance(f(v), (tuple, list)) else f(v))
        slope = jax.grad(lambda v: weighted(first(v)))
        entry["gradient"] = encode(np.float32(slope(x.astype(np.float64))))
        entry["second"] = encode(np.float32(jax.grad(lambda v: weighted(slope(v)))(x.astype(np.float64))))
    cases.append(entry)


odd = np.array([[0.0, -0.0, np.nan, 1, -np.inf, np.inf, np.nan, 1, -3]], np.float32)
plain = rng.permutation(24).astype(np.float32).reshape(2, 3, 4) / 4 - 2
tied = np.array([2, 1, 2, 2, 1, 3, 3], np.float32)

for axis in (0, 1, 2):
    case("sort", lambda x: jnp.sort(x, axis), plain, [axis])
case("sort", lambda x: jnp.sort(x), tied, [])
case("sort", lambda x: jnp.sort(x), odd, [], gradient=False)
case("argsort", lambda x: jnp.argsort(x, stable=True), odd, [], gradient=False)
case("argsort", lambda x: jnp.argsort(x, stable=True, descending=True), tied, [-1, {"descending": True}], gradient=False)
for k in (0, 1, 3):
    case("topK", lambda x: lax.top_k(x, k), plain, [k])
case("topK", lambda x: lax.top_k(x, 4), tied, [4])
case("topK", lambda x: lax.top_k(x, 5), np.array([1, np.nan, np.inf, 2, -np.inf, np.nan], np.float32), [5], gradient=False)

near = (1 + rng.random((2, 3, 5)) / 2).astype(np.float32)
zeros = np.array([2, 0, 3, 0, 5, 1], np.float32)
special = np.array([1, -np.inf, 2, np.nan, 3], np.float32)
running = {
    "cumsum": lax.cumsum,
    "cumprod": lax.cumprod,
    "cummax": lax.cummax,
    "cummin": lax.cummin,
    "cumlogsumexp": lax.cumlogsumexp,
}
for name, f in running.items():
    for axis in (0, 1, 2):
        for reverse in (False, True):
            case(name, lambda x: f(x, axis, reverse), near, [axis, {"reverse": reverse}])
    case(name, lambda x: f(x), np.zeros((0,), np.float32), [0])
    case(name, lambda x: f(x), np.array([3], np.float32), [0])
    case(name, lambda x: f(x), special, [0], gradient=False)
case("cumprod", lambda x: lax.cumprod(x), zeros, [0])
case("cumprod", lambda x: lax.cumprod(x, 0, True), zeros, [0, {"reverse": True}])
case("cumlogsumexp", lambda x: lax.cumlogsumexp(x), np.array([-np.inf, -np.inf, 1, 90, 200, -80], np.float32), [0], gradient=False)
whole = rng.integers(-9, 9, (3, 4)).astype(np.int32)
for name in ("cumsum", "cumprod", "cummax", "cummin"):
    case(name, lambda x: running[name](x, 1), whole, [1], gradient=False)

text = "".join(json.dumps(c, separators=(",", ":")) + "\n" for c in cases)
Path(__file__).with_name("order-golden.jsonl").write_text(text)
print(f"{len(cases)} cases, {len(text)} bytes")
