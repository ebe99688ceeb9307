"""Draws of one variant as a set, which is compared as a whole."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from network_prune.errors import SourceError
from network_prune.evaluation.outcomes import LEFT_OUT, RIGHT_AT_1
from network_prune.plain_text import plain
from network_prune.results.axes import DENSE
from network_prune.results.images import names_of
from network_prune.results.naming import method_text, network_text
from network_prune.results.records import Record
from network_prune.results.study import Study
from network_prune.sources.digests import differing


@dataclass(frozen=True, eq=False)
class RecordSet:
    """Records of one variant that differ in the draw (seed, index) alone; or the dense one's.

    Attributes:
        study: has the records' outcomes.
        records: one a draw, by seed and index.
    """

    study: Study
    records: Sequence[Record]

    @property
    def first(self) -> Record:
        """The first draw's record."""
        return self.records[0]

    @property
    def is_dense(self) -> bool:
        """Whether nothing is pruned."""
        return self.first["variant"] is None

    @property
    def draws(self) -> str:
        """The draws for people: seed/index of one, else the number."""
        variant = self.first["variant"]
        if variant is None:
            return "–"
        count = len(self.records)
        return f"{variant['seed']}/{variant['index']}" if count == 1 else f"{count} draws"

    @property
    def label(self) -> str:
        """What people call it: network, method, p_prune, p_bern and draws."""
        if self.is_dense:
            return f"{network_text(self.first)} dense"
        variant: dict[str, Any] = self.first["variant"]
        shares = f"p_prune {variant['p_prune']:g} p_bern {variant['p_bern']:g}"
        draws = self.draws if len(self.records) > 1 else f"draw {self.draws}"
        return f"{network_text(self.first)} {method_text(self.first)} {shares} {draws}"

    @property
    def mean(self) -> float:
        """Acc@1 in percent, the mean over draws; NaN without images."""
        values = [record["metrics"]["acc1"] for record in self.records]
        return math.nan if None in values else math.fsum(values) / len(values)

    @property
    def ratio(self) -> float:
        """Realised share of elements that is pruned, the mean over draws."""
        found = [(record["realised"] or {}).get("pruning_ratio", 0.0) for record in self.records]
        return math.fsum(found) / len(found)

    @property
    def has_outcomes(self) -> bool:
        """Whether it is known of each image what became of it."""
        return self._codes is not None

    @property
    def codes(self) -> np.ndarray:
        """Outcomes as `Outcomes` codes them, uint8 ``[draws, images]``.

        Raises:
            SourceError: they weren't kept, or are gone or damaged.
        """
        if self._codes is None:
            raise SourceError(
                f"{self.study.source} has no outcomes of {self.label}: they weren't kept, or are "
                "damaged; run the sweep again into another folder, without --no-outcomes"
            )
        return self._codes

    @property
    def hits1(self) -> np.ndarray:
        """Which images are right at 1, bool ``[draws, images]``; raises as `codes` does."""
        return self.codes == RIGHT_AT_1

    @cached_property
    def seen(self) -> np.ndarray:
        """Which images all draws could read, bool ``[images]``; raises as `codes` does."""
        return (self.codes != LEFT_OUT).all(axis=0)

    def __repr__(self) -> str:
        return plain(f"RecordSet({self.label})")

    @cached_property
    def _codes(self) -> np.ndarray | None:
        found = [self.study.outcomes(record) for record in self.records]
        codes = [each.array for each in found if each is not None]
        return np.stack(codes) if len(codes) == len(self.records) else None


def sets_of(study: Study) -> list[RecordSet]:
    """Return the records of a study as sets, in the order of their first records.

    Of several records of one draw the last counts.
    """
    found: dict[Hashable, dict[tuple[int, int], Record]] = {}
    for record in study:
        variant: dict[str, Any] = record["variant"] or {"seed": 0, "index": 0}
        draw = (variant["seed"], variant["index"])
        found.setdefault(_common(record), {})[draw] = record
    return [RecordSet(study, [own[draw] for draw in sorted(own)]) for own in found.values()]


def best_first(sets: Iterable[RecordSet]) -> list[RecordSet]:
    """Return sets by Acc@1, equal ones in their order, those without images last."""
    return sorted(sets, key=lambda each: math.inf if math.isnan(each.mean) else -each.mean)


def setting(record: Record) -> Hashable:
    """Return what a variant has in common with the dense network that it is compared with."""
    network = record["network"]
    return network["name"], network["weights_sha256"], surroundings(record)


def surroundings(record: Record) -> Hashable:
    """Return what a record's network ran on, and how."""
    return (
        _items(record["preprocessing"]),
        images_id(record),
        record["data"]["identity"],
        _items(record["asked"]["running"]),
        _items(record["versions"]),
    )


def images_id(record: Record) -> str:
    """Return the hash of a record's images; of earlier records with their labels' numbers."""
    return record["data"].get("images") or record["data"]["identity"]


def check_same_images(sets: Iterable[RecordSet]) -> None:
    """Refuse sets on different images, or on the same ones with other labels or bytes.

    Raises:
        SourceError: there are such; it says what differs.
    """
    sets = list(sets)
    _check_bytes(sets)
    first: RecordSet | None = None
    for each in sets:
        first = first or each
        if first.first["data"] == each.first["data"]:
            continue
        if _is_same(first.first, each.first):
            _check_labels(first, each)
        else:
            raise SourceError(
                f"{_images_text(first)} and {_images_text(each)} are other images; compare "
                "variants evaluated on the same ones, chosen e.g. with --where data=NAME or "
                "--where limit=N"
            )


def _common(record: Record) -> Hashable:
    variant: dict[str, Any] = {**(record["variant"] or DENSE), "seed": None, "index": None}
    score_data = record["score_data"] or {}
    score = (score_data.get("identity"), score_data.get("n"))
    return (setting(record), _items(variant), score)


def _items(values: Mapping[str, Any]) -> Hashable:
    return tuple([(k, tuple(v) if isinstance(v, list) else v) for k, v in values.items()])


def _is_same(one: Record, other: Record) -> bool:
    """Return whether two records are on the same images.

    Where an earlier version recorded one of them, its images are known with their labels alone.
    """
    names = ("images", "identity")
    return any(
        one["data"].get(name) == other["data"].get(name) is not None for name in names
    ) and image_count(one) == image_count(other)


def _check_bytes(sets: Iterable[RecordSet]) -> None:
    """Refuse records on images of equal names and sizes that were read from other bytes.

    Those of earlier versions don't say what they read.
    """
    seen: dict[str, tuple[str, RecordSet]] = {}
    for each in sets:
        for record in each.records:
            sha256 = (record.get("read") or {}).get("data")
            if sha256 is None:
                continue
            first, other = seen.setdefault(images_id(record), (sha256, each))
            if first != sha256:
                raise SourceError(
                    f"{_images_text(other)} and {_images_text(each)} have equal names and sizes, "
                    f"but {_other_bytes(other, first, each, sha256)}; compare variants evaluated "
                    "on the same ones"
                )


def _other_bytes(one: RecordSet, first: str, other: RecordSet, second: str) -> str:
    digests = one.study.store.get(first) or b"", other.study.store.get(second) or b""
    images, places = one.study.images(one.first), differing(*digests)
    return names_of(places, "image {}".format if images is None else images.name)


def _check_labels(one: RecordSet, other: RecordSet) -> None:
    """Refuse sets whose images have other labels.

    Two networks may number the same classes differently; one network doesn't.
    """
    records = one.first, other.first
    if records[0]["data"]["identity"] == records[1]["data"]["identity"]:
        return
    is_one_network = len({record["network"]["weights_sha256"] for record in records}) == 1
    images = one.study.images(records[0]), other.study.images(records[1])
    if images[0] is None or images[1] is None:
        # By itself the identity differs also where classes without images are left out.
        are_judged = {record["asked"]["data"]["only_data_classes"] for record in records}
        agree = not is_one_network or len(are_judged) > 1
    elif is_one_network:
        agree = list(images[0].labels) == list(images[1].labels)
    else:
        labels = images[0].labels, images[1].labels
        pairs = set(zip(*labels, strict=True))
        agree = len(pairs) == len(set(labels[0])) == len(set(labels[1]))
    if not agree:
        raise SourceError(
            f"{_images_text(one)} and {_images_text(other)} are the same images with other labels; "
            "compare variants evaluated with the same ones"
        )


def image_count(record: Record) -> int:
    """Return how many images a record is of, with those that couldn't be read."""
    return record["metrics"]["n"] + record["metrics"]["unreadable"]


def _images_text(each: RecordSet) -> str:
    data = each.first["data"]
    return (
        f"the {image_count(each.first)} images of {data['name']} ({images_id(each.first)[:12]}) "
        f"under {each.label}"
    )
