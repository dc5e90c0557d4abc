"""Pictures that several reports share. None of them needs a display, or touches the state of pyplot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassgpu.errors import InvalidInput
from glassgpu.types import Snapshot

COLOURS = ("#0b6fa4", "#d1495b", "#3a7d44", "#8f5fbf", "#b07d12", "#444444")


def new_figure(columns: int = 1, width: float = 5.0, height: float = 4.0, **more: Any):
    """A figure with axes side by side, drawn without a display; a notebook shows it where it is the last line of a cell."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **more)
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(axes[0])


def cold_to_hot(count: int) -> list:
    """Colours for a ladder of temperatures that begins at the hottest."""
    import matplotlib

    return [matplotlib.colormaps["coolwarm_r"](x) for x in np.linspace(0, 1, count)]


def against_inverse_temperature(temperature: np.ndarray, tau: np.ndarray, error: np.ndarray, laws: Mapping[str, Any], ylabel: str):
    """Relaxation times with error bars, and fitted laws: functions of temperature by name, or None."""
    figure, (axis,) = new_figure(1, 6.0, 4.2)
    axis.errorbar(1 / temperature, tau, error, fmt="o", color=COLOURS[0], capsize=2, label="measured", zorder=3)
    grid = np.linspace(temperature.min(), temperature.max(), 200)
    for (name, law), colour in zip(laws.items(), ("#999999", COLOURS[1]), strict=True):
        if law is not None:
            axis.plot(1 / grid, law(grid), "-", color=colour, lw=1.4, label=name)
    axis.set(yscale="log", xlabel="1 / T", ylabel=ylabel)
    axis.legend(frameon=False)
    return figure


def maps(
    snapshot: Snapshot, fields: Mapping[str, ArrayLike], label: str | None, slab: float = 1.0, diameters: Sequence[float] = (1.0, 0.88)
):
    """The same particles coloured by several fields, on one scale, or without a label each on its own.

    In three dimensions a slab of thickness ``slab`` through the middle is shown.

    Args:
        snapshot: N particles.
        fields: title -> (N,) float64 values in any units; NaN is grey.
        label: of the colour bar, with units; None: one bar for each field.
        slab: its thickness [length].
        diameters: (species,) of the circles by type [length].

    Returns:
        A matplotlib Figure.

    Raises:
        InvalidInput: fields of another shape, no field, a type without a diameter.
    """
    from matplotlib.collections import EllipseCollection

    given = {title: np.asarray(values) for title, values in fields.items()}
    for title, values in given.items():
        if values.shape != (snapshot.n,) or values.dtype.kind not in "biuf":
            raise InvalidInput(
                f"the field {title!r} has shape {values.shape}, dtype {values.dtype}; expected {snapshot.n} numbers, one per particle"
            )
    if not given or len(diameters) <= snapshot.types.max():
        raise InvalidInput(
            f"{len(given)} fields and {len(diameters)} diameters were given; give at least one, and diameters of types 0 to {snapshot.types.max()}"
        )
    figure, axes = new_figure(len(given), 4.6, 4.3 if len(given) < 4 else 4.9)  # one bar takes less of the width of many
    x = snapshot.positions
    shown = np.ones(snapshot.n, bool) if snapshot.dimension == 2 else np.abs(x[:, 2]) < slab / 2
    every = np.concatenate([v[shown] for v in given.values()])
    width = np.asarray(diameters)[snapshot.types[shown]]
    marks = None
    for axis, (title, values) in zip(axes, given.items(), strict=True):
        marks = EllipseCollection(
            width, width, np.zeros(shown.sum()), units="xy", offsets=x[shown, :2], offset_transform=axis.transData, cmap="viridis", linewidths=0.3,
            edgecolors="white", array=np.ma.masked_invalid(values[shown]),
        )  # fmt: skip
        marks.set_clim(*np.nanpercentile(every if label else values[shown], [2, 98]))
        marks.cmap = marks.cmap.with_extremes(bad="#d9d9d9")
        axis.add_collection(marks)
        axis.set(
            xlim=(-snapshot.box[0] / 2, snapshot.box[0] / 2), ylim=(-snapshot.box[1] / 2, snapshot.box[1] / 2), title=title, aspect="equal"
        )
        axis.set(xlabel="x  [$\\sigma$]")
        if label is None:
            figure.colorbar(marks, ax=axis, shrink=0.85)
    axes[0].set(ylabel="y  [$\\sigma$]")
    if label is not None:
        figure.colorbar(marks, ax=axes, label=label, shrink=0.85)
    return figure


def against_time(
    curves: Mapping[str, ArrayLike],
    times: ArrayLike,
    ylabel: str,
    *,
    log: bool = False,
    dashed: Sequence[str] = (),
    errors: Mapping[str, ArrayLike] | None = None,
):
    """Curves against time on a logarithmic axis; those in ``dashed`` are reference lines."""
    figure, (axis,) = new_figure(1, 6.4, 4.2)
    solid = [name for name in curves if name not in dashed]
    for number, name in [*enumerate(solid), *enumerate(dashed)]:  # the k-th reference takes the k-th colour
        style: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "label": name}
        if name in dashed:
            axis.plot(times, curves[name], "--", lw=1.4, **style)
        else:
            axis.errorbar(times, curves[name], None if errors is None else errors.get(name), fmt="o-", ms=4, lw=1.6, capsize=2, **style)
    axis.set(xscale="log", xlabel="time  [$\\sqrt{m\\sigma^2/\\epsilon}$]", ylabel=ylabel)
    if log:
        axis.set_yscale("log")
    axis.legend(frameon=False)
    return figure


def scatter(truth: np.ndarray, prediction: np.ndarray, xlabel: str, ylabel: str):
    """Prediction against truth with the diagonal."""
    figure, (axis,) = new_figure(1, 4.6, 4.3)
    axis.hexbin(truth, prediction, gridsize=45, mincnt=1, cmap="viridis", bins="log", linewidths=0)
    ends = [min(truth.min(), prediction.min()), max(truth.max(), prediction.max())]
    axis.plot(ends, ends, "--", color="#d1495b", lw=1)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    return figure


def scores_and_ceiling(scores: Mapping[str, np.ndarray], ceiling: np.ndarray, xlabel: str, ylabel: str):
    """Bars of the score of each configuration by every model, below a dashed line: the most that any could reach."""
    figure, (axis,) = new_figure(1, 9.0, 4.4)
    at, wide = np.arange(len(ceiling)), 0.84 / len(scores)
    for k, (name, values) in enumerate(scores.items()):
        axis.bar(at + wide * (k - (len(scores) - 1) / 2), values, 0.92 * wide, color=COLOURS[k], label=name)
    edges = np.append(at - 0.5, at[-1] + 0.5)
    axis.step(edges, np.append(ceiling, ceiling[-1]), "--", where="post", color="#444", lw=1.2, label="noise ceiling")
    axis.set(xticks=at, xticklabels=at + 1, xlabel=xlabel, ylabel=ylabel, ylim=(0, 1.35))
    axis.legend(frameon=False, ncols=2, loc="upper left", fontsize=9)
    return figure
