"""A study: stages that are run once, stored under a key of all that fixes them, and continued.

Nothing half-written is ever seen: a result is written into the stage's working folder and appears
under ``stages/`` by one rename. So a study may be killed at any moment.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from glassgpu import validate
from glassgpu.engines.checkpoint import writable
from glassgpu.errors import CheckpointMismatch, InvalidInput, StudyBusy
from glassgpu.locks import locked, published, remove_leftovers, unwritable
from glassgpu.study.keys import describe, stage_key
from glassgpu.study.provenance import command, now, of_a_run, of_a_study, recorded
from glassgpu.study.result import Result
from glassgpu.study.store import FILES, write_result

STUDY, STAGES, WORK, LOCK, CHECKPOINT = "study.json", "stages", "work", ".lock", "checkpoint.npz"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}")


class Study:
    """A folder in which stages are run, kept, and found again.

    ::

        study = Study("out/liquids", options, stages=("liquids", "ensemble"))
        liquids = study.stage("liquids", equilibrated, system=system, temperature=0.6, seed=1)
        ensemble = study.stage("ensemble", released, liquids=liquids, replicas=32, seed=2)

    The same program continues a study that was stopped, killed or extended: what exists is
    loaded, and a long stage goes on from its checkpoint. Nothing old is deleted when parameters
    change; results of other parameters stay beside the new ones.

    Args:
        folder: of the study, created if it does not exist.
        options: what the user asked for, for the record (a dataclass or a mapping).
        stages: names of the stages to come, so that ``glassgpu status`` can tell what is missing.

    Raises:
        OutputNotWritable: at once, before anything is computed.
        InvalidInput: a name that cannot be that of a stage.

    Example:
        >>> from glassgpu.study import Study
        >>> study = Study("squares", stages=("squared",))
        >>> result = study.stage("squared", lambda x: {"y": x**2}, x=np.arange(4))  # doctest: +ELLIPSIS
        squared: ran in ... s
        >>> result["y"].tolist()
        [0, 1, 4, 9]
    """

    def __init__(self, folder: str | Path, options: Any = None, stages: Sequence[str] = ()):
        self.folder = Path(folder)
        self.options = recorded(options)
        self._used: dict[str, Result] = {}
        for name in stages:
            _check_name(name)
        writable(self.folder / STUDY)
        try:
            with self._alone():
                remove_leftovers(self.folder)
                plan = {"stages": list(stages), "options": self.options, "command": command(), "started": now()}
                with published(self.folder / STUDY) as file:
                    file.write(json.dumps(plan, indent=1).encode())
        except StudyBusy:
            pass  # another process is at work here: what is done can still be read
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def stage(self, name: str, function: Callable[..., Mapping[str, Any]], /, *, version: int = 1, **inputs: Any) -> Result:
        """The result of ``function(**inputs)``: loaded if it was computed before, else computed and stored.

        The key under which it is stored hashes ``name``, ``version`` and every input, by content;
        results of other stages by their keys. The function itself is not hashed: raise ``version``
        when its numbers change. What does not change its numbers (threads, progress) belongs
        inside it, or is bound with ``functools.partial``. A function with a parameter
        ``checkpoint`` is handed a path for the engine's ``checkpoint=``; one with a parameter
        ``folder`` a folder for what is too large for memory, which is kept with the result
        (``Result.folder``) and found again by the function after an interruption.

        Args:
            name: letters, digits and ``_ . + -``; give each set of inputs its own name.
            function: returns a mapping of names to NumPy arrays, numbers, strings, None, lists
                and mappings of these, xarray data, Snapshot and Ensemble.
            version: of the function's meaning.
            inputs: its parameters: numbers, strings, arrays, files as ``Path``, dataclasses,
                descriptors, models, results of stages, and lists and mappings of these.

        Returns:
            Result, as read from disk, whether it was computed now or before: a continued study
            sees what an undisturbed one sees.

        Raises:
            InvalidInput: an input whose content cannot be told, or a result that cannot be stored.
            FileFormatError: a stored result is damaged; the message says what to delete.
            StudyBusy: another process runs a stage of this study.
            OutputNotWritable: the result could not be written.
        """
        _check_name(name)
        validate.whole("version", version, least=0)
        for handed in {"checkpoint", "folder"} & set(inputs):
            raise InvalidInput(f"stage {name!r}: {handed} is not an input; the study hands its own path to a function that takes one")
        described = {k: describe(v, f"stage {name!r}, input {k}") for k, v in inputs.items()}
        key = stage_key(name, version, described)
        place = self.folder / STAGES / f"{name}-{key[:16]}"
        work = self.folder / WORK / place.name
        known = place.exists()
        if not known:
            with self._alone():
                if not place.exists():  # another process may just have stored it
                    record = {"name": name, "key": key, "version": version, "parameters": described}
                    self._run(place, work, record, function, inputs)
        if work.exists():
            shutil.rmtree(work, ignore_errors=True)
        result = Result(place, key)
        seconds, made = result.record["seconds"], result.record["provenance"].get("date")
        print(f"{name}: done before ({made}, in {seconds:.3g} s)" if known else f"{name}: ran in {seconds:.3g} s", flush=True)
        self._used[name] = result
        return result

    def _run(
        self, place: Path, work: Path, record: dict[str, Any], function: Callable[..., Mapping[str, Any]], inputs: dict[str, Any]
    ) -> None:
        checkpoint, fresh, files = work / CHECKPOINT, work / "result", work / FILES
        try:
            work.mkdir(parents=True, exist_ok=True)
            place.parent.mkdir(exist_ok=True)
            if (fresh / FILES).exists():  # killed just before the result was published
                os.rename(fresh / FILES, files)
            shutil.rmtree(fresh, ignore_errors=True)
            remove_leftovers(work, ours=True)
            continued = any(work.iterdir())
            takes = inspect.signature(function).parameters
            if "checkpoint" in takes:
                inputs = {**inputs, "checkpoint": checkpoint}
            if "folder" in takes:
                files.mkdir(exist_ok=True)
                inputs = {**inputs, "folder": files}
        except OSError as error:
            raise unwritable(work, error) from error
        started = time.monotonic()
        try:
            values = function(**inputs)
        except CheckpointMismatch:
            if not continued:
                raise
            shutil.rmtree(work)  # the inputs are the same: the kernels have changed since it was written
            work.mkdir()
            if "folder" in takes:
                files.mkdir()
            continued = False
            values = function(**inputs)
        if not isinstance(values, Mapping):
            raise InvalidInput(f"stage {record['name']!r} returned {type(values).__name__}; return a mapping of names to values")
        record = {**record, "seconds": time.monotonic() - started, "continued": continued, "provenance": of_a_run(record["parameters"])}
        try:
            fresh.mkdir()
            write_result(fresh, record, dict(values))
            if files.exists():
                os.rename(files, fresh / FILES)
            os.rename(fresh, place)
        except OSError as error:
            raise unwritable(place, error) from error

    def _alone(self) -> AbstractContextManager[None]:
        """Hold the study's lock. The system gives it back however the process ends."""
        busy = StudyBusy(f"another process, or a stage around this one, is at work in {self.folder}; wait for it or choose another folder")
        return locked(self.folder / LOCK, busy)

    def provenance(self) -> dict[str, Any]:
        """What a report's foot says of the stages used so far: what was asked for, versions, hash of
        the kernels, hardware, precision, files read and the start of their SHA-256, seconds."""
        return {"options": self.options, **of_a_study([result.record for result in self._used.values()])}


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidInput(f"stage name {name!r}: use letters, digits and _ . + - (at most 80, a letter or digit first)")
