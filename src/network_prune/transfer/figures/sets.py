"""Rows of a transfer run that differ in the seed alone, and what they have right."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from network_prune.results.records import Record
from network_prune.transfer.attack.settings import Goal
from network_prune.transfer.augmentations.augmentation import augmentation_text
from network_prune.transfer.figures.attacked import Attacked, common_points, joined
from network_prune.transfer.figures.rates import Rate, rate
from network_prune.transfer.predictions import Predictions

BOUND, FOLDER = "bound", "folder"
# What is measured, or tells seeds of one row apart.
_MEASURED: Final = {
    *("key", "seed", "ratios", "distance", "seconds", "seconds_drawing", "notes"),
    *("predictions", "pictures", "read"),
}
# What is seen of an attack, and doesn't change it.
_SEEN: Final = {"points", "victims"}
# What augmentations that are compared may differ in; an upper bound leaves out victims.
_OF_AUGMENTATION: Final = {
    *("augmentation", "iterations", "passes", "passes_per_iteration"),
    *_SEEN,
}


@dataclass(frozen=True, eq=False)
class AttackSet:
    """Rows that differ in the seed alone.

    Attributes:
        rows: one a seed, by seed.
    """

    rows: Sequence[Attacked]

    @property
    def first(self) -> Record:
        """The first seed's record."""
        return self.rows[0].record

    @cached_property
    def augmentation(self) -> str:
        """What is done to the surrogates, in the shortest text.

        Of a bound its networks, of images that another attack wrote their folder.
        """
        settings = self.first["augmentation"]
        if settings["name"] == BOUND:
            return f"{BOUND}:{'+'.join(settings['networks'])}"
        return (
            f"{FOLDER}:{settings['folder']}"
            if settings["name"] == FOLDER
            else augmentation_text(settings)
        )

    @property
    def is_augmentation(self) -> bool:
        """Whether it is neither an upper bound nor a folder of images."""
        return self.first["augmentation"]["name"] not in (BOUND, FOLDER)

    @property
    def goal(self) -> Goal:
        """What the images are to be taken for."""
        return Goal(self.first["goal"])

    @cached_property
    def surrogates(self) -> tuple[str, ...]:
        """The networks that images are made on, without those of a bound."""
        return self.rows[0].surrogates

    @property
    def surrogate(self) -> str:
        """The surrogates in one text."""
        return "+".join(self.surrogates)

    @cached_property
    def victims(self) -> tuple[str, ...]:
        """The other networks that images are tried on."""
        return self.rows[0].victims

    @property
    def networks(self) -> tuple[str, ...]:
        """All networks that images are tried on, surrogates first."""
        return self.rows[0].predictions.networks

    def is_made_on(self, network: str) -> bool:
        """Return whether images are made on a network, be it as one of a bound's."""
        return network in (*self.surrogates, *self.first["augmentation"].get("networks", ()))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The rows' seeds."""
        return tuple(row.record["seed"] for row in self.rows)

    @property
    def passes(self) -> int | None:
        """Forward-backward passes of each image, in all; None if another attack made them."""
        return self.first["passes"]

    @property
    def seconds(self) -> float:
        """Seconds that an iteration of all images takes, the mean over seeds; NaN if unknown."""
        iterations = self._sum("iterations")
        return self._sum("seconds") / iterations if iterations else math.nan

    @property
    def share_drawing(self) -> float:
        """Share of the seconds that are spent drawing; NaN if they are unknown."""
        seconds = self._sum("seconds")
        return self._sum("seconds_drawing") / seconds if seconds else math.nan

    def right(self, network: str) -> np.ndarray:
        """Return which clean images a network has right, bool ``[images]``."""
        found = [row.predictions.clean(network) == row.predictions.labels for row in self.rows]
        return np.logical_and.reduce(found)

    def hits(self, network: str, figure: str, when: "When" = -1) -> np.ndarray:
        """Return of which images a figure holds, bool ``[seeds, images]``.

        Args:
            network: one that images are tried on.
            figure: targeted, that it takes them for their target; error, that it doesn't take
                them for what they are. An output that isn't finite is no class, so an error.
            when: the place of a point, ``rounded`` or ``truncated``; by default the end.
        """
        return np.stack([_holds(row.predictions, network, figure, when) for row in self.rows])

    def rate(self, network: str, figure: str, *, of_right: bool, when: "When" = -1) -> Rate:
        """Return the share of images of which a figure holds; takes what `hits` takes.

        Args:
            network: as for `hits`.
            figure: as for `hits`.
            of_right: of the images that the network has right when clean, not of all.
            when: as for `hits`.
        """
        hits = self.hits(network, figure, when)
        return rate(hits[:, self.right(network)] if of_right else hits)

    def success(self, network: str, when: "When" = -1) -> Rate:
        """Return the goal's own rate, as `SUCCESS` says; takes what `hits` takes."""
        figure, of_right = SUCCESS[self.goal]
        return self.rate(network, figure, of_right=of_right, when=when)

    def _sum(self, name: str) -> float:
        return math.fsum(row.record[name] or 0 for row in self.rows)


When = int | str
FIGURES: Final = ("targeted", "error")
# What counts as a success, and whether of the images alone that were right when clean: an image
# that is wrong anyway is no success, while hardly any image is taken for its target anyway.
SUCCESS: Final = {Goal.TARGETED: ("targeted", False), Goal.UNTARGETED: ("error", True)}


def sets_of(rows: Iterable[Attacked]) -> list[AttackSet]:
    """Return rows as sets, in the order of their first ones; of a seed's several the last.

    An attack that was run again for other victims, or looked at at other points, is the same
    one: each victim is in one set, which has all its seeds, and the points that these share.
    """
    found: dict[str, dict[str, dict[int, Attacked]]] = {}
    for row in rows:
        own = found.setdefault(_without(row.record, _MEASURED | _SEEN), {})
        for network in row.predictions.networks:
            own.setdefault(network, {})[row.record["seed"]] = row
    return [each for own in found.values() for each in _sets(own)]


def _sets(rows: Mapping[str, Mapping[int, Attacked]]) -> Iterator[AttackSet]:
    """Yield the sets of one attack's rows by network and seed: one for victims of like seeds."""
    first = next(iter(next(iter(rows.values())).values()))
    by_seeds: dict[tuple[int, ...], list[str]] = {}
    for name in rows:
        if name not in first.surrogates:
            by_seeds.setdefault(tuple(sorted(rows[name])), []).append(name)
    for seeds, victims in (by_seeds or {tuple(sorted(rows[first.surrogates[0]])): []}).items():
        own = [{name: rows[name][seed] for name in (*first.surrogates, *victims)} for seed in seeds]
        points = common_points(row for each in own for row in each.values())
        yield AttackSet([joined(each, points) for each in own])


def grouped(sets: Iterable[AttackSet]) -> list[list[AttackSet]]:
    """Return the sets that stand side by side: same surrogates, images, goal and attack."""
    found: dict[str, list[AttackSet]] = {}
    for each in sets:
        found.setdefault(setting(each), []).append(each)
    return list(found.values())


def setting(attacked: AttackSet) -> str:
    """Return what augmentations that are compared have in common, as text."""
    return _without(attacked.first, _MEASURED | _OF_AUGMENTATION)


def _without(record: Mapping[str, Any], names: set[str]) -> str:
    return json.dumps({k: v for k, v in record.items() if k not in names}, sort_keys=True)


def _holds(predictions: Predictions, network: str, figure: str, when: When) -> np.ndarray:
    if isinstance(when, int):
        classes = predictions.at(when, network)
    else:
        classes = getattr(predictions, when)(network)
    if figure == "error":
        return classes != predictions.labels
    return (classes == predictions.targets) & (predictions.targets >= 0)
