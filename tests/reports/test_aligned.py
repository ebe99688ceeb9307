"""Aligned tables fit a terminal and stay Markdown."""

import pytest

from network_prune.reports.transfer.aligned import aligned_table

TITLES = ["name", *(f"column {n}" for n in range(12))]
ROWS = [["first", *map(str, range(12))], ["a|b", *["12.3 ± 4.5"] * 12]]


def test_cells_of_a_column_end_below_each_other():
    lines = aligned_table(["name", "n"], [["a", "1"], ["bcd", "1000"]], words=1)
    assert lines == [
        "| name |    n |",
        "|:-----|-----:|",
        "| a    |    1 |",
        "| bcd  | 1000 |",
    ]


@pytest.mark.parametrize("width", [40, 100, 1000])
def test_what_is_too_wide_goes_below_beside_the_names(width):
    lines = aligned_table(TITLES, ROWS, words=1, width=width)
    assert max(map(len, lines)) <= width
    blocks = "\n".join(lines).split("\n\n")
    assert len(blocks) == {40: 6, 100: 2, 1000: 1}[width]
    heads = [block.splitlines()[0].strip("| ").split(" | ") for block in blocks]
    assert [head[0].strip() for head in heads] == ["name"] * len(blocks)
    assert [title.strip() for head in heads for title in head[1:]] == TITLES[1:]


def test_one_column_that_is_too_wide_alone_is_shown_all_the_same():
    lines = aligned_table(["name", "x" * 90, "y"], [["a", "1", "2"]], words=1, width=60)
    assert "x" * 90 in lines[0]
    assert len("\n".join(lines).split("\n\n")) == 2


def test_markup_in_cells_is_text():
    assert r"| a\|b " in aligned_table(TITLES, ROWS, words=1)[3]
