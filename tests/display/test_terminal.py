"""How wide a terminal is, and lines as narrow as that."""

import io
import os
import pty
import struct
import termios
from fcntl import ioctl

import pytest

from network_prune.display.terminal import head_lines, shown_width, wrapped


@pytest.fixture(autouse=True)
def no_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)


def test_a_file_has_no_width():
    assert shown_width(io.StringIO()) is None


@pytest.mark.parametrize(("said", "width"), [("80", 80), ("132", 132), ("5", 20)])
def test_what_columns_says_counts_for_files_where_it_is_to(monkeypatch, said, width):
    monkeypatch.setenv("COLUMNS", said)
    assert shown_width(io.StringIO()) is None
    assert shown_width(io.StringIO(), in_files=True) == width


@pytest.mark.parametrize("said", ["", "0", "wide", "-3", "²"])
def test_what_columns_cannot_mean_is_left_out(monkeypatch, said):
    monkeypatch.setenv("COLUMNS", said)
    assert shown_width(io.StringIO(), in_files=True) is None


@pytest.mark.parametrize(("columns", "width"), [(101, 101), (0, 80)])
def test_a_terminal_says_how_wide_it_is(columns, width):
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb"), os.fdopen(follower, "w") as terminal:
        ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        assert shown_width(terminal) == width


def test_what_says_that_it_is_a_terminal_and_has_no_number_is_of_the_usual_width(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    assert shown_width(stream) == 80


def test_lines_break_between_words_alone():
    line = "Acc@1 +0.100 [-1.000, +1.200] of resnet18-f37072fd-with-a-long-name"
    assert wrapped(["Acc@1 97.5 ± 0.1"], 13) == ["Acc@1", "  97.5 ± 0.1"]
    found = wrapped([line], 30)
    assert any("[-1.000, +1.200]" in part for part in found)
    assert " ".join(part.strip() for part in found) == line
    assert all(len(part) <= 30 or " " not in part.strip() for part in found)
    assert wrapped([line], None) == [line]


def test_commands_and_rows_stay_whole():
    lines = ["  network-prune sweep --method weights --p-prune 0.1", "| a | b | c |"]
    assert wrapped(lines, 10) == lines


def test_what_a_terminal_would_obey_is_shown():
    assert wrapped(["a\x1b[31m"], 40) == wrapped(["a\x1b[31m"], None) == ["a\\x1b[31m"]


def test_texts_of_a_head_go_on_below_themselves():
    assert head_lines({"network": "one two three"}, width=24) == [
        "network        one two",
        " " * 15 + "three",
    ]
