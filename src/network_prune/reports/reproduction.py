"""Published and measured figures side by side, in Markdown, from the records of one network."""

from collections.abc import Iterator, Sequence
from typing import Any

from network_prune.evaluation.metrics import FIGURES
from network_prune.reports.markdown import markdown_head, markdown_row
from network_prune.reports.tables import number
from network_prune.results.axes import DENSE
from network_prune.results.naming import network_text
from network_prune.results.published.beside import Beside, beside
from network_prune.results.published.figures import PublishedRow
from network_prune.results.records import Record

_TITLES = (
    "network", "method", "p_prune", "p_bern", "draws", "images", "published", "measured",
    "Acc@1 less published", "95% of Acc@1", "published lies",
)  # fmt: skip


def reproduction_lines(records: Sequence[Record], rows: Sequence[PublishedRow]) -> list[str]:
    """Return the table of one network's records, and what to know below."""
    found = list(beside(records, rows))
    head = markdown_head(_TITLES, words=2).splitlines()
    return ["", *head, *map(_row, found), "", *_foot(found)]


def _row(each: Beside) -> str:
    variant: dict[str, Any] = each.first["variant"] or DENSE
    interval, difference = each.interval("acc1"), each.difference("acc1")
    return markdown_row(
        [
            network_text(each.first),
            variant["method"],
            *(f"{variant[name]:g}" for name in ("p_prune", "p_bern")),
            str(len(each.records)),
            str(each.images),
            "–" if each.row is None else str(each.row),
            "  ".join(f"{title} {_figure(each, name)}" for title, name in FIGURES.items()),
            "–" if difference is None else number(difference, sign="+"),
            "–" if interval is None else f"[{', '.join(map(number, interval))}]",
            _verdict(each),
        ]
    )


def _figure(each: Beside, name: str) -> str:
    spread = each.spread(name)
    return number(each.measured(name)) + ("" if spread is None else f" ± {number(spread)}")


def _verdict(each: Beside) -> str:
    if each.standing == "other images":
        return each.standing
    place = {True: "inside", False: "outside", None: "–"}[each.holds("acc1")]
    return f"{place}, {each.standing}" if each.standing else place


def _foot(found: Sequence[Beside]) -> Iterator[str]:
    rows = [each.row for each in found if each.row is not None]
    if not rows:
        yield "nothing is published of this network with these weights: measured alone"
        return
    for source in dict.fromkeys((row.source, row.data, row.images) for row in rows):
        yield "published, not measured by us: {}; {}, {:,} images".format(*source)
    notes = {row.note: f"{row.method} {row.p_prune:g}: {row.note}" for row in rows if row.note}
    yield from notes.values()
    if any(len(each.records) > 1 for each in found):
        yield (
            "several draws: mean ± standard deviation; what is published is one draw of a seed "
            "that wasn't named, and the interval is where one more draw is expected"
        )
    held = [each.holds("acc1") for each in found if each.standing != "other images"]
    inside, told = held.count(True), len(held) - held.count(None)
    yield f"{inside} of {told} published Acc@1 lie inside the 95% interval of the measured"
    yield from _standings(found)


def _standings(found: Sequence[Beside]) -> Iterator[str]:
    yield from (
        f"measured on {name}" for name in dict.fromkeys(e.first["data"]["name"] for e in found)
    )
    standings = {each.standing: each for each in found if each.standing}
    for standing, each in standings.items():
        of = each.row.images if each.row else 0
        what = (
            ""
            if each.images == of
            else f": measured on {each.images:,} images, published on {of:,}"
        )
        yield f"warning: {standing}{what}"
