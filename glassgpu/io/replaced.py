"""Results appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from glassgpu.engines.checkpoint import writable
from glassgpu.errors import OutputNotWritable


@contextmanager
def replaced(path: str | os.PathLike, replaceable: Callable[[Path], bool]) -> Iterator[Path]:
    """A name to write a file or a folder to, which takes the place of ``path`` when the block
    ends without an error. Until then, and after an error, ``path`` is as it was.

    A killed process can leave a folder ``.glassgpu-*`` beside ``path``; when a folder is replaced
    and the kill falls between two renames, the old one lies in it.

    Args:
        path: a symbolic link is followed.
        replaceable: whether what stands at the path may be overwritten.

    Raises:
        OutputNotWritable: no permission, no space, or something there that is not replaceable.
    """
    target = Path(path).resolve()
    if target.exists() and not replaceable(target):
        raise OutputNotWritable(f"{target} exists and holds something else; choose another name, or remove it first")
    writable(target)
    try:
        with TemporaryDirectory(dir=target.parent, prefix=".glassgpu-") as folder:
            fresh, old = Path(folder, "new"), Path(folder, "old")
            yield fresh
            if not target.is_dir():
                os.replace(fresh, target)
                return
            os.rename(target, old)  # a folder that is not empty cannot be renamed over: it steps aside
            try:
                os.rename(fresh, target)
            except BaseException:
                os.rename(old, target)
                raise
    except OSError as error:
        raise OutputNotWritable(f"{target} could not be written ({error.strerror or error}); what was there before is unchanged") from error
