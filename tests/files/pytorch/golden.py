"""Writes the weights and outputs beside it: nets of PyTorch, their state_dicts as safetensors or npz, and what they give.

Run by hand: python3 tests/files/pytorch/golden.py. Needs torch (2.13), safetensors and numpy. In golden.jsonl each net has
its file, an input and the output for it, as nested lists of f32 numbers.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

here = Path(__file__).parent
torch.manual_seed(11)
torch.set_default_dtype(torch.float32)
golden = {}


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 3))

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.norm1(self.conv1(x))), 2)
        x = torch.relu(self.conv2(x))
        return self.head(x)


class Signals(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.Conv1d(3, 3, 3, dilation=2, padding=2), nn.BatchNorm1d(3)) for _ in range(2)]
        )

    def forward(self, x):
        for block in self.blocks:
            x = torch.tanh(block(x))
        return x


class Words(nn.Module):
    """Scores of words, from the table that the words are looked up in."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.norm = nn.LayerNorm(4)
        self.decoder = nn.Linear(4, 11, bias=False)
        self.decoder.weight = self.embedding.weight

    def forward(self, x):
        return self.decoder(self.norm(self.embedding(x)))


class Pair(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.left = nn.Linear(3, 2)
        self.right = nn.Linear(3, 2)
        self.right.weight = self.left.weight

    def forward(self, x):
        return self.left(x) - self.right(x)


def disturb(net, x):
    """Parameters that are not what they start with, and running statistics of some batches."""
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn_like(p))
        net.train()
        for _ in range(3):
            net(x + torch.randn_like(x) if x.is_floating_point() else x)
    net.eval()


def save(name, file, net, x, rename=lambda name: name):
    disturb(net, x)
    with torch.no_grad():
        y = net.double()(x.double() if x.is_floating_point() else x).float()
    net.float()
    state = {rename(key): value.contiguous() for key, value in net.state_dict().items()}
    if file.endswith(".npz"):
        np.savez(here / file, **{key: value.numpy() for key, value in state.items()})
    else:
        save_file({key: value.clone() for key, value in state.items()}, here / file)
    golden[name] = {"file": file, "names": sorted(state), "input": x.tolist(), "output": y.tolist()}


mlp = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
save("mlp", "mlp.npz", mlp, torch.randn(4, 3))
# as DataParallel names what it wraps
save("wrapped", "wrapped.safetensors", mlp, torch.randn(4, 3), lambda name: f"module.{name}")
save("convnet", "convnet.safetensors", ConvNet(), torch.randn(3, 2, 7, 7))
save("signals", "signals.npz", Signals(), torch.randn(2, 3, 8))
save("words", "words.safetensors", Words(), torch.tensor([[0, 10, 3], [7, 7, 1]]))
save("pair", "pair.npz", Pair(), torch.randn(2, 3))

# what training does: a batch through a BatchNorm2d, and its running statistics behind it
norm = nn.BatchNorm2d(2, momentum=0.25)
x = torch.randn(3, 2, 4, 2)
y = norm(x)
golden["training"] = {
    "input": x.tolist(),
    "output": y.tolist(),
    "mean": norm.running_mean.tolist(),
    # PyTorch corrects the running variance for the size of the batch, here 24, where we do not
    "variance": (0.75 + (norm.running_var - 0.75) * 23 / 24).tolist(),
}

# weights of half the bits, which f32 holds exactly
x = torch.randn(4, 3)
for name, dtype in (("half", torch.float16), ("bfloat", torch.bfloat16)):
    state = {key: value.to(dtype) for key, value in mlp.state_dict().items()}
    save_file(state, here / f"{name}.safetensors")
    small = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    small.load_state_dict({key: value.double() for key, value in state.items()})
    y = small(x.double()).float()
    golden[name] = {
        "file": f"{name}.safetensors", "names": sorted(state), "input": x.tolist(), "output": y.tolist()
    }

# a pickle, which is not read
torch.save({"weight": torch.zeros(2)}, here / "pickle.pt")

rows = "".join(json.dumps({"name": name, **row}) + "\n" for name, row in golden.items())
(here / "golden.jsonl").write_text(rows)
