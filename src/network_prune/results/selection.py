"""Conditions on columns, by which records are chosen."""

from collections.abc import Sequence
from typing import Any

from network_prune.errors import ArgumentError, unknown_name
from network_prune.options import PLURALS
from network_prune.results.records import Record
from network_prune.results.rows import flat_row, row_parts


class Conditions:
    """Conditions of which all have to hold.

    Args:
        texts: ``COLUMN=VALUE`` each, of the columns of `flat_row`.

    Raises:
        ArgumentError: one has no ``=``.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._parts = [_split(text) for text in texts]

    def hold(self, record: Record) -> bool:
        """Return whether they do for a record.

        Raises:
            ArgumentError: there is no column of such a name, or it has numbers and the value is
                none.
        """
        return all(_is(name, _column(record, name), value) for name, value in self._parts)


def _split(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ArgumentError(f"where={text!r} has no '='; pass COLUMN=VALUE, e.g. method=weights")
    return name, value


def _column(record: Record, name: str) -> Any:
    for part in row_parts(record):
        if name in part:
            return part[name]
    raise ArgumentError(unknown_name("column", name, flat_row(record)))


def _is(name: str, found: Any, value: str) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        said = value.lower()
        said = PLURALS.get(said, said) if name == "method" else said
        return str(found).lower() == said
    try:
        return found == float(value)
    except ValueError:
        raise ArgumentError(f"where={name}={value!r}: {name} has numbers; pass one") from None
