"""Published figures beside measured ones."""

from collections.abc import Iterator, Sequence
from typing import Any

from network_prune.evaluation.metrics import FIGURES
from network_prune.reports.page.section import Numbers, Section, View, fixed
from network_prune.results.axes import DENSE
from network_prune.results.naming import network_of, network_text
from network_prune.results.published.beside import Beside, beside
from network_prune.results.published.figures import PublishedRow
from network_prune.results.records import Record

_HEAD = (
    "network",
    "method",
    *("p_prune", "p_bern", "draws", "images"),
    *(f"reported {title}" for title in FIGURES),
    *FIGURES,
    "Acc@1 less reported",
    "expected Acc@1",
    "",
)


def reported_section(rows: Sequence[PublishedRow], records: Sequence[Record]) -> Section | None:
    """Return published figures beside what was measured of the same network and setting.

    None where nothing was published of what was measured.
    """
    found = [(each, each.row) for each in _beside(rows, records) if each.row is not None]
    if not found:
        return None
    published = [row for _, row in found]
    text = (
        "Figures of the columns reported are published, not measured here. Measured ones are means "
        "over draws; one more measurement of the same setting is expected in the 95% interval.",
        *dict.fromkeys(f"{row.source}: {row.data}, {row.images:,} images." for row in published),
        *dict.fromkeys(f"{row.network} {row.method}: {row.note}." for row in published if row.note),
    )
    views = [View((), None, Numbers(_HEAD, [_row(*each) for each in found]))]
    return Section("reported", "Published beside measured", text, views, badge="reported")


def _beside(rows: Sequence[PublishedRow], records: Sequence[Record]) -> Iterator[Beside]:
    for network in dict.fromkeys(map(network_of, records)) if rows else ():
        yield from beside([each for each in records if network_of(each) == network], rows)


def _row(found: Beside, row: PublishedRow) -> list[str]:
    variant: dict[str, Any] = found.first["variant"] or DENSE
    interval = found.interval("acc1")
    names = list(FIGURES.values())
    return [
        network_text(found.first),
        variant["method"],
        f"{variant['p_prune']:g}",
        f"{variant['p_bern']:g}",
        str(len(found.records)),
        f"{found.images:,}",
        *(fixed(getattr(row, name), row.digits) for name in names),
        *(fixed(found.measured(name), row.digits) for name in names),
        fixed(found.difference("acc1"), row.digits, sign=True),
        "–" if interval is None else f"[{', '.join(fixed(end, row.digits) for end in interval)}]",
        found.standing,
    ]
