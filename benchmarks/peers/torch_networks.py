"""Networks as CMP trained them: PyTorch, one after another, a step at a time.

CMP gives 24 h on an RTX 2080 Ti for one row of its table I and all times: about 15 times, two species and 500 epochs of 80 configurations
in batches of 50 are 2.4e7 steps, or 3.6 ms a step. What follows takes about 0.5 ms a step on one laptop core, so it
is no slower than what was published.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

import numpy as np


def step_seconds(
    x: np.ndarray, y: np.ndarray, hidden: Sequence[int], dropout: Sequence[float], alpha: float, batch: int, steps: int
) -> float:
    """Seconds of a step of a fully connected network, x (n, features) float32, y (n,); raises ImportError without PyTorch."""
    import torch

    layers: list[torch.nn.Module] = []
    width = x.shape[1]
    for wide, share in zip(hidden, dropout, strict=True):
        layers += [torch.nn.Linear(width, wide), torch.nn.ReLU(), *([torch.nn.Dropout(share)] if share else [])]
        width = wide
    network = torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=alpha)
    inputs, targets = torch.tensor(x), torch.tensor(y[:, None])

    def run(many: int) -> None:
        order = torch.randperm(len(inputs))
        for k in range(many):
            rows = order[torch.arange(k * batch, (k + 1) * batch) % len(order)]
            optimizer.zero_grad()
            loss = ((network(inputs[rows]) - targets[rows]) ** 2).mean()
            loss.backward()
            optimizer.step()

    run(10)
    began = time.perf_counter()
    run(steps)
    return (time.perf_counter() - began) / steps


def graph_seconds(
    x: np.ndarray, between: np.ndarray, pairs: np.ndarray, y: np.ndarray, layers: int, steps: int
) -> float:  # fmt: skip
    """Seconds of a step of row 1 of CMP's table II on one configuration: x (N, features), between (E, 1), pairs (2, E), y (N,)."""
    import torch
    from torch import nn

    def mlp(sizes: Sequence[int]) -> nn.Sequential:
        parts: list[nn.Module] = []
        for a, b in itertools.pairwise(sizes[:-1]):
            parts += [nn.Linear(a, b), nn.ReLU()]
        return nn.Sequential(*parts, nn.Linear(sizes[-2], sizes[-1]))

    latent = 10
    parts = nn.ModuleDict(
        {
            "nodes": mlp([x.shape[1], 50, 50, latent]), "edges": mlp([1, 5, latent]), "decode": mlp([latent, 16, 16, 1]),
            **{f"node{k}": mlp([3 * latent, 30, 16, latent]) for k in range(layers)},
            **{f"edge{k}": mlp([3 * latent, 16, 16, latent]) for k in range(layers - 1)},
        }
    )  # fmt: skip
    optimizer = torch.optim.Adam(parts.parameters(), lr=1e-4)
    nodes, edges, targets = torch.tensor(x), torch.tensor(between), torch.tensor(y[:, None])
    first, second = torch.tensor(pairs[0]).long(), torch.tensor(pairs[1]).long()
    number = torch.bincount(first, minlength=len(x)).clamp(min=1)[:, None]

    def step() -> None:
        optimizer.zero_grad()
        begin = v = parts["nodes"](nodes)
        e = parts["edges"](edges)
        for k in range(layers):
            mean = torch.zeros(len(v), latent).index_add(0, first, e) / number
            v = parts[f"node{k}"](torch.cat([v, mean, begin], 1))
            if k < layers - 1:
                e = parts[f"edge{k}"](torch.cat([v[first], v[second], e], 1))
        loss = ((parts["decode"](v) - targets) ** 2).mean()
        loss.backward()
        optimizer.step()

    for _ in range(2):
        step()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - began) / steps
