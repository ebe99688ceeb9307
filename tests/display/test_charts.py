"""Charts show names as they are, and leave matplotlib's settings and pyplot alone."""

import math

import matplotlib as mpl
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from network_prune.display.canvas import new_axes
from network_prune.display.charts import Line, draw_bars, draw_heat, draw_lines
from network_prune.errors import SourceError

NAME = "<b>$x_1$\x1b\\$"
SHOWN = "<b>$x_1$\\x1b\\$"


def shown(text):
    """What matplotlib draws of a text: never a formula."""
    cleaned, is_math = text._preprocess_math(text.get_text())
    assert is_math is False
    return cleaned


@pytest.fixture
def ax():
    before = dict(mpl.rcParams)
    yield Figure().subplots()
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == []


def heat(ax, values, **options):
    settings = {"title": NAME, "x": "p", "label": "%", "text": "{:.0f}".format, "limits": (0, 100)}
    draw_heat(ax, [NAME, "b"], ["1", "2"], values, **settings, colours="Blues", **options)


def test_lines_are_told_apart_by_more_than_colour(ax):
    hues = [Line(f"m{hue}", f"p{rest}", [0, 1], [hue, rest]) for hue in range(3) for rest in (0, 1)]
    draw_lines(ax, hues, title="", x="", y="")
    looks = {
        (line.get_color(), line.get_marker(), line.get_linestyle(), line.get_markerfacecolor())
        for line, *_ in ax.containers
    }
    assert len(looks) == 6
    assert len({colour for colour, *_ in looks}) == len({marker for _, marker, *_ in looks}) == 3
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [h.label for h in hues]


def test_intervals_and_bands_are_drawn_where_they_are(ax):
    line = Line("m", "", [0, 1], [5, 6], interval=([4, 6], [7, math.nan]), band=([3, 4], [8, 9]))
    draw_lines(ax, [line], title="", x="", y="")
    (bars,) = ax.containers[0][2]
    # An end that isn't a number is no bar.
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[4, 7], [6, 6]]
    (band,) = ax.collections[:1]
    assert band.get_paths()[0].vertices[:, 1].min() == 3


def test_names_are_never_formulas(ax):
    draw_lines(ax, [Line(NAME, "", [0], [0]), Line("b", "", [0], [1])], title=NAME, x="", y="")
    assert shown(ax.title) == shown(ax.get_legend().get_texts()[0]) == SHOWN
    draw_bars(ax, [NAME], {"pruned": [3]}, title="", x="")
    assert shown(ax.get_yticklabels()[0]) == SHOWN
    other = Figure().subplots()
    heat(other, [[1, 2], [3, 4]])
    assert (shown(other.title), shown(other.get_yticklabels()[0])) == (SHOWN, SHOWN)


def test_many_entries_of_a_legend_stand_outside(ax):
    draw_lines(ax, [Line(f"m{n}", "", [0], [n]) for n in range(9)], title="", x="", y="")
    assert ax.get_legend().get_bbox_to_anchor().x0 >= ax.bbox.x1


def test_a_cell_without_a_number_is_empty_and_numbers_can_be_read(ax):
    heat(ax, [[0.0, 100.0], [math.nan, 50.0]], is_bold=lambda row, column: row == column)
    texts = {text.get_text(): (text.get_fontweight(), text.get_color()) for text in ax.texts}
    assert texts == {
        "0": ("bold", "#1a1a1a"),
        "100": ("normal", "white"),
        "50": ("bold", texts["50"][1]),
    }


def test_axes_that_are_given_are_drawn_on(ax):
    assert new_axes(ax, width=1, height=1) is ax
    new = new_axes(None, width=3, height=2)
    assert pyplot.get_fignums() == [new.figure.number]
    assert tuple(new.figure.get_size_inches()) == (3, 2)
    pyplot.close(new.figure)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"plot\(\) needs the package matplotlib.*\[notebook\]"):
        new_axes(None, width=1, height=1)
