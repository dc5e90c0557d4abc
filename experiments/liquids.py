"""Stages that many studies begin with: liquids in equilibrium, and where they settle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import glassgpu as gg
from glassgpu import structure
from glassgpu.study import Result


def equilibrated(checkpoint: Path, before: Result | None = None, **given: Any) -> dict[str, Any]:
    """``snapshots`` of a liquid, from random starts, or from those of a stage before."""
    start = None if before is None else list(before["snapshots"])
    return {"snapshots": gg.equilibrate(checkpoint=checkpoint, start=start, **given)}


def settled(liquids: Result, system: gg.System, backend: str, checkpoint: Path) -> dict[str, Any]:
    """``snapshots``: the inherent structure of each."""
    return {"snapshots": structure.inherent_structure(system, list(liquids["snapshots"]), backend=backend, checkpoint=checkpoint)}
