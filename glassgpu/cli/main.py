"""The command line: ``glassgpu doctor``, ``demo``, ``experiment NAME`` and ``status DIR``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from glassgpu.errors import GlassGPUError


@dataclass(frozen=True)
class Doctor:
    """What is installed here, what is missing, and the command that mends it."""


@dataclass(frozen=True)
class Status:
    """How far a demo or an experiment has come: its stages, done, in progress or not begun."""

    folder: Path
    """the folder that was given as --out"""


def main() -> None:
    """Entry point; an error of this package is one message on stderr and exit status 1."""
    import tyro
    from glassgpu.experiments import demo, public_data
    from tyro.extras import SubcommandApp

    app = SubcommandApp()
    experiments = {"public_data": public_data.PublicData, "demo": demo.Demo}
    for name, options in {
        "doctor": Doctor,
        "demo": demo.Demo,
        "status": tyro.conf.configure(tyro.conf.PositionalRequiredArgs)(Status),
    }.items():
        app.command(name=name)(options)
    words = sys.argv[1:]
    try:
        if words[:1] == ["experiment"]:
            studies = SubcommandApp()
            for name, options in experiments.items():
                studies.command(name=name)(options)
            chosen = studies.cli(prog="glassgpu experiment", args=words[1:])
        else:
            app.command(name="experiment")(public_data.PublicData)  # listed here, parsed above
            chosen = app.cli(prog="glassgpu", args=words, config=(tyro.conf.OmitArgPrefixes,))
        if isinstance(chosen, Doctor):
            from glassgpu.cli.doctor import report

            sys.exit(report())
        if isinstance(chosen, Status):
            from glassgpu.study.status import status_table

            print(status_table(chosen.folder))
            return
        path = demo.run(chosen) if isinstance(chosen, demo.Demo) else public_data.run(chosen)
        print(f"report: {path}")
    except GlassGPUError as error:
        sys.exit(f"glassgpu: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
