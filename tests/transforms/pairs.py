"""Writes pairs.json beside it: programs that combine features, as JAX computes them; pairs.test.ts holds the same ones.

Run by hand when a program is added: python3 tests/transforms/pairs.py. The file is the same on every run.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import grad, hessian, jacfwd, jacrev, lax, vmap


def ramp(*shape, seed=0):
    """Sixteenths between -2 and 2, all different up to 64 of them."""
    n = int(np.prod(shape))
    return jnp.asarray((((np.arange(n) * 37 + 11 * seed + 5) % 64 - 31) / 16).reshape(shape), jnp.float32)


def whole(*shape, below):
    n = int(np.prod(shape))
    return jnp.asarray(((np.arange(n) * 7 + 1) % below).reshape(shape), jnp.int32)


def total(f, **options):
    return grad(lambda *args: jnp.sum(f(*args)), **options)


def conv(x, w):
    return lax.conv_general_dilated(x, w, (1,), [(1, 1)])


def scatter_scan(v, places):
    def step(c, i):
        c = c.at[i].add(jnp.sin(v * c.sum() + 1))
        return c, c[i].sum()

    c, y = lax.scan(step, jnp.zeros(4), places)
    return jnp.sum(c**2) + jnp.sum(y * ramp(5))


@jax.custom_vjp
def clip(x):
    return jnp.clip(x, -1, 1)


clip.defvjp(lambda x: (clip(x), x), lambda x, ct: (ct * 2 * jnp.cos(x),))


@jax.checkpoint
def layer(c, a):
    c = jnp.tanh(c @ a + c)
    return c, jnp.sum(c)


def coupled(x):
    def step(c, a):
        return lax.cond(a > 0, lambda c: lax.psum(c, "i") * 0.3, jnp.sin, c) + x, c

    return lax.scan(step, x, ramp(4))[0]


def choose(x, i):
    return lax.switch(i, [lambda x: ramp(2, 2) @ x, jnp.sort, jnp.cumsum], x)


cases = {
    "weights of an ensemble of convolutions": total(lambda ws: vmap(lambda w: jnp.tanh(conv(ramp(2, 3, 4), w)))(ws))(
        ramp(2, 2, 3, 3)
    ),
    "Hessian through sort": vmap(hessian(lambda x: jnp.sum(jnp.sort(x) ** 3 * jnp.arange(1, 5))))(ramp(2, 4)),
    "scatters that repeat, in a scan": vmap(grad(scatter_scan))(ramp(3), whole(3, 5, 2, below=4)),
    "an update where lanes differ": vmap(total(lambda x, i, v: jnp.sin(x.at[i].add(v)) * ramp(4), argnums=2))(
        ramp(3, 4), whole(3, 3, below=2), ramp(3, 3, seed=2)
    ),
    "reversed sums, forward over reverse": jacfwd(jacrev(lambda x: lax.cumsum(jnp.sin(x), reverse=True) ** 2))(ramp(4)),
    "a rule of the user's in a scan": vmap(
        grad(lambda x, w: jnp.sum(lax.scan(lambda c, a: (clip(c * a + x), c), x, w)[1])), (0, None)
    )(ramp(3), ramp(4)),
    "checkpoints in a scan, Hessian": vmap(hessian(lambda c, a: jnp.sum(lax.scan(layer, c, a)[1])), (0, None))(
        ramp(2, 1, 2), ramp(3, 2, 2) * 0.3
    ),
    "a collective in a branch in a scan": grad(lambda x: jnp.sum(vmap(coupled, axis_name="i")(x)))(ramp(3)),
    "branches that part, with matrices": vmap(total(lambda x, i: choose(x, i) ** 2))(ramp(3, 2), jnp.array([2, 0, 1])),
    "a diagonal in einsum, both sides mapped": vmap(lambda a, b: jnp.einsum("iij,jk->ik", a, b), (0, 1))(
        ramp(2, 3, 3, 4), ramp(4, 2, 2)
    ),
    "products with zeros, Hessian": vmap(hessian(lambda x: jnp.cumprod(x)[-1]))(jnp.array([[1.0, 0, 2], [0, 0, 1]])),
}

encoded = {
    name: {"shape": list(x.shape), "data": [float(f"{v:.9g}") for v in np.asarray(x).ravel().tolist()]}
    for name, x in cases.items()
}
lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in encoded.items())
Path(__file__).with_name("pairs.json").write_text("{\n" + lines + "\n}\n")
