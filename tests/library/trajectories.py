"""Writes trajectories.jsonl beside it: 20 steps of training with each optimiser, in float64.

A net of two dense layers with tanh between them and softmax cross entropy, on fixed data. JAX gives the gradients; the
rules are written here from the formulas of the papers that library/optim/rules.ts names, in NumPy.
Run by hand when a case is added: python3 tests/library/trajectories.py. The file is the same on every run.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

STEPS = 20
rng = np.random.default_rng(20240901)


def draw(*shape):
    """Multiples of 1/256: the same in f32."""
    return rng.integers(-256, 257, shape) / 256


x = draw(8, 3) * 2
labels = rng.integers(0, 4, 8)
start = {"b1": draw(5) / 4, "b2": draw(4) / 4, "w1": draw(3, 5), "w2": draw(5, 4)}


def loss(params):
    hidden = jnp.tanh(x @ params["w1"] + params["b1"])
    logits = hidden @ params["w2"] + params["b2"]
    logs = logits - jax.scipy.special.logsumexp(logits, axis=1, keepdims=True)
    return -jnp.mean(logs[jnp.arange(len(labels)), labels])


value_and_grad = jax.jit(jax.value_and_grad(loss))

# --- rules: (options, gradient, parameter, memory of this parameter, number of the step from 1) -> direction -------------


def sgd(o, g, p, m, t):
    mu = o.get("momentum", 0)
    g = g + o.get("weightDecay", 0) * p
    if mu == 0:
        return g
    m["v"] = mu * m.get("v", 0) + g
    return g + mu * m["v"] if o.get("nesterov") else m["v"]


def rmsprop(o, g, p, m, t):
    rho, eps, mu = o.get("rho", 0.9), o.get("epsilon", 1e-8), o.get("momentum", 0)
    g = g + o.get("weightDecay", 0) * p
    m["s"] = rho * m.get("s", 0) + (1 - rho) * g**2
    s = m["s"]
    if o.get("centered"):
        m["m"] = rho * m.get("m", 0) + (1 - rho) * g
        s = np.maximum(s - m["m"] ** 2, 0)
    d = g / (np.sqrt(s) + eps)
    if mu == 0:
        return d
    m["v"] = mu * m.get("v", 0) + d
    return m["v"]


def adam(o, g, p, m, t, decoupled=False):
    b1, b2, eps = o.get("beta1", 0.9), o.get("beta2", 0.999), o.get("epsilon", 1e-8)
    decay = o.get("weightDecay", 0.01 if decoupled else 0)
    if not decoupled:
        g = g + decay * p
    m["m"] = b1 * m.get("m", 0) + (1 - b1) * g
    m["v"] = b2 * m.get("v", 0) + (1 - b2) * g**2
    m_hat = m["m"] / (1 - b1**t)
    v_hat = m["v"] / (1 - b2**t)
    if o.get("amsgrad") is True:
        m["u"] = np.maximum(m.get("u", 0), m["v"])
        v_hat = m["u"] / (1 - b2**t)
    elif o.get("amsgrad") == "corrected":
        m["u"] = np.maximum(m.get("u", 0), v_hat)
        v_hat = m["u"]
    d = m_hat / (np.sqrt(v_hat) + eps)
    return d + decay * p if decoupled else d


def adamw(o, g, p, m, t):
    return adam(o, g, p, m, t, decoupled=True)


RULES = {"sgd": sgd, "rmsprop": rmsprop, "adam": adam, "adamw": adamw}

# --- schedules: the rate of a step from 0 -----------------------------------------------------------------------------


def cosine(step, initial, steps, end):
    return end + (initial - end) * (1 + np.cos(np.pi * min(step / steps, 1))) / 2


def line(step, initial, end, steps):
    return initial + (end - initial) * min(step / steps, 1)


SCHEDULES = {
    "exponentialDecay": lambda t, o: o["initial"]
    * o["decay"] ** (t // o["steps"] if o.get("staircase") else t / o["steps"]),
    "cosineDecay": lambda t, o: cosine(t, o["initial"], o["steps"], o["end"]),
    "warmupCosine": lambda t, o: line(t, o["initial"], o["peak"], o["warmupSteps"])
    if t < o["warmupSteps"]
    else cosine(t - o["warmupSteps"], o["peak"], o["steps"] - o["warmupSteps"], o["end"]),
    "piecewiseConstant": lambda t, o: o["values"][sum(b <= t for b in o["boundaries"])],
    "linear": lambda t, o: line(max(t - o.get("begin", 0), 0), o["initial"], o["end"], o["steps"]),
    "polynomial": lambda t, o: o["end"]
    + (o["initial"] - o["end"]) * (1 - min(max(t - o.get("begin", 0), 0) / o["steps"], 1)) ** o["power"],
}

# --- runs --------------------------------------------------------------------------------------------------------------


def clipped(gradients, clip):
    if clip is None:
        return gradients
    if clip["by"] == "clipByValue":
        return {k: np.clip(g, -clip["limit"], clip["limit"]) for k, g in gradients.items()}
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients.values()))
    return {k: g * min(1, clip["limit"] / norm) for k, g in gradients.items()}


def run(name, rule, options, schedule=None, clip=None):
    params = {k: np.array(v) for k, v in start.items()}
    memory = {k: {} for k in params}
    mask = options.get("decayMask", {k: True for k in params})
    losses = []
    for step in range(STEPS):
        value, gradients = value_and_grad(params)
        losses.append(float(value))
        gradients = clipped({k: np.asarray(g) for k, g in gradients.items()}, clip)
        rate = SCHEDULES[schedule["name"]](step, schedule["options"]) if schedule else options["learningRate"]
        for k in params:
            own = options if mask[k] else {**options, "weightDecay": 0}
            params[k] = params[k] - rate * RULES[rule](own, gradients[k], params[k], memory[k], step + 1)
    losses.append(float(value_and_grad(params)[0]))
    extra = {key: value for key, value in (("schedule", schedule), ("clip", clip)) if value}
    weights = {k: p.ravel().tolist() for k, p in params.items()}
    return {"name": name, "rule": rule, "options": options, **extra, "losses": losses, "params": weights}


only_weights = {"b1": False, "b2": False, "w1": True, "w2": True}
cases = [
    run("sgd", "sgd", {"learningRate": 0.5}),
    run("momentum", "sgd", {"learningRate": 0.1, "momentum": 0.9}),
    run("nesterov", "sgd", {"learningRate": 0.1, "momentum": 0.9, "nesterov": True}),
    run("sgd with decay", "sgd", {"learningRate": 0.3, "momentum": 0.5, "weightDecay": 0.1}),
    run("rmsprop", "rmsprop", {"learningRate": 0.02}),
    run("rmsprop, centred, momentum", "rmsprop",
        {"learningRate": 0.01, "rho": 0.8, "epsilon": 1e-4, "centered": True, "momentum": 0.7, "weightDecay": 0.05}),
    run("adam", "adam", {"learningRate": 0.05}),
    run("adam with decay", "adam", {"learningRate": 0.05, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "weightDecay": 0.1}),
    run("amsgrad", "adam", {"learningRate": 0.3, "beta2": 0.8, "amsgrad": True}),
    run("amsgrad, corrected", "adam", {"learningRate": 0.3, "beta2": 0.8, "amsgrad": "corrected"}),
    run("adamw", "adamw", {"learningRate": 0.05}),
    run("adamw of weights alone", "adamw", {"learningRate": 0.05, "weightDecay": 0.5, "decayMask": only_weights}),
    run("clipped by value", "sgd", {"learningRate": 1}, clip={"by": "clipByValue", "limit": 0.05}),
    run("clipped by norm", "sgd", {"learningRate": 1}, clip={"by": "clipByGlobalNorm", "limit": 0.25}),
]
for schedule, options in {
    "exponentialDecay": {"initial": 1, "decay": 0.7, "steps": 4},
    "cosineDecay": {"initial": 1, "steps": 15, "end": 0.1},
    "warmupCosine": {"initial": 0.1, "peak": 1, "warmupSteps": 5, "steps": 15, "end": 0.05},
    "piecewiseConstant": {"boundaries": [5, 12], "values": [1, 0.5, 0.125]},
    "linear": {"initial": 1, "end": 0.2, "steps": 10, "begin": 4},
    "polynomial": {"initial": 1, "end": 0.2, "steps": 10, "begin": 4, "power": 2.5},
}.items():
    cases.append(run(schedule, "sgd", {}, schedule={"name": schedule, "options": options}))
cases.append(run("exponentialDecay, staircase", "sgd", {},
                 schedule={"name": "exponentialDecay", "options": {"initial": 1, "decay": 0.5, "steps": 5, "staircase": True}}))

setup = {
    "x": x.tolist(),
    "labels": labels.tolist(),
    "params": {k: v.tolist() for k, v in start.items()},
}
rows = "".join(json.dumps(row) + "\n" for row in [setup, *cases])
Path(__file__).with_name("trajectories.jsonl").write_text(rows)
