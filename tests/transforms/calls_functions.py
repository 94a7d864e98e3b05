"""The functions of calls.py, in jax.numpy. calls-functions.ts beside it holds the same ones in TypeScript."""

import jax
import jax.numpy as jnp
from jax import lax

functions = {}


def define(name, fn):
    functions[name] = fn


def named(fn):
    """Enters a function under its own name, as TypeScript spells it."""
    head, *rest = fn.__name__.split("_")
    define(head + "".join(word.capitalize() for word in rest), fn)
    return fn


# --- elementwise ------------------------------------------------------------------------------------------------------

define("waves", lambda x: jnp.sin(x) * jnp.exp(-x * x) + jnp.tanh(x) / (1 + x * x))
define("logs", lambda x: jnp.log1p(x * x) + jnp.sqrt(1 + x * x) * jnp.arctan(x) - jnp.cbrt(x + 8))
define("hyperbolic", lambda x: jnp.sinh(x) / jnp.cosh(x) - jnp.arcsinh(x) + lax.erf(x) + jnp.expm1(x) * jax.nn.sigmoid(x))
define("inverse", lambda x: jnp.arcsin(x) * jnp.arccos(x) + jnp.arctanh(x) - jnp.arccosh(x + 3) + jnp.tan(x))
define("powers", lambda x, y: x**y + jnp.arctan2(y, x) * jnp.exp2(y) + jnp.log2(x))
define("cube", lambda x: x * x * x)
define("growth", lambda x: jnp.sin(x) * jnp.exp(2 * x))
define("shrinking", lambda x: lax.rsqrt(x) + x**-2)
# JAX says abs'(0) = 1, we say 0
define("absolute", lambda x: x * lax.stop_gradient(jnp.sign(x)) + jnp.abs(x - 8))
define("kinks", lambda x, y: jnp.maximum(x, y) * jnp.minimum(x, 2.0))
define("clamped", lambda x: lax.clamp(-1.0, x, 1.0) * x)
define("steps", lambda x: jnp.floor(x) * x + jnp.round(x) - jnp.sign(x) * jnp.ceil(x) + jnp.trunc(x) * x)
define("squash", lambda x: jnp.tanh(x) + jax.nn.sigmoid(x) + jnp.arctan(x))
define("quotients", lambda x, y: x / y)
define("remainder", lambda x, y: jnp.mod(x, y) * x)
define("roots", lambda x: jnp.sqrt(x))
define("safeLog", lambda x: jnp.where(x > 0, jnp.log(jnp.where(x > 0, x, 1)), 0.0))
define("unsafeRoot", lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0))
define("chosen", lambda c, x, y: jnp.where(c, x * y, x / y))
# jax.nn.leaky_relu has x where x ≥ 0
define("rectified", lambda x: jax.nn.relu(x) * x + jnp.where(x > 0, x, 0.125 * x))
define("activations", lambda x: jax.nn.softplus(x) + jax.nn.silu(x) * jax.nn.gelu(x) + jax.nn.elu(x) + jax.nn.log_sigmoid(x))
define("addExps", lambda x, y: jnp.logaddexp(x, y) + x * x)
define("converted", lambda x, n: x * n.astype(jnp.float32) + (x > 0).astype(jnp.float32))

# --- reductions -------------------------------------------------------------------------------------------------------


@named
def softmax_by_hand(x, w):
    e = jnp.exp(x - jnp.max(x))
    return jnp.sum(e / jnp.sum(e) * w)


define("softmaxRows", lambda x, w: jnp.sum(jax.nn.softmax(x, axis=0) * w, axis=-1))
define("logSumExp", lambda x: jax.nn.logsumexp(x, axis=-1) * 2)
define("crossEntropy", lambda x, label: jax.nn.logsumexp(x) - x[label])


@named
def layer_norm(x, g, b):
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    return centred * lax.rsqrt(jnp.mean(centred**2, axis=-1, keepdims=True) + 1e-3) * g + b


define("extremes", lambda x: jnp.max(x, axis=-1) * 2 - jnp.min(x, axis=0).sum() ** 2)
define("product", lambda x: jnp.prod(x))
define("productRows", lambda x: jnp.prod(x, axis=0))
define("spread", lambda x: jnp.var(x, axis=0, ddof=1) + jnp.std(x) + jnp.mean(x, axis=(0, 1)) ** 2)
define("sums", lambda x: jnp.sum(jnp.sin(x), axis=0) * jnp.prod(x + 1, axis=0) + jnp.sum(x))
define("lengths", lambda x: jnp.sqrt(jnp.sum(x * x, axis=-1)) + jnp.sum(jnp.abs(x)))
define("length", lambda x: jnp.linalg.norm(x))
define("largest", lambda x: x[jnp.argmax(x)] * x)
define("total", lambda x: jnp.sum(x))

# --- products ---------------------------------------------------------------------------------------------------------

define("dotSine", lambda x, w: jnp.sin(jnp.dot(x, w)))
define("bilinear", lambda x, a, y: x @ a @ y)
define("matrices", lambda a, b: jnp.tanh(a @ b) @ b.T)
define("batches", lambda a, b: jnp.matmul(a, b) ** 2)
define("attention", lambda q, k, v: jnp.einsum("qk,kd->qd", jax.nn.softmax(jnp.einsum("qd,kd->qk", q, k) / 2), v))
define("contraction", lambda a, b: jnp.einsum("bij,bjk,ik->b", a, b, a[0] @ b[0]))
define("diagonals", lambda a: jnp.einsum("ii->i", a) ** 3 + jnp.einsum("ii", a))
define("outers", lambda x, y: jnp.tensordot(jnp.outer(x, y), jnp.outer(x, y) ** 2, 2) + jnp.vdot(x, x))


@named
def net(params, x):
    (w1, b1), (w2, b2) = params
    return jnp.tanh(x @ w1 + b1) @ w2 + b2


# --- shapes -----------------------------------------------------------------------------------------------------------

define("slices", lambda x: x[1:4] * x[::-1][:3] + x[::2][:3] ** 2)
define("padded", lambda x: lax.pad(x, 2.0, ((1, 2, 0),)) ** 3)
define("cropped", lambda x: lax.pad(x * x, 0.0, ((-1, 1, 0), (1, -2, 0))) ** 2)
define("joined", lambda x, y: jnp.concatenate([x, y * x[0], x]) ** 2)
define("moved", lambda x: jnp.stack([x.T, x.reshape(3, 2), jnp.flip(x, 0).T], 1) ** 2)
define("repeated", lambda x: jnp.roll(jnp.tile(x, 2), 1) * jnp.repeat(x, 2))
define("stretched", lambda x, y: (x + y) * jnp.broadcast_to(x, (2, 3)))
define("triangles", lambda a: jnp.tril(a) @ jnp.triu(a, 1) + jnp.diag(jnp.diag(a) ** 2))

# --- indexing ---------------------------------------------------------------------------------------------------------

define("gathered", lambda x, i: jnp.take(x, i, axis=0, mode="clip") ** 2)
define("gatheredOrNaN", lambda x, i: jnp.take(x, i, axis=0, mode="fill") ** 2)
define("columns", lambda x, i: jnp.take(x, i, axis=1, mode="clip") * x[0, 0])
define("alongRows", lambda x, i: jnp.take_along_axis(x, i, axis=1) ** 2)
define("pairs", lambda x, i, j: x[i, j] ** 2)
define("entry", lambda x, i: lax.dynamic_index_in_dim(x, i, 0, keepdims=False) * x)
define("written", lambda x, i, v: x.at[i].set(v, mode="clip") ** 2)
define("addedTo", lambda x, i, v: x.at[i].add(v * v, mode="drop") ** 2)
define("multiplied", lambda x, i, v: x.at[i].multiply(v, unique_indices=True, mode="clip") ** 2)
define("raised", lambda x, i, v: x.at[i].max(v, mode="clip") ** 2)
define("segments", lambda x, i: jax.ops.segment_sum(x * x, i, num_segments=3) * 2)
define("embedded", lambda i, w: jnp.sin(jax.nn.one_hot(i, 4) @ w))

# --- order, running totals --------------------------------------------------------------------------------------------

define("sorted", lambda x, w: jnp.sort(x) * w)
define("sortedColumns", lambda x: jnp.flip(jnp.sort(x, axis=0), 0) ** 2)
define("ranked", lambda x, w: (x * x)[jnp.argsort(x)] * w)
define("best", lambda x: lax.top_k(x, 2)[0] ** 2)
define("middle", lambda x: jnp.median(x) * jnp.quantile(x, 0.3))
define("runningSum", lambda x: jnp.cumsum(x) * x)
define("runningSumBack", lambda x: lax.cumsum(x, axis=0, reverse=True) ** 2)
define("runningProduct", lambda x: jnp.cumprod(x) * 2)
define("runningProductBack", lambda x: lax.cumprod(x, axis=0, reverse=True))
define("runningMax", lambda x: lax.cummax(x, axis=0) ** 2)
# in lax.cummax equal elements share the gradient by halves, from one to the next; here the first has it
define("runningMaxTies", lambda x: jnp.stack([x[jnp.argmax(x[: k + 1])] for k in range(x.shape[0])]) ** 2)
define("runningMin", lambda x: lax.cummin(x, axis=0, reverse=True) ** 2)
define("runningLogSumExp", lambda x: lax.cumlogsumexp(x, axis=0) * x)
define("differences", lambda x: jnp.diff(x, n=2) ** 2)

# --- windows ----------------------------------------------------------------------------------------------------------


def conv(x, w, strides, padding, groups=1, dilation=None):
    spatial = "DHW"[-(x.ndim - 2) :]
    dims = ("NC" + spatial, "OI" + spatial, "NC" + spatial)
    return lax.conv_general_dilated(
        x, w, strides, padding, rhs_dilation=dilation, dimension_numbers=dims, feature_group_count=groups
    )


define("conv1", lambda x, w: conv(x[None], w, (2,), [(1, 2)])[0] ** 2)
define("conv1Dilated", lambda x, w: conv(x[None], w, (1,), "SAME", dilation=(2,))[0] ** 2)
define("conv2", lambda x, w: jnp.tanh(conv(x[None], w, (1, 1), "VALID")[0]))
define("conv2Groups", lambda x, w: conv(x[None], w, (1, 2), "SAME", groups=2)[0] ** 2)


def pool(x, init, op, strides):
    return lax.reduce_window(x, init, op, (2, 2), strides, "VALID")


define("poolMax", lambda x: pool(x, -jnp.inf, lax.max, (2, 2)) ** 2)
define("poolMaxOverlap", lambda x: pool(x, -jnp.inf, lax.max, (1, 1)) * 3)
define("poolMean", lambda x: (pool(x, 0.0, lax.add, (1, 2)) / 4) ** 2)

# --- control flow -----------------------------------------------------------------------------------------------------


@named
def recurrent(w, xs):
    def step(h, x):
        h = jnp.tanh(w * h + x)
        return h, h * x

    h, ys = lax.scan(step, 0.5, xs)
    return jnp.append(ys, h)


@named
def recurrent_back(w, xs):
    def step(h, x):
        h = jnp.sin(w * h + x)
        return h, h * h

    h, ys = lax.scan(step, w, xs, reverse=True)
    return jnp.append(ys, h)


@named
def trajectory(x, a):
    def step(state, _):
        state = state + 0.125 * jnp.tanh(a @ state)
        return state, state

    return lax.scan(step, x, None, length=4)[1]


@named
def continued(x):
    return lax.fori_loop(0, 4, lambda i, y: 1 / (1 + y * y) + x * i, x)


@named
def branch(x):
    return lax.cond(x > 0, lambda t: jnp.log(t) * t, lambda t: t * t, x)


@named
def cases(i, x):
    return lax.switch(i, [lambda t: jnp.sin(t), lambda t: jnp.sqrt(t) + t, lambda t: t**3], x)


@named
def newton_root(x):
    """√x, until the step is small: the number of steps depends on x."""

    def body(state):
        y, _, n = state
        after = (y + x / y) / 2
        return after, jnp.abs(after - y), n + 1

    start = ((x + 1) / 2, jnp.ones_like(x), 0)
    return lax.while_loop(lambda s: (s[1] > 1e-2) & (s[2] < 20), body, start)[0]


@named
def doubled_until(x, limit):
    """Doubles x until it reaches the limit."""
    return lax.while_loop(lambda y: y < limit, lambda y: 2 * y, x)


define("products", lambda x: lax.associative_scan(jnp.multiply, jnp.sin(x) + 2))
define("productsBack", lambda x: lax.associative_scan(jnp.multiply, x, reverse=True) * 2)
define("mapped", lambda x: lax.map(lambda row: jnp.dot(row, row) * jnp.sin(row), x))
