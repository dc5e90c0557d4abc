"""What the tests of files write, and how they compare what comes back."""

from __future__ import annotations

import gsd.hoomd
import numpy as np
import xarray

import glassgpu as gg

FIELDS = ("positions", "types", "box", "velocities", "images")


def random_snapshot(random, d, n=20, velocities=True, images=True, species=2):
    """Boxes of any size, and positions that include the two ends of [-L/2, L/2)."""
    box = 10 ** random.uniform(-3, 5, d)
    positions = random.uniform(-0.5, 0.5, (n, d)) * box
    positions[0], positions[1], positions[2] = -box / 2, np.nextafter(box / 2, 0), np.nextafter(-box / 2, 0)
    return gg.Snapshot(
        positions,
        random.integers(0, species, n),
        box,
        random.normal(0, 10 ** random.uniform(-5, 5), (n, d)) if velocities else None,
        random.integers(-(2**31), 2**31, (n, d)) if images else None,
    )


def assert_same_bits(a, b):
    for name in FIELDS:
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None), name
        assert x is None or (x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()), name


def foreign(path, frames):
    """A single precision file as gsd itself writes it."""
    with gsd.hoomd.open(path, "w") as trajectory:
        for configuration, particles in frames:
            frame = gsd.hoomd.Frame()
            for name, value in configuration.items():
                setattr(frame.configuration, name, value)
            for name, value in particles.items():
                setattr(frame.particles, name, value)
            trajectory.append(frame)
    return path


def plain(n=4, **changes):
    random = np.random.default_rng(n)
    box = changes.pop("box", [4, 5, 6, 0, 0, 0])
    configuration = {"box": box, **({"dimensions": changes.pop("dimensions")} if "dimensions" in changes else {})}
    position = random.uniform(-2, 2, (n, 3)).astype(np.float32)
    return configuration, {"N": n, "types": ["A", "B"], "typeid": [0, 1] * (n // 2), "position": position, **changes}


def every_kind():
    random = np.random.default_rng(4)
    return xarray.Dataset(
        {
            "descriptor": (
                ("configuration", "particle", "feature"),
                random.normal(size=(2, 3, 4)),
                {"units": "sigma_AA", "reach": 2.5, "none": None, "list": [1, 2.5, "x"], "nan": float("nan"), "nested": {"a": [1, True]}},
            ),
            "with_nan": ("particle", np.array([np.nan, -0.0, 5e-324])),
            "infinite": ("particle", np.array([np.inf, -np.inf, 0], np.float32)),
            "zeros": ("particle", np.zeros(3, np.int64)),
            "all_nan": ("particle", np.full(3, np.nan)),
            "flag": ("particle", np.array([True, False, True])),
            "small": ("particle", np.array([-128, 0, 127], np.int8)),
            "large": ("particle", np.array([0, 1, 2**64 - 1], np.uint64)),
            "wave": ("particle", np.array([1 + 2j, np.nan, 0])),
            "empty": ("nothing", np.zeros(0)),
            "names": ("particle", np.array(["", "b c", "σ/ε"])),
            "number": ((), 3.5, {"units": "seconds"}),
            "when": ("particle", np.array(["2020-01-01", "NaT", "1999-12-31T23:59:59.123456789"], "M8[ns]")),
            "lasted": ("particle", np.array([1, 2, 3], "m8[ns]")),
        },
        coords={
            "feature": ["G2(A, r=1.0)", "G2(B, r=1.0)", "ψ", "q6"],
            "time": ((), 0.1, {"units": "tau"}),
            "species": ("particle", ["A", "B", "A"]),
            "particle": [10, 20, 30],
            "label": "one text",
        },
        attrs={"temperature": 0.44, "seed": 2**63 + 1, "units": "LJ", "time_unit": "sqrt(m sigma^2 / epsilon)"},
    )


def assert_same_values(a, b):
    xarray.testing.assert_identical(a, b)
    assert set(a.coords) == set(b.coords)
    for name in a.variables:
        assert a[name].dims == b[name].dims and a[name].dtype.kind == b[name].dtype.kind, name
        if a[name].dtype.kind != "U":  # strings are compared above; their width is that of the longest
            assert a[name].dtype == b[name].dtype and a[name].values.tobytes() == b[name].values.tobytes(), name
