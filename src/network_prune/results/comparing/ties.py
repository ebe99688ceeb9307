"""Which sets can't be told from the best of them."""

from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np

from network_prune.results.comparing.sets import RecordSet, check_same_images
from network_prune.results.comparing.statistics import LEVEL, holm, mcnemar, two_way, two_way_p

# Whole numbers below this are exact in float32.
_EXACT = 2**24


def tie_groups(sets: Sequence[RecordSet]) -> list[str]:
    """Return a letter for each set: ``a`` for the best and all that can't be told from it.

    The best by Acc@1 is compared with every other set, draws and images varying as in
    `compare_sets`, and what Holm's adjustment of these p-values leaves at 0.05 or above is in
    its group. The best of the rest makes the next group. All of it is on `common_images`.

    Args:
        sets: on the same images, in any order.

    Raises:
        SourceError: they are on other images, or it isn't known what became of each.
    """
    if not sets:
        return []
    check_same_images(sets)
    seen = _seen_by_all(sets)
    ranked = sorted(sets, key=lambda each: -int(each.hits1[:, seen].sum()) / len(each.records))
    table = _Table(ranked, seen)
    letters: dict[RecordSet, str] = {}
    rest, count = np.arange(len(sets)), 0
    while len(rest):
        best, others = int(rest[0]), rest[1:]
        is_apart = holm(table.p(best, others)) < LEVEL
        for place in (best, *others[~is_apart]):
            letters[ranked[place]] = _letter(count)
        rest, count = others[is_apart], count + 1
    return [letters[each] for each in sets]


def common_images(sets: Sequence[RecordSet]) -> int:
    """Return how many images all sets could read."""
    return int(_seen_by_all(sets).sum())


def _seen_by_all(sets: Sequence[RecordSet]) -> np.ndarray:
    return np.logical_and.reduce([each.seen for each in sets])


class _Table:
    """How many draws of each set have each image right, of those in ``seen``."""

    def __init__(self, sets: Sequence[RecordSet], seen: np.ndarray) -> None:
        self._draws = np.array([len(each.records) for each in sets])
        self._n = int(seen.sum())
        is_small = self._n * int(self._draws.max()) ** 2 < _EXACT
        kind = np.float32 if is_small else np.float64
        self._counts = np.empty((len(sets), self._n), kind)
        self._variances = np.zeros(len(sets))
        for place, each in enumerate(sets):
            hits = each.hits1[:, seen]
            hits.sum(axis=0, dtype=kind, out=self._counts[place])
            if len(hits) > 1 and self._n:
                self._variances[place] = hits.mean(axis=1).var(ddof=1)
        totals = self._counts.sum(axis=1, dtype=np.float64)
        squares = np.einsum("ij,ij->i", self._counts, self._counts).astype(np.float64)
        # Sums over images of the share of draws, and of its square.
        self._rates, self._squares = totals / self._draws, squares / self._draws**2

    def p(self, best: int, others: np.ndarray) -> np.ndarray:
        """Return the p of each of ``others``, which stand behind ``best``, against it."""
        if not self._n:
            return np.ones(len(others))
        draws = self._draws[others], self._draws[best]
        products = (self._counts[best:] @ self._counts[best]).astype(np.float64)
        both = products[others - best] / (draws[0] * draws[1])
        one, other = self._rates[others], self._rates[best]
        square = self._squares[others] + self._squares[best] - 2 * both
        variances = self._variances[others], self._variances[best]
        found = two_way(self._n, one - other, square, variances, draws)
        changed = one - both, other - both
        is_single = (draws[0] == 1) & (draws[1] == 1)
        exact = mcnemar(*map(np.rint, changed))
        return np.where(is_single, exact, two_way_p(found, *changed))


def _letter(place: int) -> str:
    """Return a, b, … z, aa, ab and so on."""
    place, last = divmod(place, len(ascii_lowercase))
    return (_letter(place - 1) if place else "") + ascii_lowercase[last]
