"""Coarse-grained fields against a slow form, invariances, hand-solved cases."""

from __future__ import annotations

import numpy as np
import pytest

import glassgpu as gg
from glassgpu.descriptors import coarse_grain
from glassgpu.descriptors.coarse_grain import coarse_names


@pytest.fixture(params=[2, 3])
def case(request):
    d = request.param
    random = np.random.default_rng(d)
    snapshot = gg.Snapshot(random.uniform(-4, 4, (150, d)), random.integers(0, 3, 150), np.linspace(8, 9, d))
    return snapshot, random.normal(size=(150, 2))


def test_slow_form(case):
    snapshot, x = case
    density, average = coarse_grain(x, snapshot, [0.5, 2.0], 3.0, species=3)
    assert density.shape == (150, 4, 2) and average.shape == (150, 4, 2, 2)
    for i in range(0, 150, 10):
        for a in range(4):
            for k, length in enumerate((0.5, 2.0)):
                rho, total = 0.0, np.zeros(2)
                for j in range(150):
                    apart = snapshot.positions[j] - snapshot.positions[i]
                    r = np.linalg.norm(apart - snapshot.box * np.rint(apart / snapshot.box))
                    if r < 3.0 and (a == 0 or snapshot.types[j] == a - 1):
                        rho += np.exp(-r / length)
                        total += x[j] * np.exp(-r / length)
                assert density[i, a, k] == pytest.approx(rho, rel=1e-12)
                np.testing.assert_allclose(average[i, a, k], total / rho if rho else 0, rtol=1e-10)


@pytest.mark.parametrize("columns", [0, 1, 31, 33, 65])
def test_any_number_of_columns(case, columns):
    """All rows against dense matrices: tiles of columns, remainders, cells of few and of many particles."""
    snapshot, _ = case
    x = np.random.default_rng(1).normal(size=(150, columns))
    apart = snapshot.positions[:, None] - snapshot.positions
    r = np.linalg.norm(apart - snapshot.box * np.rint(apart / snapshot.box), axis=2)
    for reach in (0.4, 2.0, snapshot.box.min() / 2):
        weight = np.where(r < reach, np.exp(-r / 0.9), 0)
        density, average = coarse_grain(x, snapshot, 0.9, reach)
        np.testing.assert_allclose(density[:, 0, 0], weight.sum(axis=1), rtol=1e-12)
        np.testing.assert_allclose(average[:, 0, 0], weight @ x / weight.sum(axis=1)[:, None], rtol=1e-9, atol=1e-12)


def test_a_sequence_gains_an_axis(case):
    snapshot, x = case
    other = gg.Snapshot(snapshot.positions[::-1], snapshot.types, snapshot.box)
    together = coarse_grain(np.stack([x, 2 * x]), [snapshot, other], [0.5, 1.0], 3.0, species=3, threads=3)
    for c, (one, y) in enumerate(((snapshot, x), (other, 2 * x))):
        for alone, part in zip(coarse_grain(y, one, [0.5, 1.0], 3.0, species=3, threads=1), together, strict=True):
            assert np.array_equal(alone, part[c])


def test_invariances(case):
    snapshot, x = case
    density, average = coarse_grain(x, snapshot, [1.0], 4.0, species=3)
    order = np.random.default_rng(0).permutation(150)
    moved = gg.Snapshot((snapshot.positions + 1.7)[order] + 3 * snapshot.box, snapshot.types[order], snapshot.box)
    other_density, other = coarse_grain(x[order], moved, [1.0], 4.0, species=3)
    np.testing.assert_allclose(other_density, density[order], rtol=1e-12)
    np.testing.assert_allclose(other, average[order], rtol=1e-10, atol=1e-14)
    turned = gg.Snapshot(snapshot.positions[:, ::-1], snapshot.types, snapshot.box[::-1])
    np.testing.assert_allclose(coarse_grain(x, turned, [1.0], 4.0, species=3)[1], average, rtol=1e-10, atol=1e-14)


def test_a_constant_stays_and_shells_agree(case):
    snapshot, _ = case
    _, average = coarse_grain(np.full((150, 1), 3.25), snapshot, [0.3, 5.0], 4.0)
    np.testing.assert_allclose(average, 3.25, rtol=1e-13)
    if snapshot.dimension == 3:  # the paper's average over shells is this one with l = r_c = r_max
        x = snapshot.positions[:, :1] ** 2
        np.testing.assert_allclose(
            coarse_grain(x, snapshot, 2.1, 2.1)[1][:, 0, 0], gg.descriptors.shell_average(x, snapshot, 2.1), rtol=1e-10
        )


def test_names_are_in_the_order_of_the_columns():
    names = coarse_names(("u", "v"), [0.5, 1], ("all", "A"))
    assert names == [
        "rho_all(0.5)", "rho_all(1)", "rho_A(0.5)", "rho_A(1)", "u_all(0.5)", "v_all(0.5)", "u_all(1)", "v_all(1)", "u_A(0.5)", "v_A(0.5)", "u_A(1)", "v_A(1)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((3, 1))}, "rows"),
        ({"lengths": [0.0]}, "positive"),
        ({"r_max": 10.0}, r"a sum up to r_max reaches 10.*take N >= .*smaller r_max"),
        ({"x": np.full((150, 1), np.nan)}, "NaN"),
    ],
)
def test_bad_input(case, change, message):
    snapshot, x = case
    with pytest.raises(gg.errors.InvalidInput, match=message):
        coarse_grain(**{"x": x, "snapshot": snapshot, "lengths": [1.0], "r_max": 3.0, **change})
