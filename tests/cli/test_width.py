"""Every command that prints a table on a terminal of 80 columns."""

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl

import pytest

from network_prune.cli.output import only_results, say
from tests.made_studies import random_study, variant

GRID = ("--p-prune", 0.1, "--p-prune", 0.25, "--p-bern", 0.5, "--draws", 2, "--limit", 40)
COMMANDS = {
    "eval": ("eval", "--limit", 40),
    "eval of draws": ("eval", *GRID),
    "eval of networks": ("eval", "--arch", "digits", "--arch", "digits-plain", "--limit", 40),
    "eval of a network that isn't there": ("eval", "--arch", "digits", "--arch", "no.py:net",
        "--data",
        "digits",
                                           "--limit", 8),
    "sweep": ("sweep", *GRID, "--out", "{folder}", "--score", "lamp", "--method", "neurons"),
    "a dry run": ("sweep", *GRID, "--out", "{folder}", "--dry-run"),
    "records": ("records", "study"),
    "records, each": ("records", "study", "--each"),
    "compare": ("compare", "study"),
    "compare two": ("compare", "study#method=weights", "study#method=neurons", "--images"),
    "inspect": ("inspect",),
    "inspect a large one": ("inspect", "--arch", "resnet18", "--weights", "none", "--method",
                            "weights"),
    "sensitivity": ("sensitivity", "--limit", 8, *(("--p-prune", 0.1, "--p-prune", 0.3) * 1)),
    "diversity": ("diversity", "--limit", 8, "--draws", 2, "--p-prune", 0.2),
    "find": ("find", "--limit", 40, "--step", 0.2, "--max-drop", 60),
    "list": ("list", "resnet*"),
}  # fmt: skip


def on_terminal(monkeypatch):
    """Let stdout be a terminal, and stderr none, where a live table would be."""
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: self is sys.stdout)


@pytest.fixture
def shown(run, tmp_path, monkeypatch):
    """What a command prints on a terminal of so many columns."""
    monkeypatch.chdir(tmp_path)
    ways = [
        variant(method=method, p_prune=p_prune, index=index)
        for method in ("weights", "neurons")
        for p_prune in (0.1, 0.25)
        for index in range(2)
    ]
    random_study(tmp_path / "study", ways, n=100)

    on_terminal(monkeypatch)

    def call(columns, arguments):
        monkeypatch.setenv("COLUMNS", str(columns))
        outcome = run(*(str(each).format(folder=f"in{columns}") for each in arguments))
        assert outcome.code in (0, 1), outcome.err
        return outcome.out.splitlines()

    return call


def figures(lines):
    """The words of tables in which there are digits."""
    words = {word.rstrip(",;:") for line in lines for word in line.split()}
    return {word for word in words if re.search(r"\d", word)}


def is_command(line):
    return line.startswith("  ")


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_no_line_is_longer_and_no_number_is_cut(shown, arguments):
    narrow, wide = shown(80, arguments), shown(400, arguments)
    assert len(narrow) > 1
    assert [line for line in narrow if len(line) > 80 and not is_command(line)] == []
    known = figures(wide)
    # Times differ from run to run, and names of layers and weights may be cut in their middle.
    odd = {word for word in figures(narrow) - known if "…" not in word and "in80" not in word}
    assert {word for word in odd if not re.match(r"s/iter|\d+\.\d+$", word)} == set()
    cut = [word for word in figures(narrow) if re.search(r"^[\d.+\[%-]*…[\d.%\]]*$", word)]
    assert [word for word in cut if word not in known] == []


@pytest.mark.parametrize("columns", [60, 100])
def test_rows_are_never_longer_on_other_terminals(shown, columns):
    for name in ("records", "compare", "inspect", "eval of draws"):
        lines = shown(columns, COMMANDS[name])
        assert max(map(len, lines)) <= columns, name


def test_a_wide_terminal_has_all_columns(shown):
    head = shown(200, COMMANDS["records"])[0].split()
    assert head == [
        "network", "method", "p_prune", "p_bern", "draw", "draws", "images", "pruning", "ratio",
        "Loss", "Acc@1", "Acc@5", "Acc@1", "to", "dense",
    ]  # fmt: skip


def test_what_a_narrow_one_leaves_out_is_said(shown):
    text = " ".join(shown(80, COMMANDS["records"]))
    assert "in all rows: network digits" in text.replace("  ", " ")
    assert re.search(r"no room for: .*; a wider terminal or --format csv has all", text)


def test_tables_of_times_keep_to_the_terminal(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    on_terminal(monkeypatch)
    for call in (
        ("bench", "--repeats", 1, "--p-prune", 0.5, "--scope", "layer"),
        ("retrain", "--epochs", 1, "--limit", 64, "--batch-size", 32),
        (
            "transfer",
            "--surrogate",
            "digits",
            "--victim",
            "digits-plain",
            "--limit",
            4,
            "--augmentation",
            "dwp",
            "--passes",
            5,
        ),
    ):
        outcome = run(*call)
        assert outcome.code == 0, outcome.err
        assert max(map(len, outcome.out.splitlines())) <= 80
        assert len(outcome.out.splitlines()) > 4


def test_reproduce_keeps_to_the_terminal(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    on_terminal(monkeypatch)
    outcome = run("reproduce", "--arch", "digits", "--limit", 8, "--draws", 2)
    assert outcome.code == 0, outcome.err
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "here Acc@1" in outcome.out


def test_a_pipe_has_all_columns_whatever_width_is_said(run, tmp_path, monkeypatch):
    random_study(tmp_path, [variant(index=index) for index in range(3)], n=20)
    wide = run("records", tmp_path).out
    monkeypatch.setenv("COLUMNS", "40")
    assert run("records", tmp_path).out == wide
    assert "| network | method |" in wide
    table = run("records", tmp_path, "--format", "table").out
    assert max(map(len, table.splitlines())) <= 40


COLOURS = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])")


@pytest.mark.parametrize(
    ("arguments", "settings", "is_coloured"),
    [
        (["--help"], {}, True),
        (["--help"], {"NO_COLOR": "1"}, False),
        (["--help"], {"TERM": "dumb"}, False),
        (["eval", "--limit", "40"], {}, True),
        (["eval", "--limit", "40"], {"NO_COLOR": "1"}, False),
    ],
)
def test_colours_are_those_that_are_wanted(arguments, settings, is_coloured):
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    environment = {n: v for n, v in os.environ.items() if n not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "network_prune", *arguments],
        stdout=follower, stderr=follower, stdin=subprocess.DEVNULL,
        env={**environment, "TERM": "xterm-256color", **settings},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        while piece := _read(terminal):
            shown += piece
    assert process.wait() == 0
    assert bool(COLOURS.search(shown)) == is_coloured
    lines = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode().split("\n")
    printed = [line.rpartition("\r")[2] if line.strip("\r") else "" for line in lines]
    assert max(map(len, printed)) <= 80


def _read(terminal):
    try:
        return terminal.read(4096)
    except OSError:  # nobody writes any more
        return b""


@pytest.mark.parametrize(("settings", "is_coloured"), [({}, False), ({"FORCE_COLOR": "1"}, True)])
def test_a_file_has_colours_only_where_they_are_asked_for(settings, is_coloured):
    environment = {n: v for n, v in os.environ.items() if n not in ("FORCE_COLOR", "NO_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "network_prune", "--help"],
        capture_output=True,
        env={**environment, **settings},
    )
    assert bool(COLOURS.search(done.stdout)) == is_coloured


def test_a_quiet_command_leaves_out_all_lines_of_a_remark(capsys):
    with only_results():
        say("warning: this is", "  so long", "a row", "  its end", "note: so", "  is this")
        say("warning: all", "  of it")
    assert capsys.readouterr().out == "a row\n  its end\n"
