"""Tables in plain text: no line is longer than the terminal, and no number is cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.display.fitted import fit, text_lines
from network_prune.display.table import Column, Table

COLUMNS = (
    Column("network", is_words=True, goes=3),
    Column("method", is_words=True),
    Column("p_prune"),
    Column("images", goes=1),
    Column("pruning ratio", "ratio", goes=2),
    Column("Acc@1"),
)
ROWS = (
    ("digits", "connections", "0.1", "360", "10.00%", "97.500"),
    ("digits", "weights", "0.25", "360", "25.00%", "-100.000"),
)
TABLE = Table(COLUMNS, ROWS)


def lines(width, table=TABLE):
    return text_lines(table, width=width, more="--format csv")


def test_where_there_is_room_all_columns_are_aligned():
    assert (
        lines(None)
        == lines(70)
        == [
            "network  method       p_prune  images  pruning ratio     Acc@1",
            "digits   connections      0.1     360         10.00%    97.500",
            "digits   weights         0.25     360         25.00%  -100.000",
        ]
    )


def test_titles_get_shorter_before_a_column_goes():
    assert lines(55)[0] == "network  method       p_prune  images   ratio     Acc@1"


def test_columns_that_say_the_same_in_all_rows_go_first_and_are_said_below():
    assert lines(47) == [
        "network  method       p_prune   ratio     Acc@1",
        "digits   connections      0.1  10.00%    97.500",
        "digits   weights         0.25  25.00%  -100.000",
        "in all rows: images 360",
    ]
    assert lines(40)[-1] == "in all rows: network digits, images 360"


def test_what_there_is_no_room_for_is_named():
    assert lines(31) == [
        "method       p_prune     Acc@1",
        "connections      0.1    97.500",
        "weights         0.25  -100.000",
        "in all rows: network digits,",
        "  images 360",
        "no room for: pruning ratio;",
        "  --format csv",
    ]


def test_a_narrow_column_comes_back_where_a_wide_one_went():
    columns = [Column("a"), Column("b", goes=1), Column("c", goes=2)]
    assert fit(columns, [4, 2, 20], width=10).left_out == [2]


def test_words_shrink_in_the_middle_and_take_the_room_that_is_left():
    long = Table(COLUMNS, [("n", "x" * 20 + "-" + "y" * 40, "0.1", "1", "1.00%", "97.500")])
    row = lines(60, long)[1]
    assert len(row) == 60
    assert "x…" in row.replace("-", "")
    assert "…y" in row


def test_columns_that_may_not_go_are_shown_below_each_other():
    wide = Table(
        [Column("layer", is_words=True), *(Column(f"p {n}") for n in range(5))],
        [("conv1", *(f"-{n}2.34" for n in range(5)))],
    )
    found = lines(21, wide)
    assert [line.split() for line in found if line.startswith("conv1")] == [
        ["conv1", "-02.34", "-12.34"],
        ["conv1", "-22.34", "-32.34"],
        ["conv1", "-42.34"],
    ]


def test_a_title_and_names_that_a_terminal_would_obey_stay_text():
    hostile = Table([Column("a", is_words=True)], [("\x1b[31m",)], title="\x1b[2J")
    assert "\x1b" not in "".join(lines(40, hostile))


@given(
    rows=st.lists(
        st.tuples(
            st.text("abc-", min_size=1, max_size=60),
            st.integers(-9999, 9999),
            st.floats(-100, 100),
            st.integers(0, 10**6),
        ),
        min_size=1,
        max_size=5,
    ),
    width=st.integers(40, 140),
)
def test_no_line_is_longer_and_no_number_is_cut(rows, width):
    columns = [
        Column("name", is_words=True),
        Column("a", goes=1),
        Column("a long title", "b"),
        Column("c", goes=2),
    ]
    cells = [(name, str(a), f"{b:+.3f}", str(c)) for name, a, b, c in rows]
    found = lines(width, Table(columns, cells))
    assert max(map(len, found)) <= width
    numbers = {number for row in cells for number in row[1:]}
    for line in found[1 : 1 + len(cells)]:
        assert set(re.split(r"\s+", line.strip())[1:]) <= numbers
        assert line.split()[-1] in numbers


def test_a_table_of_one_row_has_nothing_that_is_the_same_in_all():
    found = lines(40, Table(COLUMNS, ROWS[:1]))
    assert not [line for line in found if line.startswith("in all rows")]
    assert any(line.startswith("no room for: ") for line in found)


@pytest.mark.parametrize("width", [1, 5, 10])
def test_where_nothing_fits_numbers_stay_whole_all_the_same(width):
    assert any(line.endswith("-100.000") for line in lines(width))


def test_a_cell_of_rows_that_have_none_of_it_doesnt_make_rows_differ():
    columns = [Column("method", is_words=True), Column("p_bern", goes=1, blank="0"), Column("x")]
    table = Table(columns, [("dense", "0", "1" * 6), ("weights", "0.5", "2"), ("w", "0.5", "3")])
    assert " ".join(line.strip() for line in lines(20, table)[4:]) == (
        "in all rows that have one: p_bern 0.5"
    )


def test_padding_makes_up_for_a_number_that_is_longer_than_was_known():
    layout = fit([Column("a"), Column("b"), Column("c")], [3, 6, 3], width=80)
    assert layout.row(["1", "2", "3"]) == "  1       2    3"
    assert layout.row(["12345", "2", "3"]) == "12345     2    3"
    assert layout.row(["1", "123456789", "3"]) == "  1  123456789  3"


def test_columns_without_anything_in_them_arent_there():
    table = Table([Column("a"), Column("b"), Column("c")], [("1", "", "3"), ("2", "", "")])
    assert lines(80, table) == ["a  c", "1  3", "2"]
