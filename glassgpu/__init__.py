"""glassgpu: simulate glass-forming liquids in many replicas, label what moves, describe what
stands around each particle, and learn one from the other.

Importing this package is fast and touches no device: everything is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from glassgpu.names import missing

__version__ = "0.1.0"

_MODULES = (
    "descriptors",
    "dynamics",
    "errors",
    "evaluate",
    "executors",
    "io",
    "landscape",
    "models",
    "protocols",
    "report",
    "selection",
    "simulate",
    "structure",
    "systems",
)
_NAMES = {
    "Ensemble": "glassgpu.types",
    "Snapshot": "glassgpu.types",
    "Study": "glassgpu.study",
    "System": "glassgpu.systems",
    "devices": "glassgpu.device",
    "energy": "glassgpu.engines.energy",
    "equilibrate": "glassgpu.engines.equilibrate",
    "isoconfigurational": "glassgpu.engines.isoconfigurational",
}

__all__ = [*_MODULES, *_NAMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"glassgpu.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    raise missing(__name__, name, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)
