"""Writes calls.jsonl beside it: calls of transformed functions, one a line, with what JAX gives.

Run by hand when a case is added: python3 tests/transforms/calls.py. The file is the same on every run.

Each call is a function of calls_functions.py under transforms, outermost first, with its arguments. Results are computed
in 64 bits from the same arguments. `within` is how far a result may be away: 4 ulp of its largest element, and four times
what JAX itself is away in 32 bits. Where 32 bits are what is asked about (overflow), `single` takes JAX's 32 bits.

Where ours differs from JAX on purpose, the function or the transform here says what ours means: grad of a value that is
no scalar is that of its sum, abs'(0) = 0, leakyRelu'(0) is the slope on the left, and the first of equal elements has
the gradient of cummax and cummin. The cases have a note.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from calls_functions import functions

rng = np.random.default_rng(20241107)
F, I, B = np.float32, np.int32, np.bool_
NAMES = {"float32": "f32", "float64": "f32", "int32": "i32", "int64": "i32", "bool": "bool"}
cases = []
nan, inf = np.nan, np.inf


def a(*data):
    """f32, from one nested list or from numbers."""
    return np.array(data[0] if len(data) == 1 else data, F)


def ints(*data):
    return np.array(data[0] if len(data) == 1 else data, I)


def draw(*shape, low=-2, high=2):
    return (rng.integers(low * 32, high * 32, shape) / 32).astype(F)


# --- transforms -------------------------------------------------------------------------------------------------------


def total(fn):
    def summed(*args):
        return jnp.sum(fn(*args))

    return summed


def pushed(fn):
    def call(*args):
        n = len(args) // 2
        return jax.jvp(fn, args[:n], args[n:])

    return call


def pulled(fn):
    def call(*args):
        y, back = jax.vjp(fn, *args[:-1])
        cts = back(args[-1])
        # integers have cotangents of 0 with us
        return y, [jnp.zeros(x.shape, x.dtype) if ct.dtype == jax.dtypes.float0 else ct for ct, x in zip(cts, args)]

    return call


def jacobian(make):
    return lambda fn, argnums=0: make(fn, argnums)


def tuples(x):
    return tuple(map(tuples, x)) if isinstance(x, list) else x


make = {
    "grad": lambda fn, argnums=0: jax.grad(total(fn), tuples(argnums)),
    "valueAndGrad": lambda fn, argnums=0: lambda *args: (fn(*args), jax.grad(total(fn), tuples(argnums))(*args)),
    "jvp": pushed,
    "vjp": pulled,
    "jacfwd": lambda fn, argnums=0: jax.jacfwd(fn, argnums),
    "jacrev": lambda fn, argnums=0: jax.jacrev(fn, argnums),
    "hessian": lambda fn, argnums=0: jax.hessian(fn, argnums),
    "vmap": lambda fn, inAxes=0, outAxes=0: jax.vmap(fn, tuples(inAxes), tuples(outAxes)),
    "jit": jax.jit,
}
grad = lambda *argnums: ["grad", {"argnums": list(argnums) if len(argnums) > 1 else argnums[0]}] if argnums else ["grad"]
value_and_grad = lambda *argnums: ["valueAndGrad", {"argnums": list(argnums)}]
jac = lambda way, argnums: [way, {"argnums": argnums}]
vmap = lambda inAxes=0, outAxes=0: ["vmap", {"inAxes": inAxes, "outAxes": outAxes}]
J, JVP, VJP, HESSIAN, JACFWD, JACREV, G, V = ["jit"], ["jvp"], ["vjp"], ["hessian"], ["jacfwd"], ["jacrev"], ["grad"], vmap()


def transformed(name, chain):
    fn = functions[name]
    for transform, *options in reversed(chain):
        fn = make[transform](fn, **(options[0] if options else {}))
    return fn


# --- cases ------------------------------------------------------------------------------------------------------------


def number(x):
    x = float(x)
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    short = float(f"{x:.9g}")  # enough to tell any two f32 apart
    return int(short) if short.is_integer() and abs(short) < 2**53 else short


def encode(x):
    if isinstance(x, (list, tuple)):
        return [encode(v) for v in x]
    x = np.asarray(x)
    return {"dtype": NAMES[str(x.dtype)], "shape": list(x.shape), "data": [number(v) for v in x.ravel()]}


def bound(wide, single):
    """How far our result may be from `wide`. Throws where 32 bits overflow and 64 do not."""
    if wide.dtype != np.float64:
        return 0
    finite = np.isfinite(wide)
    same = np.array_equal(finite, np.isfinite(single)) and np.array_equal(np.isnan(wide), np.isnan(single))
    if not same:
        raise ValueError("32 and 64 bits have different infinities or NaN: say single=True")
    largest = np.max(np.abs(wide[finite]), initial=0)
    away = np.max(np.abs(wide[finite] - single[finite].astype(np.float64)), initial=0)
    return float(f"{2**-21 * largest + 4 * away:.2g}")


def is_finite(tree):
    return all(np.all(np.isfinite(x)) for x in jax.tree.leaves(tree))


def results(name, chain, args, bits):
    wide = lambda x: x.astype(np.float64) if bits == 64 and x.dtype == F else x
    fn, args = transformed(name, chain), jax.tree.map(wide, args)
    with jax.enable_x64(bits == 64):
        result = jax.tree.map(np.asarray, jax.jit(fn)(*args))
        if is_finite(args) and is_finite(result):
            return result
        # under jit, XLA takes 0 · NaN and 0 · ∞ for 0 in places
        return jax.tree.map(np.asarray, fn(*jax.tree.map(jnp.asarray, args)))


def call(name, chain, *args, single=False, note=None):
    args = jax.tree.map(np.asarray, tuples(list(args)))
    narrow = results(name, chain, args, 32)
    wide = jax.tree.map(lambda x: x.astype(np.float64) if x.dtype == F else x, narrow) if single else results(name, chain, args, 64)
    try:
        within = jax.tree.map(bound, wide, narrow)
    except ValueError as error:
        raise ValueError(f"{name} {chain}: {error}\n{narrow}\n{wide}") from None
    case = {"call": name, "under": chain, "args": encode(args), "result": encode(wide), "within": jax.tree.leaves(within)}
    cases.append(case | ({"note": note} if note else {}))


def shuffled(x, count=3, axis=0):
    """Lanes that have the same entries in another order, so that ties, zeros and ranges stay."""
    lanes = [x, *(rng.permutation(x.ravel()).reshape(x.shape) for _ in range(count - 1))]
    return np.stack(lanes, axis)


def standard(name, *args, shared=(), hessian=False, single=False, note=None, second=True):
    """A function under the usual transforms. Arguments in `shared` are not batched; the others each have their own axis."""
    args = [np.asarray(x) for x in args]
    floats = [k for k, x in enumerate(args) if x.dtype == F]
    axes = [None if k in shared else (0, -1)[k % 2] for k in range(len(args))]
    batch = [x if axis is None else shuffled(x, axis=axis) for x, axis in zip(args, axes)]
    add = lambda chain, *more: call(name, chain, *more, single=single, note=note)
    add([value_and_grad(*floats)], *args)
    add([vmap(axes), grad(*floats)], *batch)
    add([grad(floats[-1]), vmap(axes, -1)], *batch)
    if len(floats) == len(args):
        # a direction and a cotangent for each lane
        add([vmap([*axes, *axes]), JVP], *batch, *(draw(*x.shape) for x in batch))
        shape = np.shape(results(name, [], tuple(args), 32))
        add([vmap([*axes, 0]), VJP], *batch, draw(3, *shape))
    if hessian:
        add([HESSIAN], *args)
        add([J, vmap(axes), G, grad(*floats[:1])], *batch)
    elif second:
        add([jac("jacfwd", floats[0])], *args)
        add([jac("jacrev", floats[-1])], *args)


# --- elementwise ------------------------------------------------------------------------------------------------------

x = a(-1.5, -0.25, 0, 0.5, 2)
for name in ("waves", "logs", "hyperbolic", "activations"):
    standard(name, x)
    call(name, [V, G, G, G], x)
standard("inverse", a(-0.75, 0.25, 0.5))
call("inverse", [V, G, G, G], a(-0.75, 0.25, 0.5))
standard("powers", a(0.5, 1, 2.25), a(1.5, -2, 0.25), hessian=True)
call("powers", [G, grad(1), G], a(0.5, 1, 2.25), a(1.5, -2, 0.25))
for order in range(5):
    call("growth", [V, *[G] * order], a(-1, 0, 0.75))
call("cube", [G, G, G, G], a(2, 3))
call("cube", [J, V, G, J, V, G], shuffled(a(-2, 0, 1)))
standard("shrinking", a(0.25, 1, 3))
standard("absolute", a(-2, 0, 3), note="abs'(0) is 0 here, in JAX it is 1")
ties = a(-1, 2, 2, 0.5, 3)
standard("kinks", ties, a(-1, 2, 1, 4, 3))
standard("clamped", a(-2, -1, 0, 1, 2, -0.5))
standard("steps", a(-1.5, -0.25, 0, 1, 2.5))
special = a(-inf, -50, 0, 50, inf, nan)
call("squash", [value_and_grad(0)], special)
call("squash", [V, G], special)
call("squash", [JVP], special, np.ones(6, F))
numbers, divisors = a(1, -2, 0, 3, inf, 1), a(0, 4, 0, inf, 2, nan)
call("quotients", [value_and_grad(0, 1)], numbers, divisors)
call("quotients", [V, VJP], numbers, divisors, a(1, 2, 1, -1, 1, 1))
standard("remainder", a(5.5, -5.5, 3, -0.25), a(2, 2, -2, 1.5))
call("roots", [value_and_grad(0)], a(0, 4, inf, -1, nan))
call("roots", [V, G, G], a(0.25, 4, inf))
call("safeLog", [value_and_grad(0)], a(-1, 0, 2, inf))
standard("safeLog", a(-1, 0, 2, 0.5))
call("unsafeRoot", [value_and_grad(0)], a(-1, 0, 4), note="the branch not taken has an infinite or no derivative: 0 · it is NaN")
call("unsafeRoot", [V, G], a(-1, 0, 4), note="as without vmap")
choice = np.array([True, False, True, False])
standard("chosen", choice, a(1, -2, 3, 0.5), a(2, 4, -1, 8))
call("chosen", [value_and_grad(1, 2)], choice, a(1, -2, inf, nan), a(2, 4, 1, 1))
standard("rectified", a(-1, 0, 2, -0.5), note="the slope of leakyRelu at 0 is that on the left, in JAX it is 1")
standard("addExps", a(0, -200, 90, 1), a(0, 3, 90, -200))
call("addExps", [value_and_grad(0, 1)], a(-inf, 5, -inf), a(2, -inf, 1))
standard("converted", a(-1.5, 2, 0), ints(3, -2, 0))

# --- reductions -------------------------------------------------------------------------------------------------------

standard("softmaxByHand", a(1, 3, 3, -2), a(0.5, 2, -1, 3), shared=[1], hessian=True)
call("softmaxByHand", [value_and_grad(0)], a(1e4, -1e4, 3), a(1, 2, 3))
standard("softmaxRows", draw(3, 2), draw(3, 2), shared=[1])
standard("logSumExp", draw(2, 3), hessian=True)
call("logSumExp", [value_and_grad(0)], a([[1, 1, 1], [1000, 999, -1000], [-inf, 0, 1]]))
call("logSumExp", [J, V, G], draw(3, 1))
standard("crossEntropy", a(1, 2, -1, 0.5), ints(2), hessian=True)
standard("layerNorm", draw(2, 4), draw(4), draw(4), shared=[1])
call("layerNorm", [V, vmap([0, None, None]), grad(0, 1, 2)], draw(2, 3, 4), draw(2, 4), draw(2, 4))
standard("extremes", a([[1, 3, 3], [2, -1, 3]]), hessian=True)
call("extremes", [value_and_grad(0)], a([[nan, 1], [2, 2]]))
call("extremes", [value_and_grad(0)], a([[5]]))
call("extremes", [value_and_grad(0)], a([[inf, inf], [-inf, 1]]))
for zeros in (a(2, 3, -1), a(2, 0, -1), a(0, 3, 0), a(4), a([])):
    call("product", [value_and_grad(0)], zeros)
    call("product", [HESSIAN], zeros)
call("product", [G, G, G], a(2, 0, -1))
call("product", [V, G], shuffled(a(2, 0, 3, 0)))
standard("productRows", a([[1, 0, 2], [3, 4, 0]]), hessian=True)
standard("spread", draw(3, 2), hessian=True)
for empty in (np.zeros((0, 3), F), np.zeros((2, 0), F), a([[0.5, 1]])):
    call("sums", [value_and_grad(0)], empty)
    call("sums", [V, G], np.stack([empty, empty]))
    call("sums", [JACREV], empty)
call("sums", [V, G], np.zeros((0, 2, 2), F))
call("total", [value_and_grad(0)], np.zeros((0,), F))
call("total", [V, HESSIAN], np.zeros((2, 0), F))
call("total", [JACFWD], draw(2, 2))
standard("lengths", a([[3, 4], [1, -1]]), hessian=True)
call("length", [value_and_grad(0)], a(3, 4))
call("length", [HESSIAN], a(3, 4))
standard("largest", a(1, 4, 4, -2))

# --- products ---------------------------------------------------------------------------------------------------------

standard("dotSine", draw(4), draw(4), shared=[1], hessian=True)
call("dotSine", [V, vmap([0, None]), grad(1), grad(1)], draw(2, 3, 4), draw(2, 4))
call("dotSine", [vmap([None, 0]), vmap([0, None]), grad(0, 1)], draw(3, 4), draw(2, 4))
call("dotSine", [G, vmap([-1, 0], 0), grad(1)], draw(4, 3), draw(3, 4))
call("dotSine", [value_and_grad(0, 1)], a([]), a([]))
standard("bilinear", draw(2), draw(2, 3), draw(3), hessian=True)
call("bilinear", [JACFWD, grad(1)], draw(2), draw(2, 3), draw(3))
standard("matrices", draw(2, 3), draw(3, 4), shared=[0])
call("matrices", [value_and_grad(0, 1)], np.zeros((2, 0), F), np.zeros((0, 3), F))
standard("batches", draw(2, 1, 2, 3), draw(3, 3, 2))
standard("attention", draw(3, 4), draw(2, 4), draw(2, 4))
call("attention", [vmap([0, None, None]), vmap([0, 0, None], 1), grad(1)], draw(2, 3, 3, 4), draw(3, 2, 4), draw(2, 4))
standard("contraction", draw(2, 2, 3), draw(2, 3, 2), second=False)
standard("diagonals", draw(3, 3), hessian=True)
standard("outers", draw(2), draw(3), hessian=True)
layers = [[draw(3, 4), draw(4)], [draw(4, 2), draw(2)]]
call("net", [value_and_grad(0, 1)], layers, draw(3))
call("net", [vmap([None, 0]), G], layers, draw(3, 3))
call("net", [G, vmap([None, 0])], layers, draw(3, 3))
call("net", [vmap([[[None, 0], None], 1], -1), JACREV], [[layers[0][0], draw(2, 4)], layers[1]], draw(3, 2))
call("net", [J, vmap([None, 0]), G, grad(1)], layers, draw(2, 3))

# --- shapes -----------------------------------------------------------------------------------------------------------

standard("slices", draw(6), hessian=True)
standard("padded", draw(3), hessian=True)
standard("cropped", draw(3, 3))
standard("joined", draw(2), draw(3), shared=[0], hessian=True)
standard("moved", draw(2, 3))
standard("repeated", draw(3), hessian=True)
standard("stretched", draw(3), draw(2, 1))
standard("triangles", draw(3, 3))

# --- indexing ---------------------------------------------------------------------------------------------------------

standard("gathered", draw(4), ints(1, 1, 3, 1), hessian=True)
standard("gathered", draw(3, 2), ints([2, 0], [2, 2]), shared=[1], second=False)
call("gathered", [value_and_grad(0)], draw(3), ints(7, -9, 2))
call("gathered", [value_and_grad(0)], draw(3), np.zeros(0, I))
call("gathered", [vmap([None, 0]), G], draw(1), ints([0, 5], [0, 0]))
call("gatheredOrNaN", [value_and_grad(0)], draw(3), ints(1, 3, 1, -4))
call("gatheredOrNaN", [vmap([0, None]), G], draw(2, 3), ints(1, 3, 1))
standard("columns", draw(2, 3), ints(2, 2, 0))
standard("alongRows", draw(2, 3), ints([0, 0], [2, 1]))
standard("pairs", draw(3, 3), ints(0, 2, 0), ints(1, 1, 1), second=False)
standard("entry", draw(4), ints(2))
call("entry", [vmap([0, 0]), JACREV], draw(3, 4), ints(0, 9, 3))
standard("written", draw(4), ints(2, 0), draw(2), hessian=True)
standard("addedTo", draw(4), ints(1, 1, 3), draw(3))
call("addedTo", [value_and_grad(0, 2)], draw(3), ints(0, 5, 0), draw(3))
call("addedTo", [vmap([None, 0, None]), grad(0, 2)], draw(3), ints([0, 0], [2, 9]), draw(2))
standard("multiplied", draw(4), ints(3, 1), draw(2))
standard("raised", a(1, 5, 2), ints(0, 1), a(3, 4))
standard("segments", draw(5), ints(0, 2, 0, 2, 2))
call("segments", [value_and_grad(0)], draw(4), ints(1, 7, 1, 0))
standard("embedded", ints(1, 3, 1), draw(4, 2), shared=[0])

# --- order, running totals --------------------------------------------------------------------------------------------

standard("sorted", a(3, 1, 2, 1), draw(4), hessian=True)
call("sorted", [value_and_grad(0, 1)], a(2, nan, -inf, inf), a(1, 2, 3, 4))
call("sorted", [value_and_grad(0, 1)], a([]), a([]))
standard("sortedColumns", draw(3, 2))
standard("ranked", a(0.5, -1, 2, 0.5), draw(4))
standard("best", a(1, 4, 4, -2), hessian=True)
standard("middle", draw(5), hessian=True)
for name in ("runningSum", "runningSumBack", "runningLogSumExp", "differences"):
    standard(name, draw(4), hessian=True)
    call(name, [value_and_grad(0)], draw(1))
call("runningSumBack", [JACREV], a([]))
for name in ("runningProduct", "runningProductBack"):
    standard(name, a(2, 0, 3, -1), hessian=True)
    call(name, [value_and_grad(0)], a(2, 0, 0, 3))
for name in ("runningMax", "runningMin"):
    standard(name, a(1, 4, -2, 3, 5), hessian=True)
    call(name, [value_and_grad(0)], a([2]))
standard("runningMaxTies", a(1, 3, 3, 2, 3), note="the first of equal elements has the gradient")
call("runningSum", [value_and_grad(0)], a(1, inf, 2, nan))
call("runningLogSumExp", [value_and_grad(0)], a(-1000, 1000, 999))

# --- windows ----------------------------------------------------------------------------------------------------------

standard("conv1", draw(2, 7), draw(3, 2, 3))
standard("conv1Dilated", draw(1, 6), draw(2, 1, 3), shared=[0], second=False)
standard("conv2", draw(2, 4, 3), draw(2, 2, 2, 2), shared=[1])
call("conv2", [vmap([0, None]), G, grad(1)], draw(2, 1, 3, 3), draw(1, 1, 2, 2))
standard("conv2Groups", draw(2, 3, 4), draw(4, 1, 2, 3), second=False)
standard("poolMax", draw(4, 4), hessian=False)
standard("poolMaxOverlap", a([[1, 2, 2], [2, 2, 0], [0, 1, 2]]))
standard("poolMean", draw(3, 5))

# --- control flow -----------------------------------------------------------------------------------------------------

standard("recurrent", a(0.75), a(0.5, -1, 0.25, 2), hessian=True)
call("recurrent", [G, G, G], a(0.75), a(0.5, -1))
call("recurrent", [value_and_grad(0, 1)], a(0.75), a([]))
call("recurrent", [value_and_grad(0, 1)], a(0.75), a([2]))
call("recurrent", [vmap([0, None]), vmap([None, 0]), grad(0, 1)], draw(2), draw(3, 4))
standard("recurrentBack", a(-0.5), a(0.5, -1, 0.25, 2), shared=[0], hessian=True)
call("recurrentBack", [V, JACFWD], draw(2), draw(2, 3))
standard("trajectory", draw(2), draw(2, 2), hessian=False)
call("trajectory", [J, G, vmap([0, None]), grad(1)], draw(3, 2), draw(2, 2))
standard("continued", a(0.5), hessian=True)
call("continued", [V, G, G, G], a(0.5, -1, 2))
for t in (-2, 0, 3):
    call("branch", [value_and_grad(0)], a(t))
standard("branch", a(3), hessian=True)
call("branch", [V, G], a(-2, 0, 3, -1), note="log of what is not positive is not taken")
call("branch", [V, G, G], a(-2, 0, 3, -1))
call("branch", [G, V], a(-2, 0, 3, nan))
call("cases", [vmap([0, 0]), grad(1)], ints(0, 1, 2, 1, 7, -3), a(1, 4, 2, 0.25, -1, 2))
call("cases", [vmap([0, 0]), grad(1)], ints(0, 2), a(0, 0), note="√ at 0 has no finite derivative, but is not taken")
call("cases", [vmap([None, 0]), grad(1), grad(1)], ints(1), a(1, 4, 2))
call("cases", [grad(1), vmap([0, None])], ints(0, 1, 2), a(4))
call("newtonRoot", [JVP], a(9), a(1))
call("newtonRoot", [V, JACFWD], a(2, 9, 100, 1))
call("newtonRoot", [V, JACFWD, JACFWD], a(2, 9, 100, 1))
call("newtonRoot", [vmap([0, None]), JVP], a(2, 9, 100), a(0.5))
call("doubledUntil", [V, JVP], a(1, 3, 20, 0.5), a(10, 10, 10, 30), a(1, 1, 1, 2), a(0, 0, 0, 0))
call("doubledUntil", [V, JACFWD], a([]), a([]))
standard("products", draw(5), hessian=True)
standard("productsBack", a(2, 0, 3), hessian=True)
call("products", [value_and_grad(0)], draw(1))
standard("mapped", draw(3, 2))

Path(__file__).with_name("calls.jsonl").write_text("".join(json.dumps(c, separators=(",", ":")) + "\n" for c in cases))
print(f"{len(cases)} cases of {len({c['call'] for c in cases})} functions")
