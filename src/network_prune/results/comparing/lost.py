"""Which images a variant loses or wins, and how each class fares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from network_prune.results.comparing.sets import RecordSet, check_same_images
from network_prune.results.images import Images


@dataclass(frozen=True, slots=True)
class Changed:
    """An image on which a variant and its baseline differ.

    Attributes:
        position: its place among all images, from 0.
        shares: share of draws that have it right, the variant's first.
    """

    position: int
    shares: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ClassAccuracy:
    """How the images of one class fare.

    Attributes:
        label: the class's number.
        name: what it is called.
        n: number of its images that could be read.
        acc1: Acc@1 on them in percent, the mean over draws.
    """

    label: int
    name: str
    n: int
    acc1: float


def changed_images(
    variant: RecordSet, baseline: RecordSet
) -> tuple[Sequence[Changed], Sequence[Changed]]:
    """Return the images that a variant loses and those that it wins, the surest first.

    Raises:
        SourceError: they are on other images, or it isn't known what became of each.
    """
    check_same_images([variant, baseline])
    one, other = (each.hits1.mean(axis=0) for each in (variant, baseline))
    change = np.where(variant.seen & baseline.seen, one - other, 0.0)
    order = np.argsort(-np.abs(change), kind="stable")
    found = [order[change[order] < 0], order[change[order] > 0]]
    lost, won = (
        [Changed(int(i), (float(one[i]), float(other[i]))) for i in places] for places in found
    )
    return lost, won


def lost_by_all(sets: Sequence[RecordSet], dense: RecordSet) -> np.ndarray:
    """Return the positions of images that the dense network has right and every draw loses.

    Args:
        sets: pruned variants, at least one.
        dense: the dense network.

    Raises:
        SourceError: they are on other images, or it isn't known what became of each.
    """
    check_same_images([dense, *sets])
    is_lost = dense.hits1.all(axis=0) & dense.seen
    for each in sets:
        is_lost &= ~each.hits1.any(axis=0) & each.seen
    return np.flatnonzero(is_lost)


def class_accuracies(of: RecordSet, images: Images) -> list[ClassAccuracy]:
    """Return the accuracy on each class that has images, by its number.

    Args:
        of: one variant's draws, or the dense network.
        images: its images, as its study has them.

    Raises:
        SourceError: it isn't known what became of each image.
    """
    labels = np.asarray(images.labels)[of.seen]
    shares = of.hits1.mean(axis=0)[of.seen]
    found, places = np.unique(labels, return_inverse=True)
    counts = np.bincount(places, minlength=len(found))
    sums = np.bincount(places, weights=shares, minlength=len(found))
    return [
        ClassAccuracy(
            int(label), images.classes.get(int(label), str(label)), int(n), 100 * hits / n
        )
        for label, n, hits in zip(found, counts, sums.tolist(), strict=True)
    ]
