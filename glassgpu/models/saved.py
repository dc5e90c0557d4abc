"""Networks on disk: numbers and plain text, never a pickle, which could run somebody's code."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu.errors import FileFormatError, InvalidInput
from glassgpu.locks import published

FORMAT = 1


def save_network(model: Any, path: str | Path) -> Path:
    """Write a fitted ``MLPRegressor`` or ``GraphNetwork`` to one file, ``.npz``, from which ``load_network`` makes it again, bit for bit.

    A descriptor is not in the file, only what it is called: ``load_network`` is given it.

    Raises:
        InvalidInput: it is no network, or not fitted.
        OutputNotWritable
    """
    from glassgpu.models.graph_network import GraphNetwork
    from glassgpu.models.mlp import MLPRegressor

    if not isinstance(model, (MLPRegressor, GraphNetwork)) or not hasattr(model, "n_parameters_"):
        raise InvalidInput(f"{type(model).__name__} cannot be saved: give a fitted MLPRegressor or GraphNetwork")
    path = Path(path)
    parameters = {
        k: _plain(v) for k, v in model.get_params(deep=False).items() if k not in ("descriptor", "progress", "checkpoint", "random_state")
    }
    arrays, facts = model._state()
    described = repr(model.descriptor) if getattr(model, "descriptor", None) is not None else None
    about = {"format": FORMAT, "model": type(model).__name__, "parameters": parameters, "facts": facts, "descriptor": described}
    with published(path) as file:
        np.savez(file, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
    return path


def _plain(value: Any) -> Any:
    """A parameter as JSON knows it."""
    if isinstance(value, np.generic):
        return value.item()
    return [_plain(v) for v in value] if isinstance(value, (tuple, list, np.ndarray)) else value


def load_network(path: str | Path, descriptor: Any = None) -> Any:
    """The network that ``save_network`` wrote.

    Args:
        path: of the file.
        descriptor: the one it was fitted with, if any.

    Raises:
        FileFormatError: the file is damaged, or not of this kind.
        InvalidInput: another descriptor than it was fitted with.
    """
    from glassgpu.models.graph_network import GraphNetwork
    from glassgpu.models.mlp import MLPRegressor

    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
        kind = {"MLPRegressor": MLPRegressor, "GraphNetwork": GraphNetwork}[about["model"]]
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']}, this version reads {FORMAT}")
        model = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in about["parameters"].items()})
        model._restore(arrays, about["facts"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, IndexError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path} is no network of save_network, or damaged ({error})") from error
    if about["descriptor"] is not None or descriptor is not None:
        if repr(descriptor) != about["descriptor"]:
            raise InvalidInput(f"{path} was fitted with descriptor={about['descriptor']}; give load_network the same, not {descriptor!r}")
        model.descriptor = descriptor
    return model
