"""Checks of what users hand in: one place, so that every message has the same form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import EllipsisType
from typing import Any

import numpy as np

from glassgpu.errors import InvalidInput


def number(name: str, value: Any, *, above: float | None = None, least: float | None = None, most: float | None = None) -> float:
    """A finite float in the interval named, or ``InvalidInput``."""
    limits = [
        f"above {above}" if above is not None else "",
        f"at least {least}" if least is not None else "",
        f"at most {most}" if most is not None else "",
    ]
    allowed = " and ".join(part for part in limits if part) or "finite"
    try:
        if isinstance(value, (bool, np.bool_, str, bytes, np.complexfloating)) or getattr(value, "ndim", 0) != 0:
            raise TypeError  # float() would take these
        out = float(value)
    except (TypeError, ValueError):
        raise InvalidInput(f"{name}={value!r} is not a number; give one that is {allowed}") from None
    sound = np.isfinite(out)
    sound &= above is None or out > above
    sound &= least is None or out >= least
    sound &= most is None or out <= most
    if not sound:
        raise InvalidInput(f"{name}={value!r}: must be {allowed}")
    return out


def whole(name: str, value: Any, *, least: int, most: int | None = None) -> int:
    """A whole number in the interval named, or ``InvalidInput``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InvalidInput(f"{name}={value!r}: give a whole number of at least {least}")
    number(name, value, least=least, most=most)
    return int(value)


def choice(name: str, value: Any, allowed: Sequence[Any]) -> Any:
    """One of the values allowed, or ``InvalidInput``."""
    if value not in allowed:
        raise InvalidInput(f"{name}={value!r}: choose one of {', '.join(map(repr, allowed))}")
    return value


def names(name: str, value: Any, allowed: Sequence[str]) -> tuple[str, ...]:
    """Some of the names allowed; a text alone is one name. ``InvalidInput`` otherwise."""
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Iterable):
        raise InvalidInput(f"{name}={value!r}: give a list of {', '.join(map(repr, allowed))}")
    return tuple(choice(name, label, allowed) for label in value)


def array(name: str, value: Any, dtype: Any, shape: tuple[int | EllipsisType | None, ...]) -> np.ndarray:
    """A read-only, contiguous, finite copy of the shape named (``None``: any length; a leading ``...``: any axes).

    Raises:
        InvalidInput: wrong shape, ragged, masked, complex, text or objects, NaN, or values that the
            dtype cannot hold exactly.
    """
    if isinstance(value, Iterator):
        raise InvalidInput(f"{name} is a {type(value).__name__}, which can be read only once; give list({name})")
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidInput(f"{name} is a masked array, whose mask would be lost; give a plain array, such as {name}.filled(...)")
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "biuf":
            raise TypeError(f"dtype {given.dtype}")
        with np.errstate(invalid="ignore"):
            out = np.array(given, dtype=dtype, order="C")
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name} is not an array of real numbers ({error})") from None
    axes = (None,) * (out.ndim - len(shape) + 1) + shape[1:] if shape[:1] == (...,) else shape
    if out.ndim != len(axes) or any(want not in (None, have) for want, have in zip(axes, out.shape, strict=True)):
        wanted = tuple("any" if want is None else "..." if want is ... else want for want in shape)
        raise InvalidInput(f"{name} has shape {out.shape}; expected {wanted}")
    if not np.isfinite(out).all():
        raise InvalidInput(
            f"{name} holds {np.count_nonzero(~np.isfinite(out))} values that are NaN or infinite, the first at index {tuple(map(int, np.argwhere(~np.isfinite(out))[0]))}"
        )
    if np.issubdtype(out.dtype, np.integer) and not np.array_equal(out, given):
        raise InvalidInput(f"{name} holds values that are not whole numbers in the range of {out.dtype}")
    out.setflags(write=False)
    return out
