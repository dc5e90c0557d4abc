"""How relaxation slows down on cooling: the laws of Arrhenius and of Vogel, Fulcher and Tammann."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glassgpu.errors import InvalidInput, NotConverged


@dataclass(frozen=True)
class Arrhenius:
    """tau = tau_0 exp(E / T).

    Attributes:
        tau_0: [time].
        energy: E [energy, k_B = 1].
        errors: standard errors of (ln tau_0, E), NaN when two points leave nothing over.
    """

    tau_0: float
    energy: float
    errors: tuple[float, float]

    def __call__(self, temperature: ArrayLike) -> np.ndarray:
        """tau at temperatures: (...) [temperature] -> (...) float64 [time]."""
        return self.tau_0 * np.exp(self.energy / np.asarray(temperature, float))


@dataclass(frozen=True)
class VogelFulcherTammann:
    """tau = tau_0 exp(B / (T - T_0)).

    Attributes:
        tau_0: [time].
        b: B [energy].
        t_0: T_0 [temperature].
        errors: standard errors of (ln tau_0, B, T_0), NaN when three points leave nothing over.
    """

    tau_0: float
    b: float
    t_0: float
    errors: tuple[float, float, float]

    def __call__(self, temperature: ArrayLike) -> np.ndarray:
        """tau at temperatures: (...) [temperature] -> (...) float64 [time]."""
        return self.tau_0 * np.exp(self.b / (np.asarray(temperature, float) - self.t_0))


def _checked(temperature: ArrayLike, tau: ArrayLike, relative_error: ArrayLike | None, least: int) -> tuple[np.ndarray, ...]:
    temperature, tau = np.asarray(temperature, float), np.asarray(tau, float)
    error = np.ones_like(tau) if relative_error is None else np.asarray(relative_error, float)
    if temperature.ndim != 1 or not temperature.shape == tau.shape == error.shape:
        raise InvalidInput(f"temperature {temperature.shape}, tau {tau.shape} and relative_error {error.shape} must be equally long lists")
    sound = np.isfinite(temperature) & np.isfinite(tau) & (temperature > 0) & (tau > 0) & (error > 0)
    if not sound.all():
        raise InvalidInput("temperatures, relaxation times and errors must be positive numbers; leave out what did not relax")
    if len(np.unique(temperature)) < least:
        raise InvalidInput(f"{len(np.unique(temperature))} different temperatures; the fit needs at least {least}")
    return temperature, np.log(tau), error


def fit_arrhenius(temperature: ArrayLike, tau: ArrayLike, relative_error: ArrayLike | None = None) -> Arrhenius:
    """Least squares of ln tau = ln tau_0 + E / T.

    Args:
        temperature: (n,), at least two different [temperature].
        tau: (n,) [time].
        relative_error: (n,) of tau, for weights [1]; equal by default.

    Returns:
        Arrhenius.

    Raises:
        InvalidInput

    Source: TH section 1.4, equation 1.2.
    """
    temperature, log, error = _checked(temperature, tau, relative_error, 2)
    design = np.stack([np.ones_like(temperature), 1 / temperature], axis=1) / error[:, None]
    (start, energy), *_ = np.linalg.lstsq(design, log / error, rcond=None)
    left = log / error - design @ [start, energy]
    spare = len(log) - 2
    spread = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * (left @ left / spare if spare else np.nan))
    return Arrhenius(float(np.exp(start)), float(energy), (float(spread[0]), float(spread[1])))


def fit_vogel_fulcher_tammann(temperature: ArrayLike, tau: ArrayLike, relative_error: ArrayLike | None = None) -> VogelFulcherTammann:
    """Least squares of ln tau = ln tau_0 + B / (T - T_0), with 0 <= T_0 below every temperature.

    Args:
        temperature: (n,), at least three different [temperature].
        tau, relative_error: as for ``fit_arrhenius``.

    Raises:
        InvalidInput
        NotConverged: no finite T_0 fits better than the limits.

    Source: Vogel (1921), Fulcher (1925), Tammann and Hesse (1926); TH section 1.4.
    """
    from scipy.optimize import least_squares

    temperature, log, error = _checked(temperature, tau, relative_error, 3)

    def misfit(x: np.ndarray) -> np.ndarray:
        return (x[0] + x[1] / (temperature - x[2]) - log) / error

    coldest = temperature.min()
    found = min(
        (
            least_squares(
                misfit,
                [log.min() - 1, 1.0, share * coldest],
                bounds=([-np.inf, 0, 0], [np.inf, np.inf, coldest * (1 - 1e-6)]),
                x_scale=[1, 1, 0.1],
            )
            for share in (0.2, 0.5, 0.8)
        ),
        key=lambda f: f.cost,
    )
    if not found.success or found.x[2] > coldest * (1 - 1e-5):
        raise NotConverged(f"no T_0 below {coldest:g} fits; are the times those of one function at all temperatures?")
    spare = len(log) - 3
    information = found.jac.T @ found.jac
    spread = np.sqrt(np.diag(np.linalg.pinv(information)) * (2 * found.cost / spare if spare else np.nan))
    return VogelFulcherTammann(float(np.exp(found.x[0])), float(found.x[1]), float(found.x[2]), tuple(float(s) for s in spread))  # type: ignore[arg-type]
