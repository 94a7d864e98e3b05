"""Loops that end at another turn for each lane, by JAX on the CPU: started by the benchmark, which says what to run.

    python bench/jax_loops.py

Answers a line with a line: "mandelbrot 1024 run 3" runs it three times and answers "done" when the last one is there;
"mandelbrot 1024 read" answers with the numbers as f32 in base64, "clock" with the milliseconds that the processors have
worked. The first line written says which JAX it is.
"""

import base64
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

jax.config.update("jax_platforms", "cpu")

TURNS = 100


def mandelbrot(cx, cy):
    def holds(state):
        x, y, n = state
        return (n < TURNS) & (x * x + y * y < 4)

    def turn(state):
        x, y, n = state
        return x * x - y * y + cx, 2 * x * y + cy, n + 1

    zero = jnp.float32(0)
    return lax.while_loop(holds, turn, (zero, zero, jnp.int32(0)))[2]


def collatz(n):
    def holds(state):
        return state[0] != 1

    def turn(state):
        n, count = state
        return jnp.where((n & 1) == 0, n >> 1, 3 * n + 1), count + 1

    return lax.while_loop(holds, turn, (n, jnp.int32(0)))[1]


image = jax.jit(jax.vmap(jax.vmap(mandelbrot, (0, None)), (None, 0)))
steps = jax.jit(jax.vmap(collatz))


def call_of(name, size):
    if name == "mandelbrot":
        i = np.arange(size, dtype=np.float32) / np.float32(size)
        xs, ys = jnp.asarray(i * np.float32(2.5) - np.float32(2)), jnp.asarray(i * np.float32(2.5) - np.float32(1.25))
        return lambda: image(xs, ys)
    ns = jnp.arange(1, size + 1, dtype=jnp.int32)
    return lambda: steps(ns)


print(f"jax {jax.__version__}", flush=True)
calls = {}
for line in sys.stdin:
    if line.strip() == "clock":
        print(1000 * time.process_time(), flush=True)
        continue
    name, size, what, *times = line.split()
    if (name, size) not in calls:
        calls[name, size] = call_of(name, int(size))
    call = calls[name, size]
    if what == "read":
        data = np.asarray(call(), dtype=np.float32)
        print(base64.b64encode(data.tobytes()).decode(), flush=True)
        continue
    for _ in range(int(times[0])):
        result = call()
    result.block_until_ready()
    print("done", flush=True)
