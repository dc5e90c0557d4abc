"""Damage to files, by chance and by somebody who knows the format. The same random numbers make the same damage.

A file, or a folder of files, is a dict of names and bytes. What needs to stay sound for the damage to be met behind it is
made sound again: checksums of zip files, of stages of a study, lengths of headers.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import random as chance
import re
import struct
import zipfile

EXTREMES = [
    0,
    1,
    -1,
    2,
    127,
    128,
    255,
    256,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    -(2**31),
    2**32 - 1,
    2**40,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
]
WORDS = [
    b"nan", b"inf", b"-inf", b"1e400", b"-1", b"0", b"1.5", b"1e9", b"1099511627776", b"9" * 400, b"9" * 5000, b"", b" ", b"\n", b"\0", b"\xff\xfe", b"\xe2\x80\xa8",
    b"ITEM: ATOMS", b"ITEM: BOX BOUNDS xy xz yz pp pp pp", b"Lattice=\"", b"Properties=species:S:1:pos:R:3000000000", b"[" * 3000, b"{" * 3000, b"true", b"null", b"'", b'"',
]  # fmt: skip
DTYPES = [
    "|O",
    "|O8",
    "<f8",
    ">f8",
    "<f4",
    "<i8",
    "<u8",
    "|b1",
    "<U5",
    "<U0",
    "|S0",
    "|V8",
    "<c16",
    "<M8[ns]",
    "<m8",
    "<f16",
    "<e",
    "x",
    "",
    "(3,)<f8",
    "<f8,<i4",
]
HEADERS = [
    "((" * 90 + "))" * 90,
    "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (3,), }",
    "__import__('os').system('true')",
    "{",
    "1",
    "'" * 99,
]
LEAVES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**40,
    2**63,
    -(2**63),
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "NaN",
    "../..",
    [],
    {},
    [[]],
    [1, 2],
    {"a": 1},
    "9" * 300,
]
EXPLOITS = [
    b"cos\nsystem\n(S'touch MARKER'\ntR.", b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    b"(S'true'\nios\nsystem\n.", b"\x80\x02(cos\nsystem\nS'true'\no.", b"\x82\x01.", b"Pid\n.", b"]Q.", b"\x80\x05\x97.", b"cnumpy\nndarray\n(J\xff\xff\xff\x7f\x85tR.",
]  # fmt: skip


def mutated(files: dict[str, bytes], random: chance.Random) -> dict[str, bytes]:
    """Damage to one of the files, seldom to two, seldom a file lost or there twice."""
    out = dict(files)
    for _ in range(1 + (random.random() < 0.3)):
        name = random.choice(sorted(out))
        if len(out) > 1 and random.random() < 0.05:
            if random.random() < 0.5:
                del out[name]
            else:
                out[random.choice(sorted(out))] = out[name]
            continue
        out[name] = _damaged(name, out[name], random)
    return _sound_again(out, random)


def pack(files: dict[str, bytes]) -> bytes:
    """A folder as one text."""
    return json.dumps({name: base64.b64encode(data).decode() for name, data in files.items()}).encode()


def unpack(data: bytes) -> dict[str, bytes]:
    """What ``pack`` packed."""
    return {name: base64.b64decode(text) for name, text in json.loads(data).items()}


def _damaged(name: str, data: bytes, random: chance.Random) -> bytes:
    if random.random() < 0.5:
        if data.startswith(b"PK"):
            return _zip(data, random)
        if name.endswith((".json", ".zarray", ".zattrs", ".zgroup")):
            return _json(data, random)
        if name.endswith((".xyz", ".dump", ".toml")):
            return _text(data, random)
        if name.endswith(".pickle"):
            return _pickle(data, random)
    return _bytes(data, random)


def _bytes(data: bytes, random: chance.Random) -> bytes:
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 5, 20))):
        if not out:
            return bytes(random.randbytes(random.randrange(64)))
        # heads and tails hold what describes the rest
        where = random.choice(
            (random.randrange(len(out)), random.randrange(min(len(out), 512)), len(out) - 1 - random.randrange(min(len(out), 512)))
        )
        kind = random.randrange(7)
        if kind == 0:
            out[where] ^= 1 << random.randrange(8)
        elif kind == 1:
            out[where] = random.randrange(256)
        elif kind == 2:
            del out[where:]
        elif kind == 3:
            size = random.choice((1, 2, 4, 8, 100, 1000))
            out[where:where] = out[random.randrange(len(out)) :][:size]
        elif kind == 4:
            del out[where : where + random.choice((1, 2, 4, 8, 100, 1000))]
        elif kind == 5:
            width, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
            value = random.choice(EXTREMES) % 2 ** (8 * width)
            place = where - where % random.choice((1, width))
            out[place : place + width] = value.to_bytes(width, order)
        else:
            out[where:where] = random.choice(WORDS)
    return bytes(out)


def _text(data: bytes, random: chance.Random) -> bytes:
    """Words and lines instead of bytes."""
    if random.random() < 0.5:
        found = list(re.finditer(rb"[^\s=:,\"]+", data))
        for word in sorted(random.sample(found, min(len(found), random.choice((1, 1, 2, 5)))), key=lambda w: -w.start()):
            data = data[: word.start()] + random.choice([*WORDS, str(random.choice(EXTREMES)).encode()]) + data[word.end() :]
        return data
    lines = data.splitlines(keepends=True) or [b""]
    for _ in range(random.choice((1, 1, 3))):
        k, j = random.randrange(len(lines)), random.randrange(len(lines))
        lines[k : k + random.choice((0, 1, 1, 2))] = lines[j : j + random.choice((0, 1, 1, 5))]
        lines = lines or [b""]
    return b"".join(lines)


def _pickle(data: bytes, random: chance.Random) -> bytes:
    """Instructions that do something else."""
    where = random.randrange(len(data) + 1)
    some = random.choice([
        random.choice(EXPLOITS), random.choice(EXPLOITS)[:-1], b"r" + struct.pack("<I", random.choice((2**31, 2**32 - 1, 5))),
        b"\x8d" + struct.pack("<Q", 2**40), b"\x8e" + struct.pack("<Q", 2**40), b"\x95" + struct.pack("<Q", 2**62), b"B" + struct.pack("<I", 2**32 - 1),
        b"\x8b" + struct.pack("<i", 2**31 - 1), b"2" * 500, b"(" * 5000, b"]" * 5000, b"\x85" * 5000, b"e" * 20, b"t", b"R", b"b", b"s", b"u", b"0", b"1", b"h\x00", b"\x88",
    ])  # fmt: skip
    return data[:where] + some + data[where + random.choice((0, 1, len(some))) :]


def _json(data: bytes, random: chance.Random) -> bytes:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return _bytes(data, random)
    for _ in range(random.choice((1, 1, 2, 4))):
        tree = _changed(tree, random)
    return json.dumps(tree).encode()


def _changed(tree: object, random: chance.Random) -> object:
    """One leaf or branch of a tree replaced, lost or new."""
    if not isinstance(tree, (dict, list)) or not tree or random.random() < 0.05:
        return copy.deepcopy(random.choice(LEAVES))
    keys = sorted(tree) if isinstance(tree, dict) else range(len(tree))
    key = random.choice(list(keys))
    if random.random() < 0.1:
        del tree[key]
    elif random.random() < 0.1:
        tree[key] = copy.deepcopy(tree[random.choice(list(keys))])
    elif random.random() < 0.05 and isinstance(tree, dict):
        tree["x"] = copy.deepcopy(random.choice(LEAVES))
    else:
        tree[key] = _changed(tree[key], random)
    return tree


def _zip(data: bytes, random: chance.Random) -> bytes:
    """Arrays of an npz file, with right checksums."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = [(member.filename, file.read(member)) for member in file.infolist()]
    except Exception:
        return _bytes(data, random)
    if not members:
        return _bytes(data, random)
    k = random.randrange(len(members))
    name, array = members[k]
    kind = random.randrange(8)
    if kind == 0:
        members.pop(k)
    elif kind == 1:
        members.append((random.choice(members)[0], array))
    elif kind == 2:
        members[k] = (random.choice(("x.npy", name.removesuffix(".npy"), "../" + name, random.choice(members)[0])), array)
    elif kind == 3:
        members[k] = (name, _bytes(array, random))
    elif kind == 4 and b"{" in array[128:]:
        members[k] = (name, _json_in_text(array, random))
    else:
        members[k] = (name, _header(array, random))
    raw = io.BytesIO()
    how = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(raw, "w", how) as file:
        warnings.simplefilter("ignore")  # a name twice is the point
        for name, array in members:
            file.writestr(name, array)
    out = raw.getvalue()
    if random.random() < 0.1:  # sizes in the directory that the data do not have
        place = out.rfind(b"PK\x01\x02")
        where = place + random.choice((20, 24))
        out = out[:where] + struct.pack("<I", random.choice((2**31, 2**32 - 2, 5))) + out[where + 4 :]
    return out


def _header(array: bytes, random: chance.Random) -> bytes:
    """Another head before the same numbers."""
    if array[:6] != b"\x93NUMPY" or len(array) < 12:
        return _bytes(array, random)
    length = struct.unpack("<H", array[8:10])[0]
    header, body = array[10 : 10 + length].decode("latin1"), array[10 + length :]
    kind = random.randrange(4)
    if kind == 0:
        extents = [random.choice([*EXTREMES, 1, 2, 3]) for _ in range(random.choice((0, 1, 2, 3, 33, 70)))]
        header = re.sub(r"'shape': \([^)]*\)", f"'shape': ({''.join(f'{e},' for e in extents)})", header)
    elif kind == 1:
        header = re.sub(r"'descr': '[^']*'", f"'descr': {random.choice(DTYPES)!r}", header)
    elif kind == 2:
        header = re.sub(r"'fortran_order': \w+", "'fortran_order': True", header)
    else:
        header = random.choice(HEADERS)
    if random.random() < 0.2:
        body = random.choice(EXPLOITS)
    text = header.encode("latin1").rstrip() + b"\n"
    return b"\x93NUMPY" + bytes([random.choice((1, 1, 1, 2, 3, 9)), 0]) + struct.pack("<H", len(text)) + text + body


def _json_in_text(array: bytes, random: chance.Random) -> bytes:
    """Text of an array (UTF-32) that is JSON."""
    length = struct.unpack("<H", array[8:10])[0]
    text = _json(array[10 + length :].decode("utf-32-le", "ignore").encode(), random).decode("utf-8", "ignore")
    header = f"{{'descr': '<U{len(text)}', 'fortran_order': False, 'shape': (), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + text.encode("utf-32-le")


def _sound_again(files: dict[str, bytes], random: chance.Random) -> dict[str, bytes]:
    """The checksum that a stage of a study carries."""
    name = next((name for name in files if name.endswith("stage.json")), None)
    if name is None or random.random() < 0.2:
        return files
    try:
        record = json.loads(files[name])
        record.pop("checksum", None)
        checksum = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
        return {**files, name: json.dumps({**record, "checksum": checksum}).encode()}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return files
