"""Writes trajectories-pytorch.jsonl beside it: the runs of trajectories.jsonl by PyTorch's own optimisers, in float64.

The setup and the cases are those of trajectories.jsonl, as far as PyTorch has them: it has no AMSGrad over corrected
moments. Run by hand behind trajectories.py: python3 tests/library/trajectories-pytorch.py. Needs torch (2.13).
"""

import json
from pathlib import Path

import torch

torch.set_default_dtype(torch.float64)
here = Path(__file__).parent
setup, *cases = map(json.loads, (here / "trajectories.jsonl").read_text().splitlines())
STEPS = 20

x, labels = torch.tensor(setup["x"]), torch.tensor(setup["labels"])


def make(rule, o, parameters):
    """PyTorch's optimiser for our options; it takes the learning rate of each step from `lr` of its groups."""
    decayed = [p for k, p in parameters.items() if o.get("decayMask", {}).get(k, True)]
    kept = [p for k, p in parameters.items() if not o.get("decayMask", {}).get(k, True)]
    groups = [{"params": decayed}] + ([{"params": kept, "weight_decay": 0}] if kept else [])
    rate, decay = o.get("learningRate", 1), {"weight_decay": o["weightDecay"]} if "weightDecay" in o else {}
    if rule == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=o.get("momentum", 0), nesterov=o.get("nesterov", False), **decay)
    if rule == "rmsprop":
        return torch.optim.RMSprop(groups, lr=rate, alpha=o.get("rho", 0.9), eps=o.get("epsilon", 1e-8),
                                   centered=o.get("centered", False), momentum=o.get("momentum", 0), **decay)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[rule]
    return kind(groups, lr=rate, betas=(o.get("beta1", 0.9), o.get("beta2", 0.999)), eps=o.get("epsilon", 1e-8),
                amsgrad=o.get("amsgrad", False), **decay)


def run(case):
    params = {k: torch.tensor(v).requires_grad_() for k, v in setup["params"].items()}
    optimiser = make(case["rule"], case["options"], params)
    clip = case.get("clip")

    def loss():
        hidden = torch.tanh(x @ params["w1"] + params["b1"])
        return torch.nn.functional.cross_entropy(hidden @ params["w2"] + params["b2"], labels)

    losses = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        losses.append(value.item())
        if clip and clip["by"] == "clipByValue":
            torch.nn.utils.clip_grad_value_(params.values(), clip["limit"])
        elif clip:
            # not clip_grad_norm_, which adds 1e-6 to the norm
            norm = torch.sqrt(sum((p.grad**2).sum() for p in params.values()))
            for p in params.values():
                p.grad *= min(1, clip["limit"] / norm.item())
        optimiser.step()
    losses.append(loss().item())
    weights = {k: p.detach().ravel().tolist() for k, p in params.items()}
    return {**case, "name": f"{case['name']}, by PyTorch", "losses": losses, "params": weights}


taken = [c for c in cases if "schedule" not in c and c["options"].get("amsgrad") != "corrected"]
runs = [run(case) for case in taken]
for mine, case in zip(runs, taken):
    off = max(abs(a - b) for a, b in zip(mine["losses"], case["losses"]))
    print(f"{mine['name']}: losses differ from the formulas by {off:.1e}")
(here / "trajectories-pytorch.jsonl").write_text("".join(json.dumps(row) + "\n" for row in runs))
