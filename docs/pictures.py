"""Make the pictures of this site from finished studies.

    python docs/pictures.py out/softness out/memory demo ...

Each folder is one that ``glassgpu demo`` or ``glassgpu experiment`` wrote. The pictures named below are taken from it, made
small (at most 80 kB each) and put into docs/pictures/; where they come from is kept in docs/pictures/sources.json, which
tests/test_docs.py holds beside the captions.
"""

from __future__ import annotations

import io
import json
import shlex
import sys
from pathlib import Path

from PIL import Image

PICTURES = Path(__file__).parent / "pictures"
SOURCES = PICTURES / "sources.json"
MOST_BYTES = 80_000
WIDEST = 1200  # pixels

# Experiment -> pictures of its report. Of model_comparison on public data: the same experiment, another system.
CHOSEN = {
    "demo": ("maps", "pearson"),
    "energy_barriers": ("counts", "explained", "calibration"),
    "hard_sphere_relaxation": ("propensity", "relaxation_time", "pressure"),
    "information_imbalance": ("supervised", "maps"),
    "interpretability": ("behler_parrinello", "reduction", "maps"),
    "kob_andersen_relaxation": ("relaxation_time", "dynamics", "map"),
    "memory": ("groups", "thesis-cycle", "thesis-memory"),
    "model_comparison": ("comparison", "states", "map"),
    "model_comparison_public": ("public",),
    "public_data": ("configurations", "learning_curve", "map"),
    "softness": ("kramers", "controls", "map"),
    "ternary_relaxation": ("self_intermediate_scattering", "maps"),
}


def name_of(options: dict, command: str) -> str:
    """The experiment a study belongs to, as CHOSEN names it."""
    words = shlex.split(command)
    name = words[words.index("experiment") + 1] if "experiment" in words else "demo"
    return f"{name}_public" if options.get("system") == "public" else name


def words_of(name: str, options: dict) -> str:
    """The command that made a study, without the folders of the machine it ran on."""
    if name == "demo":
        return "glassgpu demo"
    system = f" --system {options['system']}" if options.get("system", "hard_spheres") != "hard_spheres" else ""
    data = " --data DIR" if options.get("data") else ""
    return f"glassgpu experiment {name.removesuffix('_public')} --scale {options['scale']}{system}{data}"


def small(path: Path) -> bytes:
    """A picture as PNG of few colours, narrower step by step until it is small enough."""
    picture = Image.open(path).convert("RGB")
    width = min(WIDEST, picture.width)
    while True:
        scaled = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        scaled.quantize(96, dither=Image.Dither.NONE).save(out, "png", optimize=True)
        if out.tell() <= MOST_BYTES:
            return out.getvalue()
        width = round(0.9 * width)


def main(folders: list[str]) -> None:
    sources = json.loads(SOURCES.read_text()) if SOURCES.exists() else {}
    for folder in map(Path, folders):
        provenance = json.loads((folder / "numbers.json").read_text())["provenance"]
        name = name_of(provenance["options"], provenance["command"])
        for picture in CHOSEN[name]:
            target = PICTURES / f"{name}-{picture}.png"
            target.write_bytes(small(folder / f"{picture}.png"))
            sources[target.name] = {
                "command": words_of(name, provenance["options"]),
                "date": provenance["date"],
                "machine": provenance["machine"].rpartition("; ")[2],
            }
            print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")
    SOURCES.write_text(json.dumps(dict(sorted(sources.items())), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
