"""Augmentations compared, and where each of them helps: tables of a transfer run."""

from collections.abc import Iterator, Sequence

from network_prune.reports.transfer.texts import count_text, p_text, points_text
from network_prune.results.comparing.statistics import LEVEL
from network_prune.transfer.figures.compared import Summary, TransferCompared, TransferComparison

# So many settings are named in which a difference is shown.
_FEW = 4
TITLES = ("victim", "augmentation", "difference [95%]", "p", "shows", "needs")
SUMMARY_TITLES = (
    *("augmentation", "settings", "better", "shown", "worse", "shown worse", "mean"),
    *("lowest", "highest"),
)


def comparison_tables(compared: TransferCompared) -> dict[str, list[list[str]]]:
    """Return for each surrogate and goal the rows below `TITLES`, one a comparison."""
    found: dict[str, list[list[str]]] = {}
    pairs = list(zip(compared.comparisons, compared.adjusted, strict=True))
    victims = list(dict.fromkeys(each.victim for each, _ in pairs))
    for each, adjusted in sorted(pairs, key=lambda pair: victims.index(pair[0].victim)):
        one = each.augmentation
        title = f"{one.surrogate}, {one.goal.value}: success less that of {compared.against}"
        found.setdefault(title, []).append(_cells(each, adjusted))
    return found


def _cells(each: TransferComparison, adjusted: float) -> list[str]:
    low, high = each.interval
    return [
        each.victim,
        each.augmentation.augmentation,
        f"{points_text(each.difference)} [{points_text(low)}, {points_text(high)}]",
        p_text(adjusted),
        points_text(each.smallest).lstrip("+"),
        count_text(each.images_needed),
    ]


def comparison_notes(compared: TransferCompared) -> Iterator[str]:
    """Yield how to read the comparisons, and what to know about them."""
    found = compared.comparisons
    if found:
        yield (
            "difference: in points, on the same images; p: two-sided, adjusted for all "
            f"{len(found)} comparisons (Holm)"
        )
        yield (
            "shows: the smallest difference that so many images and seeds show in 4 of 5 cases; "
            "needs: how many images show the one found, with one seed each"
        )
    if any(max(len(each.augmentation.seeds), len(each.against.seeds)) == 2 for each in found):
        yield (
            "two seeds leave one degree of freedom, so intervals and p are wide where seeds "
            "differ; --seeds 5 narrows them"
        )
    unequal = [each for each in found if not each.is_at_equal_cost]
    if unequal:
        first = unequal[0]
        yield (
            f"warning: {len(unequal)} of {len(found)} comparisons are at unequal passes, e.g. "
            f"{first.augmentation.augmentation} at {first.augmentation.passes} against "
            f"{first.against.passes} of {compared.against}; --passes N makes them equal"
        )
    if compared.unpaired:
        names = ", ".join(dict.fromkeys(each.augmentation for each in compared.unpaired))
        yield (
            f"without {compared.against} beside them on all or some victims, and so not compared "
            f"there: {names}"
        )


def summary_rows(compared: TransferCompared) -> Iterator[list[str]]:
    """Yield a row below `SUMMARY_TITLES` for each augmentation."""
    for each in compared.summary:
        yield [
            each.augmentation,
            str(each.settings),
            *(str(count) for count in _counts(each)),
            points_text(each.mean),
            points_text(each.lowest),
            points_text(each.highest),
        ]


def summary_notes(compared: TransferCompared) -> Iterator[str]:
    """Yield in which settings a difference is shown, and how to read the summary."""
    for summary in compared.summary:
        for is_better, word in ((True, "helps"), (False, "hurts")):
            shown = _shown(compared, summary.augmentation, is_better=is_better)
            if shown:
                more = [f"and {len(shown) - _FEW} more"] if len(shown) > _FEW else []
                yield f"{summary.augmentation} {word}: {'; '.join([*shown[:_FEW], *more])}"
        if not summary.shown_better + summary.shown_worse:
            yield f"{summary.augmentation}: no difference is shown in any setting"
    yield (
        "better, worse: settings (surrogate, victim, goal) with more or less success; shown: of "
        "these by Holm at 5%; mean, lowest, highest: differences in points over all settings"
    )


def _counts(each: Summary) -> tuple[int, ...]:
    return (each.better, each.shown_better, each.worse, each.shown_worse)


def _shown(compared: TransferCompared, name: str, *, is_better: bool) -> Sequence[str]:
    return [
        f"{_setting(each)}, {each.augmentation.goal.value} {points_text(each.difference)}"
        for each, adjusted in zip(compared.comparisons, compared.adjusted, strict=True)
        if each.augmentation.augmentation == name
        and adjusted < LEVEL
        and (each.difference > 0) == is_better
    ]


def _setting(each: TransferComparison) -> str:
    return f"{each.augmentation.surrogate} → {each.victim}"
