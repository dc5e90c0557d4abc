"""JAX and the devices: settings made before its first import, and float64 as a function.

The library never changes global JAX settings of the user's process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

# CuPy and JAX share the GPU: JAX must not take most of its memory at once.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def in_double(function: Callable[..., Any], *arrays: Any, **static: Any) -> Any:
    """Call a jitted function with float64 enabled: NumPy in, NumPy out.

    Nothing leaves as a JAX array, which would be truncated silently outside.
    """
    import jax

    with jax.enable_x64(True):
        out = function(*(np.asarray(a) for a in arrays), **static)
        return jax.tree.map(np.asarray, out)


def jax_on_gpu() -> bool:
    """Whether JAX computes on a GPU unless told otherwise."""
    import jax

    return jax.default_backend() == "gpu"


def devices() -> dict[str, list[str]]:
    """What kernels and JAX can run on: ``{"kernels": [...], "jax": [...]}``."""
    import jax

    return {"kernels": kernel_devices(), "jax": [str(d) for d in jax.devices()]}


def kernel_devices() -> list[str]:
    """What kernels can run on, the GPU first; JAX is not touched."""
    from glassgpu.errors import DeviceMissing
    from glassgpu.launch import Cpu, Cuda

    kernels = [f"cpu ({Cpu().threads} threads)"]
    try:
        gpu = Cuda()
        name = gpu.xp.cuda.runtime.getDeviceProperties(gpu.device.id)["name"].decode()
        kernels.insert(0, f"cuda ({name}, {gpu.multiprocessors()} multiprocessors)")
    except DeviceMissing:
        pass
    return kernels
