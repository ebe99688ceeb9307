"""Records that say how different draws are, by what they were measured on."""

from collections.abc import Hashable, Iterable

from network_prune.results.axes import axes
from network_prune.results.groups import last_of_each
from network_prune.results.naming import method_text, network_text
from network_prune.results.records import Record
from network_prune.results.series.families import (
    Family,
    dense_by_setting,
    setting_of,
    told_apart,
)


def diverse(records: Iterable[Record]) -> list[Family]:
    """Return the records that compare draws as families, which differ in p_prune alone."""
    records = last_of_each(records)
    dense = dense_by_setting(records)
    found: dict[Hashable, list[Record]] = {}
    for record in records:
        if record.get("diversity"):
            common = [item for item in axes(record).items() if item[0] != "p_prune"]
            found.setdefault((_draws(record), *common), []).append(record)
    firsts = [own[0] for own in found.values()]
    has_draws = len({_draws(first) for first in firsts}) > 1
    return [
        Family(
            network_text(first),
            method_text(first),
            (*others, f"draws={_draws(first)}") if has_draws else others,
            tuple(own),
            dense.get(setting_of(first)),
        )
        for first, others, own in zip(
            firsts, told_apart(firsts, [("p_prune",)] * len(firsts)), found.values(), strict=True
        )
    ]


def _draws(record: Record) -> int | None:
    return record["diversity"].get("draws")
