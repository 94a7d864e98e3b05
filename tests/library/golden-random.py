"""Writes golden-random.json beside it: random numbers of JAX 0.10.2 for keys, shapes and ranges.

Run by hand: python3 tests/library/golden-random.py, on a CPU with fused multiply-add, where XLA rounds as we do.
Keys are raw, two u32; f32 numbers are written as their bits. Long arrays are written as every STEP-th element.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

assert jax.__version__ == "0.10.2" and jax.config.jax_threefry_partitionable
STEP = 97
cases = []

SHAPES = [(), (1,), (2,), (3,), (7,), (0,), (4, 0), (2, 3), (3, 1, 5), (33,), (10007,)]
KEYS = [jax.random.PRNGKey(seed) for seed in (0, 1, 42, -1, 2**31 - 1)]
KEYS += [jax.random.fold_in(KEYS[2], 7), jnp.array([0xDEADBEEF, 0x80000000], jnp.uint32)]


def words(x):
    x = np.asarray(x)
    flat = x.ravel()
    if flat.size > 2000:
        flat = flat[::STEP]
    if x.dtype == np.bool_:
        return [int(v) for v in flat]
    return [int(v) for v in (flat.view(np.uint32) if x.dtype == np.float32 else flat)]


def case(name, key, args, result):
    """A call random[name](key, ...args)."""
    result = np.asarray(result)
    dtype = {"float32": "f32", "int32": "i32", "uint32": "u32", "bool": "bool"}[str(result.dtype)]
    key = None if key is None else [int(v) for v in np.asarray(key)]
    cases.append({"call": name, "key": key, "args": args, "dtype": dtype, "shape": result.shape, "data": words(result)})


for seed in (0, 1, 42, -1, -12345, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40 + 3, -(2**33) - 5):
    case("key", None, [seed], jax.random.PRNGKey(seed))

for key in KEYS:
    for count in (1, 2, 3, 10):
        case("split", key, [count], jax.random.split(key, count))
    case("split", key, [[2, 3]], jax.random.split(key, (2, 3)))
    for number in (0, 1, 1234567, 2**32 - 1):
        case("foldIn", key, [number], jax.random.fold_in(key, np.uint32(number)))
    for shape in SHAPES:
        size = list(shape)
        case("bits", key, [size], jax.random.bits(key, shape))
        case("uniform", key, [size], jax.random.uniform(key, shape))
        case("normal", key, [size], jax.random.normal(key, shape))
        case("randint", key, [size, 0, 10], jax.random.randint(key, shape, 0, 10))
        case("bernoulli", key, [0.3, size], jax.random.bernoulli(key, 0.3, shape))
        case("exponential", key, [size], jax.random.exponential(key, shape))
    for low, high in ((-1, 1), (-3.7, 11.3), (0.1, 0.3), (-1e5, 3.3), (1e-20, 1e-19), (-3e38, 1e38), (2, 2), (0, 1e-30)):
        case("uniform", key, [[5003], {"min": low, "max": high}], jax.random.uniform(key, (5003,), minval=low, maxval=high))
    for low, high in ((0, 1), (5, 5), (7, 3), (-5, 6), (0, 65536), (0, 65537), (0, 2**31 - 1), (-(2**31), 2**31 - 1)):
        case("randint", key, [[5003], low, high], jax.random.randint(key, (5003,), low, high))
    for p in (0, 0.5, 0.999, 1):
        case("bernoulli", key, [p, [5003]], jax.random.bernoulli(key, float(p), (5003,)))
    for n in (0, 1, 2, 7, 100, 5003):
        case("permutation", key, [n], jax.random.permutation(key, n))
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    for axis in (0, 1):
        case("permutation", key, [table.tolist(), axis], jax.random.permutation(key, jnp.array(table), axis))
    case("permutation", key, [[1.5, -2, 4]], jax.random.permutation(key, jnp.array([1.5, -2, 4], jnp.float32)))
    case("truncatedNormal", key, [-1, 2, [50]], jax.random.truncated_normal(key, -1.0, 2.0, (50,)))
    case("gumbel", key, [[50]], jax.random.gumbel(key, (50,)))
    logits = [[0.5, -1, 2, 0], [0, 0, 0, 0], [-30, 3, 3, 1]]
    array = jnp.array(logits, jnp.float32)
    case("categorical", key, [logits], jax.random.categorical(key, array))
    case("categorical", key, [logits, {"axis": 0}], jax.random.categorical(key, array, axis=0))
    case("categorical", key, [logits, {"shape": [20, 3]}], jax.random.categorical(key, array, shape=(20, 3)))

out = Path(__file__).with_name("golden-random.json")
lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
out.write_text(f"[\n{lines}\n]\n")
print(f"{len(cases)} cases, {out.stat().st_size} bytes")
