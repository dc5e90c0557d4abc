"""Where a result comes from: versions, command, hardware, inputs."""

from __future__ import annotations

import dataclasses
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu import __version__
from glassgpu.compile import source_key
from glassgpu.device import kernel_devices
from glassgpu.errors import InvalidInput


def command() -> str:
    """The words this process was started with, its program without a folder."""
    return " ".join(Path(a).name if k == 0 else a for k, a in enumerate(sys.argv))


def now() -> str:
    """Local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def recorded(options: Any) -> dict[str, Any]:
    """Options (a dataclass, a mapping or None) as numbers and texts.

    Raises:
        InvalidInput: something else.
    """
    if dataclasses.is_dataclass(options) and not isinstance(options, type):
        options = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    if not isinstance(options, Mapping | None):
        raise InvalidInput(f"options is a {type(options).__name__}; give a dataclass or a mapping")
    return {str(k): v if isinstance(v, (bool, int, float, str, type(None))) else str(v) for k, v in (options or {}).items()}


def of_a_run(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Of a stage that has just run. Its seeds, parameters and the hashes of its inputs stand beside
    this in the record; the precision is what the stage takes as ``precision``."""
    # Without cupy in use no kernel ran on a GPU, and importing it only to ask would take a second.
    devices = [d for d in kernel_devices() if d.startswith("cuda")] if "cupy" in sys.modules else []
    return {
        "glassgpu": __version__,
        "kernels": source_key(),
        "command": command(),
        "date": now(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": "; ".join([f"{platform.machine()}, {platform.system()}", _processor(), *devices]),
        "precision": parameters.get("precision", "not stated"),
    }


def of_a_study(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the records of several stages have in common, or each of the different values; files
    that were read with the start of their SHA-256; seconds by stage."""

    def every(name: str) -> str:
        return " | ".join(sorted({str(r["provenance"].get(name)) for r in records}))

    files = {name: digest[:16] for r in records for name, digest in _files(r["parameters"])}
    stated = [r for r in records if r["provenance"].get("precision") != "not stated"]
    return {
        "stages made by glassgpu": every("glassgpu"),
        **{name: every(name) for name in ("kernels", "python", "numpy", "machine")},
        **({"precision": {r["name"]: r["provenance"]["precision"] for r in stated}} if stated else {}),
        **({"files": files} if files else {}),
        "seconds": {r["name"]: round(r["seconds"], 2) for r in records},
    }


def _files(described: Any) -> Iterator[tuple[str, str]]:
    """Names and hashes of the files in described inputs."""
    if isinstance(described, list):
        for value in described:
            yield from _files(value)
    elif isinstance(described, dict):
        for kind, value in described.items():
            if kind == "file sha256":
                yield value[0], value[1]
            else:
                yield from _files(value)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
