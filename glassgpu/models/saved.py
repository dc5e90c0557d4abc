"""Networks on disk: numbers and plain text, never a pickle, which could run somebody's code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from glassgpu import validate
from glassgpu.errors import FileFormatError, GlassGPUError, InvalidInput
from glassgpu.locks import published
from glassgpu.npz import load_npz

FORMAT = 1
NOT_KEPT = ("descriptor", "progress", "checkpoint", "random_state")  # parameters that a file does not hold


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
    parameters = {k: _plain(v) for k, v in model.get_params(deep=False).items() if k not in NOT_KEPT}
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


def _told(stored: np.ndarray) -> dict[str, Any]:
    """What a network is, as JSON tells it."""
    about = json.loads(str(stored))
    for name, kind in (("model", str), ("parameters", dict), ("facts", dict), ("descriptor", (str, type(None)))):
        if not isinstance(about[name], kind):
            raise TypeError(f"{name} is a {type(about[name]).__name__}")
    return about


def _check_graph(model: Any, facts: dict[str, Any]) -> None:
    """What a ``GraphNetwork`` believes of itself, from a file that anybody can have written.

    Raises:
        InvalidInput, KeyError, ValueError
    """
    validate.choice("edges", model.edges, ("distance", "vector"))
    validate.number("cutoff", model.cutoff, above=0)
    if model.species is not None:
        validate.whole("species", model.species, least=0)
    for name, least in (("_kinds", 1), ("_features", 0), ("targets_", 1), ("_dimension", 2)):
        validate.whole(name, facts[name], least=least, most=2**20)
    for name in ("_edge_mean", "_edge_scale"):
        validate.number(name, facts[name])
    for name in ("_seen", "_taught"):
        kinds = [validate.whole(name, kind, least=0, most=facts["_kinds"] - 1) for kind in facts[name]]
        if type(facts[name]) is not list or len(set(kinds)) < len(kinds):
            raise ValueError(f"{name}={facts[name]!r}")
    if type(facts["_one_target"]) is not bool or facts["_one_target"] > (facts["targets_"] == 1):
        raise ValueError(f"_one_target={facts['_one_target']!r} of {facts['targets_']} targets")


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
        arrays = load_npz(path)
        about = _told(arrays.pop("about"))
        kind: Any = {"MLPRegressor": MLPRegressor, "GraphNetwork": GraphNetwork}[about["model"]]
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']}, this version reads {FORMAT}")
        strange = [name for name, array in arrays.items() if array.dtype.kind not in "fiu" or not np.isfinite(array).all()]
        if strange:
            raise ValueError(f"{strange[:5]} are not finite numbers")
        parameters = about["parameters"]
        if set(parameters) != set(kind._get_param_names()) - set(NOT_KEPT):
            raise ValueError(f"parameters {sorted(parameters)} are not those of {about['model']}")
        model = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in parameters.items()})
        if kind is GraphNetwork:
            _check_graph(model, about["facts"])
        model._restore(arrays, about["facts"])
    except (GlassGPUError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise FileFormatError(f"{path} is no network of save_network, or damaged ({type(error).__name__}: {error})") from error
    if about["descriptor"] is not None or descriptor is not None:
        if repr(descriptor) != about["descriptor"]:
            raise InvalidInput(f"{path} was fitted with descriptor={about['descriptor']}; give load_network the same, not {descriptor!r}")
        model.descriptor = descriptor
    return model
