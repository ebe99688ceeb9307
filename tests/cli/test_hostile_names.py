"""Names that a terminal, Markdown or a spreadsheet would obey are shown as names."""

import ast
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from rich.console import Console

import network_prune
from network_prune.cli.live import LiveTable
from network_prune.evaluation.variant import Network
from network_prune.study.events import Started
from tests.studies import variant_of

PACKAGE = Path(network_prune.__file__).parent
NAMES = (
    "<script>alert(1)</script>",
    "=cmd|' -C calc'!A0",
    "+1+1",
    "-1",
    "@x",
    "a|b`c[red]d[/x]",
    "two\nlines\u2028",
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b31m\u202egnp.exe",
    "caf\udce9",
)
# What a terminal would obey or can't be given; lines end in a line feed alone.
UNPRINTABLE = re.compile(
    "[^\\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\ud800-\udfff]"
)
NET = """
from torch import nn

def make():
    layers = nn.Sequential()
    for name in {names!a}:
        layers.add_module(name.replace(".", "_"), nn.Conv2d(3, 3, 1))
    return nn.Sequential(layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


def check(outcome, code=0):
    """Nothing unprintable is printed, and no line is torn."""
    assert outcome.code == code, outcome
    for text in (outcome.out, outcome.err):
        assert not UNPRINTABLE.search(text), ascii(text)
        assert not any(line.startswith("lines") for line in text.splitlines())
    return outcome


# Every kind of them at once.
ALL = "".join(NAMES).replace("/", "-")


@pytest.fixture
def hostile(tmp_path):
    """A network in a file and data in a folder of that name; its layers have all names."""
    folder = tmp_path / ALL
    for label in "012":
        (folder / "data" / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / "data" / label / "x.png")
        (folder / "data" / label / "y.other").touch()
    file = folder / "net.py"
    file.write_text(NET.format(names=NAMES[:-1]))
    pruned = ("--method", "weights", "--p-prune", 1, "--resize", 8, "--crop", 8)
    return ("--arch", f"{file}:make", "--data", folder / "data", "--workers", 0, *pruned)


def test_a_study_of_hostile_names_prints_names(run, hostile, tmp_path):
    out = tmp_path / ALL / "study"
    shown = check(run("sweep", *hostile, "--out", out)).out
    assert r"\<script>alert(1)\<" in shown  # in the table
    assert "warning: layer 0.<script>alert(1)</script> vanishes" in shown
    assert r"two\nlines\u2028\x1b[31mred\x1b]0;title\x07\x9b31m\u202egnp.execaf\udce9" in shown
    check(run("records", out))
    record = json.loads(check(run("records", out, "--json")).out)[-1]
    assert ALL in record["data"]["name"]


def test_layers_of_hostile_names_are_layers(run, hostile, tmp_path):
    plot = tmp_path / "a.svg"
    check(run("inspect", *hostile[:2], "--method", "weights"))
    check(run("sensitivity", *hostile, "--plot", plot))
    texts = [node.text for node in ElementTree.parse(plot).iter() if node.text]
    assert "0.<script>alert(1)</script>" in texts
    assert r"0.\x1b[31mred\x1b]0;title\x07" in texts


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_errors_name_hostile_names(run, name):
    check(run("eval", f"--arch={name}", "--data=fake:2"), 2)
    check(run("eval", f"--data=no/{name}"), 2)
    check(run("records", f"no/{name}"), 2)
    check(run("eval", f"--x{name}"), 2)
    check(run(f"x{name}"), 2)


def test_a_live_table_shows_hostile_names_and_takes_no_markup():
    console = Console(force_terminal=True, color_system=None, width=300, height=10)
    network = Network(ALL, "default")
    variant = variant_of(include=("[/x]\x9b",))
    table = LiveTable({network: 2}, console)
    table.take(Started(network, (None, variant), 0, 40, {}))
    with console.capture() as capture:
        console.print(table._render())
        table.say(f"| {ALL} |")
    shown = capture.get()
    assert not UNPRINTABLE.search(shown), ascii(shown)
    assert shown.count("c[red]d[-x]two") == 2
    assert r"[/x]\x9b" in shown


def test_nothing_but_the_command_lines_output_prints():
    """So that nothing reaches a terminal as it is."""
    for path in PACKAGE.rglob("*.py"):
        if path.name in ("__main__.py", "output.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            name = getattr(called, "id", getattr(called, "attr", None))
            is_console = isinstance(getattr(called, "value", None), ast.Call | ast.Attribute)
            assert name not in ("print", "echo", "secho") or is_console, path
