"""Does a liquid remember that it was warm? Softness along relaxing liquids and along cycles of temperature (TH chapter 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from glassgpu.experiments import memory_stages as stages
from glassgpu.experiments.liquids import equilibrated
from glassgpu.experiments.memory_numbers import TAU_BETA
from glassgpu.experiments.memory_report import write

import glassgpu as gg
from glassgpu import validate
from glassgpu.descriptors import Softness
from glassgpu.dynamics import Hops
from glassgpu.protocols import Segment, hold, ramp
from glassgpu.report.page import Page
from glassgpu.study import Result, Study


@dataclass(frozen=True)
class Cycle:
    """A cycle of temperature and what it is compared with.

    Attributes:
        low, high: temperatures.
        wait, ramps, stay, after: at ``low`` before, of each ramp, at ``high``, and at ``low`` afterwards [time].
        replicas: of cycle and control, of each liquid.
        few: of them those that also take the steps alone.
        every: between two looks at softness [time].
    """

    low: float
    high: float
    wait: float
    ramps: float
    stay: float
    after: float
    replicas: int
    few: int
    every: float = 1.0

    @property
    def back(self) -> float:
        """When the bath begins to go back."""
        return self.wait + self.ramps + self.stay

    def stretches(self) -> dict[str, tuple[str, list[Segment], int]]:
        """By name: after which stretch it begins, its protocol, and how many replicas go on. What shares a beginning is run once;
        velocities are drawn afresh at the beginning of every stretch, in all runs at the same times."""
        low, high, long = self.low, self.high, self.after
        return {
            "wait": ("low", hold(low, self.wait), self.replicas),
            "still": ("wait", hold(low, self.ramps + self.stay), self.replicas),
            "control": ("still", hold(low, self.ramps), self.replicas),
            "control-late": ("control", hold(low, long), self.replicas),
            "hot": ("wait", ramp(low, high, self.ramps) + hold(high, self.stay), self.replicas),
            "cycle": ("hot", ramp(high, low, self.ramps), self.replicas),
            "cycle-late": ("cycle", hold(low, long), self.replicas),
            "up": ("hot", hold(high, self.ramps), self.few),
            "up-late": ("up", hold(high, long), self.few),
            "before": ("high", hold(high, self.ramps + self.stay), self.few),  # as long as the cycle has been warm
            "down": ("before", ramp(high, low, self.ramps), self.few),
            "down-late": ("down", hold(low, long), self.few),
            "warm": ("before", hold(high, self.ramps), self.few),
            "warm-late": ("warm", hold(high, long), self.few),
        }


@dataclass(frozen=True)
class Scale:
    """How much is computed.

    Attributes:
        n, liquids: particles, and independent liquids at each temperature.
        temperatures: expected relaxation time by temperature, from the warmest on.
        hops, train, lead, spell, most: how examples of softness are found: frames, their length, lead, least quiet spell, number.
        groups: of equal size, by softness.
        onset: temperature, last time, snapshots, replicas and parts of them for p_r (TH figure 4.1).
        relaxing: last time by temperature (TH figures 4.2 and 4.3); the last temperature at rest, too.
        cycles: the thesis' first; those that differ in ``stay`` only show what the time at the high temperature does.
        at_rest: replicas of each liquid, and times of relaxation, at which inherent structures are looked at.
        accept: whether liquids are tested for equilibrium.
    """

    n: int
    liquids: int
    temperatures: dict[float, float]
    hops: Hops
    train: float
    lead: int
    spell: float
    most: int
    groups: int
    onset: tuple[float, float, int, int, int]
    relaxing: dict[float, float]
    cycles: dict[str, Cycle]
    at_rest: tuple[int, int]
    accept: str | None = "test"


LARGER = {"low": 0.56, "high": 0.66, "wait": 10.0, "ramps": 5.0, "after": 30.0}
SMALL_HOPS = Hops(interval=0.2, half_window=2, threshold=0.05, squared_displacement=0.05)
LIQUIDS = {0.86: 1.2, 0.83: 1.5, 0.66: 7.0, 0.56: 30.0, 0.51: 80.0}
SCALES = {
    "smoke": Scale(
        2048, 2, {0.9: 0.3, 0.8: 0.3}, SMALL_HOPS, 2.4, 1, 0.8, 100, 4, (0.9, 1.0, 2, 4, 2), {0.9: 1.0, 0.8: 1.0},
        {"thesis": Cycle(0.8, 0.9, 0.2, 0.2, 0.2, 0.4, 2, 2, 0.2)}, (2, 3), None,
    ),
    "laptop": Scale(
        2048, 8, LIQUIDS, Hops(), 70.0, 2, 120.0, 3000, 8, (0.86, 40.0, 3, 16, 8), {0.83: 100.0, 0.56: 200.0},
        {
            "thesis": Cycle(0.51, 0.56, 30.0, 10.0, 30.0, 40.0, 16, 2, 2.0),
            "larger": Cycle(stay=15.0, replicas=2, few=2, **LARGER),
            "larger, short": Cycle(stay=5.0, replicas=2, few=2, **LARGER),
            "larger, long": Cycle(stay=30.0, replicas=2, few=2, **LARGER),
        },
        (2, 8),
    ),
    "paper": Scale(
        4096, 16, LIQUIDS, Hops(), 200.0, 2, 120.0, 5200, 10, (0.86, 100.0, 3, 100, 20), {0.83: 1000.0, 0.56: 3000.0},
        {
            "thesis": Cycle(0.51, 0.56, 30.0, 10.0, 30.0, 500.0, 64, 64, 2.0),
            "larger": Cycle(0.56, 0.66, 30.0, 5.0, 30.0, 150.0, 64, 64),
            "larger, short": Cycle(0.56, 0.66, 30.0, 5.0, 5.0, 150.0, 64, 64),
            "larger, long": Cycle(0.56, 0.66, 30.0, 5.0, 120.0, 150.0, 64, 64),
        },
        (8, 30),
    ),
}  # fmt: skip
# Stretches that end when the bath goes back, and when it is back: their ends are quenched.
RESTED = ("hot", "before", "control", "cycle", "up", "down", "warm")
TRAINED_AT = 0.56  # where examples are many and still hops; at smoke scale the coldest


@dataclass(frozen=True)
class Memory:
    """Softness along a run: what becomes of soft and hard particles, and what a liquid keeps of a cycle of temperature."""

    out: Path = Path("out/memory")
    """folder for the report"""
    scale: str = "laptop"
    """smoke, laptop (2 cores) or paper (one GPU)"""
    seed: int = 1
    """equal seeds give equal numbers"""
    backend: str = "auto"
    """auto, cuda or cpu"""


def run(options: Memory) -> Path:
    """Run the stages that have not been run yet, and write the report; returns its path."""
    wanted = SCALES[validate.choice("scale", options.scale, tuple(SCALES))]
    page = Page("Does a liquid remember that it was warm?", options.out)
    system, describe = gg.systems.kob_andersen(n=wanted.n), Softness(angular=False, backend=options.backend)
    study = Study(options.out, options, stages=_names(wanted))
    engine: dict[str, Any] = {"system": system, "backend": options.backend}

    liquids: dict[float, Result] = {}
    before: Result | None = None
    for t, tau in wanted.temperatures.items():
        before = liquids[t] = study.stage(
            f"liquids-{t:g}", equilibrated, before=before, temperature=t, duration=max(3 * tau, 2.0), configurations=wanted.liquids, seed=options.seed,
            accept=wanted.accept, **engine,
        )  # fmt: skip
    learnt = TRAINED_AT if TRAINED_AT in liquids else min(liquids)
    frames = study.stage(
        "frames",
        stages.watched,
        liquids=liquids[learnt],
        hops=wanted.hops,
        duration=wanted.train,
        temperature=learnt,
        seed=options.seed + 1,
        **engine,
    )
    plane = study.stage(
        "plane", stages.learned, frames=frames, describe=describe, hops=wanted.hops, lead=wanted.lead, spell=wanted.spell, most=wanted.most,
        wavenumber=system.wavenumber, seed=options.seed,
    )  # fmt: skip
    liquids[learnt] = frames  # which end some relaxation times after the states that softness was learned from
    soft: dict[str, Any] = {"plane": plane, "describe": describe, "groups": wanted.groups}

    t, last, snapshots, replicas, parts = wanted.onset
    window, interval = 2 * wanted.hops.half_window, wanted.hops.interval
    moments = interval * np.unique(np.round(np.geomspace(window // 2, last / interval, 12)).astype(int))
    hopping = study.stage(
        "rearranging", stages.rearranging, liquids=liquids[t], times=moments.tolist(), snapshots=snapshots, replicas=replicas, parts=parts,
        hops=wanted.hops, temperature=t, seed=options.seed + 2, **engine,
    )  # fmt: skip
    relaxing = {
        t: study.stage(
            f"relaxing-{t:g}", stages.relaxed, liquids=liquids[t], temperature=t, times=_times(last, 40), replicas=1, wavenumber=system.wavenumber,
            seed=options.seed + 3, **soft, **engine,
        )
        for t, last in wanted.relaxing.items()
    }  # fmt: skip
    coldest = min(wanted.relaxing)
    rest = study.stage(
        "relaxing-at-rest", stages.relaxed_at_rest, liquids=liquids[coldest], temperature=coldest, times=_times(wanted.relaxing[coldest], wanted.at_rest[1]),
        seed=options.seed + 4, **soft, **engine,
    )  # fmt: skip
    runs = {name: cycled(study, name, c, liquids, soft, engine, wanted, options.seed) for name, c in wanted.cycles.items()}
    write(page, options.scale, wanted, plane, hopping, relaxing, rest, runs, learnt)
    return page.write({"scale": options.scale, "n": wanted.n, "liquids": wanted.liquids, **study.provenance()})


def cycled(
    study: Study,
    name: str,
    cycle: Cycle,
    liquids: dict[float, Result],
    soft: dict[str, Any],
    engine: dict[str, Any],
    wanted: Scale,
    seed: int,
) -> dict[str, dict[str, Result]]:
    """The stretches of a cycle by name, ``thermal`` and at their ends ``at rest``."""
    key, found, rest = name.replace(", ", "-"), {}, {}
    for which, temperature, replicas in (("low", cycle.low, cycle.replicas), ("high", cycle.high, cycle.few)):
        found[which] = study.stage(f"{key}-{which}", stages.grouped, liquids=liquids[temperature], replicas=replicas, **soft)
    plane = {name: soft[name] for name in ("plane", "describe")}
    for k, (stretch, (begin, segments, few)) in enumerate(cycle.stretches().items()):
        found[stretch] = study.stage(
            f"{key}-{stretch}", stages.followed, states=found[begin], segments=segments, every=cycle.every, few=few, liquids=wanted.liquids,
            seed=seed + 100 * (1 + list(wanted.cycles).index(name)) + k, **plane, **engine,
        )  # fmt: skip
        if stretch in RESTED:
            rest[stretch] = study.stage(
                f"{key}-{stretch}-rest", stages.ends_at_rest, ends=found[stretch], few=min(wanted.at_rest[0], few), liquids=wanted.liquids, **plane,
                **engine,
            )  # fmt: skip
    return {"thermal": found, "at rest": rest}


def _times(last: float, count: int) -> np.ndarray:
    """Times at equal steps of their logarithm, from 0.05 on, in whole steps, and tau_beta."""
    steps = np.unique(np.round(np.geomspace(10, last / 0.005, count)))
    return 0.005 * np.union1d(steps, [round(TAU_BETA / 0.005)] if last >= TAU_BETA else [])


def _names(wanted: Scale) -> Sequence[str]:
    """Stages in the order in which they are run."""
    names = [
        *(f"liquids-{t:g}" for t in wanted.temperatures),
        "frames",
        "plane",
        "rearranging",
        *(f"relaxing-{t:g}" for t in wanted.relaxing),
    ]
    names.append("relaxing-at-rest")
    for name, cycle in wanted.cycles.items():
        key = name.replace(", ", "-")
        names += [f"{key}-low", f"{key}-high"]
        for stretch in cycle.stretches():
            names += [f"{key}-{stretch}", *([f"{key}-{stretch}-rest"] if stretch in RESTED else [])]
    return names
