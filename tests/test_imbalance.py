"""Information imbalance and greedy selection: against full sorts to the last digit, ties, invariances, errors."""

from __future__ import annotations

import numpy as np
import pytest
import references
import xarray

import glassgpu as gg
from glassgpu import launch
from glassgpu.descriptors import SLO
from glassgpu.selection import Selection, added_noise, greedy_selection, information_imbalance
from glassgpu.selection.imbalance import RankSums

CPU = {"backend": "cpu", "threads": 2}


def columns(kind: str, n: int, many: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    if kind == "normal":
        return random.normal(size=(n, many))
    if kind == "whole":  # mostly ties
        return random.integers(0, 4, (n, many)).astype(float)
    return random.integers(0, 10, (n, many)) * 0.1  # sums that tie or not as they are rounded


def target_of(x: np.ndarray) -> np.ndarray:
    return x[:, -1] + 2 * x[:, 0] * x[:, 1]


@pytest.fixture(scope="module")
def structure(film):
    """(300, 60) columns of a small liquid, and a stand-in for its propensity."""
    system, snapshot = film
    x = SLO(system, r_max=8.0, backend="cpu")(snapshot)
    z = (x.values - x.values.mean(axis=0)) / x.values.std(axis=0)
    return x, z[:, 11] + 0.5 * z[:, 42] + 0.3 * np.random.default_rng(1).normal(size=len(z))


@pytest.mark.parametrize("kind", ["normal", "whole", "tenths"])
@pytest.mark.parametrize("n", [3, 4, 31, 32, 33, 65, 300])
def test_equals_a_full_sort(kind, n):
    x = columns(kind, n, 6)
    for a, b in ((x[:, :1], x[:, 1:2]), (x[:, :4], x[:, 4:]), (x, x[:, 2:3])):
        assert information_imbalance(a, b, **CPU) == references.information_imbalance(a, b)


def test_equals_a_full_sort_of_many_points(structure):
    x = columns("normal", 4096, 5)
    y = target_of(x)[:, None]
    assert information_imbalance(x, y, **CPU) == references.information_imbalance(x, y)
    x, y = structure
    for a in (x.values[:, :3], x.values):
        assert information_imbalance(a, y, **CPU) == references.information_imbalance(a, y[:, None])


@pytest.mark.parametrize("kind", ["normal", "whole"])
def test_a_variable_tells_all_of_itself(kind):
    x = columns(kind, 517, 3)
    assert information_imbalance(x, x, **CPU) == (2 / 517, 2 / 517)
    assert information_imbalance(x[:, 0], -x[:, :1], **CPU) == (2 / 517, 2 / 517)


def test_independent_variables_tell_nothing():
    """A rank is then uniform, so that Delta is 1 with a standard deviation of 1 / sqrt(3 N) = 0.013, were no two ranks related."""
    n = 2000
    for seed in range(3):
        a, b = columns("normal", n, 2, seed), columns("normal", n, 1, seed + 10)
        for delta in information_imbalance(a, b, **CPU):
            assert abs(delta - 1) < 5 / np.sqrt(3 * n)


def test_a_hand_solved_case():
    """Points 0, 1, 3 and 7 on A; on B the order is 1, 0, 3, 7 with one far away."""
    a, b = [0.0, 1.0, 3.0, 7.0], [1.0, 0.0, 10.0, 2.0]
    # nearest in A: 1, 0, 1, 2; their ranks in B: |b - b_i| around 0: (1, 9, 1) -> 1 comes first by index, rank 1;
    # around 1: (1, 10, 2) -> 1; around 2: (9, 10, 8) -> point 1 has rank 3; around 3: (1, 2, 8) -> point 2 has rank 3.
    # nearest in B: 1, 0, 3, 0; their ranks in A: 1, 1, around 3: (3, 2, 4) -> 3, around 7: (7, 6, 4) -> 3.
    assert information_imbalance(a, b, **CPU) == (2 / 16 * 8, 2 / 16 * 8)


def test_invariances():
    x = columns("normal", 700, 4)
    y = target_of(x)
    plain = information_imbalance(x, y, **CPU)
    assert information_imbalance(y, x, **CPU) == plain[::-1]
    order = np.random.default_rng(3).permutation(700)
    assert information_imbalance(x[order], y[order], **CPU) == plain  # exact: no two distances are alike
    assert information_imbalance(x * 2.0**-40, y * 2.0**30, **CPU) == plain  # exact: no rounding changes
    grid = np.round(x * 2**20) / 2**20
    assert information_imbalance(grid + [5.0, -3.0, 0.0, 100.0], y, **CPU) == information_imbalance(grid, y, **CPU)  # exact on a grid
    assert information_imbalance(x, y**3, **CPU)[1] != plain[1]  # what is not invariant


@pytest.mark.parametrize("kind", ["normal", "whole", "tenths"])
def test_readers_threads_and_launches_do_not_reach_the_result(kind):
    n = 165
    x = columns(kind, n, 23)
    y = x[:, 20:] if kind == "whole" else target_of(x)[:, None]
    strict = launch.Cpu(2, strict=True), launch.Cpu(1, strict=True, shuffled=True)
    for chosen in (0, 1, 3):
        found = [
            RankSums(place, y, size)(x[:, :chosen], x[:, chosen:20], both=True)
            for place, size in [
                *((p, 2e9) for p in (launch.Cpu(1), *strict, launch.Cpu(2, shuffled=True))),
                (launch.Cpu(3), 1e5),
                (launch.Cpu(2), 1.0),
            ]
        ]
        deltas = 2 * np.array(found) / n**2
        assert (deltas == deltas[0]).all()
        for c in range(20 - chosen):
            assert tuple(deltas[0, :, 1 + c]) == references.information_imbalance(x[:, [*range(chosen), chosen + c]], y)
        if chosen:
            assert tuple(deltas[0, :, 0]) == references.information_imbalance(x[:, :chosen], y)


def slow_selection(x: np.ndarray, y: np.ndarray | None, n_features: int) -> tuple[list[int], list[tuple[float, float]]]:
    features, path = [], []
    for _ in range(n_features):
        found = {
            c: references.information_imbalance(x[:, [*features, c]], x if y is None else y) for c in range(x.shape[1]) if c not in features
        }
        n = len(x)
        score = {c: round(f * n**2 / 2) + (round(b * n**2 / 2) if y is None else 0) for c, (f, b) in found.items()}
        features.append(min(score, key=score.__getitem__))  # the first of the least
        path.append(found[features[-1]])
    return features, path


@pytest.mark.parametrize("kind", ["normal", "whole"])
@pytest.mark.parametrize("supervised", [True, False])
def test_greedy_selection_equals_a_slow_one(kind, supervised):
    x = columns(kind, 150, 7)
    x[:, 5] = x[:, 2]  # equally good: the first is taken
    y = target_of(x) if supervised else None
    found = greedy_selection(x, y, 6, standardize=False, progress=False, **CPU)
    features, path = slow_selection(x, None if y is None else y[:, None], 6)
    assert list(found.features) == features
    assert found.imbalance.tolist() == [list(pair) for pair in path]
    assert found.names == tuple(f"x{f}" for f in features)


def test_greedy_selection_of_real_columns(structure):
    x, y = structure
    chosen = x[:, ::7]
    z = chosen.values - chosen.values.min(axis=0)
    z /= z.max(axis=0)
    z -= z.mean(axis=0)
    z /= z.std(axis=0)
    for target in (y, np.stack([y, z[:, 3]], axis=1), None):
        found = greedy_selection(chosen, target, 4, progress=False, **CPU)
        features, path = slow_selection(z, None if target is None else target.reshape(300, -1), 4)
        assert list(found.features) == features
        assert found.imbalance.tolist() == [list(pair) for pair in path]
        assert found.names == tuple(str(chosen.feature.values[f]) for f in features)


def test_scales_do_not_matter_to_standardised_columns(structure):
    x, y = structure
    plain = greedy_selection(x.values[:, :12], y, 5, progress=False, **CPU)
    scales = 2.0 ** np.array([-500, 0, 300, -73, 7, 100, -1, 2, 400, 0, 0, -1000])
    scaled = greedy_selection(x.values[:, :12] * scales, y, 5, progress=False, **CPU)
    assert scaled.features == plain.features
    assert np.array_equal(scaled.imbalance, plain.imbalance)
    tiny = x.values[:, :12].copy()
    tiny[:, 4] = 3e-9 + 1e-22 * np.random.default_rng(0).normal(size=300)  # as coordination numbers of inherent states may be
    greedy_selection(tiny, y, 5, progress=False, **CPU)


def test_configurations_are_selected_from_by_themselves(structure):
    x, y = structure
    both = xarray.concat([x[:, :8], x[:, :8] ** 2], "configuration")
    targets = np.stack([y, -(y**2)])
    found = greedy_selection(both, targets, 3, progress=False, **CPU)
    assert isinstance(found, list) and len(found) == 2
    for c in range(2):
        alone = greedy_selection(both[c], targets[c], 3, progress=False, **CPU)
        assert isinstance(alone, Selection)
        assert found[c].features == alone.features and found[c].names == alone.names
        assert np.array_equal(found[c].imbalance, alone.imbalance)
    assert len(greedy_selection(both, n_features=2, progress=False, **CPU)) == 2


def test_noise_raises_the_imbalance_where_it_has_come_to_its_end(structure):
    x = columns("normal", 500, 6)
    y = target_of(x)
    chosen = greedy_selection(x, y, 3, progress=False, **CPU)
    before, after = added_noise(x, chosen.features, y, draws=20, seed=1, **CPU)
    assert before == chosen.imbalance[-1, 0]
    assert after.shape == (20,) and (after > before).all()
    assert np.array_equal(after, added_noise(x, chosen.features, y, draws=20, seed=1, **CPU)[1])
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    column = np.random.default_rng(1).standard_normal((500, 20))[:, :1]
    by_hand = information_imbalance(np.concatenate([z[:, chosen.features], column], axis=1), y, **CPU)[0]
    assert after[0] == pytest.approx(by_hand, abs=1e-4)  # columns standardised in another way, by some roundings


def test_progress_is_told():
    told = []
    greedy_selection(columns("normal", 40, 5), n_features=3, progress=told.append, **CPU)
    assert told == sorted(told) and told[-1] == pytest.approx(1)


X = columns("normal", 30, 4)
Y = target_of(X)
NOT_A_NUMBER = np.where(np.arange(30) == 5, np.nan, Y)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (X, NOT_A_NUMBER, "B holds 1 values that are NaN or infinite, the first at index"),
        (np.full_like(X, np.inf), Y, "A holds 120 values"),
        (X, Y[:-1], "A has 30 points and B 29; give both of the same"),
        (X[:2], Y[:2], "A has 2 points; ranks need at least 3"),
        (X[:, :0], Y, "A has no columns"),
        (X[None], Y, "A has shape .*expected"),
        ("text", Y, "A is not an array of real numbers"),
        ([["a"]] * 30, Y, "A is not an array of real numbers"),
        (X * 1e200, Y, "A spans .*square float64 cannot hold well; divide it by that"),
        (X, Y * 1e-200, "B spans .*square float64 cannot hold well; divide it by that"),
        (X * 5e307, Y, "A spans more than float64 holds; divide"),
    ],
)
def test_bad_input(a, b, message):
    with pytest.raises(gg.errors.InvalidInput, match=message):
        information_imbalance(a, b, **CPU)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_features": 0}, "n_features=0: must be at least 1 and at most 4"),
        ({"n_features": 5}, "n_features=5: must be at least 1 and at most 4"),
        ({"n_features": "2"}, "n_features='2': give a whole number"),
        ({"X": X * [1, 1, 0, 1]}, "column 'x2' of X is constant.*leave it out, or pass standardize=False"),
        (
            {"X": xarray.DataArray(X * [1, 0, 1, 1], dims=("particle", "feature"), coords={"feature": list("abcd")})},
            "column 'b' of X is constant",
        ),
        ({"X": X[:, :0]}, "X has shape .*at least one column"),
        ({"X": Y}, "X has shape .*expected"),
        ({"X": [[1.0, 2.0], [3.0]]}, "X is not an array of real numbers"),
        ({"X": X[:2], "y": Y[:2]}, "X has 2 points; ranks need at least 3"),
        ({"X": X * 1e200, "standardize": False}, "X spans"),
        ({"y": NOT_A_NUMBER}, "y holds 1 values that are NaN"),
        ({"y": Y[:-1]}, "X has 30 points and y 29"),
        ({"y": np.full(30, 2.0)}, "y is the same everywhere"),
        ({"y": Y[None, :, None]}, "y has shape .*expected y of shape"),
        ({"X": X[None]}, "y has shape .*configuration"),
        ({"X": X[None], "y": [Y, Y]}, "X has 1 configurations and y 2"),
        ({"X": [X, X * [1, 1, 1, 0]], "y": [Y, Y]}, "configuration 1: column 'x3' of X is constant"),
        ({"backend": "gpu"}, "backend='gpu'"),
        ({"threads": 0}, "threads"),
    ],
)
def test_bad_input_of_a_selection(change, message):
    with pytest.raises(gg.errors.InvalidInput, match=message):
        greedy_selection(**{"X": X, "y": Y, "n_features": 2, "progress": False, **CPU, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": []}, "at least one, no two alike"),
        ({"features": [1, 1]}, "no two alike"),
        ({"features": [4]}, "numbers of columns from 0 to 3"),
        ({"features": [0.5]}, "whole numbers"),
        ({"draws": 0}, "draws=0"),
        ({"seed": -1}, "seed=-1"),
        ({"X": X[None]}, "give one configuration"),
        ({"y": Y[:-1]}, "X has 30 points and y 29"),
    ],
)
def test_bad_input_of_noise(change, message):
    with pytest.raises(gg.errors.InvalidInput, match=message):
        added_noise(**{"X": X, "features": [0, 1], "y": Y, "seed": 1, **CPU, **change})


def test_a_constant_column_may_be_used_as_it_is():
    found = greedy_selection(X * [1, 1, 0, 1], Y, standardize=False, progress=False, **CPU)
    assert sorted(found.features) == [0, 1, 2, 3]
