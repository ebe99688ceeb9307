"""The pictures of the documentation: whole in themselves, and of what the commands do now."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from rich.text import Text

from scripts.picture_page import SCHEMES, WIDTH
from scripts.record_terminal import COLUMNS, COMMANDS, PICTURE, as_svg, output_of, session

DOCS = Path(__file__).parents[1] / "docs"
NUMBER = re.compile(r"[-+]?\b\d+(?:\.\d+)?")
SVG = "{http://www.w3.org/2000/svg}"


def shown(svg):
    """The lines of a terminal's picture, as people read them."""
    lines = {}
    for text in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        if "clip-path" in text.attrib:  # the title has none
            lines.setdefault(float(text.get("y")), []).append((float(text.get("x")), text.text))
    whole = ["".join(part for _, part in sorted(lines[y])) for y in lines]
    return [line.replace("\xa0", " ").rstrip() for line in whole]


def fetched(svg):
    """The addresses outside the file that a browser would ask for."""
    used = re.findall(r"(?:href|src)=[\"']([^\"']*)|url\(([^)]*)\)|@import\s*(\S*)", svg)
    return [each for found in used for each in found if each and not each.startswith("#")]


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.svg")), ids=lambda path: path.name)
def test_drawings_ask_for_nothing_and_read_on_any_ground(path):
    svg = path.read_text("utf-8")
    assert ElementTree.fromstring(svg).tag == f"{SVG}svg"
    assert fetched(svg) == []
    assert "@font-face" not in svg
    # The first thing that is drawn is an opaque ground.
    drawn = svg[svg.index("</defs>") :]
    first = re.search(r"<(?:path|rect)\b[^>]*(?:fill=\"|fill: )#[0-9a-fA-F]{6}[^>]*>", drawn)
    assert first
    assert "opacity" not in first[0]


def test_a_page_that_fetches_is_seen():
    assert fetched('<image href="https://a/b.png"/>') == ["https://a/b.png"]
    assert fetched("@font-face { src: url(https://a/f.woff) }") == ["https://a/f.woff"]
    assert fetched('<use href="#a" clip-path="url(#b)"/>') == []


@pytest.fixture(scope="module")
def outputs():
    return {command: output_of(command) for command in COMMANDS}


def test_lines_break_where_a_terminal_breaks_them():
    long = f"\x1b[1;31m<c>{'d' * COLUMNS}\x1b[0m"
    svg = as_svg(session({"one": f"a & b\r\n{long}\r\n", "two": ""}))
    assert shown(svg) == ["$ one", "a & b", f"<c>{'d' * (COLUMNS - 3)}", "ddd", "", "$ two"]
    assert svg.count("font-weight: bold") == 3  # what is typed, and two colours


def test_a_command_prints_in_colours_on_a_terminal_of_that_width():
    printed = output_of("network-prune --help")
    assert "\x1b[1m" in printed
    widths = [Text.from_ansi(line).cell_len for line in printed.splitlines()]
    assert 80 < max(widths) <= COLUMNS


def test_a_command_that_fails_isnt_a_picture():
    with pytest.raises(SystemExit, match=r"ended with 2: network-prune: error: p_prune=3\.0 is"):
        output_of("network-prune inspect --p-prune 3")


def test_the_session_is_what_the_commands_print_now(outputs, request):
    """Up to what another version of PyTorch may round otherwise."""
    svg = as_svg(session(outputs))
    if request.config.getoption("--write-tables"):
        PICTURE.write_text(svg, encoding="utf-8")
    kept, now = shown(PICTURE.read_text("utf-8")), shown(svg)
    assert [line for line in kept if line.startswith("$ ")] == [f"$ {each}" for each in COMMANDS]
    texts = [[NUMBER.sub("0", line) for line in lines] for lines in (kept, now)]
    assert texts[0] == texts[1], "run python scripts/record_terminal.py"
    figures = [list(map(float, NUMBER.findall("\n".join(lines)))) for lines in (kept, now)]
    assert figures[0] == pytest.approx(figures[1], rel=0.05, abs=1)


def test_the_session_is_small():
    assert PICTURE.stat().st_size <= 60_000


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_pages_pictures_are_small_and_light_or_dark(scheme):
    path = DOCS / f"report-{scheme}.png"
    assert path.stat().st_size <= 250_000
    with Image.open(path) as image:
        assert image.width == WIDTH
        ground = image.convert("L").getpixel((2, 2))
    assert ground > 240 if scheme == "light" else ground < 40
