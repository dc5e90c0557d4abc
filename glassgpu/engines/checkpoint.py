"""Checkpoints of a run: written to a temporary name and renamed, tied to the run's inputs."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu.errors import CheckpointMismatch, FileFormatError, OutputNotWritable


def fingerprint(**inputs: Any) -> str:
    """A hash of arrays, numbers and texts that fix a run's numbers."""
    digest = hashlib.sha256()
    for name, value in sorted(inputs.items()):
        digest.update(name.encode())
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


def writable(path: Path) -> Path:
    """The path, once its folder exists and can be written.

    Raises:
        OutputNotWritable
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.{os.getpid()}.probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputNotWritable(
            f"{path.parent} cannot be written ({error.strerror}); choose another folder or change its permissions"
        ) from error
    return path


def save(path: Path, key: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a checkpoint so that a reader sees the old one or the new one, never half of one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            np.savez(file, allow_pickle=False, **{"key": np.array(key), **arrays})
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputNotWritable(f"the checkpoint {path} could not be written ({error.strerror})") from error


def load(path: Path, key: str) -> dict[str, np.ndarray] | None:
    """What was saved under the same key, or None when there is no file.

    Raises:
        CheckpointMismatch: the file belongs to a run with other inputs.
        FileFormatError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"the checkpoint {path} is damaged ({error}); delete it to start anew") from error
    if str(found.pop("key", "")) != key:
        raise CheckpointMismatch(f"{path} belongs to a run with other parameters; name another checkpoint or delete it to start anew")
    return found
