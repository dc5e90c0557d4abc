"""Claims stated before a result, and the words that judge it: computed, never typed.

The claims stand in ``experiments/claims.toml``, whose head explains its entries.
"""

from __future__ import annotations

import importlib.resources
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu import validate
from glassgpu.errors import FileFormatError, GlassGPUError, InvalidInput

SCALES = ("smoke", "laptop", "paper")
STANDARD_ERRORS = 3.0
KINDS = ("value", "range", "at_least", "at_most")
HEADER = ("claim", "source", "expected", "found", "verdict")


@dataclass(frozen=True, eq=False)
class Claim:
    """One entry of ``claims.toml``.

    Attributes:
        name, what, source: which claim, the quantity in words, where it stands.
        expected: the number or interval in words.
        low, high: (k,) float64, ends of what agrees, in the units of the quantity; infinite for one-sided bounds. One number
            holds for every number found.
        needs_error: whether a result must bring its standard error.
        scale: the smallest at which it can be checked.
    """

    name: str
    what: str
    source: str
    expected: str
    low: np.ndarray
    high: np.ndarray
    needs_error: bool
    scale: str


def read_claims(experiment: str, path: str | Path | None = None) -> dict[str, Claim]:
    """The claims of one experiment by name, in the order of the file.

    Args:
        experiment: heading in the file.
        path: of another file of the same form.

    Raises:
        FileFormatError: the file or an entry is not of the form described in its head.
        InvalidInput: it has no such experiment.
    """
    file = Path(path) if path else importlib.resources.files("glassgpu.experiments") / "claims.toml"
    try:
        entries = tomllib.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise FileFormatError(f"the claims in {file} cannot be read ({error})") from error
    if not isinstance(entries.get(experiment), dict):
        raise InvalidInput(f"{file} holds no claims for {experiment!r}; it has {', '.join(entries)}")
    out = {}
    for name, entry in entries[experiment].items():
        try:
            out[name] = _claim(name, entry)
        except (GlassGPUError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise FileFormatError(f"claim {experiment}.{name} in {file}: {error}") from error
    return out


def verdict(claim: Claim, value: ArrayLike | None, standard_error: ArrayLike | None = None, *, scale: str) -> str:
    """``"agree"`` when every number lies within 3 standard errors of what the claim allows.

    Args:
        claim: from ``read_claims``.
        value: (k,) or one number found, in the units of the claim; None where the run could not give it.
        standard_error: of it, same shape and in the same units as ``value``; 0 by default.
        scale: of the run.

    Returns:
        ``"agree"``, ``"differs"``, or ``"not reachable"``: no value, or a scale below the claim's.

    Raises:
        InvalidInput: not finite, another number of values than the claim has, or no standard
            error where the claim's tolerance is one.

    Source: project notes, section 5.
    """
    validate.choice("scale", scale, SCALES)
    if value is None or SCALES.index(scale) < SCALES.index(claim.scale):
        return "not reachable"
    if claim.needs_error and standard_error is None:
        raise InvalidInput(f"claim {claim.name} is judged by standard errors; give standard_error=")
    found = validate.array(f"value of claim {claim.name}", np.atleast_1d(value), np.float64, (None,))
    if len(claim.low) not in (1, len(found)) or not len(found):
        raise InvalidInput(f"claim {claim.name} has {len(claim.low)} numbers, found are {len(found)}")
    error = np.atleast_1d(0.0 if standard_error is None else standard_error)
    error = validate.array(f"standard_error of claim {claim.name}", error, np.float64, (None,))
    if (error < 0).any() or len(error) not in (1, len(found)):
        raise InvalidInput(f"standard_error={error.tolist()} of claim {claim.name}: give one that is not negative for each number found")
    distance = np.maximum(np.maximum(claim.low - found, found - claim.high), 0.0)
    return "agree" if (distance <= STANDARD_ERRORS * error).all() else "differs"


def claims_table(
    experiment: str, found: Mapping[str, Any], scale: str, path: str | Path | None = None
) -> tuple[Sequence[str], list[list[str]]]:
    """Header and rows for ``report.Page.table``: claim, source, expected, found, verdict.

    Args:
        experiment: heading in the file of claims.
        found: by name of claim: a number, several, a pair ``(value, standard_error)`` as a tuple,
            or None. Every claim that the scale reaches must be named: none is dropped in silence.
        scale: of the run.
        path: as in ``read_claims``.

    Raises:
        InvalidInput: a claim without a result, or a result without a claim.
        As ``read_claims`` and ``verdict``.
    """
    claims = read_claims(experiment, path)
    strangers = [name for name in found if name not in claims]
    forgotten = [name for name, c in claims.items() if name not in found and SCALES.index(scale) >= SCALES.index(c.scale)]
    if strangers or forgotten:
        raise InvalidInput(f"claims of {experiment}: no claim is called {strangers}, no result was given for {forgotten}")
    rows = []
    for name, claim in claims.items():
        given = found.get(name)
        value, error = given if isinstance(given, tuple) else (given, None)
        word = verdict(claim, value, error, scale=scale)
        rows.append([claim.what, claim.source, claim.expected, _numbers(value, error), word])
    return HEADER, rows


class Verdicts:
    """The verdicts on the claims of an experiment, each shown beside what it is about.

    Args:
        experiment, found, scale: as for ``claims_table``; found None: no verdicts, and nothing is shown.

    Raises:
        As ``claims_table``.
    """

    def __init__(self, experiment: str, found: Mapping[str, Any] | None, scale: str):
        self._left = {} if found is None else dict(zip(read_claims(experiment), claims_table(experiment, found, scale)[1], strict=True))
        self._known = set(self._left)

    def show(self, page: Any, *names: str) -> None:
        """A table of these claims on a ``report.Page``; those shown before are left out.

        Raises:
            InvalidInput: a name that no claim has.
        """
        strangers = [name for name in names if self._known and name not in self._known]
        if strangers:
            raise InvalidInput(f"no claim is called {', '.join(strangers)}; there are {', '.join(sorted(self._known))}")
        rows = [self._left.pop(name) for name in names if name in self._left]
        if rows:
            page.table(HEADER, rows)

    def show_rest(self, page: Any) -> None:
        """A table of all claims that were not shown yet."""
        self.show(page, *list(self._left))


def _claim(name: str, entry: Mapping[str, Any]) -> Claim:
    unknown = set(entry) - {"what", "source", "scale", "tolerance", *KINDS}
    kinds = [kind for kind in KINDS if kind in entry]
    if unknown or len(kinds) != 1:
        raise InvalidInput(f"unknown fields {sorted(unknown)}, kinds {kinds}; give what, source, scale and one of {', '.join(KINDS)}")
    if ("tolerance" in entry) != (kinds == ["value"]):
        raise InvalidInput("a value needs a tolerance, and nothing else has one")
    numbers = validate.array(kinds[0], np.atleast_1d(entry[kinds[0]]), np.float64, (None,))
    validate.choice("scale", entry["scale"], SCALES)
    low, high, needs_error = numbers, numbers, False
    expected = _numbers(numbers)
    if kinds == ["range"]:
        low, high = validate.array("range", numbers, np.float64, (2,)).reshape(2, 1)
        expected = f"{low[0]:g} to {high[0]:g}"
        if low > high:
            raise InvalidInput(f"range={numbers.tolist()}: give the smaller number first")
    elif kinds == ["at_least"]:
        high, expected = np.full_like(numbers, np.inf), f"at least {expected}"
    elif kinds == ["at_most"]:
        low, expected = np.full_like(numbers, -np.inf), f"at most {expected}"
    elif entry["tolerance"] == "standard errors":
        needs_error, expected = True, f"{expected} within {STANDARD_ERRORS:g} standard errors"
    else:
        given = entry["tolerance"]
        share = isinstance(given, str) and given.endswith("%")
        width = validate.number("tolerance", float(given.removesuffix("%")) if share else given, least=0)
        margin = np.abs(numbers) * width / 100 if share else width
        low, high, expected = numbers - margin, numbers + margin, f"{expected} ± {given}"
    return Claim(name, str(entry["what"]), str(entry["source"]), expected, low, high, needs_error, entry["scale"])


def _numbers(value: ArrayLike | None, error: ArrayLike | None = None) -> str:
    if value is None:
        return "-"
    values = np.atleast_1d(value)
    errors = None if error is None else np.broadcast_to(error, values.shape)
    return ", ".join(f"{v:.4g}" + ("" if errors is None else f" ± {errors[k]:.2g}") for k, v in enumerate(values))
