"""Every network of the table in docs/networks.md: pruned at every granularity, restored exactly."""

import dataclasses

import pytest

from network_prune.errors import SourceError
from network_prune.sources.networks.load import FORMS
from public_networks import Row, examine, read_table, smallest_side, write_table

FAST = 3_500_000
ROWS = read_table()


def family(row: Row) -> str:
    return row.name.partition("_")[0]


def smallest() -> set[str]:
    """Return the smallest network of each family that has one which is fast to examine."""
    fast = [row for row in ROWS.values() if 0 < row.parameters <= FAST]
    by_size = sorted(fast, key=lambda row: row.parameters, reverse=True)
    return {row.name for row in {family(row): row for row in by_size}.values()}


SMALLEST = smallest()


def case(row: Row):
    marks = () if row.name in SMALLEST else pytest.mark.slow
    return pytest.param(row, id=row.name, marks=marks)


@pytest.mark.parametrize("row", [case(row) for row in ROWS.values()])
def test_prunes_to_exact_zeros_and_restores_exactly(row, request):
    form = next(form for form in FORMS if form.accepts(row.name))
    try:
        form.open(row.name)
    except SourceError as error:
        pytest.skip(f"not in this version: {error}")
    if not row.side:
        row = dataclasses.replace(row, side=smallest_side(row.name))
    found = examine(row)
    if request.config.getoption("--write-tables"):
        ROWS[row.name] = found
        write_table(ROWS)
    else:
        assert found == row
