"""Every error that glassgpu raises on purpose, and the warning it gives. Each message says what was given, what is allowed
and what to do."""

import os
import sys
import warnings
from pathlib import Path


class GlassGPUError(Exception):
    """Base of all errors of this package."""


class InvalidInput(GlassGPUError, ValueError):
    """A parameter or an array is not what the function takes."""


class BoxTooSmall(InvalidInput):
    """The periodic box is shorter than twice the reach of what is computed in it."""


class UnknownSpecies(InvalidInput):
    """A particle's type is not one of the system's species."""


class ParticlesOverlap(InvalidInput):
    """Two particles of a configuration are so close that no dynamics can start from it."""


class SuspiciousInput(UserWarning):
    """Nothing forbids these numbers, but they look like a mistake, such as other units."""


class LeakySplit(InvalidInput):
    """There are not enough configurations for the split asked for."""


class FileFormatError(GlassGPUError):
    """A file is truncated, of another format, or holds impossible values."""


class ForbiddenPickle(FileFormatError):
    """A pickle asks for something other than NumPy arrays; it was not loaded."""


class OutputNotWritable(GlassGPUError):
    """The place for results cannot be written."""


class CompilerMissing(GlassGPUError):
    """No C++ compiler was found."""


class CompilationFailed(GlassGPUError):
    """A compiler refused a kernel; the message holds its output."""


class CacheRefused(GlassGPUError):
    """The cache of compiled kernels belongs to, or can be written by, somebody else."""


class WorkerLost(GlassGPUError):
    """A process or job that a task was given to died."""


class OutOfMemory(GlassGPUError, MemoryError):
    """Not even the smallest piece of the work fits into memory."""


class SmallerBatch(UserWarning):
    """Memory did not suffice, and the work goes on in smaller pieces; results are the same."""


class DeviceMissing(GlassGPUError):
    """The backend asked for is not available here."""


class PackageMissing(GlassGPUError, ImportError):
    """A package that only this function needs is not installed; the message says how to install it."""


class SimulationFailed(GlassGPUError):
    """A run stopped because its numbers ceased to make sense (runaway, overlap, NaN)."""


class NotConverged(GlassGPUError):
    """A quench, a fit or an equilibration did not reach what was asked within its limit."""


class CheckpointMismatch(GlassGPUError):
    """A checkpoint belongs to a run with other parameters."""


class OutputBusy(GlassGPUError):
    """Another process is writing to the same checkpoint or store."""


class StudyBusy(OutputBusy):
    """Another process is running a stage of the same study."""


class Interrupted(GlassGPUError, KeyboardInterrupt):
    """A run was stopped by the user; the message says how to continue it."""


def warn_user(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's own that called into this package, however deep inside it we are."""
    depth, package = 1, f"{Path(__file__).parent}{os.sep}"
    while (frame := sys._getframe(depth)).f_code.co_filename.startswith(package) and frame.f_back:
        depth += 1
    warnings.warn(text, category, stacklevel=depth + 1)
