"""Variants compared: what was found, as a table to read, in Markdown and as plain data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from network_prune.display.table import Column, Part, Table
from network_prune.evaluation.mean import plain
from network_prune.plain_text import plain as shown
from network_prune.reports.forms.forms import markdown_lines
from network_prune.reports.markdown import markdown_line
from network_prune.results.axes import DENSE, axes, axis_texts, differing
from network_prune.results.comparing.comparison import Comparison
from network_prune.results.comparing.lost import Changed, changed_images
from network_prune.results.comparing.sets import RecordSet
from network_prune.results.comparing.statistics import holm
from network_prune.results.comparing.ties import common_images
from network_prune.results.naming import method_text, network_text
from network_prune.results.study import Study

# So many images of a kind are named unasked.
_FEW = 20
_DIFFERENCE = "difference [95%]"
_FIGURES = (
    Column("Acc@1"),
    Column("difference", within=_DIFFERENCE),
    Column("95% interval", "95%", goes=7, within=_DIFFERENCE),
    Column("p", goes=6),
    Column("won", goes=4),
    Column("lost", goes=3),
    Column("smallest", goes=1),
)


@dataclass(frozen=True, eq=False)
class Compared:
    """What `compare` found.

    Attributes:
        comparisons: a difference each.
        groups: of one study's sets, the best first, each with the letter of its tie group, or
            ``–`` where it isn't known what became of each image; empty where that is known of
            fewer than two, or where variants were paired.
        unmatched: sets that no other had equal settings with.
        studies: those that they are of.
        is_to_dense: whether each variant is compared with its own dense network.
    """

    comparisons: Sequence[Comparison]
    groups: Sequence[tuple[RecordSet, str]]
    unmatched: Sequence[RecordSet]
    studies: Sequence[Study]
    is_to_dense: bool = False

    @cached_property
    def adjusted(self) -> Sequence[float]:
        """The comparisons' p-values by Holm's adjustment for all of them."""
        return holm([each.p for each in self.comparisons]).tolist()

    def worse_than(self, points: float) -> list[Comparison]:
        """Return the comparisons whose interval reaches below a loss of so many points."""
        return [each for each in self.comparisons if not each.interval[0] >= -points]

    def to_dict(self, *, images: bool = False) -> dict[str, Any]:
        """Return all as plain data for JSON, None for NaN.

        Args:
            images: with the images that are lost and won.

        Raises:
            SourceError: it isn't known what became of each image.
        """
        return {
            "comparisons": [
                {
                    "variant_label": each.variant.label,
                    "baseline_label": each.baseline.label,
                    **each.to_dict(),
                    "p_adjusted": adjusted,
                    **(_images(each) if images else {}),
                }
                for each, adjusted in zip(self.comparisons, self.adjusted, strict=True)
            ],
            "groups": [
                {"group": letter, "acc1": plain(each.mean), **_named(each)}
                for each, letter in self.groups
            ],
            "unmatched": [_named(each) for each in self.unmatched],
        }

    def lines(self, *, images: bool = False, markdown: bool = False) -> list[str]:
        """Return a table and what to know below it.

        Args:
            images: with the images that are lost and won.
            markdown: as a document in Markdown, not for a terminal.

        Raises:
            SourceError: it isn't known what became of each image.
        """
        return markdown_lines(self.parts(images=images, markdown=markdown))

    def parts(self, *, images: bool = False, markdown: bool = False) -> list[Part]:
        """Return tables and what to know below them; arguments and errors are those of `lines`."""
        tables = [part for each in self.comparisons if images for part in _image_parts(each)]
        foot = (f"- {markdown_line(line)}" if markdown else shown(line) for line in _foot(self))
        return [_Table(self).table(), *tables, "", *foot]

    def __str__(self) -> str:
        return "\n".join(self.lines())


class _Table:
    """The comparisons as rows; with groups, a row for each of their sets."""

    def __init__(self, compared: Compared) -> None:
        found = zip(compared.comparisons, compared.adjusted, strict=True)
        rows = [(each.variant, each, adjusted) for each, adjusted in found]
        if compared.groups:
            by_set = {id(row[0]): row for row in rows}
            rows = [by_set.get(id(each), (each, None, 1.0)) for each, _ in compared.groups]
        self._rows = rows
        self._letters = {id(each): letter for each, letter in compared.groups}
        self._shows_baseline = not compared.is_to_dense
        baselines = [each.baseline for each in compared.comparisons if self._shows_baseline]
        sets = [*baselines, *(each for each, *_ in rows)]
        self._others = differing(each.first for each in sets)

    def table(self) -> Table:
        """Return it with its rows as plain data."""
        words = [Column("network", is_words=True, goes=11), Column("method", is_words=True)]
        words += [Column("compared with", is_words=True)] * self._shows_baseline
        group = [Column("group", goes=8)] if self._letters else []
        settings = [
            Column("p_prune"),
            Column("p_bern", goes=10, blank="0"),
            Column("draw", goes=9, blank="–"),
            Column("images", goes=2),
            Column("pruning ratio", "ratio", goes=5),
        ]
        rows = [[*self._words(*row[:2]), *self._numbers(*row)] for row in self._rows]
        data = [self._data(*row) for row in self._rows]
        return Table([*words, *settings, *group, *_FIGURES], rows, data)

    def _data(
        self, each: RecordSet, comparison: Comparison | None, adjusted: float
    ) -> dict[str, Any]:
        settings = {name: v for name, v in axes(each.first).items() if name != "index"}
        letter = self._letters.get(id(each))
        data = {
            **settings,
            "draws": len(each.records),
            "pruning_ratio": each.ratio,
            "group": letter,
        }
        if comparison is None:
            return {**data, "n": each.first["metrics"]["n"], "acc1": plain(each.mean)}
        found = comparison.to_dict()
        return {
            **data,
            "n": found["n"],
            "acc1": found["acc1"][0],
            "compared_with": comparison.baseline.label,
            "acc1_difference": found["acc1_difference"],
            "acc1_difference_low": found["acc1_interval"][0],
            "acc1_difference_high": found["acc1_interval"][1],
            "p": found["p"],
            "p_adjusted": adjusted,
            **{name: found[name] for name in ("gained1", "lost1", "smallest_difference")},
        }

    def _words(self, each: RecordSet, comparison: Comparison | None) -> Iterator[str]:
        yield network_text(each.first)
        yield " ".join([method_text(each.first), *self._apart(each)])
        if self._shows_baseline:
            other = comparison and comparison.baseline
            yield "–" if other is None else " ".join([other.label, *self._apart(other)])

    def _apart(self, each: RecordSet) -> list[str]:
        """Return what else sets it apart from others."""
        return axis_texts(self._others, axes(each.first)) if self._others else []

    def _numbers(
        self, each: RecordSet, comparison: Comparison | None, adjusted: float
    ) -> Iterator[str]:
        variant: Mapping[str, Any] = each.first["variant"] or DENSE
        yield f"{variant['p_prune']:g}"
        yield f"{variant['p_bern']:g}"
        yield each.draws
        yield str(each.first["metrics"]["n"] if comparison is None else comparison.n)
        yield f"{each.ratio:.2%}"
        if self._letters:
            yield self._letters[id(each)]
        if comparison is None:
            yield from (f"{each.mean:.3f}", "–", "", *["–"] * (len(_FIGURES) - 3))
            return
        low, high = comparison.interval
        yield f"{comparison.acc1[0]:.3f}"
        yield from (f"{comparison.difference:+.3f}", f"[{low:+.3f}, {high:+.3f}]")
        yield _p_text(adjusted)
        yield _count(comparison.gained)
        yield _count(comparison.lost)
        yield f"{comparison.smallest:.3f}"


def _p_text(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else f"{p:.0e}"


def _count(images: float) -> str:
    return f"{images:.1f}" if images % 1 else f"{images:.0f}"


def _foot(compared: Compared) -> Iterator[str]:
    comparisons = compared.comparisons
    if comparisons:
        what = "the dense network's" if compared.is_to_dense else "what it is compared with"
        yield (
            f"difference: Acc@1 less {what}, in percentage points, with its 95% interval on the "
            "same images"
        )
        yield from _test_lines(comparisons)
        yield (
            "smallest: difference in points that shows in 4 of 5 cases with so many images"
            + (" and draws" if any(max(each.draws) > 1 for each in comparisons) else "")
        )
    if compared.groups:
        yield from _group_lines([each for each, letter in compared.groups if letter != "–"])
    sets = {s for each in comparisons for s in (each.variant, each.baseline)}
    unknown = sum(not each.has_outcomes for each in sets)
    if unknown:
        yield (
            f"{unknown} of {len(sets)} sets have no outcomes of each image: they are compared by "
            "counts, and are in no group"
        )
    left_out = max((each.left_out for each in comparisons), default=0)
    if left_out:
        yield f"up to {left_out} images that couldn't be read are left out of a pair"
    if compared.unmatched:
        names = "; ".join(each.label for each in compared.unmatched[:3])
        more = len(compared.unmatched) - 3
        yield (
            f"{len(compared.unmatched)} sets have no other of equal settings: {names}"
            + (f" and {more} more" if more > 0 else "")
        )


def _group_lines(sets: Sequence[RecordSet]) -> Iterator[str]:
    yield "group: sets with a letter can't be told from the best one with it (Holm, 5%)"
    images = common_images(sets)
    if images < max(int(each.seen.sum()) for each in sets):
        yield f"groups rest on the {images} images that all sets could read"


def _test_lines(comparisons: Sequence[Comparison]) -> Iterator[str]:
    kinds = {max(each.draws) > 1 for each in comparisons}
    tests = {
        False: "the exact McNemar test for one draw each",
        True: "a t test in which both draws and images vary for sets of draws",
    }
    adjusted = (
        f", adjusted for {len(comparisons)} comparisons (Holm)" if len(comparisons) > 1 else ""
    )
    yield f"p: two-sided, by {' and '.join(tests[kind] for kind in sorted(kinds))}{adjusted}"
    yield (
        "won: images that are right and were wrong in what it is compared with; lost: the reverse"
        + ("; of several draws the mean over pairs" if True in kinds else "")
    )


def _named(each: RecordSet) -> dict[str, Any]:
    return {"label": each.label, "keys": [record["key"] for record in each.records]}


def _images(comparison: Comparison) -> dict[str, Any]:
    lost, won = changed_images(comparison.variant, comparison.baseline)
    images = _Images(comparison)
    return {
        "images_lost": [images.entry(each) for each in lost],
        "images_won": [images.entry(each) for each in won],
    }


class _Images:
    """What the images of a comparison are called."""

    def __init__(self, comparison: Comparison) -> None:
        sets = (comparison.variant, comparison.baseline)
        found = (each.study.images(each.first) for each in sets)
        self._images = next((images for images in found if images is not None), None)

    def entry(self, changed: Changed) -> dict[str, Any]:
        name = (
            f"image {changed.position}"
            if self._images is None
            else self._images.name(changed.position)
        )
        return {
            "position": changed.position,
            "name": name,
            "class": None if self._images is None else self._images.class_of(changed.position),
            "variant_share": changed.shares[0],
            "baseline_share": changed.shares[1],
        }


def _image_parts(comparison: Comparison) -> Iterator[Part]:
    found = changed_images(comparison.variant, comparison.baseline)
    if not any(found):
        return
    yield ""
    yield _image_table(comparison, found)


def _image_table(comparison: Comparison, found: Sequence[Sequence[Changed]]) -> Table:
    images = _Images(comparison)
    words = [Column(title, is_words=True) for title in ("", "image", "class")]
    rows: list[list[str]] = []
    for title, changed in zip(("lost", "won"), found, strict=True):
        for each in changed[:_FEW]:
            entry = images.entry(each)
            shares = [f"{share:.0%}" for share in each.shares]
            rows.append([title, entry["name"], entry["class"] or "–", *shares])
        if len(changed) > _FEW:
            rows.append([title, f"and {len(changed) - _FEW} more; --json has all", *["–"] * 3])
    title = f"{comparison.variant.label} less {comparison.baseline.label}"
    return Table([*words, Column("right in"), Column("was right in")], rows, title=title)
