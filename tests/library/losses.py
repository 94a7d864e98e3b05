"""Writes losses.jsonl beside it: losses of PyTorch and their gradients by the first argument, in float64.

Run by hand: python3 tests/library/losses.py. Needs torch (2.13). Numbers are multiples of 1/64: the same in f32.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(3)


def draw(*shape, scale=1.0):
    return torch.round(torch.randn(*shape) * scale * 64) / 64


logits = draw(5, 4, scale=3)
# some that would overflow, were they not shifted
logits[0, 1], logits[1, 2], logits[2, 0] = 500, -500, 90
classes = torch.tensor([0, 3, 2, 1, 1])
# in 64ths, the last one making up for the others
dense = torch.floor(torch.softmax(draw(5, 4), 1) * 64) / 64
dense[:, 3] = 1 - dense[:, :3].sum(1)
x, y = draw(3, 4, scale=2), draw(3, 4, scale=2)
bits = torch.randint(0, 2, (3, 4)).double()
scores = draw(3, 4, scale=4)
scores[0, 0], scores[0, 1] = 200, -200

# our names and options; PyTorch's function of (first argument, reduction)
losses = {
    "softmaxCrossEntropy of classes": (
        "softmaxCrossEntropy", {}, logits, classes, lambda a, r: F.cross_entropy(a, classes, reduction=r)),
    "softmaxCrossEntropy of probabilities": (
        "softmaxCrossEntropy", {}, logits, dense, lambda a, r: F.cross_entropy(a, dense, reduction=r)),
    "meanSquaredError": (
        "meanSquaredError", {}, x, y, lambda a, r: F.mse_loss(a, y, reduction=r)),
    "binaryCrossEntropyWithLogits": (
        "binaryCrossEntropyWithLogits", {}, scores, bits,
        lambda a, r: F.binary_cross_entropy_with_logits(a, bits, reduction=r)),
    "huber": (
        "huber", {}, x, y, lambda a, r: F.huber_loss(a, y, reduction=r)),
    "huber with delta": (
        "huber", {"delta": 0.5}, x, y, lambda a, r: F.huber_loss(a, y, reduction=r, delta=0.5)),
}

rows = []
for name, (loss, options, a, b, run) in losses.items():
    for reduction in ("mean", "sum", "none"):
        a = a.detach().requires_grad_()
        value = run(a, reduction)
        (gradient,) = torch.autograd.grad(value.sum(), a)
        rows.append({
            "name": f"{name}, {reduction}", "loss": loss, "options": {**options, "reduction": reduction},
            "arguments": [a.tolist(), b.tolist()], "isClasses": not b.is_floating_point(),
            "value": value.detach().ravel().tolist(), "gradient": gradient.ravel().tolist(),
        })
Path(__file__).with_name("losses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
