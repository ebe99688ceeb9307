"""Neurons removed from the smaller networks of docs/networks.md: outputs equal to the masked ones.

`remove_neurons` compares them itself, and refuses a network whose outputs differ.
"""

import re

import pytest

from network_prune.errors import SourceError
from network_prune.sources.networks.load import FORMS
from public_networks import CHOICES, TABLE, Row, read_table, remove_from

FAST = 3_500_000
ROWS = [row for row in read_table().values() if row.ranked in CHOICES]
SMALL = [row for row in ROWS if 0 < row.parameters <= FAST]


def case(row: Row):
    marks = () if row in SMALL else pytest.mark.slow
    return pytest.param(row, id=row.name, marks=marks)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("row", [case(row) for row in ROWS])
def test_outputs_are_equal_and_the_network_is_smaller(row):
    form = next(form for form in FORMS if form.accepts(row.name))
    try:
        form.open(row.name)
    except SourceError as error:
        pytest.skip(f"not in this version: {error}")
    removed = remove_from(row, with_norm=False)
    assert removed.difference < 1e-4  # of float32's rounding; in float64 it is below 1e-5
    assert removed.after.parameters < 0.95 * removed.before.parameters
    assert removed.after.multiply_adds < removed.before.multiply_adds


def test_the_page_counts_them():
    (count,) = re.findall(r"from all (\d+) networks of up to 3\.5 M", TABLE.read_text("utf-8"))
    assert int(count) == len(SMALL)


@pytest.mark.parametrize("name", ["mnasnet0_5", "timm:mobilenetv3_small_050", "timm:regnety_002"])
def test_with_the_norms_masked(name):
    (row,) = (row for row in ROWS if row.name == name)
    removed = remove_from(row, with_norm=True)
    assert removed.difference < 1e-5
    assert removed.after.multiply_adds < 0.6 * removed.before.multiply_adds
