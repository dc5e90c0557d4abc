"""The pictures of ``model_comparison``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from glassgpu.experiments.model_comparison_numbers import MODELS, Numbers

from glassgpu.report import figures

PEARSON = "Pearson coefficient"
MARKERS = "osD^vP"


def _panels(count: int, height: float = 4.1) -> tuple[Any, list[Any]]:
    return figures.new_figure(count, 5.6, height, sharey=True)


def _curves(axis: Any, times: np.ndarray, curves: Mapping[str, np.ndarray], ceiling: np.ndarray | None, title: str, unit: str) -> None:
    for number, (name, values) in enumerate(curves.items()):
        colour, mark = figures.COLOURS[number % len(figures.COLOURS)], MARKERS[number % len(MARKERS)]
        axis.plot(times, values, f"{mark}-", ms=4.5, lw=1.5, color=colour, label=name)
    if ceiling is not None:
        axis.plot(times, ceiling, "--", color="#444", lw=1.2, label="noise ceiling")
    axis.set(xscale="log", xlabel=f"time  [{unit}]", title=title)
    axis.grid(alpha=0.25)


def _finish(figure: Any, axes: Sequence[Any], columns: int = 3) -> Any:
    axes[0].set_ylabel(PEARSON)
    handles, labels = axes[0].get_legend_handles_labels()
    for axis in axes[1:]:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=columns, fontsize=9)
    return figure


def words(generations: int) -> list[str]:
    return [f"{g + 1} generation" + ("s" if g else "") for g in range(generations)]


def by_generation(n: Numbers, values: np.ndarray, species: Sequence[str], unit: str) -> Any:
    """``values`` (species, generations, time)."""
    figure, axes = _panels(len(species))
    for k, axis in enumerate(axes):
        _curves(axis, n.times, dict(zip(words(values.shape[1]), values[k], strict=True)), n.ceiling[k], f"species {species[k]}", unit)
    return _finish(figure, axes, 4)


def by_row(n: Numbers, species: Sequence[str], unit: str, names: Sequence[str]) -> Any:
    """Table I, all generations."""
    figure, axes = _panels(len(species))
    for k, axis in enumerate(axes):
        _curves(axis, n.times, dict(zip(names, n.table_one[k, :, -1], strict=True)), n.ceiling[k], f"species {species[k]}", unit)
    return _finish(figure, axes, 2)


def by_variant(n: Numbers, species: Sequence[str], unit: str, names: Mapping[int, str]) -> Any:
    """Table II."""
    figure, axes = _panels(len(species))
    for k, axis in enumerate(axes):
        _curves(
            axis, n.times, {names[r]: v for (r, who), v in n.table_two.items() if who == k}, n.ceiling[k], f"species {species[k]}", unit
        )
    return _finish(figure, axes, 2)


def compared(n: Numbers, species: Sequence[str], unit: str) -> Any:
    """Each model at its best."""
    figure, axes = _panels(len(species))
    for k, axis in enumerate(axes):
        _curves(axis, n.times, {m: n.best[m, k] for m in MODELS}, n.ceiling[k], f"species {species[k]}", unit)
        for m, colour in zip(MODELS, figures.COLOURS, strict=False):
            each = n.chosen[m, k]
            axis.fill_between(n.times, each.min(axis=0), each.max(axis=0), color=colour, alpha=0.12, lw=0)
    return _finish(figure, axes, 4)


def in_states(n: Numbers, unit: str) -> Any:
    states = list(dict.fromkeys(state for state, _ in n.states))
    figure, axes = _panels(len(MODELS))
    for axis, model in zip(axes, MODELS, strict=True):
        _curves(axis, n.times, {f"{s} state": n.states[s, model] for s in states}, n.ceiling[0], model, unit)
    return _finish(figure, axes, 4)


def deeper_and_longer(n: Numbers, unit: str) -> Any:
    """Against graph layers, and against training configurations."""
    import matplotlib

    figure, (left, right) = figures.new_figure(2, 5.6, 4.1)
    layers = {**n.layers, n.most_layers: n.table_whole}
    shown = sorted({0, len(n.times) // 2, len(n.times) - 1})
    for t, colour in zip(shown, matplotlib.colormaps["viridis"](np.linspace(0, 0.8, len(shown))), strict=True):
        left.plot(sorted(layers), [layers[k][t] for k in sorted(layers)], "o-", ms=5, color=colour, label=f"time {n.times[t]:g} {unit}")
    left.set(xlabel="graph layers", ylabel=PEARSON, xticks=sorted(layers))
    for k, model in enumerate(MODELS):
        right.plot(n.sizes, n.curve[model][:, -1], f"{MARKERS[k]}-", ms=5, color=figures.COLOURS[k], label=model)
    right.axhline(n.ceiling[0, -1], ls="--", color="#444", lw=1.2, label="noise ceiling")
    right.set(xlabel="training configurations, with the same number of steps", xscale="log", xticks=n.sizes, xticklabels=n.sizes)
    right.minorticks_off()
    for axis in (left, right):
        axis.grid(alpha=0.25)
        axis.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def importance(result: Any) -> Any:
    """Fall of the Pearson coefficient when columns are permuted."""
    figure, (axis,) = figures.new_figure(1, 7.0, 4.2)
    values, groups, models = np.asarray(result["importance"]), result["groups"], result["models"]
    at, wide = np.arange(len(groups)), 0.8 / len(models)
    for m, model in enumerate(models):
        here = np.isfinite(values[:, m, 0])
        axis.barh(
            (at + wide * (m - 1))[here],
            values[here, m, 0],
            0.9 * wide,
            xerr=values[here, m, 1],
            color=figures.COLOURS[m],
            label=model,
            capsize=2,
        )
    axis.set(yticks=at, yticklabels=groups, xlabel="fall of the Pearson coefficient")
    axis.invert_yaxis()
    axis.legend(frameon=False)
    return figure


def reach(result: Any) -> Any:
    """How far a graph network looks."""
    figure, (axis,) = figures.new_figure(1, 6.0, 3.9)
    axis.plot(result["distance"], result["answer"], "o-", ms=4, color=figures.COLOURS[2])
    axis.set(yscale="log", xlabel="distance  [$\\sigma$]", ylabel="answer, relative to own")
    axis.grid(alpha=0.25)
    return figure
