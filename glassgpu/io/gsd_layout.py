"""Where things lie in a GSD file, checked before the library opens it (gsd documentation, "File layer", versions 1 and 2).

The library adds and multiplies what the file says in 64 bits that wrap around, so that a head that claims 2^64 entries
passes its checks, and the process ends in a segmentation fault.
"""

from __future__ import annotations

import os
import struct

import numpy as np

from glassgpu.errors import FileFormatError

MAGIC = bytes.fromhex("df65df65df65df65")  # 0x65DF65DF65DF65DF, little endian
HEAD = struct.Struct("<8sQQQQII64s64s80s")  # magic, index: place and entries, names: place and entries, versions, application, schema
NAME = 64  # bytes of an entry of the list of names
ENTRY = np.dtype([("frame", "<u8"), ("n", "<u8"), ("location", "<i8"), ("m", "<u4"), ("id", "<u2"), ("type", "u1"), ("flags", "u1")])
SIZES = np.array([0, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 1])  # bytes of a number of each type: (u)int 8 to 64, float, double, character


def check_layout(path: str | os.PathLike) -> None:
    """That a file's index, names and chunks lie in it.

    Raises:
        FileFormatError: truncated, damaged, no GSD file.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(HEAD.size)
        if len(start) < HEAD.size or not start.startswith(MAGIC):
            raise FileFormatError("it is no GSD file, or truncated; glassgpu.io.read finds out what a file is")
        _, index, entries, names, named, *_ = HEAD.unpack(start)
        for what, place, count, each in (("index", index, entries, ENTRY.itemsize), ("list of names", names, named, NAME)):
            if place < HEAD.size or not count or place + count * each > size:
                raise FileFormatError(
                    f"its {what} of {count} entries at byte {place} does not lie in its {size} bytes; it is damaged or truncated"
                )
        file.seek(index)
        found = np.frombuffer(file.read(entries * ENTRY.itemsize), ENTRY)
    used = found["location"] != 0
    count = int(used.sum())
    if used[count:].any() or (found["location"][:count] < HEAD.size).any():
        raise FileFormatError("its index has gaps, or chunks before the start; it is damaged")
    chunks = found[:count]
    if (
        (chunks["type"] >= len(SIZES)).any()
        or (SIZES[chunks["type"]] == 0).any()
        or (chunks["m"] == 0).any()
        or (chunks["location"] > size).any()
    ):
        raise FileFormatError("its index names chunks of no known type, of no columns or beyond its end; it is damaged")
    row = chunks["m"].astype(np.uint64) * SIZES[chunks["type"]].astype(np.uint64)
    if (chunks["n"] > (size - chunks["location"]).astype(np.uint64) // row).any():
        raise FileFormatError(f"its index names chunks that do not lie in its {size} bytes; it is damaged or truncated")
