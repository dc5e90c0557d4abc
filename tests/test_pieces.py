"""Long stages without an engine: their pieces are kept as they come, and a stopped stage goes on with the next."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from glassgpu.experiments import energy_barriers_stages, interpretability_fits, memory_stages, public_data

import glassgpu as gg
from glassgpu.errors import FileFormatError, OutputNotWritable
from glassgpu.study import Pieces, pieces


class Stops:
    """A function that is interrupted before its n-th call, once."""

    def __init__(self, function, before):
        self.function, self.before, self.calls = function, before, 0

    def __call__(self, *given, **named):
        self.calls += 1
        if self.calls == self.before:
            raise KeyboardInterrupt
        return self.function(*given, **named)


def test_pieces_come_back_as_they_were(tmp_path):
    calls = []

    def made():
        calls.append(1)
        return {"x": np.arange(3.0), "pair": (np.ones(2), 0.5), "deep": {"a": {"b": np.zeros(1)}, "none": None}}

    for _ in range(2):
        piece = Pieces(tmp_path / "checkpoint.npz")
        found = piece("C = 0.1, without 3", made)
        assert (found["x"] == np.arange(3.0)).all() and found["pair"][1] == 0.5 and found["deep"]["none"] is None
    assert len(calls) == 1
    assert Pieces(None)("C = 0.1, without 3", made)["pair"][1] == 0.5 and len(calls) == 2  # nothing is kept
    piece("C = 0.1; without 3", made)  # another name, the same file
    assert len(calls) == 3


def test_pieces_of_other_code_are_made_anew(tmp_path, monkeypatch):
    def made(value):
        return Pieces(tmp_path / "checkpoint.npz")("a", lambda: {"value": value})["value"]

    assert (made(1), made(2)) == (1, 1)
    monkeypatch.setattr(pieces, "source_key", lambda: "other kernels")
    assert (made(3), made(4)) == (3, 3)
    monkeypatch.setattr(pieces, "__version__", "0.0.1")
    assert (made(5), made(6)) == (5, 5)


def test_damaged_and_unwritable_pieces(tmp_path):
    piece = Pieces(tmp_path / "checkpoint.npz")
    piece("a", lambda: {"x": np.arange(3)})
    (tmp_path / "pieces" / "a" / "arrays.npz").write_bytes(b"half")
    with pytest.raises(FileFormatError, match="delete that folder"):
        piece("a", lambda: {"x": np.arange(3)})
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputNotWritable, match="could not be written"):
        Pieces(tmp_path / "file" / "checkpoint.npz")("a", lambda: {"x": np.arange(3)})


@pytest.mark.parametrize("before", [1, 4, 7])
def test_a_stopped_study_goes_on_with_the_next_piece(tmp_path, before):
    square = Stops(lambda k: {"square": np.array(k**2)}, before)

    def squares(many, checkpoint):
        piece = Pieces(checkpoint)
        return {"squares": np.array([piece(f"number {k}", lambda k=k: square(k))["square"] for k in range(many)])}

    with pytest.raises(KeyboardInterrupt):
        gg.Study(tmp_path).stage("squares", squares, many=8)
    result = gg.Study(tmp_path).stage("squares", squares, many=8)
    assert result["squares"].tolist() == [k**2 for k in range(8)]
    assert square.calls == 8 + 1  # only the one that was stopped came again
    assert result.record["continued"] is (before > 1)
    assert not list((tmp_path / "work").iterdir())


def test_models_fitted_over_and_over(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 60, 5))
    given = {"columns": x, "p": x[..., 0] + random.normal(size=(3, 60)), "halves": 2, "bootstraps": 2, "seed": 1}
    expected = interpretability_fits.repeated(**given)
    stops = Stops(interpretability_fits.models_of, 5)
    monkeypatch.setattr(interpretability_fits, "models_of", stops)
    with pytest.raises(KeyboardInterrupt):
        interpretability_fits.repeated(**given, checkpoint=tmp_path / "checkpoint.npz")
    found = interpretability_fits.repeated(**given, checkpoint=tmp_path / "checkpoint.npz")
    assert stops.calls == 2 + 3 + 2 + 1
    assert found["models"] == expected["models"]
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_regressions(tmp_path, monkeypatch):
    """SVR, ridge, kernels and networks of energy_barriers: none is fitted twice."""
    random = np.random.default_rng(0)
    counts = {name: random.integers(1, 9, (2, 40)) for name in ("p_hop", "any", "csd")}
    runs = {"counts": counts, "bonds": random.uniform(0.2, 1, (2, 40)), "propensity": random.uniform(0.5, 1, (2, 40))}
    x = random.normal(size=(2, 40, energy_barriers_stages.ORDINARY + 4)) + counts["p_hop"][..., None]
    given = {"runs": runs, "columns": {"columns": x}, "replicas": 10, "epochs": 1, "seed": 1}
    monkeypatch.setattr(energy_barriers_stages, "FEWER", (2, 4))
    fitted = energy_barriers_stages.Standardised
    alone, stops = Stops(fitted, 0), Stops(fitted, 40)
    monkeypatch.setattr(energy_barriers_stages, "Standardised", alone)
    expected = energy_barriers_stages.regressed(**given, checkpoint=None)
    monkeypatch.setattr(energy_barriers_stages, "Standardised", stops)
    with pytest.raises(KeyboardInterrupt):
        energy_barriers_stages.regressed(**given, checkpoint=tmp_path / "checkpoint.npz")
    found = energy_barriers_stages.regressed(**given, checkpoint=tmp_path / "checkpoint.npz")
    assert stops.calls <= alone.calls + 2  # the one that was stopped, and the scale of all rows
    for name, one in expected["models"].items():
        other = found["models"][name]
        assert one["chosen"] == other["chosen"] and np.array_equal(one["left_out"], other["left_out"])
    assert np.array_equal(found["binomial"], expected["binomial"])


def test_learning_curves(lattice, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    snapshots = [lattice(5, 6.0, seed=k) for k in range(4)]
    columns = [random.normal(size=((s.types == public_data.SPECIES).sum(), 3)) for s in snapshots]
    ensemble = {
        "snapshots": snapshots,
        "ensemble": SimpleNamespace(propensity=SimpleNamespace(values=random.normal(size=(4, 2, snapshots[0].n)))),
    }
    given = {"columns": [{"columns": np.stack(columns)}], "widths": [0], "ensemble": ensemble, "alphas": np.array([0.1, 1.0])}
    expected = public_data._curve(**given, checkpoint=None)
    stops = Stops(public_data.learning_curve, 3)
    monkeypatch.setattr(public_data, "learning_curve", stops)
    with pytest.raises(KeyboardInterrupt):
        public_data._curve(**given, checkpoint=tmp_path / "checkpoint.npz")
    found = public_data._curve(**given, checkpoint=tmp_path / "checkpoint.npz")
    assert stops.calls == 3 + 1 and found["sizes"].tolist() == [1, 2, 3]
    assert np.array_equal(found["pearson"], expected["pearson"])


def test_calibrations(tmp_path, monkeypatch):
    def recover(model, seed, resamples):
        line = SimpleNamespace(e1=model.noise + seed)
        return SimpleNamespace(
            barriers=SimpleNamespace(linear=line), correlation=seed, share=resamples, onset=SimpleNamespace(temperature=np.nan)
        )

    stops = Stops(recover, 3)
    monkeypatch.setattr(energy_barriers_stages, "recover", stops)
    with pytest.raises(KeyboardInterrupt):
        energy_barriers_stages.calibrated([0.0, 0.5], 2, checkpoint=tmp_path / "checkpoint.npz")
    found = energy_barriers_stages.calibrated([0.0, 0.5], 2, checkpoint=tmp_path / "checkpoint.npz")["rows"]
    assert stops.calls == 4 + 1
    assert found[:, :2].tolist() == [[0, 1], [0, 2], [0.5, 1], [0.5, 2]] and np.isnan(found[:, 6]).all()


def test_quenches_of_many_states(liquid, tmp_path, monkeypatch):
    """Of memory: blocks of states that were settled are not quenched again."""
    system, start = liquid
    states = [gg.Snapshot(start.positions + 0.01 * k, start.types, start.box) for k in range(3)]
    plane = SimpleNamespace(score=lambda columns: columns)

    def describe(snapshots):
        return SimpleNamespace(values=np.stack([s.positions[:, 0] for s in snapshots]))

    monkeypatch.setattr(memory_stages, "AT_ONCE", 1)
    told = []

    class Settles:
        @staticmethod
        def inherent_structure(*given, checkpoint, **more):
            if len(told) == 2:
                told.append("stopped")
                raise KeyboardInterrupt
            told.append(checkpoint.exists())
            return gg.structure.inherent_structure(*given, checkpoint=checkpoint, progress=False, **more)

    monkeypatch.setattr(memory_stages, "structure", Settles)
    with pytest.raises(KeyboardInterrupt):
        memory_stages.at_rest(system, states, plane, describe, "cpu", tmp_path / "checkpoint.npz")
    found = memory_stages.at_rest(system, states, plane, describe, "cpu", tmp_path / "checkpoint.npz")
    assert told == [False, False, "stopped", True, True, False]
    (tmp_path / "fresh").mkdir()
    assert np.array_equal(found, memory_stages.at_rest(system, states, plane, describe, "cpu", tmp_path / "fresh" / "checkpoint.npz"))
