"""An epoch of small fully connected networks by a kernel, on the CPU."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgpu.launch import threads_available
from glassgpu.models.xla_kernels import WIDE, call, on_cpu, register


def kernel_serves(hidden: Sequence[int], outputs: int) -> bool:
    """Whether kernels/layers.cuh trains such networks."""
    return on_cpu() and len(hidden) > 0 and max(*hidden, outputs) <= WIDE


@functools.cache
def epoch_by_kernel() -> Any:
    """What ``training.Task.epoch`` wants; ``own`` is that of ``together``."""
    import jax
    import jax.numpy as jnp

    register("host_layers", "train_layers")

    @jax.jit
    def epoch(networks, memory, rates, shared, own, target, order, key, seeds):
        hidden, many = len(networks.weights) - 1, target.shape[1]
        sizes = [w.shape[0] for w in networks.weights]
        flat = [_packed(tree) for tree in (networks, memory.mu, memory.nu)]
        table = jnp.stack([rates[name][:, 0] for name in ("learning_rate", "weight_decay", "alpha")], axis=1)
        depth = jnp.full(many, hidden, jnp.int32) if own["has"] is None else own["has"].sum(axis=(0, 2)).astype(jnp.int32)
        kept = jnp.ones((hidden, many), jnp.float32) if own["kept"] is None else own["kept"][..., 0]
        keys = jax.random.key_data(jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, seeds))
        shapes = [flat[0].shape] * 3 + [(many,)]
        *flat, loss = call(
            "train_layers", shapes, *flat, shared, target, order[:, 0], table, kept, depth, keys, memory.count[None],
            hidden=np.int32(hidden), threads=np.int32(threads_available()),
        )  # fmt: skip
        networks, mean, square = (_unpacked(a, networks, sizes) for a in flat)
        return networks, memory._replace(count=memory.count + len(order), mu=mean, nu=square), loss

    return epoch


def _packed(networks: Any) -> Any:
    """(network, numbers): weights and biases of each layer, in rows of 16; layers after the first have 16 inputs."""
    import jax.numpy as jnp

    parts = []
    for k, (weight, bias) in enumerate(zip(networks.weights, networks.biases, strict=True)):
        more = (0 if k == 0 else WIDE - weight.shape[0], WIDE - weight.shape[2])
        filled = jnp.pad(weight, ((0, more[0]), (0, 0), (0, more[1])))
        filled = jnp.concatenate([filled, jnp.pad(bias, ((0, 0), (0, more[1])))[None]])
        parts.append(jnp.moveaxis(filled, 1, 0).reshape(weight.shape[1], -1))
    return jnp.concatenate(parts, axis=1)


def _unpacked(flat: Any, like: Any, sizes: Sequence[int]) -> Any:
    import jax.numpy as jnp

    weights, biases, at = [], [], 0
    for k, (weight, bias) in enumerate(zip(like.weights, like.biases, strict=True)):
        rows = (sizes[0] if k == 0 else WIDE) + 1
        part = jnp.moveaxis(flat[:, at : at + rows * WIDE].reshape(-1, rows, WIDE), 0, 1)
        weights.append(part[: weight.shape[0], :, : weight.shape[2]])
        biases.append(part[-1, :, : bias.shape[1]])
        at += rows * WIDE
    return type(like)(tuple(weights), tuple(biases))
