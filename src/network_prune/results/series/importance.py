"""Which option of a grid matters how much: the variance of Acc@1 that it explains."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from network_prune.options import OPTIONS
from network_prune.results.axes import axes
from network_prune.results.groups import last_of_each
from network_prune.results.naming import network_text
from network_prune.results.records import Record
from network_prune.results.series.families import is_grid

_DRAW: Final = ("seed", "index")


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares of the variance of Acc@1 over a network's records, in [0, 1].

    Attributes:
        network: the network, for people.
        n: number of records.
        options: what each option that varies explains beyond all others, greatest first.
        together: what options explain together and none explains on its own: interactions,
            and in a grid with gaps what can't be told apart.
        draws: what is left: the spread among records of the same options.
    """

    network: str
    n: int
    options: Mapping[str, float]
    together: float
    draws: float


def importance(records: Iterable[Record]) -> list[Importance]:
    """Return what the options of grids explain, for each network and each set of images.

    An option's share is the drop in R² when it is left out of an additive model with a
    level for each value (its squared semipartial correlation). In a full grid with as many
    draws everywhere that is eta squared of its main effect, which functional ANOVA gives.
    Networks whose options or whose Acc@1 don't vary are left out.

    Source: Cohen, "Eta-squared and partial eta-squared in fixed factor ANOVA designs",
    Educational and Psychological Measurement 33, 1973; Hutter, Hoos and Leyton-Brown, "An
    efficient approach for assessing hyperparameter importance", ICML 2014.
    """
    found: dict[Any, list[tuple[Record, Mapping[str, Any]]]] = {}
    for record in filter(is_grid, last_of_each(records)):
        columns = axes(record)
        place = (network_text(record), columns["weights_sha256"], columns["data_identity"])
        found.setdefault(place, []).append((record, columns))
    shares = [_importance(place[0], own) for place, own in found.items()]
    return [each for each in shares if each is not None]


def _importance(
    network: str, found: Sequence[tuple[Record, Mapping[str, Any]]]
) -> Importance | None:
    values = np.array([record["metrics"]["acc1"] for record, _ in found], float)
    values -= values.mean()
    total = float(values @ values)
    levels = _levels([columns for _, columns in found])
    if not levels or not total:
        return None
    cells = _codes(list(zip(*levels.values(), strict=True)))
    sums = np.bincount(cells, values)
    between = float((sums**2 / np.bincount(cells)).sum()) / total
    whole = _explained(list(levels.values()), values)
    shares = {
        name: max(0.0, whole - _explained([v for n, v in levels.items() if n != name], values))
        for name in levels
    }
    ranked = dict(sorted(shares.items(), key=lambda item: -item[1]))
    together = max(0.0, between - sum(ranked.values()))
    return Importance(network, len(values), ranked, together, max(0.0, 1 - between))


def _levels(rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Return the options that vary, each as the number of its level in each record."""
    names = [name for name in rows[0] if name in OPTIONS and name not in _DRAW]
    found = {name: _codes([row.get(name) for row in rows]) for name in names}
    return {name: codes for name, codes in found.items() if codes.any()}


def _codes(values: Sequence[Any]) -> np.ndarray:
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values])


def _explained(levels: Sequence[np.ndarray], values: np.ndarray) -> float:
    """Return R² of the additive model of ``levels``, of ``values`` whose mean is 0."""
    columns = [np.ones((len(values), 1)), *(np.eye(codes.max() + 1)[codes] for codes in levels)]
    design = np.concatenate(columns, axis=1)
    products = design.T @ values
    # The columns of an option add up to 1, so there are many solutions, all of one R².
    weights = np.linalg.lstsq(design.T @ design, products, rcond=None)[0]
    return float(weights @ products) / float(values @ values)
