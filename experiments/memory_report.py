"""The report of ``memory``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from glassgpu.experiments.memory_numbers import (
    TAU_BETA,
    Cycled,
    apart,
    claims,
    excess,
    falls_to,
    judged,
    scattering,
    straightness,
    stretched,
)

from glassgpu import protocols
from glassgpu.evaluate.claims import Verdicts
from glassgpu.landscape import Contrast, CycleMemory
from glassgpu.landscape.memory import LEVEL
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result

if TYPE_CHECKING:
    from glassgpu.experiments.memory import Cycle, Scale

TIME = r"time  [$\sqrt{m\sigma^2/\epsilon}$]"
WORDS = {
    "memory": "The liquid remembers: more is left than its answers to the two steps.",
    "response": "After the cycle the liquid still answers it; what is left after the two steps are taken out is what noise alone leaves.",
    "noise": "After the cycle nothing was found but noise: cycle and control can no longer be told apart.",
}


def write(
    page: Page, scale: str, wanted: Scale, plane: Result, hopping: Result, relaxing: Mapping[float, Result], rest: Result,
    runs: Mapping[str, Mapping[str, Mapping[str, Result]]], learnt: float,
) -> None:  # fmt: skip
    """Fill the page from stored stages."""
    cycles = {name: judged(wanted.cycles[name], found, wanted.liquids) for name, found in runs.items()}
    first = wanted.cycles["thesis"]
    found = claims(hopping, relaxing, rest, cycles, first.after >= 5 * wanted.temperatures.get(first.low, np.inf))
    verdicts = Verdicts("memory", found, scale)
    warm, cold = max(relaxing), min(relaxing)
    page.numbers = _numbers(plane, hopping, relaxing, rest, cycles) | {"claims": found}
    page.text(
        "Some particles of a liquid stand in soft places, from which they will soon leave, others in hard ones. A number computed from where the "
        "neighbours stand, softness, tells which: it was learned from particles that were seen to leave and others that stayed for long, "
        f"at T = {learnt:g}, and tells them apart in liquids it has not seen in {100 * np.mean(plane['accuracy']):.0f} % of the cases. Here softness is "
        "followed while a liquid moves. How long does a particle that is soft now stay softer than others? And if the liquid is warmed for a while and "
        "cooled again, does anything of it remain?"
    )
    if scale == "smoke":
        page.text("This is the smoke scale: a test of the machinery. Its numbers mean nothing.")

    page.heading("Who moves is forgotten")
    page.text(
        f"One snapshot at T = {wanted.onset[0]:g} is run {wanted.onset[3]} times with other velocities. The share of its particles that are just leaving their cage differs "
        "between snapshots, and becomes the same for all."
    )
    page.figure(
        _rearranging(hopping),
        "rearranging",
        "Mean p_r of A particles of some snapshots against time; bars: standard errors from parts of the runs.",
    )
    page.text(
        f"At the first times the snapshot furthest from the mean stands {apart(hopping['share'][:, :, :3].mean(axis=2)):.1f} standard errors away, at the last "
        f"{apart(hopping['share'][:, :, -3:].mean(axis=2)):.1f}."
    )
    verdicts.show(page, "common_value")

    page.heading("Soft particles become like others")
    _, tau = scattering(relaxing[warm])
    page.text(
        f"Particles are put into {wanted.groups} groups of equal size, by how soft they are at the beginning. Every group goes back to the mean of all. "
        f"At T = {warm:g} the liquid itself relaxes in {_or_longer(tau, relaxing[warm]['times'][-1])}; a tenth of the difference is still there after {_or_longer(falls_to(relaxing[warm]['times'], excess(relaxing[warm])[0], 0.1), relaxing[warm]['times'][-1])}."
    )
    page.figure(
        _groups(relaxing[warm]), "groups", f"Mean softness of the groups against time, T = {warm:g}; dashed: F_s of A, from 1 to 0."
    )
    verdicts.show(page, "slow")
    page.text(
        "Part of that is no forgetting at all. Particles vibrate, and softness is read from where neighbours stand at one moment: who happens to look "
        "softest at the beginning looks less so an instant later. In inherent structures, in which nothing vibrates, that first drop is smaller."
    )
    page.figure(
        _excess(relaxing[cold], rest), "excess",
        f"What is left of the groups' differences, T = {cold:g}: thermal positions, inherent positions (groups by inherent softness), and F_s.",
    )  # fmt: skip
    verdicts.show(page, "first_drop", "first_drop_inherent", "logarithmic", "reaches_mean")
    span = (relaxing[cold]["times"], excess(relaxing[cold])[0], TAU_BETA, scattering(relaxing[cold])[1])
    if np.isfinite(stretched(*span)):
        page.text(
            f"A straight line in the logarithm of time is no proof of anything: a stretched exponential describes the same points with a squared correlation of "
            f"{stretched(*span):.3f}, the line with {straightness(*span):.3f}."
        )

    page.heading("A cycle of temperature")
    page.text(
        "The liquid waits, is warmed, stays warm, is cooled again. Every run is compared with a control that starts from the same state and stays "
        "cold: the difference is the response. Softness read from thermal positions follows the bath at once, so a response proves no memory. "
        "Therefore two more experiments: a liquid that is warmed and stays warm, and a warm one that is cooled. What the cycle does beyond the sum of these "
        "two steps, group by group, after the shift that all groups share is taken out, would be memory. A step down acts on what the groups still "
        "differ by, so the step alone counts in units of what its own groups differed by when it began: a liquid whose groups relax at a rate that its "
        "present temperature decides remembers nothing. Velocities are drawn afresh where runs part, in all of them at the same times."
    )
    for name, cycle in wanted.cycles.items():
        _cycle(page, name, cycle, cycles[name], wanted.liquids)
    verdicts.show(page, "softer_in_the_cycle", "returns", "memory", "memory_larger")
    number, expected = _contrasts(cycles)
    page.text(
        f"{number} contrasts were looked at in all (three of each cycle, thermal and at rest); {expected:.2f} of them would be below 0.0027 by chance."
    )
    durations = {wanted.cycles[n].stay: c for n, c in cycles.items() if n.startswith("larger")}
    if len(durations) > 1:
        page.heading("Longer in the warmth")
        page.figure(
            _durations(durations),
            "durations",
            "Memory as a share of what the groups differed by when the cycle went back, averaged over the times after, and its standard error, against the time at the high temperature.",
        )
    verdicts.show_rest(page)


def _or_longer(value: float, last: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else f"more than {last:g}"


def _cycle(page: Page, name: str, cycle: Cycle, found: Cycled, liquids: int) -> None:
    page.heading(f"The {'thesis' + chr(39) if name == 'thesis' else name} cycle: {cycle.low:g} to {cycle.high:g} and back")
    path = protocols.cycle(cycle.low, cycle.high, cycle.wait, cycle.ramps, cycle.stay, cycle.after)
    page.table(["from", "until", "temperature"], protocols.in_words(path))
    key = name.replace(", ", "-")
    page.figure(
        _track(found), f"{key}-cycle",
        "Left: mean softness of the groups, in the cycle (lines) and the control (dashed). Middle: the shift of all groups, cycle less control, with standard errors, "
        "and the temperature of the bath. Right: the response of each group, the shift taken out, from hard (dark) to soft (light).",
    )  # fmt: skip
    page.figure(
        _left(found),
        f"{key}-memory",
        "What is left beyond the two steps, group by group: in units of its standard error at every time (left), and averaged over all times, and at rest at the moment when the bath is back (right; bars: standard errors).",
    )
    page.text(
        f"{liquids} liquids; cycle and control {cycle.replicas} times from each, the steps alone {cycle.few} times. During the hot hold the liquid is softer than the control by "
        f"{found.hot:.1f} standard errors, in the last third of the time after the cycle by {found.late:.1f}. The groups of the step down alone counted "
        f"{found.thermal.scale:.2f} times. Of what the groups differed by when the cycle went back, a share of {found.averaged.kept.value[0, 0]:+.3f} ± "
        f"{found.averaged.kept.error[0, 0]:.3f} was kept beyond the two steps, in the mean of all times after: below {abs(found.averaged.kept.value[0, 0]) + 3 * found.averaged.kept.error[0, 0]:.2f} in "
        "either direction."
    )
    rows = [
        ["shift of all groups", *_row(found.thermal.shift), *_row(found.at_rest.shift)],
        ["response", *_row(found.thermal.response), *_row(found.at_rest.response)],
        ["memory", *_row(found.thermal.memory), *_row(found.at_rest.memory)],
    ]
    page.table(
        ["after the cycle", "tests", "chi^2", "largest", "p", "tests at rest", "chi^2 at rest", "largest at rest", "p at rest"], rows
    )
    page.text(
        f"Thermal positions: {found.thermal.verdict}. {WORDS[found.thermal.verdict]} Inherent positions, at the moment when the bath is back: {found.at_rest.verdict}. "
        "Chi^2 is the mean square of all values over their errors, about 1 for noise, up to a third more where few replicas tell the errors; p is how often noise alone reaches it, drawn anew from the "
        "replicas (of memory from the liquids), so that it knows how times and groups hang together; 0.0027 decides. The largest of so many tests is given in standard errors: "
        "one of a few hundred reaches 3 by chance."
    )


def _contrasts(cycles: Mapping[str, Cycled]) -> tuple[int, float]:
    """How many there are, and how many of them noise would find."""
    number = 6 * len(cycles)
    return number, number * LEVEL


def _row(c: Contrast) -> list[Any]:
    return [str(c.tests), c.chi2, f"{c.largest:.1f}", f"{c.p:.4f}"]


def _numbers(
    plane: Result, hopping: Result, relaxing: Mapping[float, Result], rest: Result, cycles: Mapping[str, Cycled]
) -> dict[str, Any]:
    def of(c: CycleMemory) -> dict[str, Any]:
        kinds = {"shift": c.shift, "response": c.response, "memory": c.memory}
        return {"verdict": c.verdict} | {
            k: {"chi2": v.chi2, "p": v.p, "largest": v.largest, "tests": v.tests, "value": v.value, "error": v.error}
            for k, v in kinds.items()
        }

    return {
        "accuracy": plane["accuracy"], "examples": plane["examples"],
        "p_r": {"times": hopping["times"], "mean": hopping["share"].mean(axis=1)},
        "relaxing": {
            f"{t:g}": {"times": r["times"], "excess": excess(r)[0], "error": excess(r)[1], "F_s": scattering(r)[0], "tau_alpha": scattering(r)[1]}
            for t, r in relaxing.items()
        },
        "at_rest": {"times": rest["times"], "excess": excess(rest)[0], "error": excess(rest)[1]},
        "cycles": {
            name: {
                "times": c.times, "temperature": c.temperature, "shift": c.shift, "shift_error": c.shift_error, "hot": c.hot, "late": c.late,
                "kept": [float(c.averaged.kept.value[0, 0]), float(c.averaged.kept.error[0, 0])], "scale": c.thermal.scale, "thermal": of(c.thermal), "at rest": of(c.at_rest),
            }
            for name, c in cycles.items()
        },
    }  # fmt: skip


# ---------------------------------------------------------------- pictures


def _rearranging(hopping: Result) -> Any:
    figure, (axis,) = figures.new_figure(1, 6.4, 4.2)
    mean = hopping["share"].mean(axis=1)
    error = hopping["share"].std(axis=1, ddof=1) / np.sqrt(hopping["share"].shape[1])
    for k, (m, e) in enumerate(zip(mean, error, strict=True)):
        axis.errorbar(hopping["times"], m, e, fmt="o-", ms=4, capsize=2, color=figures.COLOURS[k], label=f"snapshot {k + 1}")
    axis.set(xscale="log", xlabel=TIME, ylabel="mean $p_r$ of A", ylim=(0, None))
    axis.legend(frameon=False)
    return figure


def _shades(groups: int) -> list[Any]:
    import matplotlib

    return [matplotlib.colormaps["viridis"](x) for x in np.linspace(0, 0.92, groups)]


def _groups(found: Result) -> Any:
    figure, (axis,) = figures.new_figure(1, 6.8, 4.4)
    mean = found["softness"].mean(axis=(0, 1))
    for colour, s, first in zip(_shades(mean.shape[1]), mean.T, found["start"].mean(axis=0), strict=True):
        axis.plot(found["times"], s, "-", color=colour, lw=1.6)
        axis.plot(found["times"][0] * 0.7, first, "o", color=colour, ms=5)
    axis.set(xscale="log", xlabel=TIME, ylabel="mean softness of a group")
    other = axis.twinx()
    other.plot(found["times"], scattering(found)[0], "--", color="#444", lw=1.2)
    other.set(ylabel="$F_s$ (dashed)", ylim=(-0.02, 1.05))
    return figure


def _excess(thermal: Result, rest: Result) -> Any:
    figure, (axis,) = figures.new_figure(1, 6.8, 4.4)
    for k, (name, found) in enumerate((("thermal positions", thermal), ("inherent positions", rest))):
        value, error = excess(found)
        axis.errorbar(found["times"], value, error, fmt="o-", ms=3, lw=1.4, capsize=2, color=figures.COLOURS[k], label=name)
    axis.plot(thermal["times"], scattering(thermal)[0], "--", color="#444", lw=1.2, label="$F_s$")
    axis.axhline(0, color="#999", lw=0.8)
    axis.set(xscale="log", xlabel=TIME, ylabel="share of the first difference", ylim=(-0.1, 1.05))
    axis.legend(frameon=False)
    return figure


def _track(found: Cycled) -> Any:
    figure, axes = figures.new_figure(3, 4.6, 4.2)
    shades = _shades(found.cycle.shape[1])
    for colour, s, c, r in zip(shades, found.cycle.T, found.control.T, found.response.value.T, strict=True):
        axes[0].plot(found.times, s, "-", color=colour, lw=1.4)
        axes[0].plot(found.times, c, "--", color=colour, lw=0.9)
        axes[2].plot(found.times, r, "-", color=colour, lw=1.2)
    axes[2].fill_between(found.times, -found.response.error.mean(axis=1), found.response.error.mean(axis=1), color="#bbb", alpha=0.5, lw=0)
    axes[1].errorbar(found.times, found.shift, found.shift_error, fmt="o-", ms=3, lw=1.2, color=figures.COLOURS[0])
    bath = axes[1].twinx()
    bath.plot(found.times, found.temperature, "-", color=figures.COLOURS[1], lw=1.2)
    bath.set_ylabel("temperature", color=figures.COLOURS[1])
    for axis, label in zip(axes, ("mean softness", "shift of all groups", "response of a group"), strict=True):
        axis.set(xlabel=TIME, ylabel=label)
    return figure


def _left(found: Cycled) -> Any:
    figure, axes = figures.new_figure(2, 5.4, 4.0)
    memory = found.thermal.memory
    scale = max(4.0, memory.largest)
    image = axes[0].pcolormesh(
        found.after,
        np.arange(1, memory.value.shape[1] + 1),
        (memory.value / memory.error).T,
        cmap="RdBu_r",
        vmin=-scale,
        vmax=scale,
        shading="nearest",
    )
    figure.colorbar(image, ax=axes[0], label="memory over its error")
    axes[0].set(xlabel=TIME, ylabel="group, from hard to soft")
    groups = np.arange(1, memory.value.shape[1] + 1)
    for k, (name, kept) in enumerate((("thermal", found.averaged.memory), ("at rest", found.at_rest.memory))):
        axes[1].errorbar(groups + 0.2 * k, kept.value[0], kept.error[0], fmt="os"[k], ms=4, capsize=2, color=figures.COLOURS[k], label=name)
    axes[1].axhline(0, color="#999", lw=0.8)
    axes[1].set(xlabel="group, from hard to soft", ylabel="memory")
    axes[1].legend(frameon=False)
    return figure


def _durations(cycles: Mapping[float, Cycled]) -> Any:
    figure, (axis,) = figures.new_figure(1, 5.6, 4.0)
    stays = sorted(cycles)
    values, errors = np.array([[cycles[s].averaged.kept.value[0, 0], cycles[s].averaged.kept.error[0, 0]] for s in stays]).T
    axis.errorbar(stays, values, errors, fmt="o", capsize=3, color=figures.COLOURS[0])
    axis.axhline(0, color="#999", lw=0.8)
    axis.set(xscale="log", xlabel="time at the high temperature", ylabel="share kept")
    axis.set_xticks(stays, [f"{s:g}" for s in stays])
    axis.minorticks_off()
    return figure
