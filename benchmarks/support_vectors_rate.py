"""Support vectors beside scikit-learn's liblinear and libsvm, in alternating rounds.

    GLASSGPU_DATA=... python -m benchmarks.support_vectors_rate --out benchmarks/results/support_vectors_rate.json

100,000 A particles x 135 columns like those of softness: 84 Gaussian shells of width 0.1 and 51 bond-order shells
of ``ShellExpansion``, standardised, in configurations a short run (1 time unit, T = 0.44) away from the 8 public
ones of BOTAN, four runs from each. Two targets: whether a particle's propensity at the start is above the median (about
0.67 can be right), and the sign of a planted combination of all columns with noise (0.89, as of softness).

LinearSVC: both losses, C = 0.01 (and 1 for the planted target), with the penalised intercept, which liblinear has. liblinear runs at its
default tolerance and, where its objective is then more than 1e-6 above ours, with ever smaller ones until it is not or
``--passes`` over the rows do not suffice (its default is 1000, which would take longer still).

KernelSVR: 2000 of the rows, beside libsvm at its default tolerance and one 1000 times smaller.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import glassgpu as gg
from benchmarks.peers import liblinear_svc as peer
from glassgpu.models import KernelSVR, LinearSVC

SHELLS, BONDS, RUNS = 84, 51, 4
TOLERANCES, AGREED = (1e-4, 1e-5, 1e-6, 1e-7), 1e-6
KERNEL = dict(C=1.0, epsilon=0.1)
KERNEL_ROWS = 2000


def softness_rows(folder: Path, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns (rows, 135), of mean 0 and variance 1, and the propensity (rows,) of the same particles."""
    ensemble = gg.io.read_botan(sorted((folder / "botan").glob("*.npz")))
    system = gg.systems.kob_andersen(n=ensemble.snapshot[0].n)
    shells = gg.descriptors.ShellExpansion(radial=((0.9, 5.0, SHELLS // 2, 0.1),), backend="cpu")
    width = len(shells.columns)
    some = np.r_[:SHELLS, np.linspace(SHELLS, width - 1, BONDS).astype(int)]
    x, y = [], []
    for seed in range(RUNS):
        for snapshot, propensity in zip(ensemble.snapshot, ensemble.propensity.values[:, 0], strict=True):
            if sum(map(len, y)) < rows:
                run = gg.simulate.md(system, snapshot, temperature=0.44, duration=1.0, seed=seed, backend="cpu", progress=False)
                a = snapshot.types == 0
                x.append(shells(run.final).values[a][:, some])
                y.append(propensity[a])
    columns = np.concatenate(x)[:rows]
    return (columns - columns.mean(axis=0)) / columns.std(axis=0), np.concatenate(y)[:rows]


def objective(x: np.ndarray, positive: np.ndarray, w: np.ndarray, b: float, C: float, loss: str) -> float:
    """What LinearSVC with a penalised intercept minimises."""
    short = np.maximum(1 - np.where(positive, 1, -1) * (x @ w + b), 0)
    return float((w @ w + b * b) / 2 + C * (short ** (2 if loss == "squared_hinge" else 1)).sum())


def seconds_of(fit: Any) -> tuple[Any, float]:
    """A fitted model and the wall seconds it took."""
    began = time.perf_counter()
    model = fit()
    return model, time.perf_counter() - began


def linear(x: np.ndarray, positive: np.ndarray, C: float, loss: str, rounds: int, passes: int) -> dict[str, Any]:
    """One cost and loss, both libraries in turn."""
    ours: list[float] = []
    theirs: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for tolerance in TOLERANCES:
            model, seconds = seconds_of(lambda: LinearSVC(C, loss, penalize_intercept=True).fit(x, positive))
            ours.append(seconds)
            least = objective(x, positive, model.coef_[0], float(model.intercept_[0]), C, loss)
            w, b, converged, seconds = peer.linear_svc(x, positive, C, loss, tolerance, passes)
            found = theirs.setdefault(f"{tolerance:g}", {"seconds": [], "passes_at_most": passes})
            found["seconds"].append(seconds)
            found |= {"converged": converged, "relative_excess": objective(x, positive, w, b, C, loss) / least - 1}
            assert found["relative_excess"] > -1e-8, f"liblinear is {-found['relative_excess']:.1e} below us"
            if found["relative_excess"] <= AGREED or not converged:
                break
        ours.append(seconds_of(lambda: LinearSVC(C, loss, penalize_intercept=True).fit(x, positive))[1])
    for found in theirs.values():
        found["ratio"] = statistics.median(found["seconds"]) / statistics.median(ours)
    return {
        "glassgpu_seconds": {"median": statistics.median(ours), "rounds": ours},
        "objective": least,
        "duality_gap": float(model.duality_gap_[0]),
        "steps": int(model.n_iter_),
        "right": float((model.predict(x) == positive).mean()),
        "liblinear_by_tolerance": theirs,
    }


def kernel(x: np.ndarray, y: np.ndarray, rounds: int) -> dict[str, Any]:
    """RBF regression of some rows, both libraries in turn."""
    gamma = 1 / (x.shape[1] * x.var())
    squares = (x * x).sum(axis=1)
    k = np.exp(-gamma * np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0))

    def value(beta: np.ndarray, b: float) -> float:
        return float(beta @ k @ beta / 2 + KERNEL["C"] * np.maximum(np.abs(y - k @ beta - b) - KERNEL["epsilon"], 0).sum())

    ours: list[float] = []
    theirs: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        model, seconds = seconds_of(lambda: KernelSVR(**KERNEL, gamma=gamma).fit(x, y))
        ours.append(seconds)
        least = value(model.dual_coef_, model.intercept_)
        for tolerance in (1e-3, 1e-6):
            beta, b, seconds = peer.kernel_svr(x, y, gamma=gamma, tolerance=tolerance, **KERNEL)
            found = theirs.setdefault(f"{tolerance:g}", {"seconds": []})
            found["seconds"].append(seconds)
            found["relative_excess"] = value(beta, b) / least - 1
    for found in theirs.values():
        found["ratio"] = statistics.median(found["seconds"]) / statistics.median(ours)
    return {"rows": len(x), "glassgpu_seconds": {"median": statistics.median(ours), "rounds": ours}, "libsvm_by_tolerance": theirs}


def table(result: dict[str, Any]) -> str:
    """The figures as lines of text."""
    lines = []
    for name, part in (*result["linear"].items(), ("KernelSVR", result["kernel"])):
        for tolerance, found in part.get("liblinear_by_tolerance", part.get("libsvm_by_tolerance")).items():
            cut = "" if found.get("converged", True) else f" (cut off after {found['passes_at_most']} passes)"
            lines.append(
                f"{name:32s} ours {part['glassgpu_seconds']['median']:7.2f} s   theirs at {tolerance:6s} {statistics.median(found['seconds']):7.2f} s"
                f"   ratio {found['ratio']:6.1f}   their objective {found['relative_excess']:+.1e}{cut}"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("support_vectors_rate.json"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--passes", type=int, default=300, help="of liblinear over the rows, at most")
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    x, propensity = softness_rows(Path(os.environ["GLASSGPU_DATA"]), options.rows)
    random = np.random.default_rng(0)
    planted = x @ random.normal(size=x.shape[1])
    targets = {
        "propensity": propensity > np.median(propensity),
        "planted": planted / planted.std() + 0.35 * random.normal(size=len(x)) > 0,
    }
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    result: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "rows": x.shape[0],
        "columns": x.shape[1],
        "condition_number_of_columns": float(np.linalg.cond(x)),
        "linear": {
            f"{name}, {loss}, C = {C:g}": linear(x, positive, C, loss, options.rounds, options.passes)
            for name, positive in targets.items()
            for loss in ("squared_hinge", "hinge")
            for C in ((0.01, 1.0) if name == "planted" else (0.01,))
        },
        "kernel": kernel(
            x[:: len(x) // KERNEL_ROWS][:KERNEL_ROWS], ((propensity - propensity.mean()) / propensity.std())[:: len(x) // KERNEL_ROWS][:KERNEL_ROWS],
            options.rounds,
        ),
    }  # fmt: skip
    result["load_after"] = os.getloadavg()[0]
    options.out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))
    print(table(result))


if __name__ == "__main__":
    main()
