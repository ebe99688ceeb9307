"""What a Markdown reader makes of a table's cells is what was put in."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from network_prune.plain_text import plain
from network_prune.reports.markdown import markdown_head, markdown_line, markdown_row
from tests.cli.test_hostile_names import NAMES

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def read(name):
    head = markdown_head(["network", "figures"], words=1)
    page = READER.render(f"{head}\n{markdown_row([name, 'next'])}\n")
    return [html.unescape(cell) for cell in re.findall("<td[^>]*>(.*?)</td>", page, re.DOTALL)]


@given(st.text("ab &amp;*_`~<>|[]()!\\$#:;-+=\n\x1b'\"/1.", min_size=1))
def test_names_of_markup_are_names(name):
    assert read(name) == [plain(name).strip(), "next"]


@pytest.mark.parametrize(
    "name", [*NAMES, "[x](javascript:alert(1))", "![x](y)", "**x**", "include=a.*,b.*", "&lt;"]
)
def test_hostile_names_are_names(name):
    assert read(name) == [plain(name), "next"]


@pytest.mark.parametrize("name", ["mobilenet_v2", "-9.00 *", "+0.4 [-0.5, +1.2]", "C:\\nets\\x"])
def test_usual_cells_are_as_they_are(name):
    assert markdown_row([name]) == f"| {name} |"


@given(st.text("# >+-=*.)19a\n\t_`<|~", min_size=1))
def test_a_line_of_markup_is_a_line(text):
    page = READER.render(markdown_line(text))
    shown = plain(text).strip()
    assert html.unescape(page) == (f"<p>{shown}</p>\n" if shown else "")


@pytest.mark.parametrize("start", ["# a", "- a", "12. a", "> a", "---", "===", "* * *"])
def test_a_line_of_blocks_is_no_block(start):
    assert html.unescape(READER.render(markdown_line(start))) == f"<p>{start}</p>\n"
    assert html.unescape(READER.render(f"a\n{markdown_line(start)}")) == f"<p>a\n{start}</p>\n"
