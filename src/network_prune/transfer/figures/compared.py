"""Augmentations compared with one of them: same images, surrogates, goal and victim."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from network_prune.errors import ArgumentError, unknown_name
from network_prune.evaluation.mean import Interval, plain
from network_prune.results.comparing.matched import Matched, matched, matched_by_draw
from network_prune.results.comparing.statistics import LEVEL, holm, images_needed
from network_prune.transfer.figures.rates import Rate, rate
from network_prune.transfer.figures.sets import SUCCESS, AttackSet, setting


@dataclass(frozen=True, slots=True, eq=False)
class TransferComparison:
    """An augmentation less another one in the goal's success on one victim.

    Attributes:
        augmentation: what is compared.
        against: what it is compared with.
        victim: the network that images are tried on.
        rates: success of both on the same images, the augmentation's first.
        gained: images on which the augmentation succeeds and the other one doesn't; of several
            seeds the mean over pairs of seeds.
        lost: the reverse.
        interval: 95 % interval of the difference, in percentage points.
        p: two-sided; the exact McNemar test's for one seed each, else of a test in which both
            images and seeds vary.
        smallest: the smallest difference in points that shows in 4 of 5 cases with so many
            images and seeds; NaN where none can.
    """

    augmentation: AttackSet
    against: AttackSet
    victim: str
    rates: tuple[Rate, Rate]
    gained: float
    lost: float
    interval: Interval
    p: float
    smallest: float

    @property
    def n(self) -> int:
        """Number of images."""
        return self.rates[0].n

    @property
    def difference(self) -> float:
        """Success of the augmentation less the other one's, in points; NaN without images."""
        return 100 * (self.gained - self.lost) / self.n if self.n else math.nan

    @property
    def images_needed(self) -> float:
        """How many images show a difference as large as this one in 4 of 5 cases.

        With one seed each, of as many as change here; infinite where there is no difference.
        """
        return images_needed(self.difference, (self.gained + self.lost) / max(self.n, 1))

    @property
    def is_at_equal_cost(self) -> bool:
        """Whether passes differ by less than an iteration's."""
        return is_equal_cost(self.augmentation, self.against)

    def to_dict(self) -> dict[str, Any]:
        """Return figures as one flat row, None for NaN and for infinite numbers."""
        low, high = self.interval
        return {
            "surrogate": self.augmentation.surrogate,
            "victim": self.victim,
            "goal": self.augmentation.goal.value,
            "augmentation": self.augmentation.augmentation,
            "against": self.against.augmentation,
            "passes": self.augmentation.passes,
            "against_passes": self.against.passes,
            "seeds": len(self.augmentation.seeds),
            "against_seeds": len(self.against.seeds),
            "n": self.n,
            "success": plain(self.rates[0].percent),
            "against_success": plain(self.rates[1].percent),
            "difference": plain(self.difference),
            "difference_low": plain(low),
            "difference_high": plain(high),
            "gained": self.gained,
            "lost": self.lost,
            "p": self.p,
            "smallest_difference": plain(self.smallest),
            "images_needed": plain(self.images_needed),
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """Where an augmentation helps and where it doesn't, over all settings.

    A setting is a surrogate, a victim and a goal.

    Attributes:
        augmentation: which.
        settings: number of settings.
        better: in how many it succeeds more often than what it is compared with.
        worse: in how many less often.
        shown_better: in how many of the better ones that is shown (Holm, 5 %).
        shown_worse: in how many of the worse ones.
        mean: mean difference over settings, in percentage points.
        lowest: the smallest difference.
        highest: the largest difference.
        unequal: number of settings in which the passes aren't equal.
    """

    augmentation: str
    settings: int
    better: int
    worse: int
    shown_better: int
    shown_worse: int
    mean: float
    lowest: float
    highest: float
    unequal: int

    def to_dict(self) -> dict[str, Any]:
        """Return all as plain data for JSON, None for NaN."""
        shares = ("mean", "lowest", "highest")
        return {**asdict(self), **{name: plain(getattr(self, name)) for name in shares}}


@dataclass(frozen=True, eq=False)
class TransferCompared:
    """All comparisons of a transfer run.

    Attributes:
        against: what others are compared with.
        comparisons: one an augmentation, surrogate, goal and victim.
        unpaired: sets without one to compare them with, on all their victims or on some.
    """

    against: str
    comparisons: Sequence[TransferComparison]
    unpaired: Sequence[AttackSet]

    @cached_property
    def adjusted(self) -> Sequence[float]:
        """The comparisons' p-values by Holm's adjustment for all of them."""
        return holm([each.p for each in self.comparisons]).tolist()

    @cached_property
    def summary(self) -> Sequence[Summary]:
        """One for each augmentation, in their order."""
        found: dict[str, list[tuple[TransferComparison, float]]] = {}
        for each, adjusted in zip(self.comparisons, self.adjusted, strict=True):
            found.setdefault(each.augmentation.augmentation, []).append((each, adjusted))
        return [_summary(name, own) for name, own in found.items()]

    def rows(self) -> list[dict[str, Any]]:
        """Return the comparisons as flat rows, p adjusted beside p."""
        return [
            {**each.to_dict(), "p_adjusted": adjusted}
            for each, adjusted in zip(self.comparisons, self.adjusted, strict=True)
        ]


def compare_sets(sets: Sequence[AttackSet], against: str = "none") -> TransferCompared:
    """Compare augmentations with one of them, each on the same images and victims.

    Where there are several to compare one with, on each victim it is one of equal passes, else of
    as many iterations, else the nearest in passes, of those that were tried on it. Upper bounds
    and folders are no augmentations.

    Args:
        sets: of any surrogates, goals and augmentations.
        against: what the others are compared with, as `AttackSet.augmentation` says it.

    Raises:
        ArgumentError: there are augmentations, none of which is ``against``.
    """
    own = [each for each in sets if each.is_augmentation]
    names = dict.fromkeys(each.augmentation for each in own)
    if names and against not in names:
        raise ArgumentError(unknown_name("augmentation to compare with", against, names))
    baselines: dict[str, list[AttackSet]] = {}
    for each in own:
        if each.augmentation == against:
            baselines.setdefault(setting(each), []).append(each)
    comparisons: list[TransferComparison] = []
    unpaired: list[AttackSet] = []
    for one in own:
        if one.augmentation == against:
            continue
        beside = baselines.get(setting(one), ())
        others = {
            name: _nearest(one, [e for e in beside if name in e.victims]) for name in one.victims
        }
        comparisons += [
            compare_on(one, other, name) for name, other in others.items() if other is not None
        ]
        if not beside or None in others.values():
            unpaired.append(one)
    return TransferCompared(against, comparisons, unpaired)


def compare_on(one: AttackSet, other: AttackSet, victim: str) -> TransferComparison:
    """Return a set less another one on a victim, over the images that the goal's rate is of.

    Seeds that both have belong together, as what is random about the attack itself starts alike
    under one; where the seeds aren't the same, any of one is held against any of the other.
    """
    figure, of_right = SUCCESS[one.goal]
    hits = [each.hits(victim, figure) for each in (one, other)]
    if of_right:
        kept = one.right(victim) & other.right(victim)
        hits = [each[:, kept] for each in hits]
    sums: Matched = (matched_by_draw if one.seeds == other.seeds else matched)(*hits)
    test = sums.test
    return TransferComparison(
        one,
        other,
        victim,
        (rate(hits[0]), rate(hits[1])),
        gained=sums.gained,
        lost=sums.lost,
        interval=test.interval,
        p=test.p,
        smallest=test.smallest,
    )


def is_equal_cost(one: AttackSet, other: AttackSet) -> bool:
    """Return whether the passes of two sets differ by less than an iteration's."""
    most = max(each.first["passes_per_iteration"] for each in (one, other))
    return _apart(one, other) < most


def _apart(one: AttackSet, other: AttackSet) -> int:
    assert one.passes is not None
    assert other.passes is not None
    return abs(one.passes - other.passes)


def _nearest(one: AttackSet, others: Iterable[AttackSet]) -> AttackSet | None:
    def distance(other: AttackSet) -> tuple[bool, bool, int]:
        return (
            not is_equal_cost(one, other),
            one.first["iterations"] != other.first["iterations"],
            _apart(one, other),
        )

    return min(others, key=distance, default=None)


def _summary(name: str, found: Sequence[tuple[TransferComparison, float]]) -> Summary:
    differences = [each.difference for each, _ in found if each.n]
    shown = [each.difference for each, adjusted in found if adjusted < LEVEL]
    count = len(differences)
    return Summary(
        name,
        settings=count,
        better=sum(d > 0 for d in differences),
        worse=sum(d < 0 for d in differences),
        shown_better=sum(d > 0 for d in shown),
        shown_worse=sum(d < 0 for d in shown),
        mean=math.fsum(differences) / count if count else math.nan,
        lowest=min(differences, default=math.nan),
        highest=max(differences, default=math.nan),
        unequal=sum(not each.is_at_equal_cost for each, _ in found),
    )
