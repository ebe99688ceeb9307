"""Published and measured figures side by side, from the records of one network."""

from collections.abc import Iterator, Sequence
from typing import Any

from network_prune.display.table import Column, Part, Table
from network_prune.evaluation.metrics import FIGURES
from network_prune.reports.tables import number
from network_prune.results.axes import DENSE
from network_prune.results.naming import network_text
from network_prune.results.published.beside import Beside, beside
from network_prune.results.published.figures import PublishedRow
from network_prune.results.records import Record

_GOES = {"Loss": 3, "Acc@1": 0, "Acc@5": 2}
_COLUMNS = (
    Column("network", is_words=True, goes=8),
    Column("method", is_words=True),
    Column("p_prune"),
    Column("p_bern", goes=7, blank="0"),
    Column("draws", goes=5),
    Column("images", goes=1),
    *(
        Column(f"{what} {title}", f"{short} {title}", goes=goes, within=what, lead=f"{title} ")
        for what, short in (("published", "publ."), ("measured", "here"))
        for title, goes in _GOES.items()
    ),
    Column("Acc@1 less published", "less", goes=4),
    Column("95% of Acc@1", "95%", goes=6),
    Column("published lies", "lies", goes=9),
)


def reproduction_parts(records: Sequence[Record], rows: Sequence[PublishedRow]) -> list[Part]:
    """Return the table of one network's records, and what to know below."""
    found = list(beside(records, rows))
    data = [_data(each) for each in found]
    return ["", Table(_COLUMNS, list(map(_row, found)), data), "", *_foot(found)]


def _row(each: Beside) -> list[str]:
    variant: dict[str, Any] = each.first["variant"] or DENSE
    interval, difference = each.interval("acc1"), each.difference("acc1")
    published = ["", "–", ""] if each.row is None else list(_published(each.row))
    return [
        network_text(each.first),
        variant["method"],
        *(f"{variant[name]:g}" for name in ("p_prune", "p_bern")),
        str(len(each.records)),
        str(each.images),
        *published,
        *(_figure(each, name) for name in FIGURES.values()),
        "–" if difference is None else number(difference, sign="+"),
        "–" if interval is None else f"[{', '.join(map(number, interval))}]",
        _verdict(each),
    ]


def _published(row: PublishedRow) -> Iterator[str]:
    for name in FIGURES.values():
        value = getattr(row, name)
        yield "" if value is None else f"{value:.{row.digits}f}"


def _data(each: Beside) -> dict[str, Any]:
    """Return all that is known of a row, a column for each figure."""
    found = each.to_dict()
    kinds = ("published", "measured", "spread", "difference", "interval", "published_in_interval")
    data = {name: value for name, value in found.items() if name not in (*kinds, "keys")}
    for kind in kinds:
        for name in FIGURES.values():
            value = (found[kind] or {}).get(name)
            if kind == "interval":
                low, high = value or (None, None)
                data |= {f"{name}_low": low, f"{name}_high": high}
            else:
                data[f"{name}_{kind}"] = value
    return data


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
