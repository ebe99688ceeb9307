"""Every network of the table in docs/networks.md: pruned at every granularity, restored exactly."""

import dataclasses

import pytest

from network_prune.errors import SourceError
from network_prune.sources.networks.load import FORMS
from public_networks import Row, examine, read_table, smallest_side, write_table

FAST = 3_500_000
ROWS = read_table()


def case(row: Row):
    is_slow = not 0 < row.parameters <= FAST
    return pytest.param(row, id=row.name, marks=pytest.mark.slow if is_slow else ())


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
