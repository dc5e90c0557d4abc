"""Pieces of a long stage, each kept as soon as it is done: what an engine's checkpoint is to a run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from glassgpu import __version__
from glassgpu.compile import source_key
from glassgpu.locks import FOLDER, unwritable
from glassgpu.study.store import read_record, read_values, write_result

FIELDS = {"name": str, "code": str, "values": dict}


class Pieces:
    """Keeps what the pieces of a stage return, beside its checkpoint, until the stage is stored::

        def fitted(x, y, checkpoint):
            piece = Pieces(checkpoint)
            return {"weights": [piece(f"fold {k}", lambda k=k: {"weights": fit(x[k], y[k])})["weights"] for k in range(len(x))]}

    A stage that goes on finds the pieces that were done. Those of other kernels or another version are made anew.

    Args:
        checkpoint: the path that a study hands to the stage; None keeps nothing.
    """

    def __init__(self, checkpoint: Path | None):
        self.folder = checkpoint.with_name("pieces") if checkpoint else None

    def __call__(self, name: str, function: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """The values of ``function()``: read if they were computed before, else computed and kept.

        Args:
            name: of the piece, another for each of a stage.
            function: returns what a stage may return.

        Raises:
            InvalidInput: what it returns cannot be stored.
            FileFormatError: a piece is damaged; the message says what to delete.
            OutputNotWritable
        """
        if self.folder is None:
            return function()
        place = self.folder / re.sub(r"[^A-Za-z0-9_.+=-]", "-", name)
        code = f"{__version__} {source_key()}"
        if place.exists() and (record := read_record(place, FIELDS))["code"] == code and record["name"] == name:
            return read_values(place, record)
        values = dict(function())
        try:
            self.folder.mkdir(exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            with TemporaryDirectory(dir=self.folder, prefix=FOLDER) as folder:
                fresh = Path(folder, "new")
                fresh.mkdir()
                write_result(fresh, {"name": name, "code": code}, values)
                os.rename(fresh, place)
        except OSError as error:
            raise unwritable(place, error) from error
        return read_values(place, read_record(place, FIELDS))
