"""Records for which conditions on columns hold."""

from collections.abc import Iterable, Sequence
from typing import Any

from network_prune.errors import ArgumentError, unknown_name
from network_prune.results.records import Record
from network_prune.results.rows import flat_row


def select(records: Iterable[Record], conditions: Sequence[str]) -> list[Record]:
    """Return the records for which all conditions hold.

    Args:
        records: the records.
        conditions: ``COLUMN=VALUE`` each, of the columns of `flat_row`.

    Raises:
        ArgumentError: a condition has no ``=``, a column of no such name, or no number where
            the column has numbers.
    """
    found = [(record, flat_row(record) if conditions else {}) for record in records]
    for condition in conditions:
        name, sign, value = condition.partition("=")
        if not sign:
            raise ArgumentError(
                f"where={condition!r} has no '='; pass COLUMN=VALUE, e.g. method=weights"
            )
        for _, row in found:
            if name not in row:
                raise ArgumentError(unknown_name("column", name, row))
        found = [(record, row) for record, row in found if _is(name, row[name], value)]
    return [record for record, _ in found]


def _is(name: str, found: Any, value: str) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return str(found).lower() == value.lower()
    try:
        return found == float(value)
    except ValueError:
        raise ArgumentError(f"where={name}={value!r}: {name} has numbers; pass one") from None
