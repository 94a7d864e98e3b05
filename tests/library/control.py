"""Writes control.jsonl beside it: what JAX gives for the programs of control.test.ts, one a line.

Run by hand when a program is added: python3 tests/library/control.py. The file is the same on every run.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import grad, hessian, jacfwd, lax, vmap

F = jnp.float32
golden = {}


def plain(x):
    if isinstance(x, dict):
        return {key: plain(v) for key, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    return [float(f"{v:.8g}") if math.isfinite(v) else str(v) for v in np.asarray(x).astype(np.float64).ravel()]


def case(name, value):
    golden[name] = plain(value)


xs = jnp.array([-1.0, 0.5, 2.0, 4.0], F)
rows = jnp.array([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]], F)

# --- cond and switch -------------------------------------------------------------------------------------------------


def root(x):
    return lax.cond(x > 0, jnp.sqrt, lambda x: 0.0 * x, x)


def pick(i, x):
    return lax.switch(i, [jnp.sin, lambda x: x * x, lambda x: jnp.exp(-x)], x)


def weighted(w, i, x):
    # sqrt of negative numbers and 1/0 in lanes that do not take these branches
    return lax.switch(i, [lambda x: jnp.sin(w * x), lambda x: jnp.sqrt(x) * w, lambda x: w * w / x], x)


which = jnp.array([0, 1, 2, 0], jnp.int32)
numbers = jnp.array([-2.0, 4.0, 0.5, 0.0], F)


def total(w):
    return vmap(weighted, (None, 0, 0))(w, which, numbers).sum()


def per_lane(w):
    # the same, lane by lane, so that no lane sees what another one computes
    return sum(weighted(w, int(i), x) for i, x in zip(which, numbers))


case("root", [vmap(root)(xs), vmap(grad(root))(xs)])
index = jnp.array([-1, 0, 1, 2, 3], jnp.int32)
case("pick", [vmap(pick, (0, None))(index, F(0.7)), vmap(grad(pick, 1), (0, None))(index, F(0.7))])
case("pick, third order", vmap(grad(grad(grad(pick, 1), 1), 1), (0, None))(index, F(0.7)))
w = F(1.5)
case("weighted", [total(w), grad(per_lane)(w), grad(grad(per_lane))(w), grad(grad(grad(per_lane)))(w)])

# --- while -----------------------------------------------------------------------------------------------------------


def collatz(n):
    def step(c):
        n, count = c
        return jnp.where(n % 2 == 0, n // 2, 3 * n + 1), count + 1

    return lax.while_loop(lambda c: c[0] != 1, step, (n, 0))[1]


def newton(a):
    def far(x):
        return jnp.abs(x * x - a) > 1e-4

    return lax.while_loop(far, lambda x: 0.5 * (x + a / x), a)


case("collatz", vmap(collatz)(jnp.arange(1, 13, dtype=jnp.int32)))
squares = jnp.array([1.0, 2.0, 9.0, 50.0], F)
case("newton", [vmap(newton)(squares), vmap(jacfwd(newton))(squares), vmap(jacfwd(jacfwd(newton)))(squares)])


def fall(x, w):
    # at most eight turns; one past the end would take the root of a negative number
    def goes_on(c):
        return (c[0] > 0) & (c[2] < 8)

    return lax.while_loop(goes_on, lambda c: (c[0] - 0.5, w * c[1] + jnp.sqrt(c[0]), c[2] + 1), (x, F(0), 0))[1]


falls = jnp.array([-1.0, 0.25, 1.75, 3.0], F)
lanes = vmap(fall, (0, None))
half = F(0.5)
case(
    "fall",
    [
        lanes(falls, half),
        # forwards, lane by lane: JAX has no reverse mode of a while loop
        [vmap(jacfwd(fall), (0, None))(falls, half), sum(jacfwd(fall, 1)(x, half) for x in falls)],
        jax.jvp(lanes, (falls, half), (falls, F(1))),
    ],
)


def doublings(n):
    return lax.while_loop(lambda c: (c[0] < n) & (c[0] < 3), lambda c: (c[0] + 1, c[1] * 2), (0, F(1)))[1]


case("bounds", vmap(doublings)(jnp.array([0.0, 2.0, 3.0, 7.0], F)))


def halvings(n, x):
    return lax.fori_loop(0, n, lambda i, x: x / 2 + i, x)


case("halvings", vmap(halvings)(jnp.array([0, 1, 3, 5], jnp.int32), xs))

# --- scan ------------------------------------------------------------------------------------------------------------


def running(c, xs, reverse):
    def step(c, x):
        return c * 0.5 + jnp.sin(x), {"before": c, "product": c * x}

    return lax.scan(step, c, xs, reverse=reverse)


for name, reverse in (("running", False), ("running in reverse", True)):

    def loss(c, xs, reverse=reverse):
        c, ys = running(c, xs, reverse)
        return (c**2).sum() + (ys["before"] * ys["product"]).sum()

    c0 = jnp.array([0.3, -0.2], F)
    last, ys = running(c0, rows, reverse)
    case(name, [last, ys, grad(loss, (0, 1))(c0, rows), hessian(loss)(c0, rows)])

params = {
    "b": jnp.array([0.1, -0.1], F),
    "u": jnp.array([[0.5, -0.3], [0.2, 0.4]], F),
    "w": jnp.array([[0.3, 0.7], [-0.6, 0.1]], F),
}


def rnn(params, xs):
    def step(h, x):
        h = jnp.tanh(params["w"] @ x + params["u"] @ h + params["b"])
        return h, (h**2).sum()

    return lax.scan(step, jnp.zeros(2), xs)[1].sum()


case("rnn", [rnn(params, rows), grad(rnn)(params, rows)])
batch = jnp.stack([rows, rows * 0.5, -rows])
case("rnn, gradient per example", vmap(grad(rnn), (None, 0))(params, batch))


def pendulum(theta, x0):
    def field(x):
        return jnp.array([x[1], -theta[0] * jnp.sin(x[0]) - theta[1] * x[1]])

    def step(x, _):
        h = 0.1
        k1 = field(x)
        k2 = field(x + h / 2 * k1)
        k3 = field(x + h / 2 * k2)
        k4 = field(x + h * k3)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x, x

    x, path = lax.scan(step, x0, None, length=20)
    return (path**2).sum() + x[0]


theta, x0 = jnp.array([2.0, 0.3], F), jnp.array([1.0, 0.0], F)
case("pendulum", [pendulum(theta, x0), grad(pendulum, (0, 1))(theta, x0)])


def nested(x):
    def outer(c, a):
        inner = lax.scan(lambda s, b: (s * a + b * c, s), c, jnp.array([0.5, 1.5], F))
        return inner[0], inner[1].sum()

    c, ys = lax.scan(outer, x, jnp.array([0.2, -0.4, 0.9], F))
    return c * ys.sum()


case("nested", [nested(F(0.8)), grad(nested)(F(0.8)), grad(grad(nested))(F(0.8)), grad(grad(grad(nested)))(F(0.8))])


def powers(x):
    return lax.fori_loop(1, 4, lambda i, c: c * x + i, x)


case("powers", [powers(F(0.7)), grad(powers)(F(0.7)), grad(grad(powers))(F(0.7)), grad(grad(grad(powers)))(F(0.7))])

# --- nestings --------------------------------------------------------------------------------------------------------


def winding(w, x):
    # each step looks at what it carries: lanes part
    def step(c, t):
        c = lax.cond(c > t, lambda c: c - jnp.log(w * c), lambda c: c * w + jnp.sin(x), c)
        return c, c * t

    c, ys = lax.scan(step, x, jnp.array([0.1, 0.5, 0.3, 0.9], F))
    return c + ys.sum()


lanes = jnp.array([-1.5, -0.2, 0.4, 1.3], F)
case("winding", [vmap(winding, (None, 0))(w, lanes), vmap(grad(winding, 1), (None, 0))(w, lanes)])
case("winding, second order", vmap(grad(grad(winding, 1), 1), (None, 0))(w, lanes))
case("winding, third order", vmap(grad(grad(grad(winding, 1), 1), 1), (None, 0))(w, lanes))
each = [[grad(winding)(w, x), grad(grad(winding))(w, x)] for x in lanes]
case("winding, by what lanes share", [sum(e[0] for e in each), sum(e[1] for e in each)])

# --- associative_scan ------------------------------------------------------------------------------------------------

turns = jnp.stack([jnp.array([[jnp.cos(a), -jnp.sin(a)], [jnp.sin(a), jnp.cos(a)]], F) * 1.1 for a in xs])


def products(m):
    return lax.associative_scan(lambda a, b: jnp.einsum("nij,njk->nik", a, b), m)


case("products", [products(turns), grad(lambda m: (products(m) ** 2).sum())(turns)])
seven = jnp.array([[3.0, -1, 4, 1, -5, 9, 2], [0, 0.5, -2, 6, 1, -1, 1]], F)
case("maxima in reverse", lax.associative_scan(jnp.maximum, seven, reverse=True, axis=1))


def affine(a, b):
    return {"k": b["k"] * a["k"], "x": b["k"] * a["x"] + b["x"]}


case("affine", lax.associative_scan(affine, {"k": xs[:3] * 0.5, "x": rows[:, 0]}))

lines = [json.dumps({"name": name, "value": value}, separators=(",", ":")) for name, value in golden.items()]
Path(__file__).with_suffix(".jsonl").write_text("\n".join(lines) + "\n")
