"""The pictures of ``interpretability``, one function for each figure of LIN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glassgpu.report import figures

GREEK = {"rho": r"\rho", "phi": r"\varphi", "Psi6": r"\Psi_6", "Psi": r"\Psi", "Theta": r"\Theta", "pi": r"\pi"}


def block_of(name: str) -> str:
    """``Psi_SS`` of ``Psi_SS(20)``."""
    return name.partition("(")[0]


def written(block: str) -> str:
    """The name of a block of columns as the papers print it."""
    symbol, _, species = block.partition("_")
    symbol = GREEK.get(symbol, symbol)
    return f"${symbol}^{{{species}}}$" if species else f"${symbol}$"


def _blocks(names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of each block, in order."""
    every = [block_of(n) for n in names]
    return {b: np.flatnonzero([x == b for x in every]) for b in dict.fromkeys(every)}


def _label_blocks(axis: Any, names: Sequence[str]) -> None:
    for block, where in _blocks(names).items():
        axis.axvline(where[-1] + 0.5, color="#dddddd", lw=0.7, zorder=0)
        axis.text(where.mean(), 1.02, written(block), ha="center", va="bottom", fontsize=8, transform=axis.get_xaxis_transform())


def bars(names: Sequence[str], panels: Mapping[str, tuple[np.ndarray, np.ndarray | None]]) -> Any:
    """One bar for each column, in blocks of one colour; label of the y axis -> (values, errors)."""
    figure, axes = figures.new_figure(1, 9.0, 3.0)
    if len(panels) > 1:
        figure.clear()
        figure.set_size_inches(9.0, 2.6 * len(panels))
        axes = list(figure.subplots(len(panels), 1, sharex=True))
    colour = np.zeros(len(names), int)
    for k, where in enumerate(_blocks(names).values()):
        colour[where] = k % len(figures.COLOURS)
    for axis, (label, (values, error)) in zip(axes, panels.items(), strict=True):
        axis.bar(
            np.arange(len(names)), values, width=0.85, color=[figures.COLOURS[k] for k in colour], yerr=error,
            error_kw={"elinewidth": 0.7, "ecolor": "#333333"},
        )  # fmt: skip
        axis.axhline(0, color="#222222", lw=0.8)
        axis.set(ylabel=label, xlim=(-1, len(names)))
        axis.spines[["top", "right"]].set_visible(False)
    _label_blocks(axes[0], names)
    axes[-1].set(xlabel="column")
    return figure


def matrices(found: Mapping[str, tuple[Sequence[str], np.ndarray]]) -> Any:
    """Correlation matrices by descriptor: (names of columns, C)."""
    figure, axes = figures.new_figure(len(found), 4.6, 4.4)
    image = None
    for axis, (title, (names, matrix)) in zip(axes, found.items(), strict=True):
        image = axis.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        blocks = _blocks(names)
        axis.set(title=title, xticks=[w.mean() for w in blocks.values()], yticks=[w.mean() for w in blocks.values()])
        axis.set_xticklabels([written(b) for b in blocks], fontsize=7)
        axis.set_yticklabels([written(b) for b in blocks], fontsize=7)
        axis.tick_params(length=0)
        for where in blocks.values():
            axis.axvline(where[-1] + 0.5, color="#555555", lw=0.4)
            axis.axhline(where[-1] + 0.5, color="#555555", lw=0.4)
    figure.colorbar(image, ax=axes, shrink=0.8, label="Pearson coefficient")
    return figure


def traces(alphas: np.ndarray, groups: Mapping[str, tuple[np.ndarray, np.ndarray]], limit: float) -> Any:
    """Weights against alpha, (alpha, columns) means and deviations by block, each divided by the largest of its block;
    grey where alpha is within rounding of nothing."""
    import matplotlib

    figure, axes = figures.new_figure(len(groups), 5.0, 3.8)
    for axis, (block, (mean, deviation)) in zip(axes, groups.items(), strict=True):
        largest = np.abs(mean).max(axis=1, keepdims=True)
        for k in range(mean.shape[1]):
            colour = matplotlib.colormaps["viridis"](k / max(1, mean.shape[1] - 1))
            low, high = ((mean[:, k] + sign * deviation[:, k]) / largest[:, 0] for sign in (-1, 1))
            axis.fill_between(alphas, low, high, color=colour, alpha=0.25, lw=0)
            axis.plot(alphas, mean[:, k] / largest[:, 0], color=colour, lw=1)
        axis.axvspan(alphas[0], limit, color="#cccccc", alpha=0.8, lw=0)
        axis.axvline(0.1, color="#d1495b", lw=0.8, ls="--")
        axis.set(xscale="log", xlabel=r"$\alpha$", ylabel="weight / largest of its block", title=written(block), ylim=(-1.3, 1.3))
        axis.set(xlim=(alphas[0], alphas[-1]))
    return figure


def performance(alphas: np.ndarray, curves: Mapping[str, tuple[np.ndarray, str]], squares: Mapping[str, tuple[np.ndarray, str]]) -> Any:
    """Pearson coefficient and R2 against alpha; name -> (values, style)."""
    figure, axes = figures.new_figure(2, 5.0, 3.6)
    for axis, given, label in zip(axes, (curves, squares), ("Pearson coefficient", "$R_2$"), strict=True):
        for number, (name, (values, style)) in enumerate(given.items()):
            axis.plot(alphas, values, style, color=figures.COLOURS[number], label=name, lw=1.6)
        axis.axvline(0.1, color="#999999", lw=0.8, ls=":")
        axis.set(xscale="log", xlabel=r"$\alpha$", ylabel=label)
        axis.legend(frameon=False, fontsize=8)
    return figure


def condition(alphas: np.ndarray, kappa: Mapping[str, np.ndarray], largest: Mapping[str, float]) -> Any:
    """kappa(C + alpha I) against alpha, with lambda_max / alpha."""
    figure, (axis,) = figures.new_figure(1, 5.6, 4.0)
    for number, (name, values) in enumerate(kappa.items()):
        axis.plot(alphas, values, color=figures.COLOURS[number], label=name, lw=1.6)
        axis.plot(alphas, largest[name] / alphas, "--", color=figures.COLOURS[number], lw=0.8)
        axis.annotate("", (largest[name], 1.0), (largest[name], 8.0), arrowprops={"arrowstyle": "->", "color": figures.COLOURS[number]})
    axis.axhline(1000, color="#999999", lw=0.8, ls=":")
    axis.set(xscale="log", yscale="log", xlabel=r"$\alpha$", ylabel=r"$\kappa(C + \alpha I)$", ylim=(0.8, None))
    axis.legend(frameon=False)
    return figure


def net(count: np.ndarray, score: np.ndarray, envelope: np.ndarray, betas: np.ndarray, alphas: np.ndarray) -> Any:
    """Elastic nets of one half, (beta, alpha): Pearson coefficient against columns kept, and columns kept against beta."""
    figure, (left, right) = figures.new_figure(2, 5.2, 3.8)
    left.plot(count.ravel(), score.ravel(), ".", color="#999999", ms=3, label=r"every $(\alpha, \beta)$")
    left.plot(np.arange(1, len(envelope) + 1), envelope, "o-", color=figures.COLOURS[0], ms=4, lw=1, label="best of each $P$, all halves")
    left.set(xscale="log", xlabel="columns kept, $P$", ylabel="Pearson coefficient")
    left.legend(frameon=False, fontsize=8)
    for number, k in enumerate(np.linspace(5, len(alphas) - 6, 5).astype(int)):
        right.plot(betas, count[:, k], "o-", ms=3, color=figures.COLOURS[number], label=rf"$\alpha = {alphas[k]:.2g}$")
    right.set(xlabel=r"$\beta$", ylabel="columns kept, $P$", yscale="log")
    right.legend(frameon=False, fontsize=8)
    return figure


def components(values: np.ndarray, correlation: np.ndarray) -> Any:
    """LIN figure 8: eigenvalues, Pearson coefficients of the components, and one against the other."""
    figure, axes = figures.new_figure(3, 4.0, 3.4)
    number = np.arange(1, len(values) + 1)
    best = np.argsort(-np.abs(correlation))[:5]
    axes[0].plot(number, values, "o", ms=3, color=figures.COLOURS[0])
    axes[0].set(xlabel="component", ylabel=r"eigenvalue $\lambda$", yscale="log")
    axes[1].bar(number, correlation, width=1.0, color=figures.COLOURS[0])
    axes[1].set(xlabel="component", ylabel="Pearson coefficient with $p$")
    axes[2].plot(values, np.abs(correlation), "o", ms=3, color="#999999")
    axes[2].plot(values[best], np.abs(correlation)[best], "o", ms=5, color=figures.COLOURS[1])
    for k in best:
        axes[2].annotate(f"{k + 1}", (values[k], abs(correlation[k])), textcoords="offset points", xytext=(4, 3), fontsize=8)
    axes[2].set(xlabel=r"eigenvalue $\lambda$", ylabel="|Pearson coefficient|", xscale="log")
    return figure


def reduction(found: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Any:
    """LIN figures 9 and 11: Pearson coefficient against the number of components or columns; descriptor -> (correlations
    by falling eigenvalue, envelope of elastic nets)."""
    figure, axes = figures.new_figure(len(found), 4.6, 3.6)
    for axis, (name, (correlation, envelope)) in zip(axes, found.items(), strict=True):
        number = np.arange(1, len(correlation) + 1)
        for label, r, colour, mark in (
            ("components by eigenvalue", correlation, figures.COLOURS[0], "s"),
            ("components by |R|", np.sort(np.abs(correlation))[::-1], figures.COLOURS[1], "o"),
        ):
            axis.plot(number, np.sqrt(np.cumsum(r**2)), mark + "-", ms=3, lw=1, color=colour, label=label)
        axis.plot(np.arange(1, len(envelope) + 1), envelope, "^--", ms=3, lw=1, color=figures.COLOURS[2], label="elastic net")
        axis.set(xscale="log", xlabel="components, or columns", ylabel="Pearson coefficient", title=name)
        axis.legend(frameon=False, fontsize=8)
    return figure


def densities(truth: np.ndarray, guesses: Mapping[str, np.ndarray]) -> Any:
    """LIN figure 10, bottom: distributions of truth and predictions, and one scatter plot for each."""
    figure, axes = figures.new_figure(1 + len(guesses), 3.6, 3.4)
    ends = np.linspace(truth.min(), truth.max(), 60)
    axes[0].hist(truth, ends, density=True, histtype="step", color="#222222", label="truth", lw=1.4)
    for number, (name, guess) in enumerate(guesses.items()):
        axes[0].hist(guess, ends, density=True, histtype="step", color=figures.COLOURS[number], label=name)
        axis = axes[1 + number]
        axis.hexbin(truth, guess, gridsize=45, mincnt=1, cmap="viridis", bins="log", linewidths=0)
        axis.plot(ends[[0, -1]], ends[[0, -1]], "--", color="#d1495b", lw=1)
        axis.set(xlabel="$p$", ylabel="prediction", title=name)
    axes[0].set(xlabel="$p$", ylabel="probability density")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def criteria(columns: np.ndarray, values: np.ndarray) -> Any:
    """AIC and BIC along the lasso, the last point being least squares of all columns."""
    figure, (axis,) = figures.new_figure(1, 5.6, 3.6)
    for number, (name, v) in enumerate(zip(("AIC", "BIC"), values, strict=True)):
        axis.plot(columns, v, "o", ms=3, color=figures.COLOURS[number], label=name)
        axis.plot(columns[v.argmin()], v.min(), "o", ms=10, mfc="none", color=figures.COLOURS[number])
    axis.set(xlabel="columns kept by the lasso (the last: all, without penalty)", ylabel="criterion")
    axis.legend(frameon=False)
    return figure
