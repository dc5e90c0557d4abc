"""What passes along the edges of a graph network: one kernel on the CPU, plain JAX elsewhere."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from glassgpu.launch import threads_available
from glassgpu.models.xla_kernels import WIDE, call, on_cpu, register


class Graph(NamedTuple):
    """Who stands near whom; every edge has one in the opposite direction.

    Attributes:
        neighbour: (N, K) int32, particles j of the edges i -> j, padded with i itself; K is a multiple of 16.
        count: (N,) int32, neighbours of i.
        reverse: (N, K) int32, where the edge j -> i stands among all N K places, padded with the place itself.
    """

    neighbour: Any
    count: Any
    reverse: Any


class Weights(NamedTuple):
    """Of h1 = max(0, p_i + q_j + e We), h2 = max(0, h1 W2 + b2), e' = h2 W3 + b3; matrices are (inputs, outputs).

    W2 and b2 None: e' = h1 W3 + b3.
    """

    we: Any
    w2: Any
    b2: Any
    w3: Any
    b3: Any


def edge_width(width: int, hidden: tuple[int, ...]) -> int:
    """Columns in which ``messages`` keeps what edges carry: those of the kernel where it will do the work."""
    return WIDE if _kernel_serves(width, hidden) else width


def messages(p: Any, q: Any, e: Any, weights: Weights, graph: Graph, learned: bool = True) -> tuple[Any, Any]:
    """e' of every edge i -> j, and its sum over the edges of i.

    Args:
        p, q: (N, first hidden width) what the particles i and j of an edge give to its first layer, its bias included.
        e: (N, K, at least inputs) what edges carry; fastest if ``edge_width`` wide.
        weights: of one network.
        graph: of one configuration.
        learned: whether e depends on anything that is learned; if not, its slope is not computed.

    Returns:
        (N, K, ``edge_width``), zeros beyond the neighbours and the latent width, and (N, latent width).
    """
    inputs, latent = weights.we.shape[0], weights.b3.shape[-1]
    hidden = (weights.we.shape[1],) if weights.w2 is None else (weights.we.shape[1], weights.b2.shape[-1])
    if not _kernel_serves(max(inputs, latent), hidden):
        return _plain(p, q, e[..., :inputs], weights, graph)
    square, row = np.zeros((WIDE, WIDE), np.float32), np.zeros(WIDE, np.float32)
    filled = [
        (square if k in (0, 1, 3) else row) if a is None else _filled(a, *((WIDE, WIDE) if a.ndim == 2 else (WIDE,)))
        for k, a in enumerate(weights)
    ]
    n, k = e.shape[:2]
    run = _fused(inputs, latent, hidden, learned)
    out, total = run(_filled(p, n, WIDE), _filled(q, n, WIDE), _filled(e, n, k, WIDE), *filled, graph.neighbour, graph.count)
    return out, total[:, :latent]


def _filled(a: Any, *shape: int) -> Any:
    import jax.numpy as jnp

    return a if a.shape == shape else jnp.pad(a, [(0, s - k) for k, s in zip(a.shape, shape, strict=True)])


def _kernel_serves(width: int, hidden: tuple[int, ...]) -> bool:
    return on_cpu() and len(hidden) in (1, 2) and max(width, *hidden) <= WIDE


# ---------------------------------------------------------------- JAX


def _plain(p: Any, q: Any, e: Any, weights: Weights, graph: Graph) -> tuple[Any, Any]:
    import jax.numpy as jnp
    from jax.nn import relu

    there = jnp.arange(e.shape[1]) < graph.count[:, None]
    h = relu(p[:, None] + _gather()(q, graph.neighbour, graph.reverse, there) + e @ weights.we)
    h = h if weights.w2 is None else relu(h @ weights.w2 + weights.b2)
    out = jnp.where(there[..., None], h @ weights.w3 + weights.b3, 0)
    return out, out.sum(axis=1)


@functools.cache
def _gather() -> Any:
    """q_j of every edge. Its slope is gathered along the opposite edges: a scattered sum would be slow on a CPU, and in no fixed order on a GPU."""
    import jax
    import jax.numpy as jnp

    @jax.custom_vjp
    def gather(q, neighbour, reverse, there):
        return q[neighbour]

    def forward(q, neighbour, reverse, there):
        return q[neighbour], (reverse, there)

    def backward(kept, slope):
        reverse, there = kept
        flat = slope.reshape(-1, slope.shape[-1])
        return jnp.where(there[..., None], flat[reverse], 0).sum(axis=1), None, None, None

    gather.defvjp(forward, backward)
    return gather


# ---------------------------------------------------------------- the kernel


@functools.cache
def _fused(inputs: int, latent: int, hidden: tuple[int, ...], learned: bool) -> Any:
    import jax

    register("host_messages", "messages_forward", "messages_backward")
    sizes = {
        "inputs": np.int32(inputs),
        "latent": np.int32(latent),
        "first": np.int32(hidden[0]),
        "second": np.int32(hidden[1] if len(hidden) == 2 else 0),
        "threads": np.int32(threads_available()),
    }

    def run_kernel(name: str, shapes: list[tuple[int, ...]], *arrays: Any) -> Any:
        return call(name, shapes, *arrays, vmap_method="expand_dims", **sizes)

    def forward(p, q, e, we, w2, b2, w3, b3, neighbour, count):
        return tuple(run_kernel("messages_forward", [e.shape, p.shape], p, q, e, we, w2, w3, b2, b3, neighbour, count))

    @jax.custom_vjp
    def run(*given):
        return forward(*given)

    def backward(given, slopes):
        p, q, e, we, w2, b2, w3, b3, neighbour, count = given
        shapes = [a.shape for a in (p, q, we, w2, w3, b2, b3, *([e] if learned else []))]
        dp, dq, dwe, dw2, dw3, db2, db3, *de = run_kernel(
            "messages_backward", shapes, p, q, e, we, w2, w3, b2, b3, neighbour, count, *slopes
        )
        return dp, dq, (de[0] if learned else None), dwe, dw2, db2, dw3, db3, None, None

    run.defvjp(lambda *given: (forward(*given), given), backward)
    return run
