"""Checkpoints of a run: written to a temporary name and renamed, tied to the run's inputs."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu.errors import (
    CheckpointMismatch,
    FileFormatError,
    Interrupted,
    InvalidInput,
    OutOfMemory,
    OutputNotWritable,
    SimulationFailed,
)
from glassgpu.locks import PROBE, published
from glassgpu.npz import load_npz

READABLE = 60  # a longer value is told by its hash


def fingerprint(**inputs: Any) -> str:
    """What fixes a run's numbers, as JSON of name and value: short values as they are, arrays and
    long values as a hash, dataclasses field by field, so that two runs can be told apart by name."""
    flat: dict[str, Any] = {}
    for name, value in inputs.items():
        if dataclasses.is_dataclass(value):
            flat.update({f"{name}.{field.name}": getattr(value, field.name) for field in dataclasses.fields(value)})
        else:
            flat[name] = value
    return json.dumps({name: _told(value) for name, value in sorted(flat.items())})


def _told(value: Any) -> str:
    if isinstance(value, np.ndarray):
        data = f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    elif len(repr(value)) <= READABLE:
        return repr(value)
    else:
        data = repr(value).encode()
    return "sha256:" + hashlib.sha256(data).hexdigest()


def differences(found: str, wanted: str) -> str:
    """Which inputs of two fingerprints differ, in words."""
    try:
        before = {str(name): str(value) for name, value in json.loads(found).items()}
    except (ValueError, AttributeError, RecursionError):
        return "it was written by another version of glassgpu"
    now = json.loads(wanted)
    words = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, "absent"), now.get(name, "absent")
        if old == new:
            continue
        if name == "code":
            words.append("the code (version or kernels) has changed")
        elif (old + new).count("sha256:") or len(old) > READABLE:
            words.append(f"{name.rpartition('.')[2]} differ")
        else:
            words.append(f"{name.rpartition('.')[2]} was {old} and is now {new}")
    return "; ".join(words)


def checkpoint_path(checkpoint: Any) -> Path | None:
    """What users give as ``checkpoint=``, as a path that means the same to workers that stand elsewhere.

    Raises:
        InvalidInput: neither a path nor None.
    """
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, (str, os.PathLike)):
        raise InvalidInput(f"checkpoint={checkpoint!r}: give the path of a file, such as 'run.npz', or None")
    return Path(checkpoint).absolute() if os.fspath(checkpoint) else Path()


def writable(path: Path) -> Path:
    """The path, once its folder exists and can be written.

    Raises:
        InvalidInput: it has no name.
        OutputNotWritable
    """
    if not path.name:
        raise _is_a_folder(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.{os.getpid()}.{PROBE}")
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may have taken it for a leftover
    except OSError as error:
        raise OutputNotWritable(
            f"{path.parent} cannot be written ({error.strerror}); choose another folder or change its permissions"
        ) from error
    return path


def _is_a_folder(path: Path) -> InvalidInput:
    return InvalidInput(f"{path} is a folder; name a file in it, such as {path / 'run.npz'}")


def continued_from(path: Path | None) -> str:
    """What the user can do after an interruption, in words."""
    return f"the same call continues from {path}" if path else "pass checkpoint=PATH to be able to continue"


@contextlib.contextmanager
def saved_if_stopped(save: Callable[[], None], path: Path | None, where: Callable[[], str]) -> Iterator[None]:
    """Inside the block, Ctrl-C, a failure of the simulation and exhausted memory save what was done.

    Raises:
        Interrupted: after Ctrl-C, with ``where()`` the run was.
    """
    try:
        yield
    except KeyboardInterrupt:
        save()
        raise Interrupted(f"stopped {where()}; {continued_from(path)}") from None
    except (SimulationFailed, OutOfMemory):
        save()
        raise


def save(path: Path, key: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a checkpoint so that a reader sees the old one or the new one, never half of one.

    Raises:
        OutputNotWritable: the one before is kept.
    """
    with published(path) as file:
        np.savez(file, allow_pickle=False, **{"key": np.array(key), **arrays})


def load(path: Path, key: str) -> dict[str, np.ndarray] | None:
    """What was saved under the same key, or None when there is no file.

    Raises:
        InvalidInput: it is a folder.
        CheckpointMismatch: the file belongs to a run with other inputs.
        FileFormatError: the file is damaged.
    """
    if path.is_dir():
        raise _is_a_folder(path)
    if not path.exists():
        return None
    try:
        found = load_npz(path)
    except FileFormatError as error:
        raise FileFormatError(f"the checkpoint is damaged: {error}; delete it to start anew") from error
    written = str(found.pop("key", ""))
    if written != key:
        raise CheckpointMismatch(
            f"{path} belongs to another run: {differences(written, key)}. Give those again, name another checkpoint, or delete it to start anew"
        )
    return found
