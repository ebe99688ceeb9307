"""Rows of records that are shown one by one, before it is known what the later ones hold."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast

from network_prune.display.fitted import Layout, fit, left_out_lines
from network_prune.display.terminal import wrapped
from network_prune.evaluation.variant import Network, Variant
from network_prune.reports.forms.forms import ALL_COLUMNS
from network_prune.reports.tables import COLUMNS, HEAD, failure_row, record_cells, table_row
from network_prune.results.naming import method_text, network_text
from network_prune.results.records import Record
from network_prune.study.events import Started

_TITLES: Final = [column.title for column in COLUMNS]
# Characters that figures take, nearly always.
_NEEDS: Final = {
    "p_prune": 7,
    "p_bern": 4,
    "draw": 4,
    "images": 6,
    "pruning ratio": 6,
    "Loss": 5,
    "Acc@1": 7,
    "Acc@5": 7,
    "Acc@1 to dense": 8,
    "95% interval": 18,
}


class Rows:
    """Makes a line of each record: as narrow as the terminal, or in Markdown.

    Args:
        width: of the terminal; None for a file, which takes Markdown.
        variants: those that there may be by network, if that is known.
    """

    def __init__(
        self, width: int | None, variants: Mapping[Network, Sequence[Variant]] | None = None
    ) -> None:
        self._width = width
        self._names = list(map(str, variants or ()))
        self._variants = [each for own in (variants or {}).values() for each in own]
        self._layout: Layout | None = None
        self._said: Collection[int] = ()

    def head(self, started: Started | None = None) -> list[str]:
        """Return the lines above the rows; ``started`` is the first network, if one did."""
        if self._width is None:
            return HEAD.splitlines()
        due = [] if started is None else [v for v in started.due if v is not None]
        due += self._variants
        base = {} if started is None else started.base
        self._said = self._said_above(due)
        needs = _needs(self._names, base, due)
        self._layout = fit(COLUMNS, needs, width=self._width, constant=self._said)
        return [self._layout.head()]

    def row(self, record: Record) -> str:
        """Return a record's line."""
        cells = record_cells(record)
        return table_row(cells) if self._layout is None else self._layout.row(cells)

    def failure(self, network: Network, error: str) -> list[str]:
        """Return the lines of a network that couldn't be evaluated."""
        if self._width is None:
            return [failure_row(network, error)]
        return wrapped([f"{network}: error: {error}"], self._width)

    def foot(self) -> list[str]:
        """Return which columns there was no room for, but for those that the head says."""
        if self._layout is None:
            return []
        left_out = [place for place in self._layout.left_out if place not in self._said]
        return wrapped(left_out_lines(self._layout, left_out, more=ALL_COLUMNS), self._width)

    def _said_above(self, pruned: Sequence[Variant]) -> list[int]:
        """Return the columns that say what a study's head says, too."""
        same = {
            "network": len(self._names) == 1,
            "p_bern": len({variant.p_bern for variant in pruned}) == 1,
            "draw": len({(variant.seed, variant.index) for variant in pruned}) == 1,
            "images": len(self._names) == 1,
        }
        return [place for place, title in enumerate(_TITLES) if same.get(title)]


def _needs(
    networks: Sequence[str], base: Mapping[str, Any], variants: Sequence[Variant]
) -> list[int]:
    """Return the characters that the columns' cells take."""
    named = [network_text(cast(Record, base))] if base else []
    cells = {
        "network": [*networks, *named],
        "method": [
            "dense" if networks else "connections",
            *(method_text({**base, "variant": v.to_dict()}) for v in variants),
        ],
        "p_prune": [f"{variant.p_prune:g}" for variant in variants],
        "draw": [f"{variant.seed}/{variant.index}" for variant in variants],
    }
    return [max([_NEEDS.get(title, 0), *map(len, cells.get(title, ()))]) for title in _TITLES]
