"""The networks themselves: layers of weights, and graphs whose particles and edges tell each other what they know.

A network is an equinox module. Several of one shape are stored as one, with an axis of networks before the last of
every array: weights (inputs, networks, outputs), biases (networks, outputs). So the first layers of many networks
are one product, and what differs between them, (networks, 1), meets every array by broadcasting.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from glassgpu.models.messages import Graph, Weights, messages

NETWORKS = -2  # the axis


class Layers(eqx.Module):
    """Hidden layers of max(0, W x + b) and a linear output."""

    weights: tuple[Any, ...]
    biases: tuple[Any, ...]

    def __call__(self, x: Any, after: Any = None) -> Any:
        """(..., inputs) to (..., outputs); ``after(k, x, h)``, if given, says what follows hidden layer k, which made h of x."""
        for k, (weight, bias) in enumerate(zip(self.weights[:-1], self.biases[:-1], strict=True)):
            h = jax.nn.relu(x @ weight + bias)
            x = h if after is None else after(k, x, h)
        return x @ self.weights[-1] + self.biases[-1]


def new_layers(sizes: Sequence[int], random: np.random.Generator, start: np.ndarray | float = 0.0) -> Layers:
    """One network with weights as of Glorot and Bengio (2010); the output starts at ``start``."""
    weights, biases = [], []
    for inputs, outputs in itertools.pairwise(sizes):
        weights.append(jnp.asarray(random.uniform(-1, 1, (inputs, outputs)) * (6 / (inputs + outputs)) ** 0.5, jnp.float32))
        biases.append(jnp.zeros(outputs, jnp.float32))
    biases[-1] = jnp.asarray(np.broadcast_to(start, sizes[-1]), jnp.float32)
    return Layers(tuple(weights), tuple(biases))


class GraphLayers(eqx.Module):
    """Encoder, graph layers and decoder of CMP section II.C.

    In every graph layer a particle is told what it holds, the mean of what its edges hold, and what the encoder said
    of it; then an edge what its two particles hold by now and what it holds itself. What edges hold after the last layer
    nobody asks for, so it is not computed.
    """

    node_encoder: Layers
    edge_encoder: Layers
    nodes: tuple[Layers, ...]
    edges: tuple[Layers, ...]
    decoder: Layers

    def __call__(self, x: Any, between: Any, graph: Graph) -> Any:
        """Outputs (N, outputs) of columns (N, inputs) and what is known of edges (N, K, 1 or d)."""
        first = v = self.node_encoder(x)
        e, total = _encoded(self.edge_encoder, between, graph)
        neighbours = jnp.maximum(graph.count, 1)[:, None]
        for k, node in enumerate(self.nodes):
            v = node(jnp.concatenate([v, total / neighbours, first], axis=1))
            if k < len(self.edges):
                e, total = _edge_update(self.edges[k], v, e, graph)
        return self.decoder(v)


def _encoded(layers: Layers, between: Any, graph: Graph) -> tuple[Any, Any]:
    """What edges hold at first, and its sum over the edges of each particle; the last two layers as in an update that is told nothing of particles."""
    *hidden, _, _ = zip(layers.weights, layers.biases, strict=True)
    e = between[..., : layers.weights[0].shape[0]] if hidden else between
    for weight, bias in hidden:
        e = jax.nn.relu(e @ weight + bias)
    (w1, w2), (b1, b2) = layers.weights[-2:], layers.biases[-2:]
    known = jnp.broadcast_to(b1, (len(between), len(b1)))
    return messages(known, jnp.zeros_like(known), e, Weights(w1, None, None, w2, b2), graph, learned=bool(hidden))


def _edge_update(layers: Layers, v: Any, e: Any, graph: Graph) -> tuple[Any, Any]:
    """The first layer's product is taken to pieces: what a particle gives is computed once, not for each of its edges."""
    latent = v.shape[1]
    (first, w2, w3), (b1, b2, b3) = layers.weights, layers.biases
    own, other, between = first[:latent], first[latent : 2 * latent], first[2 * latent :]
    return messages(v @ own + b1, v @ other, e, Weights(between, w2, b2, w3, b3), graph)


def new_graph_layers(
    inputs: int, edge_inputs: int, outputs: int, *, layers: int, latent: int, node_encoder: Sequence[int], edge_encoder: Sequence[int],
    node_hidden: Sequence[int], edge_hidden: Sequence[int], decoder: Sequence[int], random: np.random.Generator,
) -> GraphLayers:  # fmt: skip
    """One network, for ``layers`` graph layers."""
    return GraphLayers(
        new_layers([inputs, *node_encoder, latent], random),
        new_layers([edge_inputs, *edge_encoder, latent], random),
        tuple(new_layers([3 * latent, *node_hidden, latent], random) for _ in range(layers)),
        tuple(new_layers([3 * latent, *edge_hidden, latent], random) for _ in range(layers - 1)),
        new_layers([latent, *decoder, outputs], random),
    )


def graph_layers_size(
    inputs: int, edge_inputs: int, outputs: int, *, layers: int, latent: int, node_encoder: Sequence[int], edge_encoder: Sequence[int],
    node_hidden: Sequence[int], edge_hidden: Sequence[int], decoder: Sequence[int],
) -> int:  # fmt: skip
    """How many weights and biases ``new_graph_layers`` would make."""

    def size(widths: Sequence[int]) -> int:
        return sum((a + 1) * b for a, b in itertools.pairwise(widths))

    return (
        size([inputs, *node_encoder, latent])
        + size([edge_inputs, *edge_encoder, latent])
        + layers * size([3 * latent, *node_hidden, latent])
        + max(0, layers - 1) * size([3 * latent, *edge_hidden, latent])
        + size([latent, *decoder, outputs])
    )


def side_by_side(networks: Sequence[Any]) -> Any:
    """Networks of one shape as one."""
    return jax.tree.map(lambda *a: jnp.stack(a, axis=NETWORKS), *networks)


def one_of(networks: Any, which: int) -> Any:
    """One of networks that are stored as one."""
    return jax.tree.map(lambda a: a[..., which, :], networks)
