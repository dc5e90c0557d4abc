"""The page of the experiment ``softness``, in words for readers from elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from glassgpu.experiments import softness_figures as draw
from glassgpu.experiments.softness_claims import deviation, judged, moments, of_plane, training_temperature
from glassgpu.experiments.softness_stages import INHERENT_LIMIT, INHERENT_SPELL, of_a, plane_of
from glassgpu.experiments.watched_liquids import Watched, opened

from glassgpu.evaluate import Verdicts
from glassgpu.io import Frames
from glassgpu.models import cosine
from glassgpu.report import figures
from glassgpu.report.page import Page
from glassgpu.study import Result

SEEN_BEST = 0.1  # share of the particles that rearrange, in the picture of a liquid
CHAPTER_2 = "$x = (w \\cdot F - b^{best}) / \\sigma_{train}$  (TH chapter 2)"


def write(
    page: Page, scale: str, wanted: Any, data: Watched, examples: dict[str, Result], trained: dict[str, Result], scores: dict[str, Result],
    maps: dict[str, Result], transfer: Result,
) -> None:  # fmt: skip
    """Everything on the page."""
    verdicts = Verdicts("softness", judged(wanted.hot, data, examples, trained, scores, maps, transfer), scale)
    cold = data.temperatures[0]
    thermal = trained["thermal"]["thermal"]
    page.numbers = {
        "temperatures": data.temperatures, "share_hopping": [data.frames[t]["share_hopping"] for t in data.temperatures],
        "accuracy": {name: found[name]["accuracy"] for found in (trained["thermal"], trained["inherent"]) for name in found},
        "shuffled": {name: found[name]["shuffled"] for found in (trained["thermal"], trained["inherent"]) for name in found},
        "transfer": {name: {"accuracy": found["accuracy"], "low": found["low"]} for name, found in transfer["cold"].items()},
        "landscape": {
            name: {key: found[key] for key in ("linear", "onset", "reduced_chi2", "temperatures", "score", "probability", "error", "events", "energy", "entropy")}
            for name, found in maps.items()
        },
        "moments": {name: moments(scores, name, data.temperatures) for name in scores[f"{cold:g}"]["names"]},
        "tau_alpha": examples["cold"]["tau_alpha"], "relaxation_time": relaxation(examples["cold"]["tau_alpha"], opened(data.frames[cold])),
    }  # fmt: skip
    warn_of_smoke(page, scale)
    page.text(
        "In a dense crowd most people shuffle on the spot; now and then someone squeezes past a neighbour. Could one have told from a photograph, a moment earlier, who "
        f"would? Here the crowd is a liquid of {data.system.n} particles on its way to becoming a glass, {data.facts['configurations']} of them at each of "
        f"{len(data.temperatures)} temperatures. A computer is shown particles that squeezed past a neighbour soon after, and others that stayed put for long, "
        "and learns one number, softness, from how many neighbours each has at every distance. Soft means about to move.",
        "The surprise of the method is what comes next: the number that was learned as a yes or no turns out to measure how high a barrier a particle must climb. And a "
        "classifier trained in the hot liquid, where no barriers are left, finds the same barriers in the cold one.",
    )
    words(page, data)
    _labels(page, verdicts, data, examples["cold"])
    _accuracy(page, verdicts, data, examples, trained)
    _distributions(page, verdicts, data, scores)
    _landscape(page, verdicts, wanted, maps)
    _fluidity(page, verdicts, wanted, data, examples, trained, scores, maps, transfer)
    _look(page, data, scores, thermal, wanted)
    verdicts.show_rest(page)


def warn_of_smoke(page: Page, scale: str) -> None:
    """Say of the smallest scale that its numbers are no results."""
    if scale == "smoke":
        page.text(
            "This is the scale smoke, which tests the machinery on liquids that are not in equilibrium. Its numbers mean nothing, and the sentences "
            "around them were written for larger scales."
        )


def relaxation(tau: float, frames: Frames) -> str:
    """In words what ``softness_stages.relaxation_time`` found, whose smallest and largest values are bounds."""
    if tau >= frames.times[-1]:
        return f"longer than {tau:.3g}, the length of a run"
    return f"at most {tau:.3g}" if tau <= frames.interval else f"{tau:.3g}"


def words(page: Page, data: Watched) -> None:
    """What both reports take for granted."""
    page.text(
        f"Words. TH is the thesis of T. M. Obadiya (Correlating Structure with Dynamics in Supercooled Liquids Using Machine Learning Tools, Emory University, 2025), whose figures are made again here. Eight particles in ten are large (A) and two small (B); only A are judged. Lengths are in diameters of A, "
        f"times in tau, the Lennard-Jones unit; frames are {data.hops.interval:g} tau apart. Columns are the numbers that describe a particle's surroundings: neighbours of each kind at each "
        "distance, and the order of their directions. Softness is w · F - b, a weighted sum of columns F less a bias b; fluidity is the same, learned in a hot liquid. Lead: how long before the "
        "hop the surroundings are taken. Balanced accuracy: the mean of the shares of both classes that are told right, 0.5 by guessing.",
        "Verdicts. Each table of claims says what was expected, by whom, and what is found here. Agree: within the tolerance given, or three standard errors. Differs: not. Not reachable: the claim "
        "is about a larger or colder study than this one, or its value could not be computed here (-); it is not judged, even where the numbers look close. Beside TH, a source may be a goal "
        "of this experiment, a bound set by its authors, or the project notes, figures and rules that the project was given to start from.",
    )


def _labels(page: Page, verdicts: Verdicts, data: Watched, cold: Result) -> None:
    """Who hops."""
    page.heading("What counts as moving")
    t = data.temperatures[0]
    store = opened(data.frames[t])
    (_, p), *_ = of_a(store)
    known = np.nan_to_num(p, nan=-1)
    most, at = known.max(axis=0), known.argmax(axis=0) / len(p)
    inner = (at > 0.2) & (at < 0.8)  # its hop can be seen whole
    picks = {
        "one that rearranges": int(np.argsort(np.where(inner, most, 0))[-3]),
        "one that barely does": int(np.abs(most - 1.2 * data.hops.threshold).argmin()),
        "one that stays": int(most.argmin()),
    }
    histograms = {}
    for temperature in data.temperatures:
        values = np.concatenate([x[np.isfinite(x)] for _, x in of_a(opened(data.frames[temperature]))])
        histograms[temperature] = values[values > 0]
    page.figure(
        draw.hops(store.times, {name: p[:, k] for name, k in picks.items()}, data.hops.threshold, histograms), "hops",
        f"Left: p_hop of three particles at T = {t:g}. Right: of all A particles at every temperature. Dashed: the threshold {data.hops.threshold:g}.",
    )  # fmt: skip
    interval, asked = data.hops.interval, cold["sets"]["inherent"]["provenance"]["quiet_for"]
    half = f"{data.hops.half_window * interval:g}"
    page.text(
        f"A particle's hop indicator p_hop compares where it was during the last {half} tau with where it is during the next "
        f"{half}. At T = {t:g} a share of {data.frames[t]['share_hopping']:.2g} of the A particles is above {data.hops.threshold:g} at any moment; the "
        f"relaxation time is {relaxation(cold['tau_alpha'], store)}.",
        f"The thesis calls a particle quiet when p_hop stays below {INHERENT_LIMIT:g} for {INHERENT_SPELL:g} tau. On thermal positions, where everybody rattles, the longest such spell "
        f"here is {cold['longest_quiet'] * interval:g} tau; {cold['thesis_quiet_spells']} spells last the {asked * interval:g} tau asked for at this scale. So that rule is used for inherent structures, positions "
        f"without the rattling, and thermal particles are quiet below {cold['quiet_limit']:g} for {cold['quiet_frames'] * interval:g} tau ({cold['sets']['thermal']['provenance']['rule']}).",
    )
    verdicts.show(page, "shares", "median_p_hop", "thesis_quiet_empty", "examples")


def _accuracy(page: Page, verdicts: Verdicts, data: Watched, examples: dict[str, Result], trained: dict[str, Result]) -> None:
    """How well the classes are told apart."""
    page.heading("Can a photograph tell?")
    rows, curves = [], {}
    for state in ("thermal", "inherent"):
        for name, found in trained[state].items():
            given = examples["cold"]["sets"][name]["provenance"]
            accuracy = found["accuracy"]
            rows.append(
                [
                    name, given["lead"], len(found["projection"]) // 2, f"{accuracy.mean():.3f} ± {accuracy.std(ddof=1) / np.sqrt(len(accuracy)):.3f}",
                    f"{found['with_angular'].mean():.3f}", f"{found['by_time']:.3f}", f"{found['shuffled'].mean():.3f}",
                ]
            )  # fmt: skip
            curves[name] = found["learning"]
    page.table(
        (
            "structure and labels",
            "lead, frames",
            "examples of each class",
            "accuracy, liquids left out",
            "with 35 angular columns",
            "later times left out",
            "labels shuffled",
        ),
        rows,
    )
    page.figure(
        draw.learning(curves),
        "learning",
        "Balanced accuracy on liquids that the classifier has not seen, against the number of examples; bars: scatter of liquids.",
    )
    page.text(
        f"Every score is of liquids left out of training, so no neighbour of a training particle is ever tested. The thesis takes the structure {examples['cold']['sets']['thermal']['provenance']['lead']} frames "
        f"before the hop; the window of p_hop begins {data.hops.half_window} frames before, so the hop may have begun. The rows called late take it before the window begins, and leak nothing.",
    )
    verdicts.show(page, "accuracy_inherent", "accuracy_thermal", "shuffled_labels")


def _distributions(page: Page, verdicts: Verdicts, data: Watched, scores: dict[str, Result]) -> None:
    """TH figure 2.3."""
    page.heading("Everybody's softness")
    names = [n for n in scores[f"{data.temperatures[0]:g}"]["names"] if n == "softness" or n.startswith("fluidity")]
    page.figure(
        draw.distributions({n: {t: of_plane(scores, n, t).ravel() for t in data.temperatures} for n in names}, "$w \\cdot F$"), "distributions",
        "Softness and fluidity of all A particles; dotted: Gaussians of the same mean and deviation. Compare TH, figure 2.3.",
    )  # fmt: skip
    shape = moments(scores, "softness", data.temperatures)
    rows = [
        [f"{t:g}", *(float(shape[key][k]) for key in ("mean", "deviation", "skewness", "kurtosis"))]
        for k, t in enumerate(data.temperatures)
    ]
    page.table(("T", "mean of softness", "deviation", "skewness", "excess kurtosis"), rows)
    page.text(
        f"At T = {data.temperatures[0]:g}, where softness was learned, each liquid's softness is computed by a classifier trained on the other liquids, here and in everything that follows."
    )
    verdicts.show(page, "skewness", "kurtosis", "monotone")


def _landscape(page: Page, verdicts: Verdicts, wanted: Any, maps: dict[str, Result]) -> None:
    """TH figures 1.6 and 2.4: P(R | S), barriers, onset, controls."""
    page.heading("From yes or no to the height of a barrier")
    shown = {"softness": maps["softness"], f"fluidity of T = {wanted.hot[-1]:g}": maps[f"fluidity {wanted.hot[-1]:g}"]}
    page.figure(
        draw.kramers(shown), "kramers",
        "Share of the particles in each bin that rearrange soon after, times T, against 1/T; lines: P = exp(Sigma - Delta E / T) / T. Open symbols are not fitted "
        "(P > 0.2, or too few events). Dashed: where the lines cross. Compare TH, figures 1.6 and 2.4.",
    )  # fmt: skip
    soft = maps["softness"]
    onset, below = soft["onset"], maps["softness below"]["onset"]
    page.text(
        "If a particle has to climb a barrier Delta E, its chance to move falls as exp(-Delta E / T) when the liquid cools: a straight line in this picture. Particles of equal "
        f"softness do follow lines, steeper the harder they are; the reduced chi^2 is {soft['reduced_chi2']:.2f} if the errors of bins are taken as independent, and {soft['shared_chi2']:.2f} if a stretch of a liquid that is slow in all bins is counted once. Extended, the lines meet near T = {onset['temperature']:.2f} ± {onset['error']:.2f} "
        f"(of temperatures below {wanted.colder:g} alone: {below['temperature']:.2f} ± {below['error']:.2f}): above it they predict no effect of softness on the chance to move. Points with P > 0.2 are left out, because a probability that cannot exceed 1 makes all lines meet, whatever softness means."
    )
    verdicts.show(page, "events_per_bin", "kramers", "kramers_shared", "onset")
    names = {
        "softness": "softness",
        "its shuffled self": "shuffled",
        "a random hyperplane": "random",
        "softness, structure taken late": "softness late",
    }
    page.figure(
        draw.barriers({title: _in_deviations(maps[name]) for title, name in names.items()}, "score, in deviations from its mean at the lowest temperature"), "controls",
        "Barriers and entropic parts against score; two controls must be flat.",
    )  # fmt: skip
    rows = []
    for name in maps:
        line = maps[name]["linear"]
        crossing = maps[name]["onset"]
        rows.append(
            [
                name,
                f"{line['e1']:.3g} ± {line['errors'][1]:.2g}",
                f"{maps[name]['reduced_chi2']:.2f}",
                f"{crossing['temperature']:.3f} ± {crossing['error']:.3f}" if np.isfinite(crossing["temperature"]) else "-",
                crossing["reason"] or "-",
            ]
        )
    page.table(("score", "fall of Delta E per unit", "reduced chi²", "onset", "why none"), rows)
    verdicts.show(page, "barriers_fall", "controls_do_not", "colder_alone")


def _in_deviations(found: Result) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Barriers against the score, from its middle, in units of a quarter of the range of bins."""
    middle, unit = found["edges"].mean(), np.ptp(found["edges"]) / (2 * 1.88)  # bins end at the quantiles 0.03 and 0.97
    return (found["bin_score"] - middle) / unit, found["energy"], found["energy_error"], found["entropy"], found["entropy_error"]


def _fluidity(
    page: Page, verdicts: Verdicts, wanted: Any, data: Watched, examples: dict[str, Result], trained: dict[str, Result], scores: dict[str, Result],
    maps: dict[str, Result], transfer: Result,
) -> None:  # fmt: skip
    """TH figures 2.1, 2.2, 2.5 and table 2.1."""
    page.heading("Learning in the hot liquid, where there are no barriers")
    hot = [f"{t:g}" for t in wanted.hot]
    page.figure(
        draw.bias_scans(
            {
                "own extremes, liquids left out": {f"fluidity, T = {t}": (trained[t]["both tails"]["scan_bias"], trained[t]["both tails"]["scan_accuracy"]) for t in hot},
                "softness on hot extremes": {f"T = {t}": (transfer["hot"][t]["bias"], transfer["hot"][t]["scan"]) for t in hot},
                f"cold rearrangements, T = {data.temperatures[0]:g}": {
                    f"fluidity, T = {t}": (transfer["cold"][f"{t} both tails"]["bias"] - transfer["cold"][f"{t} both tails"]["best_bias"], transfer["cold"][f"{t} both tails"]["scan"])
                    for t in hot
                },
            },
            ("bias", "bias", "bias less the best"),
        ),
        "bias", "Accuracy against the bias of the hyperplane. Compare TH, figures 2.1 and 2.2.",
    )  # fmt: skip
    rows = []
    for t in hot:
        for name in trained[t]:
            found = transfer["cold"][f"{t} {name}"]
            rows.append(
                [
                    t,
                    name,
                    len(trained[t][name]["projection"]) // 2,
                    f"{trained[t][name]['accuracy'].mean():.3f}",
                    f"{np.mean(found['accuracy']):.3f}",
                    f"{found['low']:.3f}",
                ]
            )
    page.table(
        (
            "trained at T",
            "classes",
            "examples of each",
            "accuracy on its own extremes",
            "on cold rearrangements, bias from other liquids",
            "lower 95 % bound",
        ),
        rows,
    )
    page.text(
        f"Fluidity is learned from the {100 * wanted.share:.2g} % that moved most and least in a liquid so hot that everybody moves. Where to draw the line between soft and hard must be "
        "chosen anew in the cold; the direction need not. On its own extremes it is hardly better than a coin, and yet it tells who will rearrange in the cold. The thesis asks whether it is enough to know the extremely slow, or the extremely fast: the rows of one tail show it.",
    )
    verdicts.show(page, "transfer", "both_tails", "softness_above_onset")
    soft = plane_of(trained["thermal"]["thermal"]["plane"])
    planes = {"softness": soft, **{f"fluidity {t}": plane_of(trained[t]["both tails"]["plane"]) for t in hot}}
    best = {
        "softness": trained["thermal"]["thermal"]["best_bias"],
        **{f"fluidity {t}": transfer["cold"][f"{t} both tails"]["best_bias"] for t in hot},
    }
    sigma = {name: deviation(scores, name, training_temperature(name, data)) for name in planes}
    page.table(
        ("T", "bias", "sigma", "best bias in the cold", "cosine to softness", "the same, raw columns"),
        [[f"{training_temperature(n, data):g}", float(p.bias), sigma[n], float(best[n]), cosine(p, soft), cosine(p, soft, "raw")] for n, p in planes.items()],
    )  # fmt: skip
    verdicts.show(page, "cosines", "sigma")
    curves = {
        name: (
            (maps[name]["bin_score"] - best[name]) / sigma[name],
            *(maps[name][key] for key in ("energy", "energy_error", "entropy", "entropy_error")),
        )
        for name in planes
    }
    page.figure(
        draw.barriers(curves, CHAPTER_2),
        "collapse",
        "Barriers and entropic parts of all classifiers against the z-score. Compare TH, figure 2.5.",
    )
    below = {
        name: (
            (maps[f"{name} below"]["bin_score"] - best[name]) / sigma[name],
            *(maps[f"{name} below"][key] for key in ("energy", "energy_error", "entropy", "entropy_error")),
        )
        for name in planes
    }
    page.figure(
        draw.barriers(below, CHAPTER_2),
        "collapse_below",
        f"The same from temperatures below {wanted.colder:g} alone, of which the thesis had few data. Soft bins hardly change: their points at {wanted.colder:g} have P > 0.2 and are never fitted.",
    )
    verdicts.show(page, "collapse", "onset_of_fluidity")


def _look(page: Page, data: Watched, scores: dict[str, Result], thermal: Any, wanted: Any) -> None:
    """A slab of one liquid: how soft everybody is, and who moved."""
    page.heading("What it looks like")
    t = min(data.temperatures, key=lambda t: abs(data.frames[t]["share_hopping"] - SEEN_BEST))
    result, store = scores[f"{t:g}"], opened(data.frames[t])
    busiest = int(result["rearranges"][0].sum(axis=1).argmax())
    frame = int(result["frames"][busiest])
    snapshot = store.snapshot(0, frame)
    kept = np.flatnonzero(snapshot.types == 0)
    softness, moves = np.full(snapshot.n, np.nan), np.full(snapshot.n, np.nan)
    softness[kept] = of_plane(scores, "softness", t)[0, busiest] - thermal["plane"]["bias"]
    moves[kept] = np.log10(store.p_hop(0)[frame + wanted.lead, kept])
    page.figure(
        figures.maps(snapshot, {"softness": softness, "$\\log_{10} p_{hop}$ soon after": moves}, None, slab=1.2), "map",
        f"A slab of a liquid at T = {t:g}: softness, and p_hop {wanted.lead} frames later; a particle rearranges above log10 p_hop = {np.log10(data.hops.threshold):.2f}. B particles are grey.",
    )  # fmt: skip
