"""What passes along edges: the kernel, JAX, and plain loops agree; threads and neighbours' order do not reach a result."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glassgpu.models import messages
from glassgpu.models.messages import WIDE, Graph, Weights
from glassgpu.models.networks import new_graph_layers

CHUNKS = 16  # of kernels/messages.cuh


def graph_of(random: np.random.Generator, n: int, k: int) -> Graph:
    """A random graph with an edge in both directions, one particle without any and one with the most."""
    pairs = np.triu(random.random((n, n)) < 0.3, 1)
    pairs[0] = False
    pairs[1, 2 : 2 + k - 3] = True
    joined = pairs | pairs.T
    neighbour = np.repeat(np.arange(n, dtype=np.int32)[:, None], k, axis=1)
    reverse = np.arange(n * k, dtype=np.int32).reshape(n, k)
    rows = [random.permutation(np.flatnonzero(row))[:k] for row in joined]
    rows = [[j for j in row if i in rows[j]] for i, row in enumerate(rows)]
    for i, row in enumerate(rows):
        neighbour[i, : len(row)] = row
    for i, row in enumerate(rows):
        for at, j in enumerate(row):
            reverse[i, at] = j * k + rows[j].index(i)
    return Graph(*(jnp.asarray(a) for a in (neighbour, np.array([len(r) for r in rows], np.int32), reverse)))


def problem(seed: int, n: int = 40, k: int = 32, latent: int = 10, first: int = 16, second: int = 13):
    random = np.random.default_rng(seed)
    graph = graph_of(random, n, k)
    there = np.arange(k) < np.asarray(graph.count)[:, None]

    def draw(*shape):
        return jnp.asarray(random.normal(size=shape) / 3, jnp.float32)

    e = draw(n, k, latent) * there[..., None]
    weights = Weights(draw(latent, first), draw(first, second), draw(second), draw(second, latent), draw(latent))
    wanted = (draw(n, k, latent) * there[..., None], draw(n, latent))
    return draw(n, first), draw(n, first), e, weights, graph, wanted


def fill(e):
    return jnp.pad(e, ((0, 0), (0, 0), (0, WIDE - e.shape[2])))


def total(p, q, e, weights, graph, wanted, learned=True):
    out, s = messages.messages(p, q, e, weights, graph, learned)
    given = wanted[0] if out.shape == wanted[0].shape else fill(wanted[0])
    return (out * given).sum() + (s * wanted[1]).sum()


def test_both_forms_equal_plain_loops():
    p, q, e, w, graph, _ = problem(0, n=24, k=16)
    latent = e.shape[2]
    out, s = (np.asarray(a) for a in messages.messages(p, q, fill(e), w, graph))
    plain, plain_s = (np.asarray(a) for a in messages._plain(p, q, e, w, graph))
    slow, slow_s = np.zeros_like(plain, float), np.zeros((24, latent))
    wide = [np.asarray(a, float) for a in (p, q, e, *w)]
    for i in range(24):
        for k in range(int(graph.count[i])):
            h = np.maximum(0, wide[0][i] + wide[1][graph.neighbour[i, k]] + wide[2][i, k] @ wide[3])
            slow[i, k] = np.maximum(0, h @ wide[4] + wide[5]) @ wide[6] + wide[7]
            slow_s[i] += slow[i, k]
    assert int(graph.count[0]) == 0 and int(graph.count.max()) > 12
    for found, expected in ((out[..., :latent], slow), (plain, slow), (s, slow_s), (plain_s, slow_s)):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert not out[..., latent:].any()


@pytest.mark.parametrize("widths", [(10, 16, 16), (3, 7, 5), (16, 1, 16), (10, 5)])
def test_slopes_of_the_kernel_are_those_of_jax(widths, monkeypatch):
    p, q, e, w, graph, wanted = problem(1, 60, 32, *widths)
    if len(widths) == 2:  # an encoder: no second hidden layer
        w = Weights(w.we, None, None, problem(5, latent=10, second=5)[3].w3, w.b3)
    latent = widths[0]
    slopes = jax.grad(total, argnums=(0, 1, 2, 3))
    found = jax.tree.leaves(slopes(p, q, fill(e), w, graph, wanted))
    without = jax.tree.leaves(slopes(p, q, fill(e), w, graph, wanted, False))
    assert (
        all(np.array_equal(a, b) for k, (a, b) in enumerate(zip(found, without, strict=True)) if k != 2)
        and not np.asarray(without[2]).any()
    )
    monkeypatch.setattr(messages, "_kernel_serves", lambda width, hidden: False)
    expected = jax.tree.leaves(slopes(p, q, e, w, graph, wanted))
    # The slope of e counts where there are edges only.
    found[2] = found[2][..., :latent]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6 * float(jnp.abs(b).max()))


def test_the_gathered_slope_is_the_scattered_one():
    _, q, _, _, graph, _ = problem(2)
    random = np.random.default_rng(2)
    there = jnp.arange(graph.neighbour.shape[1]) < graph.count[:, None]
    seen = jnp.asarray(random.normal(size=(*graph.neighbour.shape, q.shape[1])), jnp.float32)

    def gathered(q):
        return (jnp.where(there[..., None], messages._gather()(q, graph.neighbour, graph.reverse, there), 0) * seen).sum()

    def plain(q):
        return (jnp.where(there[..., None], q[graph.neighbour], 0) * seen).sum()

    np.testing.assert_allclose(jax.grad(gathered)(q), jax.grad(plain)(q), rtol=1e-5, atol=1e-5)


def test_threads_and_networks_do_not_reach_the_result(monkeypatch):
    p, q, e, w, graph, wanted = problem(3, n=3 * CHUNKS + 5)
    e = fill(e)
    slopes = jax.value_and_grad(total, argnums=(0, 1, 2, 3))
    found = []
    for threads in (1, 2, 5):
        messages._fused.cache_clear()
        monkeypatch.setattr(messages, "threads_available", lambda threads=threads: threads)
        found.append(jax.tree.leaves(slopes(p, q, e, w, graph, wanted)))
    messages._fused.cache_clear()
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))
    both = jax.tree.map(lambda a: jnp.stack([a, -0.5 * a]), w)
    together = jax.vmap(lambda weights: slopes(p, q, e, weights, graph, wanted))(both)
    for k in range(2):
        alone = slopes(p, q, e, jax.tree.map(lambda a, k=k: a[k], both), graph, wanted)
        assert all(np.array_equal(a[k], b) for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True))


def test_widths_that_the_kernel_does_not_serve():
    assert messages.edge_width(10, (16, 16)) == WIDE
    assert messages.edge_width(17, (16, 16)) == 17 and messages.edge_width(4, (32, 16)) == 4
    p, q, e, w, graph, _ = problem(4, latent=18)
    out, s = messages.messages(p, q, e, w, graph)
    assert out.shape[2] == s.shape[1] == 18
    np.testing.assert_allclose(out.sum(axis=1), s, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder", [(5,), (7, 5)])  # of the edges: without and with layers before those of the kernel
def test_slopes_of_a_whole_network_are_those_of_jax(encoder, monkeypatch):
    graph = problem(6)[4]
    random = np.random.default_rng(6)
    network = new_graph_layers(
        4,
        1,
        2,
        layers=2,
        latent=6,
        node_encoder=(5,),
        edge_encoder=encoder,
        node_hidden=(8, 8),
        edge_hidden=(7, 9),
        decoder=(5,),
        random=random,
    )
    x = jnp.asarray(random.normal(size=(40, 4)), jnp.float32)
    there = jnp.arange(graph.neighbour.shape[1]) < graph.count[:, None]
    between = jnp.where(there[..., None], jnp.asarray(random.random((*there.shape, 1)), jnp.float32), 0)
    slopes = jax.grad(lambda network, between: (network(x, between, graph) ** 2).sum())
    found = jax.tree.leaves(slopes(network, fill(between)))
    monkeypatch.setattr(messages, "_kernel_serves", lambda width, hidden: False)
    expected = jax.tree.leaves(slopes(network, between))
    for a, b in zip(found, expected, strict=True):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, atol=1e-5 * float(jnp.abs(b).max()))
