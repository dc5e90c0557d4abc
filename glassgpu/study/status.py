"""How far a study has come, as told by its folder."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from glassgpu.errors import FileFormatError, InvalidInput
from glassgpu.study.stages import CHECKPOINT, STAGES, STUDY, WORK
from glassgpu.study.store import read_record


@dataclass(frozen=True)
class StageStatus:
    """One line of a study's status.

    Attributes:
        name: of the stage.
        key: the start of its key; a name with two keys was run with two sets of inputs. Empty
            when it has not begun.
        state: ``"done"``, ``"in progress"``, ``"not begun"`` or ``"damaged"``.
        detail: when it was done, or how old its checkpoint is.
        seconds: it took, or None.
        bytes: on disk.
    """

    name: str
    key: str
    state: str
    detail: str = ""
    seconds: float | None = None
    bytes: int = 0


def stage_status(folder: str | Path) -> list[StageStatus]:
    """The stages of a study: those that it planned, in that order, then others found on disk.

    Raises:
        InvalidInput: the folder holds no study.
        FileFormatError: its ``study.json`` is damaged.
    """
    folder = Path(folder)
    if not (folder / STUDY).is_file():
        raise InvalidInput(
            f"{folder} holds no study (there is no {STUDY} in it); name the folder that was given as --out. Experiments that share their liquids "
            "simulate these first, as a study in another folder (--liquids, by default out/watched or out/liquids): until that is done, ask for the status of that folder"
        )
    try:
        planned = [str(name) for name in json.loads((folder / STUDY).read_text())["stages"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(f"{folder / STUDY} is damaged ({error}); the command that made the study writes it again") from error
    found = [_finished(place) for place in _folders(folder / STAGES)]
    done = {(stage.name, stage.key) for stage in found}
    found += [stage for place in _folders(folder / WORK) if ((stage := _begun(place)).name, stage.key) not in done]
    names = list(dict.fromkeys([*planned, *(stage.name for stage in found)]))
    missing = [StageStatus(name, "", "not begun") for name in names if name not in {stage.name for stage in found}]
    return sorted([*found, *missing], key=lambda stage: names.index(stage.name))


def status_table(folder: str | Path) -> str:
    """``stage_status`` as a table in plain text. Raises as that."""
    rows = [("stage", "key", "state", "seconds", "size", "")]
    for stage in stage_status(folder):
        seconds = "" if stage.seconds is None else f"{stage.seconds:.1f}"
        rows.append((stage.name, stage.key[:8], stage.state, seconds, _size(stage.bytes) if stage.bytes else "", stage.detail))
    width = [max(len(row[k]) for row in rows) for k in range(6)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, width, strict=True)).rstrip() for row in rows)


def _folders(parent: Path) -> list[Path]:
    return sorted((p for p in parent.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime) if parent.is_dir() else []


def _finished(place: Path) -> StageStatus:
    name, _, key = place.name.rpartition("-")
    try:
        record = read_record(place)
    except FileFormatError:
        return StageStatus(name, key, "damaged", f"delete {place} to compute it again", None, _bytes(place))
    return StageStatus(name, key, "done", str(record["provenance"].get("date", "")), record["seconds"], _bytes(place))


def _begun(place: Path) -> StageStatus:
    name, _, key = place.name.rpartition("-")
    checkpoint = place / CHECKPOINT
    try:
        age = time.time() - checkpoint.stat().st_mtime
        detail = f"checkpoint {_age(age)} old"
    except OSError:
        detail = "no checkpoint yet"
    return StageStatus(name, key, "in progress", detail, None, _bytes(place))


def _bytes(place: Path) -> int:
    total = 0
    for path in place.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # a running stage has just renamed it
    return total


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
