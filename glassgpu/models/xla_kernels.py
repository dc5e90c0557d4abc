"""Kernels of ours as operations of XLA on the CPU."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

WIDE = 16  # numbers in a row of kernels/tiles.cuh: wider layers are left to JAX


@functools.cache
def register(kernel: str, *names: str) -> None:
    """Compile kernels/<kernel>.cu and make its operations known to JAX, as ``glassgpu_<name>``.

    Raises:
        CompilerMissing, CompilationFailed, CacheRefused
    """
    import jax
    import jaxlib

    from glassgpu.compile import library

    constants = {
        "DOUBLE": 0,
        "STRICT": 0,
        "LISTS": 0,
        "LONG_VECTORS": 1,
        "JAXLIB": jaxlib.__version__.replace(".", "_"),
    }  # whose headers are read
    found = ctypes.CDLL(str(library(kernel, constants, include=(jax.ffi.include_dir(),))))
    for name in names:
        jax.ffi.register_ffi_target(f"glassgpu_{name}", jax.ffi.pycapsule(getattr(found, name)), platform="cpu")


def on_cpu() -> bool:
    """Whether JAX computes on a CPU unless told otherwise."""
    import jax

    return jax.default_backend() == "cpu"


def call(name: str, shapes: list[tuple[int, ...]], *arrays: Any, vmap_method: str | None = None, **sizes: Any) -> Any:
    """An operation's results, float32 arrays of these shapes."""
    import jax
    import jax.numpy as jnp

    results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.ffi.ffi_call(f"glassgpu_{name}", results, vmap_method=vmap_method)(*arrays, **sizes)
