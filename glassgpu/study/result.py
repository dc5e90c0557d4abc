"""What a stage returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from glassgpu.errors import InvalidInput
from glassgpu.study.store import FILES, damaged, read_record, read_values


class Result(Mapping[str, Any]):
    """What a stage returned, read from disk when it is first looked at.

    Handed to a later stage, it enters that stage's key by its own key; its content is not hashed.

    Attributes:
        name, key: of the stage.
        record: what is known of the run: version, parameters, seconds, provenance.
        folder: of the files that the stage wrote itself; they carry their own checksums.
    """

    def __init__(self, folder: Path, key: str):
        self.record = read_record(folder)
        if self.record["key"] != key:
            raise damaged(folder, ValueError(f"it holds the key {self.record['key']}, not {key}"))
        self.name: str = self.record["name"]
        self.key = key
        self._folder = folder
        self.folder = folder / FILES
        self._values: dict[str, Any] | None = None

    def _read(self) -> dict[str, Any]:
        if self._values is None:
            self._values = read_values(self._folder, self.record)
        return self._values

    def __getitem__(self, name: str) -> Any:
        values = self._read()
        if name not in values:
            raise InvalidInput(f"stage {self.name!r} returned {', '.join(values)}, not {name!r}")
        return values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of that name, or ``default``."""
        return self[name] if name in self._read() else default

    def __contains__(self, name: object) -> bool:
        return name in self._read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())
