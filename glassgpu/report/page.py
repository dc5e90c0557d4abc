"""One self-contained HTML page, its pictures as PNG and SVG beside it, its numbers as JSON."""

from __future__ import annotations

import base64
import html
import io
import json
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu import __version__
from glassgpu.engines.checkpoint import writable
from glassgpu.locks import published

STYLE = """
body{font:17px/1.55 Georgia,serif;color:#1b1b1b;background:#fff;max-width:1040px;margin:2.5em auto;padding:0 1.2em}
h1,h2{font-family:Helvetica,Arial,sans-serif;line-height:1.2} h2{margin-top:2em}
figure{margin:1.4em 0} figure img{max-width:100%} figcaption{font-size:.9em;color:#444}
table{border-collapse:collapse;font:15px/1.4 Helvetica,Arial,sans-serif;margin:1em 0}
th,td{padding:.25em .9em;text-align:right;border-bottom:1px solid #ddd} th:first-child,td:first-child{text-align:left}
footer{margin-top:3em;font:13px/1.5 Helvetica,Arial,sans-serif;color:#555;border-top:1px solid #ddd;padding-top:.8em}
"""


class Page:
    """Collects text, pictures and tables, and writes them once.

    Args:
        title: of the page.
        folder: where ``report.html``, ``numbers.json`` and the pictures go.

    Raises:
        OutputNotWritable: at once, before anything is computed.
    """

    def __init__(self, title: str, folder: Path):
        self.title = title
        self.folder = folder
        self.numbers: dict[str, Any] = {}
        self._parts: list[str] = []
        writable(folder / "report.html")

    def heading(self, text: str) -> None:
        """A heading of the second level."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, *paragraphs: str) -> None:
        """Plain paragraphs."""
        self._parts += [f"<p>{html.escape(p)}</p>" for p in paragraphs]

    def figure(self, figure: Any, name: str, caption: str) -> None:
        """A matplotlib figure: embedded as PNG, and written as PNG and SVG. Raises as ``write``."""
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=130)
        self._file(f"{name}.png", picture.getvalue())
        figure.set_layout_engine("none")  # found for the PNG; it takes as long as the drawing
        with published(self.folder / f"{name}.svg") as file:
            figure.savefig(file, format="svg")
        data = base64.b64encode(picture.getvalue()).decode()
        text = html.escape(caption)
        self._parts.append(f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>')

    def table(self, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Numbers with three decimals; everything else as it is."""

        def cell(value: Any) -> str:
            return f"{value:.3f}" if isinstance(value, (float, np.floating)) else html.escape(str(value))

        head = "".join(f"<th>{html.escape(h)}</th>" for h in header)
        body = "".join("<tr>" + "".join(f"<td>{cell(v)}</td>" for v in row) + "</tr>" for row in rows)
        self._parts.append(f"<table><tr>{head}</tr>{body}</table>")

    def write(self, provenance: Mapping[str, Any]) -> Path:
        """Write page and numbers; returns the page's path.

        Raises:
            OutputNotWritable: no permission, no space; a page that was there before is unchanged.
        """
        facts = {
            "glassgpu": __version__,
            "command": " ".join(Path(a).name if k == 0 else a for k, a in enumerate(sys.argv)),
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
            **provenance,
        }
        self._file("numbers.json", json.dumps({"provenance": facts, **self.numbers}, indent=1, default=_plain).encode())
        foot = "<br>".join(f"{html.escape(str(k))}: {html.escape(_words(v))}" for k, v in facts.items())
        page = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(self.title)}</title><style>{STYLE}</style>'
            f"<h1>{html.escape(self.title)}</h1>{''.join(self._parts)}<footer>{foot}</footer></html>"
        )
        return self._file("report.html", page.encode())

    def _file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        with published(path) as file:
            file.write(content)
        return path


def _words(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
