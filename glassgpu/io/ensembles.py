"""An ensemble as one dataset, and back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgpu.errors import InvalidInput
from glassgpu.types import Ensemble, Snapshot, as_snapshots

if TYPE_CHECKING:
    import xarray

_SNAPSHOT = {
    "positions": ("particle", "dim"),
    "types": ("particle",),
    "box": ("dim",),
    "velocities": ("particle", "dim"),
    "images": ("particle", "dim"),
}
_LABELS = [field for field in dataclasses.fields(Ensemble) if field.name not in ("snapshot", "attrs", "observables")]
_OBSERVED = "observed_"  # before the names of observables, whose dataset has attributes of its own


def ensemble_dataset(ensemble: Ensemble) -> xarray.Dataset:
    """Labels and snapshots of an ensemble as the variables of one dataset.

    Returns:
        Dataset with the labels under their names in ``Ensemble``, ``positions`` ([configuration,]
        particle, dim) [length], ``types``, ``box``, and ``velocities`` and ``images`` if a snapshot has
        them (NaN for those that have none); all in the units of ``Ensemble`` and ``Snapshot``.

    Raises:
        InvalidInput: snapshots of different shapes.
    """
    import xarray

    snapshots, many = as_snapshots(ensemble.snapshot)
    variables: dict[str, Any] = {f.name: getattr(ensemble, f.name) for f in _LABELS if getattr(ensemble, f.name) is not None}
    for name, dims in _SNAPSHOT.items():
        values = [getattr(s, name) for s in snapshots]
        if any(v is not None for v in values):
            missing = np.full(snapshots[0].positions.shape, np.nan)
            stacked = np.stack([missing if v is None else v for v in values])
            variables[name] = (("configuration", *dims), stacked) if many else (dims, stacked[0])
    observed = ensemble.observables
    if observed is not None:
        variables |= {_OBSERVED + str(name): values for name, values in observed.items()}
        variables[_OBSERVED] = ((), len(observed), observed.attrs)
    return xarray.Dataset(variables, attrs=ensemble.attrs)


def ensemble_from(dataset: xarray.Dataset) -> Ensemble:
    """The ensemble that ``ensemble_dataset`` made a dataset of.

    Args:
        dataset: as of ``ensemble_dataset``, labels ([configuration,] time, particle) and snapshots, in its units of length and energy.

    Raises:
        InvalidInput: a variable is missing or holds impossible values.
    """
    required = ["positions", "types", "box", *(f.name for f in _LABELS if f.default is dataclasses.MISSING)]
    missing = [name for name in required if name not in dataset]
    if missing:
        raise InvalidInput(f"the dataset lacks the variables {missing} of an Ensemble; it has {sorted(map(str, dataset.data_vars))}")
    many = "configuration" in dataset["positions"].dims
    columns = {}
    for name, dims in _SNAPSHOT.items():
        if name in dataset:
            wanted = ("configuration", *dims) if many else dims
            if set(dataset[name].dims) != set(wanted):
                raise InvalidInput(f"{name} has the dimensions {dataset[name].dims}; expected {wanted}")
            values = dataset[name].transpose(*wanted).values
            columns[name] = values if many else values[None]
    snapshots = []
    for k in range(len(columns["positions"])):
        given: dict[str, Any] = {name: values[k] for name, values in columns.items() if not np.isnan(values[k]).all()}
        snapshots.append(Snapshot(**given))
    labels: dict[str, Any] = {f.name: dataset[f.name] for f in _LABELS if f.name in dataset}
    if _OBSERVED in dataset:
        names = [str(name) for name in dataset.data_vars if str(name).startswith(_OBSERVED) and name != _OBSERVED]
        observed = dataset[names].rename({n: n.removeprefix(_OBSERVED) for n in names})
        observed.attrs = dict(dataset[_OBSERVED].attrs)
        labels["observables"] = observed
    return Ensemble(snapshot=snapshots if many else snapshots[0], attrs=dict(dataset.attrs), **labels)
