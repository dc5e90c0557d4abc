"""The only place where kernels meet a compiler.

``cubin`` compiles a kernel for a GPU through NVRTC (no GPU or driver is needed), ``library`` for
the host through a C++ compiler. Both read the same text under ``kernels/`` and share one cache,
keyed by that text, the constants, the flags, the compiler's version and the processor.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.resources
import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glassgpu.errors import CacheRefused, CompilationFailed, CompilerMissing, DeviceMissing, OutputNotWritable

Constants = Mapping[str, Any]  # numbers, and texts that initialise constant tables

# -ffast-math and -Ofast are banned: they blind checks for NaN and change the floating-point mode
# of the whole process. Fused multiply-adds are written out in the kernels, never contracted.
HOST_FLAGS = (
    "-O3",
    "-march=native",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-shared",
    "-fPIC",
    "-std=c++17",
    "-fvisibility=hidden",
    "-pthread",
)
# Builds that only compare: nobody waits for their results, but for their compilation, which takes a third of the time. That
# the bits are those of -O3 is what the tests of these builds show.
FASTER_TO_COMPILE = "-O1"
# Hardware gathers are slower than single loads on every processor with the mitigation of
# Downfall and on Zen; the first of these that the compiler knows is used.
NO_GATHER = (
    ("-mno-gather",),
    ("-mtune-ctrl=^use_gather_2parts,^use_gather_4parts,^use_gather",),
    ("-mtune-ctrl=^use_gather",),
)
DEVICE_FLAGS = ("-std=c++17", "--ptxas-options=-v", "-default-device", "--fmad=false")
COMPILER_HELP = (
    "run 'sudo apt install g++' (Debian, Ubuntu), "
    "'pip install glassgpu[compiler]' (no system package needed), or set GLASSGPU_CXX to the command of one"
)


@functools.cache
def sources() -> dict[str, str]:
    """The text of every file under ``kernels/``, by name."""
    folder = importlib.resources.files("glassgpu.kernels")
    return {f.name: f.read_text() for f in sorted(folder.iterdir(), key=lambda f: f.name) if f.name.endswith((".cu", ".cuh"))}


def cache_folder() -> Path:
    """``GLASSGPU_CACHE``, else ``glassgpu`` in the user's cache; created private.

    Raises:
        CacheRefused: the folder belongs to, or can be written by, somebody else.
    """
    named = os.environ.get("GLASSGPU_CACHE")
    root = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "glassgpu"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = root.stat()
    except OSError as error:
        raise CacheRefused(f"the kernel cache {root} cannot be made ({error}); set GLASSGPU_CACHE to a folder of yours") from error
    if state.st_uid != os.getuid() or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheRefused(
            f"the kernel cache {root} belongs to or can be written by others, who could make you run "
            f"their code; run 'chmod 700 {root}' or set GLASSGPU_CACHE to a folder of yours"
        )
    return root


def _defines(constants: Constants) -> list[str]:
    return [f"-DGG_{name}={value}" for name, value in sorted(constants.items())]


def _key(*parts: object) -> str:
    digest = hashlib.sha256()
    for name, text in sources().items():
        digest.update(f"{name}\0{text}\0".encode())
    digest.update(repr(parts).encode())
    return digest.hexdigest()[:32]


def source_key() -> str:
    """A hash of every kernel's text."""
    return _key()


@contextlib.contextmanager
def _published(target: Path) -> Iterator[Path]:
    """A name to write to, in a folder of its own, whose file takes its place in the cache when the block ends.

    Raises:
        OutputNotWritable: no permission, no space.
    """
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            written = Path(folder, target.name)
            yield written
            os.replace(written, target)
    except OSError as error:
        raise OutputNotWritable(
            f"the kernel cache {target.parent} could not be written ({error.strerror or error}); free space, or set GLASSGPU_CACHE to "
            "another folder of yours"
        ) from error


# ---------------------------------------------------------------- host


@functools.cache
def compiler() -> tuple[str, ...]:
    """The command of the host's C++ compiler: ``GLASSGPU_CXX``, g++, clang++, c++ or ziglang's.

    Raises:
        CompilerMissing: with the command that installs one.
    """
    named = os.environ.get("GLASSGPU_CXX")
    for candidate in [named] if named else ["g++", "clang++", "c++"]:
        words = candidate.split()
        if words and shutil.which(words[0]):
            return tuple(words)
    if not named and importlib.util.find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "c++")
    what = f"GLASSGPU_CXX={named!r} is not a command here; unset it" if named else "no C++ compiler was found"
    raise CompilerMissing(f"{what}; {COMPILER_HELP}")


@functools.cache
def compiler_version(command: tuple[str, ...]) -> str:
    """The first line of ``--version``."""
    return subprocess.run([*command, "--version"], capture_output=True, text=True).stdout.partition("\n")[0]


@functools.cache
def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(dict.fromkeys(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))))


@functools.cache
def _gather_flags(command: tuple[str, ...]) -> tuple[str, ...]:
    """The flags of ``NO_GATHER`` that this compiler takes, remembered in the cache."""
    note = cache_folder() / f"gather-{_key(command, compiler_version(command), processor())}"
    if note.exists():
        return tuple(note.read_text().split())
    chosen: tuple[str, ...] = ()
    for flags in NO_GATHER:
        words = [*command, "-march=native", "-Werror", *flags, "-x", "c++", "-fsyntax-only", "-"]
        if subprocess.run(words, input="int main() {}", text=True, capture_output=True).returncode == 0:
            chosen = flags
            break
    with _published(note) as written:
        written.write_text(" ".join(chosen))
    return chosen


def library(kernel: str, constants: Constants, include: Sequence[str] = ()) -> Path:
    """Compile ``kernels/<kernel>.cu`` for this host; returns the shared library.

    Args:
        kernel: name without ending, such as ``"run_md"``.
        constants: compile-time sizes, each defined as ``GG_<NAME>``.
        include: folders of headers that are not ours.

    Raises:
        CompilerMissing, CompilationFailed, CacheRefused, OutputNotWritable
    """
    command = compiler()
    flags = (*HOST_FLAGS, *_gather_flags(command), *_defines(constants), *(word for folder in include for word in ("-isystem", folder)))
    if constants.get("READER_SHUFFLED") or constants.get("STRICT"):
        flags = (*flags, FASTER_TO_COMPILE)
    target = cache_folder() / f"{kernel}-{_key(kernel, command, flags, compiler_version(command), processor())}.so"
    if target.exists():
        return target
    with _published(target) as output:
        for name, text in sources().items():
            (output.parent / name).write_text(text)
        words = [*command, *flags, "-x", "c++", f"{output.parent}/{kernel}.cu", "-o", str(output)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise CompilationFailed(f"{' '.join(command)} could not compile {kernel}.cu:\n{done.stderr[-4000:]}")
    return target


# ---------------------------------------------------------------- device


def nvrtc():
    """CuPy's binding of NVRTC.

    Raises:
        DeviceMissing: with the command that installs it.
    """
    try:
        from cupy.cuda import nvrtc as binding

        binding.getVersion()
    except Exception as error:  # an ImportError, or a missing shared library in any of its forms
        raise DeviceMissing(f"NVRTC is not available ({error}); run 'pip install glassgpu[cuda]'") from error
    return binding


def cubin(kernel: str, constants: Constants, arch: str) -> tuple[Path, str]:
    """Compile ``kernels/<kernel>.cu`` for a GPU architecture such as ``"sm_90"``.

    Returns:
        The cubin's path and the compiler's report (registers, spills).

    Raises:
        DeviceMissing, CompilationFailed, CacheRefused, OutputNotWritable
    """
    binding = nvrtc()
    flags = (*DEVICE_FLAGS, f"--gpu-architecture={arch}", *_defines(constants))
    target = cache_folder() / f"{kernel}-{_key(kernel, flags, binding.getVersion())}.cubin"
    report = target.with_suffix(".txt")
    if target.exists() and report.exists():
        return target, report.read_text()
    headers = {name: text for name, text in sources().items() if name.endswith(".cuh")}
    texts, names = [t.encode() for t in headers.values()], [n.encode() for n in headers]
    program = binding.createProgram(sources()[f"{kernel}.cu"], f"{kernel}.cu", texts, names)
    try:
        binding.compileProgram(program, flags)
    except binding.NVRTCError as error:
        log = binding.getProgramLog(program)
        raise CompilationFailed(f"NVRTC could not compile {kernel}.cu for {arch}:\n{log[-4000:]}") from error
    log = binding.getProgramLog(program)
    for path, data in ((report, log.encode()), (target, binding.getCUBIN(program))):
        with _published(path) as written:
            written.write_bytes(data)
    binding.destroyProgram(program)
    return target, log
