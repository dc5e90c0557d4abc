"""GlassBench (Jung et al., "Roadmap on machine learning glassy dynamics", 2023; Zenodo 10.5281/zenodo.10118191).

Written from the published description of its files, in whose layout the tests write theirs; the archive itself, 6 GB, was
not at hand. Where a file is not as described, the error says what was found. Two kinds of files are read:

    models        N4096T<T>_<id>.npz, N1290T<T>_<id>.npz: types, initial_positions, md_prop and bb_prop (time, N), perhaps
                  initial_positions_inherent, initial_positions_cage, and predictions of others under their names
    trajectories  N1290T<T>_<id>_tc<code>.npz: types, box (a number), initial_positions, positions (replica, N, 2)

Trajectories in three dimensions are those of BOTAN (``read_botan``). Types are numbered from 0 or from 1 in the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.dynamics import propensity
from glassgpu.engines.isoconfigurational import make_ensemble
from glassgpu.errors import FileFormatError, GlassGPUError, InvalidInput
from glassgpu.io.file_names import file_names, same_shapes
from glassgpu.npz import load_npz, names_in
from glassgpu.types import Ensemble, Snapshot

if TYPE_CHECKING:
    import xarray

DENSITY = {3: 1.2, 2: 1290 / 32.8962**2}  # of files without a box; in three dimensions L = (4096 / 1.2)^(1/3)
SPECIES = {3: ("A", "B"), 2: ("A", "B", "C")}
SYSTEM = {3: "Kob-Andersen", 2: "ternary Kob-Andersen 2D"}
TIMES = {
    (3, 0.44): (0.13, 1.3, 13, 130, 412, 1300, 4120, 13000, 41200, 130000),
    (3, 0.50): (0.108, 0.434, 2.17, 6.86, 21.7, 68.6, 217, 686, 2170, 6860),
    (3, 0.56): (0.104, 0.33, 0.99, 1.65, 5.2, 16.5, 52, 165, 520, 1650),
    (3, 0.64): (0.032, 0.1, 0.165, 0.52, 1.65, 5.2, 16.5, 52, 165, 520),
    (2, 0.30): (0.11, 1.25, 14.14, 158.74, 1781.79, 20000),
    (2, 0.23): (0.1, 1.1, 11.64, 122.47, 1288.41, 13554, 142587, 1.5e6),
}
CODES = {0.30: (1, 2, 3, 4, 5, 6), 0.23: (5, 10, 15, 20, 25, 30, 35, 40)}  # of those times, in names of trajectories
TAU_ALPHA = {(3, 0.44): 13000.0, (2, 0.30): 2200.0, (2, 0.23): 918306.0}
KNOWN = ("types", "box", "initial_positions", "initial_positions_inherent", "initial_positions_cage", "positions", "md_prop", "bb_prop")


def read_glassbench(path: str | os.PathLike | Sequence[str | os.PathLike], times: ArrayLike | None = None) -> Ensemble:
    """Labels of the Kob-Andersen mixture in three dimensions (N = 4096) or of the ternary one in two (N = 1290).

    Args:
        path: a file of models or of trajectories, or several of one temperature. Structures become the configuration axis,
            in the order of their first file; time codes of one structure become times.
        times: (time,) of the rows of ``md_prop``, or of the time codes in ascending order [time]; by default those published
            for the temperature in the file's name.

    Returns:
        Ensemble. Of models: ``propensity`` is the file's ``md_prop`` and ``bond_breaking`` its ``bb_prop``, the share of
        neighbours that are kept; their errors and the ceiling are not in the files, and are NaN. Of trajectories: the
        propensity of minimum images without the drift of the centre of mass, with error and ceiling. Types are numbered
        from 0, positions wrapped. ``attrs`` hold the temperature, and ``tau_alpha`` where it is published.

    Raises:
        InvalidInput: no file name, models beside trajectories, a structure or a time twice, times that do not increase.
        FileFormatError: of another format, truncated, NaN, an unknown temperature, other times in one file than in another.
    """
    paths, many = file_names(path)
    files = [_open(p, ("types", "initial_positions"), ("box", "md_prop", "bb_prop", "positions")) for p in paths]
    kinds = {file.kind for file in files}
    if len(kinds) > 1 or len({(f.snapshot.dimension, f.temperature) for f in files}) > 1:
        raise InvalidInput(f"path={paths[:3]}: give files of one temperature, either models or trajectories")
    same_shapes(paths, [file.snapshot for file in files])
    several = many and (kinds == {"models"} or len({file.structure for file in files}) > 1)
    return (_models if kinds == {"models"} else _trajectories)(files, several, times)


def read_glassbench_states(
    path: str | os.PathLike | Sequence[str | os.PathLike], state: Literal["inherent", "cage"] = "inherent"
) -> Snapshot | list[Snapshot]:
    """Inherent structures or cage states that the files hold, for descriptors beside the labels of ``read_glassbench``.

    They are snapshots of their own, since the runs did not start from them and only some of the files hold them.

    Args:
        path: as of ``read_glassbench``.
        state: ``"inherent"`` or ``"cage"`` (of structures 1-100 and 401-500 in three dimensions).

    Returns:
        A Snapshot, or a list for several files.

    Raises:
        InvalidInput
        FileFormatError: as ``read_glassbench``, or a file without that state.
    """
    validate.choice("state", state, ("inherent", "cage"))
    paths, many = file_names(path)
    name = f"initial_positions_{state}"
    files = [_open(p, ("types", "initial_positions", name), ("box",)) for p in paths]
    snapshots = []
    for file in files:
        with _telling(file.path):
            positions = validate.array(name, file.arrays[name], np.float64, file.snapshot.positions.shape)
            snapshots.append(Snapshot(positions, file.snapshot.types, file.snapshot.box))
    return snapshots if many else snapshots[0]


def read_glassbench_predictions(path: str | os.PathLike | Sequence[str | os.PathLike], times: ArrayLike | None = None) -> xarray.Dataset:
    """What others predict for the structures of the test split, under the names in the files (``BOTAN``, ``CAGE``, ``SE3`` ...).

    Args:
        path, times: as of ``read_glassbench``; files of models.

    Returns:
        Dataset of dims ([configuration,] time, particle), or ([configuration,] particle) of what has no time, in the units of
        the file, which predict ``md_prop`` [length] or rank particles by something else; NaN where a file lacks one that
        another holds.

    Raises:
        InvalidInput, FileFormatError: as ``read_glassbench``.
    """
    import xarray

    paths, many = file_names(path)
    files = [_open(p, ("types", "initial_positions", "md_prop"), ("box", *(k for k in names_in(p) if k not in KNOWN))) for p in paths]
    same_shapes(paths, [file.snapshot for file in files])
    shown = _published(files[0], times, len(files[0].arrays["md_prop"]))
    shape = (len(shown), files[0].snapshot.n)
    names = sorted({name for file in files for name in file.arrays if name not in KNOWN})
    out: dict[str, Any] = {}
    for name in names:
        found = {k: file.arrays[name] for k, file in enumerate(files) if name in file.arrays}
        timed = next(iter(found.values())).ndim == 2
        wanted = shape if timed else shape[1:]
        for k, values in found.items():
            if values.shape != wanted or values.dtype.kind not in "fiu":
                raise FileFormatError(f"{paths[k]}: {name} has shape {values.shape} of {values.dtype}; expected numbers of shape {wanted}")
        absent = np.full(wanted, np.nan)
        dims = ("configuration", "time", "particle") if timed else ("configuration", "particle")
        out[name] = (dims, np.stack([found.get(k, absent).astype(np.float64) for k in range(len(files))]))
    data = xarray.Dataset(out, coords={"time": shown}, attrs={"temperature": files[0].temperature, "source": "GlassBench"})
    return data if many or not names else data.isel(configuration=0)


@dataclass(frozen=True)
class _File:
    path: str
    temperature: float
    structure: int
    code: int | None
    snapshot: Snapshot
    arrays: dict[str, np.ndarray]

    @property
    def kind(self) -> str:
        return "models" if "md_prop" in self.arrays else "trajectories"


def _open(path: str, needed: Sequence[str], wanted: Sequence[str]) -> _File:
    """A file, its arrays of numbers and its start; ``wanted`` may be absent."""
    there = set(names_in(path))
    arrays = load_npz(path, [*needed, *(name for name in dict.fromkeys(wanted) if name in there and name not in needed)])
    named = re.search(r"T(\d+(?:\.\d+)?)_(\d{1,9})(?:_tc(\d{1,9}))?\.npz$", os.path.basename(path))
    if not named:
        raise FileFormatError(f"{path}: the name tells neither temperature nor structure; the files are called N4096T0.44_1.npz or so")
    code = None if named.group(3) is None else int(named.group(3))
    with _telling(path):
        return _File(path, float(named.group(1)), int(named.group(2)), code, _start(arrays), arrays)


@contextmanager
def _telling(path: str) -> Iterator[None]:
    """Errors of the block begin with the path."""
    try:
        yield
    except GlassGPUError as error:
        raise FileFormatError(f"{path}: {error}") from error


def _start(arrays: dict[str, np.ndarray]) -> Snapshot:
    positions = validate.array("initial_positions", arrays["initial_positions"], np.float64, (None, None))
    n, d = positions.shape
    if d not in (2, 3) or n < 2:
        raise FileFormatError(f"initial_positions has shape {positions.shape}; expected (4096, 3) or (1290, 2)")
    sides = np.ravel(arrays.get("box", (n / DENSITY[d]) ** (1 / d)))
    if len(sides) not in (1, d):
        raise FileFormatError(f"box has shape {arrays['box'].shape}; expected one number, or {d}")
    box = np.broadcast_to(validate.array("box", sides, np.float64, (None,)), d)
    return Snapshot(positions, _from_zero(arrays["types"], n, len(SPECIES[d])), box)


def _from_zero(types: np.ndarray, n: int, species: int) -> np.ndarray:
    """Types numbered from 0. The files number from 0 or from 1, and hold every species, A most often."""
    types = validate.array("types", types, np.int32, (n,))
    first = int(types.min())
    if first not in (0, 1) or types.max() != first + species - 1:
        raise FileFormatError(f"types from {first} to {types.max()}; expected {species} species numbered from 0 or from 1")
    counts = np.bincount(types - first)
    if counts.argmax() != 0 or not counts.all():
        raise FileFormatError(f"{counts.tolist()} particles of each type; expected every species, the first one most often")
    return types - first


def _published(file: _File, times: ArrayLike | None, count: int) -> np.ndarray:
    """(time,) of that many rows."""
    if times is not None:
        given = validate.array("times", times, np.float64, (count,))
    elif (file.snapshot.dimension, file.temperature) not in TIMES:
        known = ", ".join(str(t) for d, t in TIMES if d == file.snapshot.dimension)
        raise FileFormatError(f"{file.path}: times are published for T = {known}, not for {file.temperature}; give times=")
    else:
        given = np.array(TIMES[file.snapshot.dimension, file.temperature], float)
        if len(given) != count:
            raise FileFormatError(f"{file.path}: {count} rows for the {len(given)} times published for T = {file.temperature}; give times=")
    if (np.diff(given) <= 0).any():
        raise InvalidInput(f"times={given.tolist()}: give times that increase")
    return given


def _attributes(file: _File) -> dict[str, Any]:
    about = {
        "temperature": file.temperature,
        "source": "GlassBench",
        "system": SYSTEM[file.snapshot.dimension],
        "time_unit": "sqrt(m sigma^2 / epsilon)",
    }
    tau = TAU_ALPHA.get((file.snapshot.dimension, file.temperature))
    return about if tau is None else {**about, "tau_alpha": tau}


def _models(files: list[_File], many: bool, times: ArrayLike | None) -> Ensemble:
    if len({file.structure for file in files}) < len(files):
        raise InvalidInput("the same structure is given twice; name each file once")
    labels: dict[str, np.ndarray] = {}
    shown = _published(files[0], times, len(np.atleast_1d(files[0].arrays["md_prop"])))
    shape = (len(shown), files[0].snapshot.n)
    for name in ("md_prop", "bb_prop"):
        holders = [file for file in files if name in file.arrays]
        if holders and len(holders) < len(files):
            raise FileFormatError(f"only some of these files hold {name}; read those that do by themselves")
        if holders:
            labels[name] = np.stack([_label(file, name, shape) for file in files])
    unknown = np.full((len(files), *shape), np.nan)
    snapshots = [file.snapshot for file in files]
    with np.errstate(over="ignore"):
        out = make_ensemble(snapshots, many, shown, labels["md_prop"], unknown, SPECIES[snapshots[0].dimension], _attributes(files[0]))
    if "bb_prop" not in labels:
        return out
    kept = out.propensity.copy(data=labels["bb_prop"] if many else labels["bb_prop"][0]).rename("bond_breaking")
    error = out.standard_error.rename("bond_breaking_error")
    for data in (kept, error):
        data.attrs = {**out.attrs, "units": "1"}
    return replace(out, bond_breaking=kept, bond_breaking_error=error)


def _label(file: _File, name: str, shape: tuple[int, int]) -> np.ndarray:
    with _telling(file.path):
        return validate.array(name, file.arrays[name], np.float64, shape)


def _trajectories(files: list[_File], many: bool, times: ArrayLike | None) -> Ensemble:
    codes = sorted({_code(file) for file in files})
    structures = list(dict.fromkeys(file.structure for file in files))
    by_place = {(file.structure, _code(file)): file for file in files}
    if len(by_place) < len(files):
        raise InvalidInput("the same time code of one structure is given twice; name each file once")
    if len(by_place) < len(codes) * len(structures):
        raise InvalidInput(f"give the same time codes, {codes}, of each of the structures {structures[:20]}")
    first = files[0]
    shown = _times_of_codes(first, codes, times)
    shape = (len(structures), len(codes), first.snapshot.n)
    mean, variance = np.empty(shape), np.empty(shape)
    for c, structure in enumerate(structures):
        for t, code in enumerate(codes):
            file, start = by_place[structure, code], by_place[structure, codes[0]].snapshot
            if not all(np.array_equal(getattr(file.snapshot, k), getattr(start, k)) for k in ("positions", "types", "box")):
                raise FileFormatError(f"{file.path}: another start than in {by_place[structure, codes[0]].path}, though of one structure")
            mean[c, t], variance[c, t] = _propensity(file)
    attrs = {**_attributes(first), "replicas": len(first.arrays["positions"])}
    snapshots = [by_place[structure, codes[0]].snapshot for structure in structures]
    return make_ensemble(snapshots, many, shown, mean, variance, SPECIES[snapshots[0].dimension], attrs)


def _code(file: _File) -> int:
    if "positions" not in file.arrays:
        raise FileFormatError(f"{file.path} holds neither md_prop nor positions; it is no file of GlassBench")
    return -1 if file.code is None else file.code


def _times_of_codes(file: _File, codes: list[int], times: ArrayLike | None) -> np.ndarray:
    if times is not None:
        return _published(file, times, len(codes))
    published = CODES.get(file.temperature, ()) if file.snapshot.dimension == 2 else ()
    if not set(codes) <= set(published):
        raise FileFormatError(
            f"{file.path}: times are published for the codes {list(published)} at this temperature, not {codes}; give times="
        )
    return np.array([TIMES[2, file.temperature][published.index(code)] for code in codes])


def _propensity(file: _File) -> tuple[np.ndarray, np.ndarray]:
    start = file.snapshot.positions
    with _telling(file.path), np.errstate(over="ignore", invalid="ignore"):
        runs = validate.array("positions", file.arrays["positions"], np.float64, (None, *start.shape))
        mean, variance = propensity(start, runs, file.snapshot.box)
        if not np.isfinite(variance).all():
            raise FileFormatError("its displacements are too large to be numbers")
    return mean, variance
