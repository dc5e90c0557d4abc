"""Kernels meet arrays here: argument structs, the CPU and CUDA targets, status bits.

The fields of every argument struct stand once, in the kernel sources; ``struct_dtype`` reads them
there, so that Python and C++ cannot disagree. Only this file and ``compile.py`` import cupy.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from glassgpu import compile as compiling
from glassgpu import validate
from glassgpu.errors import DeviceMissing, InvalidInput

# The bits of kernels/status.cuh that a caller has to tell apart.
LIST_OVERFLOW, RUNAWAY, OVERLAP, LABEL_RANGE = 1, 2, 4, 8

WARP = 32  # threads
_DECLARATION = re.compile(r"^\s*(?:const\s+)?(\w+)\s*(\*?)\s*([\w, ]+);", re.MULTILINE)


def _scalar(name: str, constants: compiling.Constants) -> np.dtype | None:
    double = bool(constants.get("DOUBLE"))
    on_gpu = "THREADS" in constants
    table = {
        "int32": "i4",
        "uint32": "u4",
        "int64": "i8",
        "uint64": "u8",
        "float": "f4",
        "double": "f8",
        "real": "f8" if double else "f4",
        "place_t": "f8" if double else "i8",
        "packed_t": "f8" if double else "i4",
        "index_t": "u2" if on_gpu and not constants.get("WIDE_INDEX") else "u4",
    }
    return np.dtype(table[name]) if name in table else None


@functools.cache
def struct_fields(name: str) -> list[tuple[str, str, bool]]:
    """The fields (name, type, is a pointer) of a struct declared in the kernel sources."""
    found = [re.search(rf"^struct {name} \{{\n(.*?)^\}};", text, re.DOTALL | re.MULTILINE) for text in compiling.sources().values()]
    (match,) = (m for m in found if m)
    return [(field.strip(), kind, bool(star)) for kind, star, fields in _DECLARATION.findall(match.group(1)) for field in fields.split(",")]


def struct_dtype(name: str, constants: compiling.Constants) -> np.dtype:
    """The aligned NumPy dtype of a struct declared in the kernel sources; pointers are ``u8``."""
    fields = [
        (field, np.dtype("u8") if pointer else _scalar(kind, constants) or struct_dtype(kind, constants))
        for field, kind, pointer in struct_fields(name)
    ]
    return np.dtype(fields, align=True)


def element_dtype(struct: str, field: str, constants: compiling.Constants) -> np.dtype:
    """The dtype of the array that a pointer field points to."""
    kind = next(kind for name, kind, pointer in struct_fields(struct) if name == field and pointer)
    return _scalar(kind, constants) or struct_dtype(kind, constants)


def fill(struct: str, constants: compiling.Constants, values: Mapping[str, Any]) -> np.ndarray:
    """An argument struct, shape (1,), from numbers, arrays (their addresses) and nested mappings.

    The caller keeps the arrays alive. ``None`` is a null pointer. A wrong name, dtype or layout is
    a mistake in this package and raises ``TypeError``.
    """
    out = np.zeros(1, struct_dtype(struct, constants))
    fields = struct_fields(struct)
    if {name for name, _, _ in fields} != set(values):
        raise TypeError(f"{struct} takes {sorted(n for n, _, _ in fields)}, got {sorted(values)}")
    for name, kind, pointer in fields:
        value = values[name]
        if not pointer and isinstance(value, Mapping):
            out[name] = fill(kind, constants, value)
        elif not pointer:
            out[name] = value
        elif value is not None:
            expected = element_dtype(struct, name, constants)
            if value.dtype != expected or not value.flags.c_contiguous:
                raise TypeError(f"{struct}.{name} wants contiguous {expected}, got {value.dtype}")
            out[name] = value.ctypes.data if isinstance(value, np.ndarray) else value.data.ptr
    return out


# ---------------------------------------------------------------- targets


def threads_available() -> int:
    """``GLASSGPU_THREADS``, else the number of processors this process may use."""
    named = os.environ.get("GLASSGPU_THREADS")
    if named:
        if not named.isdigit() or int(named) < 1:
            raise InvalidInput(f"GLASSGPU_THREADS={named!r}: give a whole number from 1 on")
        return int(named)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Cpu:
    """Runs kernels on host threads; arrays are NumPy's.

    ``shuffled`` visits each phase in random order (kernels/reader_shuffled.cuh), for tests.
    """

    name = "cpu"
    xp: Any = np
    about: Mapping[str, str] = MappingProxyType({})  # what else has to be known of it to repeat a run

    def __init__(self, threads: int | None = None, strict: bool = False, shuffled: bool = False):
        self.threads = threads or threads_available()
        self.constants = {"STRICT": int(strict), **({"READER_SHUFFLED": 1} if shuffled else {})}
        self.lists = "runs" if strict else "mixed"  # vectors of neighbours hold whole lists; strict sums go in the GPU's order

    def slots(self, replicas: int, kernel: str, constants: compiling.Constants, particles: int) -> int:
        """How many replicas are in work at once."""
        return min(self.threads, replicas)

    def multiprocessors(self) -> int:
        return self.threads

    def kind(self) -> dict[str, Any]:
        """What decides how numbers are rounded here, as JSON knows it; vectors are as long as those of the processor."""
        return {"name": self.name, "about": dict(self.about), "processor": hashlib.sha256(compiling.processor().encode()).hexdigest()[:12]}

    def rows_at_once(self, particles: int) -> int:
        """Replicas of one batch: few, so that a chunk of given time holds many steps of each, beside
        which its first list build is nothing."""
        return self.threads * max(1, 4000 // particles)

    def compile_constants(self, particles: int, constants: compiling.Constants) -> dict[str, Any]:
        """All compile-time constants of a kernel on this target."""
        return {**constants, **self.constants}

    def free(self) -> None:
        """Give memory back that is kept for later."""

    def run(self, kernel: str, struct: str, constants: compiling.Constants, arguments: np.ndarray, slots: int, particles: int) -> None:
        """Run a kernel to its end."""
        entry = _host_entry(kernel, tuple(sorted({**constants, "ARGUMENTS_SIZE": arguments.itemsize}.items())))
        entry(arguments.ctypes.data, slots)

    @staticmethod
    def to_numpy(array: Any) -> np.ndarray:
        return np.asarray(array)


@functools.cache
def _host_entry(kernel: str, constants: tuple[tuple[str, Any], ...]) -> Any:
    entry = getattr(ctypes.CDLL(str(compiling.library(kernel, dict(constants)))), f"{kernel}_entry")
    entry.argtypes = [ctypes.c_void_p, ctypes.c_int]
    entry.restype = None
    return entry


class Cuda:
    """Runs kernels on the current CUDA device; arrays are CuPy's. One block per replica."""

    name = "cuda"
    about: Mapping[str, str] = MappingProxyType({})

    def __init__(self, threads: int = 256, strict: bool = False):
        try:
            import cupy

            cupy.cuda.runtime.getDeviceCount()
        except Exception as error:
            raise DeviceMissing(f"no CUDA device ({error}); use backend='cpu', or see 'glassgpu doctor'") from error
        self.xp = cupy
        self.device = cupy.cuda.Device()
        self.threads = threads
        self.constants = {"STRICT": int(strict)}
        self.lists = "runs"

    def multiprocessors(self) -> int:
        return int(self.device.attributes["MultiProcessorCount"])

    def kind(self) -> dict[str, Any]:
        return {"name": self.name, "about": dict(self.about), "processor": f"sm_{self.device.compute_capability}"}

    def rows_at_once(self, particles: int) -> int:
        """Replicas of one batch: all that memory holds, which keeps every multiprocessor busy."""
        return 2**31

    def _shared_bytes(self, particles: int, constants: compiling.Constants) -> int:
        """Dynamic shared memory for the packed positions, 0 where they do not fit."""
        if constants.get("ALONE"):  # what reads no packed positions, and wants many blocks side by side
            return 0
        needed = particles * constants["DIMENSION"] * (8 if constants.get("DOUBLE") else 4)
        spare = 4096  # the static arrays of block_sum and block_scan
        return needed if needed + spare <= int(self.device.attributes["MaxSharedMemoryPerBlockOptin"]) else 0

    def compile_constants(self, particles: int, constants: compiling.Constants) -> dict[str, Any]:
        return {
            **constants,
            **self.constants,
            "THREADS": WARP if constants.get("LISTS") or constants.get("ONE_WARP") else self.threads,  # kernels that call team_sum
            "WIDE_INDEX": int(particles > 65535),
            "SHARED_POSITIONS": int(self._shared_bytes(particles, constants) > 0),
        }

    def _function(self, kernel: str, struct: str, constants: compiling.Constants, particles: int) -> tuple[Any, int]:
        size = struct_dtype(struct, constants).itemsize
        shared = self._shared_bytes(particles, constants)
        arch = f"sm_{self.device.compute_capability}"
        function = _device_entry(self.device.id, kernel, tuple(sorted({**constants, "ARGUMENTS_SIZE": size}.items())), arch)
        if shared:
            function.max_dynamic_shared_size_bytes = shared
        return function, shared

    def slots(self, replicas: int, kernel: str, constants: compiling.Constants, particles: int) -> int:
        resident_by_memory = max(1, 232448 // (self._shared_bytes(particles, constants) + 4096))
        resident = min(resident_by_memory, 2048 // constants["THREADS"], 32)
        return min(replicas, resident * self.multiprocessors())

    def free(self) -> None:
        self.xp.get_default_memory_pool().free_all_blocks()

    def run(self, kernel: str, struct: str, constants: compiling.Constants, arguments: np.ndarray, slots: int, particles: int) -> None:
        function, shared = self._function(kernel, struct, constants, particles)
        function((slots,), (constants["THREADS"],), (arguments,), shared_mem=shared)
        self.xp.cuda.get_current_stream().synchronize()

    def to_numpy(self, array: Any) -> np.ndarray:
        return self.xp.asnumpy(array)


@functools.cache
def _device_entry(device: int, kernel: str, constants: tuple[tuple[str, Any], ...], arch: str) -> Any:
    import cupy

    path, _ = compiling.cubin(kernel, dict(constants), arch)
    return cupy.RawModule(path=str(path)).get_function(f"{kernel}_entry")


def target(backend: str = "auto", threads: int | None = None, strict: bool = False) -> Cpu | Cuda:
    """The place where kernels run.

    Args:
        backend: ``"cuda"``, ``"cpu"``, or ``"auto"``: CUDA where a device is, else the CPU.
        threads: CPU worker threads, at least 1; the processor affinity by default.
        strict: no fused multiply-add and no vector sums, so that CPU and GPU round alike.

    Raises:
        InvalidInput: another name, or threads that cannot be counted.
        DeviceMissing: ``"cuda"`` without a device.
    """
    if backend == "hoomd":
        raise InvalidInput(
            "backend='hoomd': HOOMD-blue runs simulate.md, equilibrate and isoconfigurational with dynamics='md', simulate.quench and energy "
            "here, and nothing else; choose 'auto', 'cuda' or 'cpu'"
        )
    if backend not in ("auto", "cpu", "cuda"):
        raise InvalidInput(f"backend={backend!r}: choose 'auto', 'cuda' or 'cpu'")
    if threads is not None:
        validate.whole("threads", threads, least=1)
    if backend != "cpu":
        try:
            return Cuda(strict=strict)
        except DeviceMissing:
            if backend == "cuda":
                raise
    return Cpu(threads, strict)
