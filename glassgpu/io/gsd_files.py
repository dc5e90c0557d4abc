"""GSD files, schema ``hoomd`` 1.4 (gsd documentation, "HOOMD Schema"): snapshots for, and from,
HOOMD-blue, freud and OVITO.

The schema keeps positions, velocities and box in single precision. The same in double precision
goes into the log of each frame, where other programs show it as any other logged quantity:

    log/particles/glassgpu/position   (N, d) float64, wrapped
    log/particles/glassgpu/velocity   (N, d) float64, where a snapshot of the file has velocities
    log/glassgpu/box                  (d,) float64
    log/glassgpu/given                (2,) uint8: has the snapshot images, has it velocities
    log/particles/glassgpu/<name>     (N,) or (N, k): what else is known of each particle, such as its propensity

Positions are wrapped and stand beside the integers ``particles/image``: position + image * box
rounds, and what was rounded cannot be wrapped back to the same bits. All are written in
every frame, because a frame without a chunk inherits that of frame 0, and because a log chunk
that frame 0 lacks makes the file invalid.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import __version__, validate
from glassgpu.errors import FileFormatError, GlassGPUError, InvalidInput, UnknownSpecies
from glassgpu.io.gsd_layout import check_layout
from glassgpu.io.replaced import replaced
from glassgpu.io.text_frames import chosen
from glassgpu.types import Snapshot, as_snapshots

PARTICLES, BOX, GIVEN = "particles/glassgpu", "glassgpu/box", "glassgpu/given"
POSITION, VELOCITY = f"{PARTICLES}/position", f"{PARTICLES}/velocity"


def write_gsd(
    path: str | os.PathLike,
    snapshot: Snapshot | Sequence[Snapshot],
    species: Sequence[str] = ("A", "B"),
    steps: int | Sequence[int] | None = None,
    log: Mapping[str, ArrayLike] | None = None,
) -> None:
    """Write snapshots as the frames of a new GSD file; ``read_gsd`` gives them back bit for bit.

    A file of that name is replaced when the new one is complete. Two-dimensional snapshots have
    Lz = 0 and z = 0, which is HOOMD's convention.

    Args:
        snapshot: one, or several of one System.
        species: names of the types in their order, ASCII, such as ``system.species``.
        steps: time step of each frame; 0, 1, 2, ... if not given.
        log: by name, numbers of each particle, (N,) or (N, k), such as propensity or softness; for a sequence of
            snapshots with a leading axis of frames. Written as ``log/particles/glassgpu/<name>``, where gsd, freud and
            OVITO find them. HOOMD's own files get the same by ``engines.hoomd.particle_log``.

    Raises:
        InvalidInput: steps, names or numbers that do not fit, or values beyond single precision.
        UnknownSpecies: a type without a name.
        OutputNotWritable: no permission, no space, or a folder of that name.

    Example:
        >>> system = gg.systems.kob_andersen(n=400)
        >>> liquid = system.random_snapshot(seed=1)
        >>> gg.io.write_gsd("liquid.gsd", liquid, system.species, log={"distance": np.linalg.norm(liquid.positions, axis=1)})
        >>> bool((gg.io.read_gsd("liquid.gsd", species=system.species).positions == liquid.positions).all())
        True
    """
    import gsd.fl
    import gsd.hoomd

    snapshots, many = as_snapshots(snapshot)
    names = _species(species)
    columns = {name: _logged(name, values, snapshots, many) for name, values in (log or {}).items()}
    largest = max(int(s.types.max()) for s in snapshots)
    if largest >= len(names):
        raise UnknownSpecies(f"the snapshots hold type {largest}, but species={tuple(names)}; name every species")
    given = range(len(snapshots)) if steps is None else np.atleast_1d(np.asarray(steps, object)).tolist()
    numbers = [validate.whole("steps", step, least=0, most=2**63) for step in given]
    if len(numbers) != len(snapshots):
        raise InvalidInput(f"steps has {len(numbers)} numbers for {len(snapshots)} snapshots; give one for each")
    velocities = any(s.velocities is not None for s in snapshots)
    with replaced(path, Path.is_file) as fresh:
        # gsd.hoomd.open would mark the file as schema 2.0, which gsd before 5 refuses to read
        file = gsd.fl.open(name=str(fresh), mode="w", application=f"glassgpu {__version__}", schema="hoomd", schema_version=[1, 4])
        try:
            with gsd.hoomd.HOOMDTrajectory(file) as trajectory:
                for k, (s, step) in enumerate(zip(snapshots, numbers, strict=True)):
                    frame = _frame(s, names, step, velocities)
                    frame.log |= {f"{PARTICLES}/{name}": values[k] for name, values in columns.items()}
                    trajectory.append(frame)
        except OSError:
            os.truncate(fresh, 0)  # gsd keeps open what it could not finish, which would go on filling the disk
            raise


def read_gsd(
    path: str | os.PathLike, frames: int | slice | Sequence[int] | None = None, species: Sequence[str] | None = None
) -> Snapshot | list[Snapshot]:
    """Snapshots from a GSD file, ours or of another program.

    Frames that ``write_gsd`` wrote come back bit for bit; from others, the precision is the file's.
    Positions on or outside the boundary are wrapped, their images with them. Velocities
    and images are None where the file never names any.

    Args:
        frames: a number (negative ones count from the end) gives one Snapshot; a slice or a
            sequence gives a list; None gives all, as a Snapshot if the file has one frame only.
        species: names in the order in which the types shall be numbered. If not given, types
            are numbered as in the file, whose order can differ from that of a System.

    Raises:
        FileFormatError: missing, truncated, no GSD file of schema ``hoomd``, NaN, a tilted box,
            frames of different N in one list, or positions in double and single precision
            that disagree because another program changed the latter.
        InvalidInput: a frame that the file does not have.
        UnknownSpecies: a type of the file is not in ``species``.
    """
    import gsd.fl

    names = None if species is None else _species(species)
    try:
        check_layout(path)
        with gsd.fl.open(name=os.fspath(path), mode="r") as file:
            if file.schema != "hoomd" or not (1, 0) <= file.schema_version < (3, 0):
                raise FileFormatError(f"schema {file.schema!r} {file.schema_version}; only hoomd 1 and 2 are known here")
            if not 0 < file.nframes <= os.path.getsize(path):
                raise FileFormatError(f"the file holds {file.nframes} frames")
            numbers, many = chosen(frames, file.nframes)
            snapshots = [_snapshot(file, number, names) for number in numbers]
    except GlassGPUError as error:
        raise type(error)(f"{path!s}: {error}") from error
    except OSError as error:
        raise FileFormatError(f"{path!s} cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged file can raise nearly anything
        raise FileFormatError(f"{path!s} is damaged, truncated or no GSD file ({type(error).__name__}: {error})") from error
    shapes = {s.positions.shape: number for number, s in zip(numbers, snapshots, strict=True)}
    if len(shapes) > 1:
        found = ", ".join(f"{n} particles in {d} dimensions (frame {number})" for (n, d), number in shapes.items())
        raise FileFormatError(f"{path!s} holds frames of different systems: {found}; ask for them one by one by frames=number")
    return snapshots if many else snapshots[0]


def _species(species: Sequence[str]) -> list[str]:
    names = [species] if isinstance(species, str) else list(species)
    if not names or not all(isinstance(n, str) and n and n.isascii() and n.isprintable() for n in names) or len(set(names)) < len(names):
        raise InvalidInput(f"species={species!r}: give different names of ASCII letters, one for each type")
    return names


def _logged(name: str, values: ArrayLike, snapshots: Sequence[Snapshot], many: bool) -> np.ndarray:
    """Numbers of each particle, (frame, N) or (frame, N, k)."""
    if not isinstance(name, str) or not name.isidentifier() or name in ("position", "velocity"):
        raise InvalidInput(
            f"log= names {name!r}: take letters, digits and _, and neither 'position' nor 'velocity', which are written anyway"
        )
    array = np.asarray(values)
    array = array if many else array[None]
    if array.dtype.kind not in "fiu" or array.ndim not in (2, 3) or array.shape[:2] != (len(snapshots), snapshots[0].n):
        wanted = f"({len(snapshots)}, {snapshots[0].n}" if many else f"({snapshots[0].n}"
        raise InvalidInput(
            f"log={{{name!r}: ...}} has shape {np.shape(values)} of {array.dtype}; give numbers of shape {wanted},) or {wanted}, k)"
        )
    return np.ascontiguousarray(array)


def _frame(snapshot: Snapshot, names: list[str], step: int, velocities: bool) -> Any:
    import gsd.hoomd

    nothing = np.zeros(snapshot.positions.shape)
    velocity = nothing if snapshot.velocities is None else snapshot.velocities
    frame = gsd.hoomd.Frame()
    frame.configuration.step = step
    frame.configuration.dimensions = snapshot.dimension
    frame.configuration.box = np.concatenate([_padded(_single("box", snapshot.box)), np.zeros(3, np.float32)])
    frame.particles.N = snapshot.n
    frame.particles.types = names
    frame.particles.typeid = snapshot.types.astype(np.uint32)
    frame.particles.position = _padded(_single_positions(snapshot.positions, snapshot.box))
    frame.particles.velocity = _padded(_single("velocities", velocity))
    frame.particles.image = _padded((nothing if snapshot.images is None else snapshot.images).astype(np.int32))
    frame.log[POSITION] = snapshot.positions
    frame.log[BOX] = snapshot.box
    frame.log[GIVEN] = np.array([snapshot.images is not None, snapshot.velocities is not None], np.uint8)
    if velocities:
        frame.log[VELOCITY] = velocity
    return frame


def _single(name: str, values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        out = values.astype(np.float32)
    if not np.isfinite(out).all() or (name == "box" and not (out > 0).all()):
        raise InvalidInput(f"{name} holds values beyond the range of single precision, which GSD files need; use other units")
    return out


def _single_positions(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Rounded to single precision, and not out of the rounded box [-L/2, L/2)."""
    half = _single("box", box) / 2
    return np.clip(_single("positions", positions), -half, np.nextafter(half, np.float32(0)))


def _padded(values: np.ndarray) -> np.ndarray:
    """Three columns, as the schema wants them in two dimensions too."""
    return np.concatenate([values, np.zeros((*values.shape[:-1], 3 - values.shape[-1]), values.dtype)], axis=-1)


def _chunk(file: Any, number: int, name: str, rows: int | None = None) -> Any:
    """What a frame holds, or else frame 0 (if it has as many rows as asked for), or else None.

    gsd.hoomd does the same, but makes every array of a frame in the size that the file claims."""
    for frame in (number, 0):
        if file.chunk_exists(frame=frame, name=name):
            values = file.read_chunk(frame=frame, name=name)
            if rows is None or len(values) == rows:
                return values
            if frame == number:
                raise FileFormatError(f"{name} has {len(values)} rows for {rows} particles")
    return None


def _snapshot(file: Any, number: int, names: list[str] | None) -> Snapshot:
    try:
        return _read(file, number, names)
    except UnknownSpecies:
        raise
    except GlassGPUError as error:
        raise FileFormatError(f"frame {number}: {error}") from error


def _read(file: Any, number: int, names: list[str] | None) -> Snapshot:
    count, dimensions = _chunk(file, number, "particles/N"), _chunk(file, number, "configuration/dimensions")
    n, d = 0 if count is None else int(count[0]), 3 if dimensions is None else int(dimensions[0])
    box, position = _chunk(file, number, "configuration/box"), _chunk(file, number, "particles/position", n)
    if d not in (2, 3):
        raise FileFormatError(f"{d} dimensions; only 2 and 3 are known here")
    if box is None or position is None:
        raise FileFormatError(f"no box or no positions for its {n} particles")
    if (box[3:] != 0).any():
        raise FileFormatError(f"the box is tilted (xy, xz, yz = {box[3:].tolist()}); only rectangular boxes are known here")
    if d == 2 and position[:, 2].any():
        raise FileFormatError("two dimensions, but particles off the plane z = 0")
    types = _types(file, number, n, names)
    image, velocity = _column(file, number, "image", n, d), _column(file, number, "velocity", n, d)
    if file.chunk_exists(frame=number, name=f"log/{POSITION}"):
        return _double(file, number, types, box[:d], position[:, :d], image, velocity)
    out = Snapshot(position[:, :d], types, box[:d], velocity, image)
    if image is None:
        return out
    return Snapshot(out.positions, types, out.box, velocity, image + np.rint((position[:, :d] - out.positions) / out.box))


def _types(file: Any, number: int, n: int, names: list[str] | None) -> np.ndarray:
    stored, letters = _chunk(file, number, "particles/typeid", n), _chunk(file, number, "particles/types")
    types = np.zeros(n, np.int32) if stored is None else stored
    found = ["A"] if letters is None else [bytes(row).split(b"\0")[0].decode() for row in letters.astype(np.uint8)]
    if n and types.max() >= len(found):
        raise FileFormatError(f"type {types.max()} among the particles, but names for {found} only")
    if names is None:
        return types
    unknown = sorted({found[t] for t in np.unique(types)} - set(names))
    if unknown:
        raise UnknownSpecies(f"frame {number} holds the species {unknown}, which are not in species={tuple(names)}")
    return np.array([names.index(name) if name in names else -1 for name in found])[types]


def _column(file: Any, number: int, name: str, n: int, d: int) -> np.ndarray | None:
    """Images or velocities. What equals its default is not stored: what no frame of the file
    holds was not given, what only other frames hold is zero here."""
    if f"particles/{name}" not in file.find_matching_chunk_names(f"particles/{name}"):
        return None
    values = _chunk(file, number, f"particles/{name}", n)
    return np.zeros((n, d), np.int32) if values is None else values[:, :d]


def _double(
    file: Any, number: int, types: np.ndarray, box: np.ndarray, position: np.ndarray, image: np.ndarray | None, velocity: np.ndarray | None
) -> Snapshot:
    """What ``write_gsd`` wrote, unless another program has since changed the standard chunks."""
    nothing = np.zeros(position.shape, np.int32)
    given = _chunk(file, number, f"log/{GIVEN}")
    out = Snapshot(
        _chunk(file, number, f"log/{POSITION}", len(position)),
        types,
        _chunk(file, number, f"log/{BOX}"),
        _chunk(file, number, f"log/{VELOCITY}", len(position)) if given[1] else None,
        (nothing if image is None else image) if given[0] else None,
    )
    same = np.array_equal(_single("box", out.box), box) and np.array_equal(_single_positions(out.positions, out.box), position)
    if out.velocities is not None:
        same &= np.array_equal(_single("velocities", out.velocities), nothing if velocity is None else velocity)
    if not same:
        raise FileFormatError(
            "positions, velocities or box in double precision disagree with those in single precision: another program has "
            "changed the latter. To read those, delete the log entries glassgpu/* and particles/glassgpu/* from the frame"
        )
    return out
