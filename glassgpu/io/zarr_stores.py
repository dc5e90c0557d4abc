"""Zarr stores that nobody vouches for: opened, and their sizes compared with what lies on disk, before anything is read."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from glassgpu.errors import FileFormatError, ForbiddenPickle, GlassGPUError

SMALL = 2**26  # bytes that an array may always claim: chunks of fill values need not be stored
TIGHTEST = 32768  # no codec of Zarr packs tighter: a block of zstd of 128 KiB in 4 bytes
CHUNKS = 10_000  # that an array may always have,
CHUNKS_PER_FILE = 4096  # and for each file: parts of a shard
DEEPEST = 50  # of lists and objects in metadata
FORMAT_2_CODECS = {
    "adler32", "astype", "bitround", "blosc", "bz2", "categorize", "crc32", "crc32c", "delta", "fixedscaleoffset", "fletcher32", "gzip",
    "jenkins_lookup3", "lz4", "lzma", "packbits", "quantize", "shuffle", "vlen-bytes", "vlen-utf8", "zlib", "zstd",
}  # fmt: skip


def open_store(path: str | os.PathLike, whole: Collection[str] | None = None) -> Any:
    """A store's group, to be read.

    Args:
        path: of the store.
        whole: which arrays at its top will be read as a whole, and so may claim no more memory, in whole or in one chunk, than the files
            can hold; None: all of them.

    Raises:
        FileFormatError: missing, no Zarr store, damaged; the message does not name the path.
        ForbiddenPickle: a store of format 2 asks for pickled objects.
    """
    import zarr

    place = Path(path)
    try:
        _check_metadata(place)
        files = [file.stat().st_size for file in place.rglob("*") if file.is_file()]
        group: Any = zarr.open_group(os.fspath(path), mode="r")
        for child in sorted(
            place.iterdir()
        ):  # one after another: zarr itself opens all at once, and tells of the others' errors on the terminal
            if (child / "zarr.json").exists() or (child / ".zarray").exists():
                node = group[child.name]
                if isinstance(node, zarr.Array) and (whole is None or child.name in whole):
                    _check_size(child.name, node, len(files), sum(files))
    except GlassGPUError:
        raise
    except FileNotFoundError as error:
        raise FileFormatError("it is not there, or is no Zarr store; check the path") from error
    except Exception as error:  # damaged metadata can raise nearly anything
        raise damaged(error) from error
    return group


def damaged(error: Exception) -> FileFormatError:
    """The error for whatever Zarr says of a store."""
    return FileFormatError(f"it is damaged or no Zarr store ({type(error).__name__}: {str(error)[:500]}); fetch or write it again")


def _check_metadata(path: Path) -> None:
    """Format 2 knows a codec that runs what it reads, and codecs of others; format 3 has none here."""
    for file in [*path.glob("zarr.json"), *path.glob("*/zarr.json"), *path.glob(".z*"), *path.glob("*/.z*")]:
        metadata = json.loads(file.read_text())
        if _depth(metadata) > DEEPEST:
            raise FileFormatError(f"{file.relative_to(path)} is nested too deep; it is damaged")
        if file.name == ".zarray":
            codecs = [metadata.get("compressor"), *(metadata.get("filters") or [])]
            names = [codec["id"] for codec in codecs if codec is not None]
            if "pickle" in names:
                raise ForbiddenPickle(f"the variable {file.parent.name!r} is stored as a pickle; only numbers and strings are read")
            if not set(names) <= FORMAT_2_CODECS:
                raise FileFormatError(
                    f"the variable {file.parent.name!r} is packed by {names}; known are {', '.join(sorted(FORMAT_2_CODECS))}"
                )


def _depth(tree: Any) -> int:
    """Lists and objects in one another, found without recursion."""
    level, depth = [tree], 0
    while level:
        level = [item for part in level if isinstance(part, (dict, list)) for item in (part.values() if isinstance(part, dict) else part)]
        depth += 1
    return depth


def _check_size(name: str, array: Any, files: int, on_disk: int) -> None:
    """Of an array, and of the chunks it is read by."""
    most = SMALL + TIGHTEST * on_disk
    each = max(int(array.dtype.itemsize), 1)
    for what, shape in (("", array.shape), ("chunks of ", array.shards or array.chunks)):
        if math.prod(map(int, shape)) * each > most:
            raise FileFormatError(
                f"the variable {name!r} claims {what}{tuple(shape)} of {array.dtype}, more than {on_disk} bytes on disk can hold"
            )
    chunks = math.prod(-(-int(extent) // max(1, int(part))) for extent, part in zip(array.shape, array.chunks, strict=True))
    if chunks > CHUNKS + CHUNKS_PER_FILE * files:
        raise FileFormatError(f"the variable {name!r} claims {chunks} chunks in {files} files; it is damaged")
