"""Pictures of the experiment ``softness``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glassgpu.report.figures import COLOURS, new_figure

OPAQUE: dict[str, Any] = {"frameon": True, "framealpha": 1.0, "edgecolor": "none"}  # a legend that lines do not cross
UNCERTAIN = 1.0  # error of a barrier beyond which a point only stretches the picture


def temperatures_in_colour(temperatures: Sequence[float]) -> list:
    """From cold (dark) to warm (bright)."""
    import matplotlib

    return [matplotlib.colormaps["plasma"](x) for x in np.linspace(0, 0.88, len(temperatures))]


def hops(times: np.ndarray, traces: Mapping[str, np.ndarray], threshold: float, histograms: Mapping[float, np.ndarray]):
    """p_hop of a few particles against time, and its distribution at several temperatures."""
    figure, (left, right) = new_figure(2, 5.6, 4.0)
    for (name, values), colour in zip(traces.items(), COLOURS, strict=False):
        left.plot(times, values, "-", color=colour, lw=1.3, label=name)
    left.axhline(threshold, color="#999999", ls="--", lw=1)
    left.set(yscale="log", xlabel="time  [$\\tau$]", ylabel="$p_{hop}$  [$\\sigma^2$]")
    left.legend(**OPAQUE)
    for (t, values), colour in zip(histograms.items(), temperatures_in_colour(list(histograms)), strict=True):
        density, edges = np.histogram(np.log10(values), bins=80, density=True)
        keep = density > 0
        right.plot(10 ** (0.5 * (edges[1:] + edges[:-1]))[keep], density[keep], "-", color=colour, lw=1.5, label=f"T = {t:g}")
    right.axvline(threshold, color="#999999", ls="--", lw=1)
    right.set(xscale="log", yscale="log", xlabel="$p_{hop}$  [$\\sigma^2$]", ylabel="density of $\\log_{10} p_{hop}$")
    right.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def learning(curves: Mapping[str, np.ndarray]):
    """Balanced accuracy against the number of examples of each class; rows of (examples, accuracy, error)."""
    figure, (axis,) = new_figure(1, 6.0, 4.0)
    for (name, rows), colour in zip(curves.items(), COLOURS, strict=False):
        if len(rows):
            axis.errorbar(rows[:, 0], rows[:, 1], rows[:, 2], fmt="o-", color=colour, capsize=2, label=name)
    axis.axhline(0.5, color="#999999", ls="--", lw=1)
    axis.set(xscale="log", xlabel="examples of each class", ylabel="balanced accuracy, unseen liquids")
    ticks = sorted({int(x) for rows in curves.values() for x in rows[:, 0]})
    axis.set_xticks(ticks, [str(x) for x in ticks], minor=False)
    axis.minorticks_off()
    axis.legend(**OPAQUE)
    return figure


def distributions(values: Mapping[str, Mapping[float, np.ndarray]], xlabel: str):
    """Densities of scores at several temperatures, one panel for each score, with Gaussians of the same mean and deviation."""
    figure, axes = new_figure(len(values), 4.6, 3.8)
    for axis, (title, by_temperature) in zip(axes, values.items(), strict=True):
        for (t, x), colour in zip(by_temperature.items(), temperatures_in_colour(list(by_temperature)), strict=True):
            density, edges = np.histogram(x, bins=70, density=True)
            at = 0.5 * (edges[1:] + edges[:-1])
            axis.plot(at, np.where(density > 0, density, np.nan), "-", color=colour, lw=1.6, label=f"T = {t:g}")
            axis.plot(at, np.exp(-0.5 * ((at - x.mean()) / x.std()) ** 2) / (x.std() * np.sqrt(2 * np.pi)), ":", color=colour, lw=1)
        axis.set(title=title, xlabel=xlabel, yscale="log", ylim=(1e-4, None))
    axes[0].set(ylabel="density")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def kramers(found: Mapping[str, Mapping[str, Any]]):
    """ln (T P(R | S)) against 1 / T in bins of S, with the fitted lines, which are straight in this form."""
    import matplotlib

    figure, axes = new_figure(len(found), 5.4, 4.4)
    for axis, (title, values) in zip(axes, found.items(), strict=True):
        temperatures, p = values["temperatures"], values["probability"]
        colours = [matplotlib.colormaps["viridis"](x) for x in np.linspace(0, 0.92, p.shape[1])]
        onset = values["onset"]["temperature"]
        warmest = max(temperatures.max(), onset if np.isfinite(onset) and onset < 2 else 0)
        grid = np.linspace(1 / (1.05 * warmest), 1 / temperatures.min(), 50)
        for b, colour in enumerate(colours):
            used = values["used"][:, b]
            y = np.log(temperatures * np.where(p[:, b] > 0, p[:, b], np.nan))
            error = values["error"][:, b] / np.where(p[:, b] > 0, p[:, b], np.nan)
            label = f"{np.nanmean(values['score'][:, b]):.2f}"
            axis.errorbar(1 / temperatures[used], y[used], error[used], fmt="o", ms=4, color=colour, capsize=2, label=label)
            axis.plot(1 / temperatures[~used], y[~used], "o", ms=4, mfc="none", color=colour)
            axis.plot(grid, values["entropy"][b] - values["energy"][b] * grid, ":", color=colour, lw=1)
        if np.isfinite(onset):
            axis.axvline(1 / onset, color="#999999", lw=0.8, ls="--")
        axis.set(title=title, xlabel="1 / T", ylabel="ln [ T P(R | S) ]")
        axis.legend(**OPAQUE, fontsize=7, title="score", title_fontsize=8, loc="lower left")
    return figure


def barriers(found: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]], xlabel: str):
    """Delta E and Sigma by name: score, Delta E, its error, Sigma, its error."""
    figure, (left, right) = new_figure(2, 5.2, 4.0)
    marks = "osD^vPX*"
    for k, (name, (x, energy, energy_error, entropy, entropy_error)) in enumerate(found.items()):
        colour, sure = COLOURS[k % len(COLOURS)], energy_error < UNCERTAIN
        x, energy, energy_error, entropy, entropy_error = (values[sure] for values in (x, energy, energy_error, entropy, entropy_error))
        left.errorbar(x, energy, energy_error, fmt=marks[k % len(marks)] + "-", ms=5, lw=0.8, color=colour, capsize=2, label=name)
        right.errorbar(x, entropy, entropy_error, fmt=marks[k % len(marks)] + "-", ms=5, lw=0.8, color=colour, capsize=2, label=name)
    left.set(xlabel=xlabel, ylabel="$\\Delta E$  [$\\epsilon$]")
    right.set(xlabel=xlabel, ylabel="$\\Sigma$")
    left.legend(frameon=False, fontsize=8)
    return figure


def bias_scans(panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]], xlabels: Sequence[str]):
    """Accuracy against bias, one panel for each question, on one scale."""
    figure, axes = new_figure(len(panels), 5.2, 3.8)
    highest = max(accuracy.max() for curves in panels.values() for _, accuracy in curves.values())
    for axis, (title, curves), xlabel in zip(axes, panels.items(), xlabels, strict=True):
        for (name, (bias, accuracy)), colour in zip(curves.items(), COLOURS, strict=False):
            axis.plot(bias, accuracy, "-", color=colour, lw=1.5, label=name)
        axis.axhline(0.5, color="#999999", ls="--", lw=1)
        axis.set(title=title, xlabel=xlabel, ylim=(0.48, max(highest, 0.52) + 0.02))
        axis.legend(frameon=False, fontsize=8)
    axes[0].set(ylabel="balanced accuracy")
    return figure
