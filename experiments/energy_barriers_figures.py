"""Pictures of the experiment ``energy_barriers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from glassgpu.experiments.softness_figures import temperatures_in_colour

from glassgpu.report.figures import COLOURS, new_figure

MARKS = "osD^vPX*"


def counts(by_temperature: Mapping[float, np.ndarray], replicas: Mapping[float, int]):
    """How often particles rearrange, and what chance alone would make of equal particles."""
    import scipy.stats

    figure, axes = new_figure(len(by_temperature), 4.2, 3.6)
    for axis, (t, k), colour in zip(axes, by_temperature.items(), temperatures_in_colour(list(by_temperature)), strict=True):
        r = replicas[t]
        edges = np.arange(-0.5, np.quantile(k, 0.999) + 1.5, max(1, int(np.quantile(k, 0.999) / 40)))
        axis.hist(k.ravel(), bins=edges, density=True, color=colour, alpha=0.6, label="particles")
        whole = np.arange(int(edges[-1]) + 1)
        axis.plot(whole, scipy.stats.binom.pmf(whole, r, k.mean() / r), "k--", lw=1, label="if all were alike")
        axis.set(title=f"T = {t:g}, {r} runs", xlabel="runs in which it rearranges", yscale="log", ylim=(1e-4, None))
        axis.locator_params(axis="x", integer=True)
    axes[0].set(ylabel="share of the A particles")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def predictions(by_temperature: Mapping[float, np.ndarray], softness: np.ndarray, output: np.ndarray):
    """Distributions of ln p_r of a model, and the model against softness (TH figure 3.1)."""
    figure, (left, right) = new_figure(2, 5.4, 4.0)
    for (t, x), colour in zip(by_temperature.items(), temperatures_in_colour(list(by_temperature)), strict=True):
        density, edges = np.histogram(x, bins=60, density=True)
        left.plot(0.5 * (edges[1:] + edges[:-1]), np.where(density > 0, density, np.nan), "-", color=colour, lw=1.6, label=f"T = {t:g}")
    left.set(xlabel="$\\ln p_r$ of SVR", ylabel="density", yscale="log")
    left.legend(frameon=False, fontsize=8)
    right.hexbin(softness, output, gridsize=45, mincnt=1, cmap="viridis", bins="log", linewidths=0)
    right.set(xlabel="softness, $w \\cdot F - b$", ylabel="$\\ln p_r$ of SVR")
    return figure


def explained(
    temperatures: Sequence[float], values: Mapping[str, Sequence[tuple[float, float]]], measured: Mapping[str, Sequence[float]],
    ceiling: Sequence[tuple[float, float]],
):  # fmt: skip
    """Explained variance against temperature: as measured beside its ceiling, and corrected for noise (TH figure 3.4)."""
    figure, (left, right) = new_figure(2, 5.2, 3.9)
    for k, (name, y) in enumerate(measured.items()):
        style = {"marker": MARKS[k % 8], "color": COLOURS[k % 6], "lw": 1, "label": name}
        left.plot(temperatures, y, **style)
        beside = np.asarray(temperatures) + 0.02 * np.ptp(temperatures) * (k - (len(measured) - 1) / 2)
        right.errorbar(beside, *np.transpose(values[name]), capsize=2, **{**style, "ls": "none"})
    left.errorbar(temperatures, *np.transpose(ceiling), fmt="k--", lw=1.4, capsize=3, label="ceiling of finite runs")
    left.set(title="as measured, noise included", xlabel="T", ylabel="explained share of Var(logit $p_r$)")
    right.set(title="of the variance without noise", xlabel="T", ylim=(-0.2, 1.3))
    right.axhline(0.5, color="#999999", ls=":", lw=1)
    left.legend(frameon=False, fontsize=8)
    return figure


def elimination(columns: Sequence[int], slopes: Sequence[float], errors: Sequence[float], shares: Mapping[str, Sequence[float]]):
    """Against the number of columns kept: the fall of barriers, and how much is explained (TH figure 3.5)."""
    figure, (left, right) = new_figure(2, 5.2, 3.9)
    left.errorbar(columns, slopes, errors, fmt="o-", color=COLOURS[0], capsize=2)
    left.set(xscale="log", xlabel="columns M", ylabel="fall of $\\Delta E$ per training deviation  [$\\epsilon$]", ylim=(0, None))
    for k, (name, y) in enumerate(shares.items()):
        right.plot(columns, y, MARKS[k] + "-", color=COLOURS[k], label=name)
    right.set(xscale="log", xlabel="columns M", ylabel="share of the true variance")
    for axis in (left, right):
        axis.set_xticks(columns, [str(m) for m in columns])
        axis.minorticks_off()
    right.legend(frameon=False)
    return figure


def transfer(times: np.ndarray, scores: Mapping[str, np.ndarray], ceiling: np.ndarray, trained: float):
    """Pearson coefficients with the inherent propensity against time (TH figure 3.8), means over liquids left out."""
    figure, (axis,) = new_figure(1, 6.2, 4.2)
    for k, (name, values) in enumerate(scores.items()):
        axis.plot(times, values.mean(axis=1), MARKS[k] + "-", color=COLOURS[k], label=name)
        axis.fill_between(times, values.min(axis=1), values.max(axis=1), color=COLOURS[k], alpha=0.15, lw=0)
    axis.plot(times, ceiling.mean(axis=0), "k--", lw=1.2, label="noise ceiling")
    axis.axvline(trained, color="#999999", ls=":", lw=1)
    axis.set(xscale="log", xlabel="time  [$\\tau$]", ylabel="Pearson coefficient with inherent propensity", ylim=(0, 1))
    figure.legend(frameon=False, fontsize=8, ncols=2, loc="outside upper center")  # curves fill the axes
    return figure


def means(temperatures: Sequence[float], outputs: Mapping[str, Sequence[float]]):
    """Mean outputs against temperature, from that of the training temperature on, in training deviations (TH figure A.1)."""
    figure, (axis,) = new_figure(1, 5.4, 3.9)
    for k, (name, y) in enumerate(outputs.items()):
        axis.plot(temperatures, y, MARKS[k % 8] + "-", color=COLOURS[k % 6], lw=1, label=name)
    axis.set(xlabel="T", ylabel="mean output, in training deviations")
    axis.legend(frameon=False, fontsize=8)
    return figure


def calibration(rows: np.ndarray):
    """Trap models whose barriers are known: slope and variance recovered, against noise that no column explains."""
    figure, (left, right) = new_figure(2, 5.0, 3.8)
    noise = np.unique(rows[:, 0])

    def mean_of(column: int) -> tuple[Any, Any]:
        each = [rows[rows[:, 0] == n, column] for n in noise]
        return np.array([e.mean() for e in each]), np.array([e.std() for e in each])

    left.errorbar(noise, *mean_of(3), fmt="o-", color=COLOURS[0], capsize=2, label="slope $e_1$ over the true one")
    left.errorbar(noise, *mean_of(2), fmt="s-", color=COLOURS[2], capsize=2, label="Pearson, score and truth")
    right.errorbar(noise, *mean_of(4), fmt="o-", color=COLOURS[1], capsize=2, label="recovered")
    right.plot(noise, mean_of(5)[0], "k--", lw=1, label="best possible")
    for axis, label in ((left, ""), (right, "variance of barriers over the true one")):
        axis.axhline(1, color="#999999", ls=":", lw=1)
        axis.set(xlabel="deviation of the noise in barriers  [$\\epsilon$]", ylabel=label, ylim=(0, None))
        axis.legend(frameon=False)
    return figure
