"""The command line: ``glassgpu doctor``, ``demo``, ``experiment NAME`` and ``status DIR``."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassgpu.errors import GlassGPUError, InvalidInput

# An experiment is a module of glassgpu.experiments with this dataclass of options and a function run.
EXPERIMENTS = {
    "demo": "Demo",
    "energy_barriers": "EnergyBarriers",
    "hard_sphere_relaxation": "HardSphereRelaxation",
    "information_imbalance": "InformationImbalance",
    "interpretability": "Interpretability",
    "kob_andersen_relaxation": "KobAndersenRelaxation",
    "memory": "Memory",
    "model_comparison": "ModelComparison",
    "public_data": "PublicData",
    "softness": "Softness",
    "ternary_relaxation": "TernaryRelaxation",
}


@dataclass(frozen=True)
class Doctor:
    """What is installed here, what is missing, and the command that mends it."""


@dataclass(frozen=True)
class Status:
    """How far a demo or an experiment has come: its stages, done, in progress or not begun."""

    folder: Path
    """the folder that was given as --out"""


@dataclass(frozen=True)
class Experiment:
    """Run a study and write its report. 'glassgpu experiment --help' lists the names."""


def main() -> None:
    """Entry point; an error of this package is one message on stderr and exit status 1."""
    words = sys.argv[1:]
    try:
        _run(words)
    except GlassGPUError as error:
        sys.exit(f"glassgpu: {type(error).__name__}: {error}")
    except KeyboardInterrupt:
        print("glassgpu: stopped; the same command continues", file=sys.stderr)
        sys.exit(130)


def _run(words: list[str]) -> None:
    if words[:1] == ["doctor"] and len(words) == 1:  # it must also answer where other imports fail
        from glassgpu.cli.doctor import report

        sys.exit(report())
    if words == ["--version"]:
        from glassgpu import __version__

        print(f"glassgpu {__version__}")
        return
    if words[:1] == ["experiment"]:
        chosen = _parse({name: _options(name) for name in EXPERIMENTS}, words[1:], "glassgpu experiment")
    else:
        chosen = _parse({"doctor": Doctor, "demo": _options("demo"), "experiment": Experiment, "status": Status}, words, "glassgpu")
    if isinstance(chosen, Status):
        from glassgpu.study.status import status_table

        print(status_table(chosen.folder))
        return
    asked = {field.name: getattr(chosen, field.name) for field in dataclasses.fields(chosen)}
    with _workers(asked.pop("workers"), asked.pop("dask")):
        options = type(chosen).__mro__[1]
        print(f"report: {sys.modules[options.__module__].run(options(**asked))}")


def _options(name: str) -> type:
    """The options of an experiment, and by whom it is run."""
    options = getattr(importlib.import_module(f"glassgpu.experiments.{name}"), EXPERIMENTS[name])
    return dataclasses.make_dataclass(
        options.__name__, [(name, kind, dataclasses.field(default=None)) for name, kind in _by_whom().items()], bases=(options,), frozen=True,
        namespace={"__doc__": options.__doc__},
    )  # fmt: skip


def _by_whom() -> dict[str, Any]:
    from typing import Annotated

    from tyro.conf import arg

    return {
        "workers": Annotated[int | None, arg(help="processes of this machine that share runs, quenches and columns")],
        "dask": Annotated[str | None, arg(help="address of a Dask scheduler whose workers share them, or 'local'")],
    }


@contextmanager
def _workers(workers: int | None, dask: str | None) -> Iterator[None]:
    """Inside the block, work is spread as the command line says."""
    from glassgpu import executors

    if workers is not None and dask is not None:
        raise InvalidInput("--workers and --dask: give one of them")
    chosen = executors.Processes(workers) if workers is not None else executors.dask_executor(dask) if dask is not None else None
    with chosen or nullcontext(), executors.using(chosen):
        yield


def _parse(commands: dict[str, type], words: list[str], program: str) -> Any:
    import tyro
    from tyro.extras import SubcommandApp

    app = SubcommandApp()
    for name, options in commands.items():
        app.command(name=name)(tyro.conf.configure(tyro.conf.PositionalRequiredArgs)(options) if options is Status else options)
    return app.cli(prog=program, args=words, config=(tyro.conf.OmitArgPrefixes,))


if __name__ == "__main__":
    main()
