"""Published figures beside measured ones."""

import statistics
from collections.abc import Iterable, Sequence

from network_prune.reports.page.section import Numbers, Section, View, fixed
from network_prune.results.naming import network_text
from network_prune.results.published.beside import is_of
from network_prune.results.published.figures import PublishedRow
from network_prune.results.records import Record

_HEAD = (
    "network", "method", "p_prune", "p_bern", "reported loss", "reported Acc@1", "reported Acc@5",
    "loss", "Acc@1", "Acc@5", "Acc@1 less reported", "draws",
)  # fmt: skip


def reported_section(rows: Sequence[PublishedRow], records: Sequence[Record]) -> Section | None:
    """Return published rows with what was measured of the same network under the same setting."""
    if not rows:
        return None
    views = [View((), None, Numbers(_HEAD, [_row(row, _measured(row, records)) for row in rows]))]
    text = (
        "Figures of the columns reported are published, not measured here.",
        *dict.fromkeys(f"{row.source}: {row.data}, {row.images:,} images." for row in rows),
        *dict.fromkeys(f"{row.network} {row.method}: {row.note}." for row in rows if row.note),
    )
    return Section("reported", "Published beside measured", text, views, badge="reported")


def _row(row: PublishedRow, records: Sequence[Record]) -> list[str]:
    measured = {name: _mean(records, name) for name in ("loss", "acc1", "acc5")}
    found = measured["acc1"]
    difference = None if found is None or row.acc1 is None else found - row.acc1
    return [
        next((network_text(record) for record in records), row.network),
        "dense" if row.is_dense else row.method,
        f"{row.p_prune:g}",
        f"{row.p_bern:g}",
        *(fixed(value, row.digits) for value in (row.loss, row.acc1, row.acc5)),
        *(fixed(value, row.digits) for value in measured.values()),
        fixed(difference, row.digits, sign=True),
        str(len(records)),
    ]


def _measured(row: PublishedRow, records: Iterable[Record]) -> list[Record]:
    return [record for record in records if is_of(row, record)]


def _mean(records: Sequence[Record], name: str) -> float | None:
    values = [record["metrics"][name] for record in records]
    return None if not values or None in values else statistics.fmean(values)
