"""Bad input: a named error that says what to do, and nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import glassgpu as gg
from glassgpu import errors
from glassgpu.engines import options
from glassgpu.launch import Cuda

GOOD = dict(temperature=0.8, times=[0.1], replicas=2, seed=1, backend="cpu", progress=False)


def run(system, snapshot, **changes):
    return gg.isoconfigurational(system, snapshot, **{**GOOD, **changes})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": -0.5}, "temperature=-0.5: must be above 0"),
        ({"temperature": "warm"}, "not a number"),
        ({"temperature": float("nan")}, "temperature"),
        ({"times": []}, "at least one time"),
        ({"times": [0.1, 0.1]}, "fall on steps"),
        ({"times": [0.2, 0.1]}, "ascending"),
        ({"times": [0.001]}, r"time 0.001 .*step 1, is at 0.005; take dt=0.001"),
        ({"times": [0.1, 0.1125]}, r"time 0.1125 .*step 2[23], .*take dt="),
        ({"times": [0.0]}, "above 0"),
        ({"times": [1e300]}, "in steps"),
        ({"times": None}, "times is not an array of real numbers"),
        ({"times": "0.1"}, "times is not an array of real numbers"),
        ({"times": [0.1, [0.2, 0.3]]}, "times is not an array of real numbers"),
        ({"times": (t for t in (0.1, 0.2))}, r"give list\(times\)"),
        ({"temperature": True}, "not a number"),
        ({"temperature": "0.8"}, "not a number"),
        ({"temperature": np.array([0.8])}, "not a number"),
        ({"temperature": 0.8 + 0j}, "not a number"),
        ({"replicas": 1}, "at least 2"),
        ({"replicas": 2.5}, "whole number"),
        ({"dt": 0.5}, "at most 0.1"),
        ({"precision": "half"}, "'single', 'double'"),
        ({"thermostat": "berendsen"}, "choose one of None, 'nose_hoover', 'langevin'"),
        ({"labels": ("mood",)}, "choose one of 'propensity'"),
        ({"backend": "tpu"}, "choose 'auto', 'cuda' or 'cpu'"),
        ({"seed": -1}, "at least 0"),
        ({"threads": 0}, "threads=0: must be at least 1"),
        ({"threads": 1.5}, "threads=1.5: give a whole number"),
        ({"batch": 0}, "batch=0: must be at least 1"),
        ({"chunk": "5"}, "chunk='5': give a whole number"),
        ({"labels": "mood"}, "labels='mood'"),
        ({"labels": None}, "labels=None"),
    ],
)
def test_parameters(liquid, change, message):
    with pytest.raises(errors.InvalidInput, match=message):
        run(*liquid, **change)


def test_snapshots():
    x = np.random.default_rng(0).uniform(-3, 3, (10, 3))
    good = gg.Snapshot(x, np.zeros(10), [6, 6, 6])
    assert good.types.dtype == np.int32
    broken = x.copy()
    broken[3, 1] = np.nan
    for arguments, message in (
        ((broken, np.zeros(10), [6, 6, 6]), r"positions holds 1 values that are NaN or infinite, the first at index \(3, 1\)"),
        ((x, np.zeros(9), [6, 6, 6]), "types has shape"),
        ((x, np.full(10, 0.5), [6, 6, 6]), "whole numbers"),
        ((x, -np.ones(10), [6, 6, 6]), "numbered from 0"),
        ((x, np.zeros(10), [6, 6, -6]), "positive"),
        ((x, np.zeros(10), [6, 6]), "box has shape"),
        ((x[:, :1], np.zeros(10), [6]), "2 or 3 dimensions"),
        (("text", np.zeros(10), [6, 6, 6]), "not an array"),
        ((x.astype(str), np.zeros(10), [6, 6, 6]), "not an array of real numbers"),
        ((x.astype(complex), np.zeros(10), [6, 6, 6]), "complex128"),
        ((x.astype(object), np.zeros(10), [6, 6, 6]), "object"),
        ((np.ma.masked_greater(x, 2), np.zeros(10), [6, 6, 6]), "masked array"),
        ((x, np.full(10, np.nan), [6, 6, 6]), "whole numbers"),
        ((x, np.full(10, 2**40), [6, 6, 6]), "range of int32"),
    ):
        with pytest.raises(errors.InvalidInput, match=message):
            gg.Snapshot(*arguments)


def test_snapshots_wrap_and_freeze():
    s = gg.Snapshot([[3.0, -3.0, 2.9], [9.5, -12.0, 0.0]], [0, 1], [6, 6, 6])
    assert s.positions.tolist() == [[-3.0, -3.0, 2.9], [-2.5, 0.0, 0.0]]
    with pytest.raises(ValueError, match="read-only"):
        s.positions[0, 0] = 1


def test_wrapping_loses_nothing():
    """positions + images x box is what was given, at the faces too; what is inside keeps every bit."""
    random = np.random.default_rng(0)
    box = np.array([7.3, 5.1, 11.7])
    half = box / 2
    edges = [e for h in (-half, half) for e in (h, np.nextafter(h, np.inf), np.nextafter(h, -np.inf))]
    x = np.concatenate([random.uniform(-40, 40, (50, 3)), random.uniform(-half, half, (50, 3)), edges])
    given = random.integers(-3, 4, x.shape)
    s = gg.Snapshot(x, np.zeros(len(x)), box, images=given)
    assert ((s.positions >= -half) & (s.positions < half)).all()
    inside = (x >= -half) & (x < half)
    assert np.array_equal(s.positions[inside], x[inside])
    np.testing.assert_allclose(s.positions + s.images * box, x + given * box, atol=1e-13)
    again = gg.Snapshot(s.positions, s.types, box, images=s.images)
    assert np.array_equal(again.images, s.images)
    assert gg.Snapshot(x, np.zeros(len(x)), box).images is None
    with pytest.raises(errors.InvalidInput, match="images"):
        gg.Snapshot(x, np.zeros(len(x)), box, images=np.full(x.shape, 2**31 - 1))


def test_final_images_unwrap(liquid):
    """Across two runs that hand the images on, a particle can be followed through the faces."""
    system, start = liquid
    common = dict(temperature=2.0, times=[1.0], keep_positions=True, backend="cpu", progress=False)
    first = gg.simulate.md(system, start, **common)
    np.testing.assert_allclose(first.final.positions + first.final.images * start.box, first.positions[0, 0], atol=1e-9)
    second = gg.simulate.md(system, first.final, **common)
    followed = second.final.positions + second.final.images * start.box
    np.testing.assert_allclose(followed, second.positions[0, 0] + first.final.images * start.box, atol=1e-9)
    assert np.abs(first.final.images).max() == 1


def test_results_are_shown_on_one_line(liquid):
    system, start = liquid
    ensemble = run(system, start)
    assert repr(start) == "Snapshot(N=500, d=3, box=[7.46901, 7.46901, 7.46901], per type [400, 100], velocities)"
    assert repr(ensemble) == "Ensemble(Kob-Andersen, N=500, T=0.8, replicas=2, times=[0.1])"
    made = gg.simulate.md(system, [start] * 2, temperature=0.8, times=0.01 * np.arange(1, 9), backend="cpu", progress=False)
    assert repr(made) == "Trajectory(Kob-Andersen, runs=2 x 1, T=0.8, times=[0.01 ... 0.08, 8 in all])"


def test_warnings_point_at_the_users_line(liquid, film, monkeypatch):
    """Not into the package, however deep the warning arises; a GPU is full with fewer replicas of MD than of MC."""
    monkeypatch.setattr(options, "target", lambda backend, threads: Cuda.__new__(Cuda))
    monkeypatch.setattr(Cuda, "multiprocessors", lambda self: 10)
    for simulate, busy, system_and_start in ((gg.simulate.md, 10, liquid), (gg.simulate.mc, 160, film), (gg.simulate.swap_mc, 160, film)):
        idle = f"9 replicas leave most of this GPU idle, which {busy} would keep busy"
        with pytest.warns(UserWarning, match=idle) as caught, pytest.raises(AttributeError):  # no such GPU
            simulate(*system_and_start, temperature=1.0, duration=1, replicas=9, progress=False)
        assert [w.filename for w in caught] == [__file__]


def test_records_need_times(liquid, film):
    for simulate, system_and_start in ((gg.simulate.md, liquid), (gg.simulate.mc, film)):
        common = dict(temperature=1.0, duration=1, backend="cpu", progress=False)
        with pytest.raises(errors.InvalidInput, match="keep_positions= records at times=, so give times"):
            simulate(*system_and_start, **common, keep_positions=True)
        with pytest.raises(errors.InvalidInput, match="observe= records at times=, so give times"):
            simulate(*system_and_start, **common, observe=gg.dynamics.Observe(wavenumber=6.3))
        with pytest.raises(errors.InvalidInput, match="cage_relative= says which displacements observe= and frames= look at"):
            simulate(*system_and_start, **common, cage_relative=True)


def test_box_too_small_names_the_smallest_n(liquid):
    with pytest.raises(errors.BoxTooSmall, match=r"at density 1.258 take N >= 158$"):
        run(gg.systems.kob_andersen(n=100), gg.Snapshot(np.random.default_rng(0).uniform(-2, 2, (100, 3)), np.zeros(100), [4.3, 4.3, 4.3]))


def test_other_units_are_suspected(liquid):
    system, start = liquid
    stretched = gg.Snapshot(1.1 * start.positions, start.types, 1.1 * start.box)
    with pytest.warns(errors.SuspiciousInput, match=r"density 0.9016; the density of Kob-Andersen is 1.2: check the units"):
        run(system, stretched)
    shuffled = gg.Snapshot(start.positions, 1 - start.types, start.box)
    with pytest.warns(errors.SuspiciousInput, match="A : B = 20 : 80, the composition of Kob-Andersen is 80 : 20"):
        gg.simulate.md(system, shuffled, temperature=0.1, times=[0.001], dt=1e-3, backend="cpu", progress=False)
    small = gg.Snapshot(start.positions * 0.5, start.types, start.box * 0.5)
    with pytest.raises(errors.BoxTooSmall, match=r"at density 9.6 take N >= 1200; the density of Kob-Andersen is 1.2: check the units"):
        run(gg.systems.kob_andersen(), small)


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ("kob_andersen", "is not a System: give one, such as"),
        (gg.systems.kob_andersen, "is the function kob_andersen.*call it"),
        (None, "is not a System"),
    ],
)
def test_not_a_system(liquid, system, message):
    _, start = liquid
    common = dict(temperature=0.8, times=[0.1], backend="cpu", progress=False)
    for call in (lambda: run(system, start), lambda: gg.energy(system, start), lambda: gg.simulate.md(system, start, **common)):
        with pytest.raises(errors.InvalidInput, match=message):
            call()


def test_not_a_snapshot(liquid):
    system, start = liquid
    with pytest.raises(errors.InvalidInput, match=r"the order of arguments is \(system, snapshot\)"):
        run(start, system)
    for wrong, message in ((None, "got NoneType"), (start.positions, "got ndarray"), ([start, 3], "got int")):
        with pytest.raises(errors.InvalidInput, match=message):
            run(system, wrong)


def test_unknown_species(liquid):
    system, start = liquid
    with pytest.raises(errors.UnknownSpecies, match="0 = A, 1 = B; number species from 0"):
        run(system, gg.Snapshot(start.positions, start.types + 1, start.box))


def test_overlapping_particles(liquid):
    system, start = liquid
    x = start.positions.copy()
    x[17] = x[3] + 0.01
    with pytest.raises(errors.ParticlesOverlap, match="particles 3 and 17 of configuration 0"):
        run(system, gg.Snapshot(x, start.types, start.box))


def test_a_run_that_explodes_is_stopped(liquid, tmp_path):
    system, start = liquid
    path = tmp_path / "run.npz"
    common = dict(temperature=50.0, duration=10.0, dt=0.1, thermostat=None, backend="cpu", progress=False, checkpoint=path)
    for _ in range(2):  # the checkpoint is of no use to the same call, as the message says
        with pytest.raises(errors.SimulationFailed, match=r"smaller dt.*reduced units.*the same call fails at the same place"):
            gg.simulate.md(system, start, **common)
    assert path.exists()


def test_mixed_snapshots(liquid, film):
    with pytest.raises(errors.InvalidInput, match="different shapes"):
        run(liquid[0], [liquid[1], film[1]])
    with pytest.raises(errors.InvalidInput, match="3 dimensions"):
        run(liquid[0], film[1])
    with pytest.raises(errors.InvalidInput, match="at least one Snapshot"):
        run(liquid[0], [])


def test_md_needs_a_temperature_or_velocities(liquid):
    system, start = liquid
    bare = gg.Snapshot(start.positions, start.types, start.box)
    with pytest.raises(errors.InvalidInput, match="has none; give temperature"):
        gg.simulate.md(system, bare, duration=1.0, thermostat=None, backend="cpu")
    with pytest.raises(errors.InvalidInput, match="needs temperature"):
        gg.simulate.md(system, start, duration=1.0, backend="cpu")
    with pytest.raises(errors.InvalidInput, match="duration= or times="):
        gg.simulate.md(system, start, temperature=1.0, backend="cpu")


def test_no_cuda_device_is_named():
    system = gg.systems.kob_andersen(n=200, density=1.0)
    if gg.devices()["kernels"][0].startswith("cuda"):
        pytest.skip("there is a CUDA device here")
    with pytest.raises(errors.DeviceMissing, match="glassgpu doctor"):
        gg.energy(system, system.random_snapshot(1), backend="cuda")


def test_output_that_cannot_be_written(liquid, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(errors.OutputNotWritable, match="choose another folder"):
        run(*liquid, checkpoint=blocked / "run.npz")
    for wrong, message in (
        (tmp_path, "is a folder; name a file in it"),
        ("", "is a folder"),
        (5, "give the path of a file"),
        (True, "path of a file"),
    ):
        with pytest.raises(errors.InvalidInput, match=message):
            run(*liquid, checkpoint=wrong)
    if os.getuid():
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
        with pytest.raises(errors.OutputNotWritable):
            run(*liquid, checkpoint=folder / "run.npz")


def test_unknown_names_are_explained():
    with pytest.raises(AttributeError, match="isoconfigurational"):
        gg.no_such_thing  # noqa: B018
    with pytest.raises(
        AttributeError,
        match=r"glassgpu.systems has no 'kob_anderson'; it has System, hard_spheres, kob_andersen, ternary_2d; did you mean kob_andersen",
    ):
        gg.systems.kob_anderson  # noqa: B018
    for module in ("descriptors", "dynamics", "evaluate", "io", "models", "report", "simulate", "structure"):
        with pytest.raises(AttributeError, match=f"glassgpu.{module} has no 'mood'; it has {sorted(getattr(gg, module).__all__)[0]}"):
            getattr(gg, module).mood  # noqa: B018
    assert "energy" in dir(gg)


def test_systems_refuse_nonsense():
    for call, message in (
        (lambda: gg.systems.kob_andersen(n=0), "at least 2"),
        (lambda: gg.systems.kob_andersen(cutoff="short"), "choose one of"),
        (lambda: gg.systems.kob_andersen(density=-1), "density"),
        (lambda: gg.systems.kob_andersen(law="hard"), "choose one of"),
        (lambda: gg.systems.ternary_2d(inner=3.0), "at most"),
        (lambda: gg.systems.kob_andersen(density="1.2"), "density='1.2' is not a number"),
        (lambda: gg.systems.kob_andersen(n=1000).random_snapshot(1.5), "seed=1.5: give a whole number"),
        (lambda: gg.systems.kob_andersen(n=1000).random_snapshot("1"), "seed='1': give a whole number"),
    ):
        with pytest.raises(errors.InvalidInput, match=message):
            call()


def test_control_c_in_a_long_run(tmp_path):
    """A real SIGINT: the process ends at once with a message, and the same call continues."""
    code = (
        "import signal, sys, glassgpu as gg\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job is born deaf to it
        "s = gg.systems.kob_andersen(n=500, cutoff='per_pair')\n"
        "x = gg.equilibrate(s, 1.0, 0.5, seed=1, accept=None, backend='cpu', progress=False)\n"
        "gg.isoconfigurational(s, x, temperature=1.0, times=[0.1], replicas=4, seed=1, backend='cpu', progress=False)\n"  # compiled
        "print('ready', flush=True)\n"
        "try:\n"
        "    e = gg.isoconfigurational(s, x, temperature=1.0, times=[float(sys.argv[1])], replicas=4, seed=1, backend='cpu', checkpoint=sys.argv[2], progress=False)\n"
        "    print(e.propensity.values.sum())\n"
        "except gg.errors.Interrupted as error:\n"
        "    print('stopped:', error)\n"
    )
    path = tmp_path / "run.npz"
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, "400", str(path)], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            time.sleep(2.0)
            child.send_signal(signal.SIGINT)
            out, _ = child.communicate(timeout=30)
        finally:
            child.kill()
    assert out.startswith("stopped:")
    assert "continues" in out
    assert path.exists()


@pytest.mark.parametrize("times", [[0.001], [0.1, 0.1125], [0.0033, 0.0071, 1.0]])
def test_the_step_advised_fits(times):
    from glassgpu.engines.options import steps_of

    with pytest.raises(errors.InvalidInput) as refused:
        steps_of(times, 0.005)
    advised = float(str(refused.value).partition("take dt=")[2].partition(",")[0])
    np.testing.assert_allclose(steps_of(times, advised) * advised, times, rtol=0.01)
