"""Writes golden.json beside it: what JAX gives for transforms with rules of the user's, collectives and checkpoints.

Run by hand when a case is added: python3 tests/transforms/golden.py. The functions of the same names stand in
golden.test.ts. The file is the same on every run.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import grad, lax, vmap

jax.config.update("jax_enable_x64", True)

x = jnp.array([0.5, -1.0, 2.0])
w = jnp.array([0.2, 0.4, -0.6])
m = jnp.array([[0.5, -1.0, 2.0], [1.0, 0.25, -0.75]])
cases = {}


def case(name, result):
    leaves = jax.tree_util.tree_leaves(result)
    cases[name] = [float(f"{v:.9g}") for leaf in leaves for v in np.asarray(leaf, dtype=np.float64).ravel()]


def total(f):
    return lambda *args: jnp.sum(f(*args))


# --- collectives ------------------------------------------------------------------------------------------------------

over_i = lambda f, **more: vmap(f, axis_name="i", **more)

case("psum", over_i(lambda a: lax.psum(jnp.sin(a), "i") * a)(x))
case("psum, grad inside", over_i(grad(lambda a: lax.psum(jnp.sin(a), "i") * a))(x))
case("psum, grad outside", grad(total(over_i(lambda a: lax.psum(jnp.sin(a), "i") * a)))(x))
case("psum of what all lanes share", over_i(lambda a, b: lax.psum(b, "i") * a, in_axes=(0, None))(x, 2.0))
case(
    "psum of what all lanes share, gradients",
    grad(total(over_i(lambda a, b: lax.psum(b * b, "i") * a, in_axes=(0, None))), (0, 1))(x, 2.0),
)
case("psum, jvp", jax.jvp(over_i(lambda a: lax.psum(jnp.sin(a), "i") * a), (x,), (w,)))
case("pmean, gradient", grad(total(over_i(lambda a: (a - lax.pmean(a, "i")) ** 3)))(x))
case("pmax", over_i(lambda a: lax.pmax(a, "i") * a)(x))
case("pmin", over_i(lambda a: lax.pmin(a, "i") - a)(x))
case("axisIndex", over_i(lambda a: a + lax.axis_index("i"))(x))
case("allGather", over_i(lambda r: lax.all_gather(r, "i", axis=1) @ jnp.array([1.0, 10.0]))(m))
case("allGather, grad inside", over_i(grad(lambda a: jnp.sum(jnp.sin(lax.all_gather(a, "i")) * w)))(x))
case("allGather, grad outside", grad(total(over_i(lambda a: a * jnp.dot(lax.all_gather(a, "i"), w))))(x))
case("psumScatter", over_i(lambda r: lax.psum_scatter(jnp.sin(r), "i", scatter_dimension=0))(jnp.outer(x, w)))


def normalized(rows):
    def one(row):
        centred = row - lax.pmean(row, "i")
        return centred * lax.rsqrt(lax.pmean(centred**2, "i") + 0.1)

    return over_i(one)(rows)


cubes = lambda rows: jnp.sum(normalized(rows) ** 3)
case("batch normalisation", normalized(m))
case("batch normalisation, gradient", grad(cubes)(m))
case("batch normalisation, Hessian", jax.hessian(cubes)(m))
case(
    "batch normalisation, third order",
    grad(total(grad(total(grad(cubes)))))(m),
)

both = vmap(over_i(lambda a: lax.psum(a * a, ("i", "j")) * a + lax.psum(a, "j") * lax.pmean(a, "i")), axis_name="j")
case("two names", both(m))
case("two names, gradient", grad(total(both))(m))
case(
    "two names, grad between",
    vmap(grad(total(over_i(lambda a: lax.psum(a**2, ("i", "j")) * a))), axis_name="j")(m),
)

# --- customJvp --------------------------------------------------------------------------------------------------------


@jax.custom_jvp
def log1pexp(a):
    return jnp.log(1.0 + jnp.exp(a))


@log1pexp.defjvp
def _(primals, tangents):
    (a,), (da,) = primals, tangents
    return log1pexp(a), (1 - 1 / (1 + jnp.exp(a))) * da


for order, f in enumerate([log1pexp, grad(log1pexp), grad(grad(log1pexp)), grad(grad(grad(log1pexp)))]):
    case(f"customJvp, order {order}", vmap(f)(x))


@jax.custom_jvp
def scaled(p, a):
    return {"y": p["s"] * jnp.sin(a), "n": p["s"]}


@scaled.defjvp
def _(primals, tangents):  # not the derivative, so that it shows
    (p, a), (dp, da) = primals, tangents
    out = scaled(p, a)
    return out, {"y": 3 * dp["s"] * a + 5 * da, "n": dp["s"] * a}


loss = lambda p, a: scaled(p, a)["y"] * scaled(p, a)["n"]
case("customJvp of trees", grad(loss, (0, 1))({"s": 2.0}, 0.5))
case("customJvp of trees, vmap of grad", vmap(grad(loss, (0, 1)), ({"s": None}, 0))({"s": 2.0}, x))
case("customJvp of trees, grad of vmap", grad(total(vmap(loss, ({"s": None}, 0))), (0, 1))({"s": 2.0}, x))
case("customJvp of trees, jvp", jax.jvp(loss, ({"s": 2.0}, 0.5), ({"s": 0.1}, 0.7)))

# --- customVjp --------------------------------------------------------------------------------------------------------


@jax.custom_vjp
def product(a, b):
    return a * b


product.defvjp(lambda a, b: (a * b, (a, jnp.cos(b))), lambda kept, ct: (ct * kept[1], 2 * ct * jnp.sin(kept[0])))

case("customVjp", grad(lambda a, b: product(a, b) * a, (0, 1))(0.5, 0.25))
case("customVjp, vmap of grad", vmap(grad(lambda a, b: product(a, b) * a, (0, 1)))(x, w))
case("customVjp, grad of vmap", grad(total(vmap(lambda a, b: product(a, b) * a, (0, None))), (0, 1))(x, 0.25))
case("customVjp, second order", grad(grad(lambda a: product(a, a * a)))(0.5))
case("customVjp, third order", grad(grad(grad(lambda a: product(a, a * a))))(0.5))
case("customVjp, Hessian", jax.jacfwd(jax.jacrev(lambda v: jnp.sum(vmap(product)(v, v * v))))(x))


@jax.custom_vjp
def pick(a, i):
    return a[i] * a


pick.defvjp(lambda a, i: (a[i] * a, (a, i)), lambda kept, ct: (ct * kept[1], None))
case("customVjp with an integer", grad(total(pick))(x, 2))

# --- customVmap -------------------------------------------------------------------------------------------------------


@jax.custom_batching.custom_vmap
def affine(a, b):
    return a * b


@affine.def_vmap
def _(size, batched, a, b):
    return a * b + 100 * size + 10 * batched[0] + batched[1], True


case("customVmap", vmap(affine)(x, w))
case("customVmap, one argument batched", vmap(affine, (None, 0))(3.0, w))
case("customVmap, vmap of vmap", vmap(vmap(affine, (0, None)))(m, m[:, 0]))

# --- checkpoint, linearize --------------------------------------------------------------------------------------------

layers = lambda v: jnp.tanh(jnp.sin(v * v) @ jnp.outer(w, x) + v)
for order, f in enumerate([total(layers), grad(total(layers)), grad(total(grad(total(layers))))]):
    case(f"checkpoint, order {order}", f(x))
case("checkpoint, third order", grad(total(grad(total(grad(total(layers))))))(x))
case("checkpoint, Hessian", jax.hessian(total(layers))(x))
case("checkpoint, vmap of grad", vmap(grad(total(jax.checkpoint(layers))))(m))
case("linearize", jax.linearize(layers, x)[1](w))

text = json.dumps(cases, indent=1)
Path(__file__).with_name("golden.json").write_text(text + "\n")
print(f"{len(cases)} cases")
