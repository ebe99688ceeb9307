"""Names that a terminal, Markdown or a spreadsheet would obey are shown as names."""

import ast
import csv
import html
import io
import json
import logging
import re
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from PIL import Image
from rich.console import Console
from torch import nn

import network_prune
from network_prune.cli.runs.live import LiveTable
from network_prune.display.text import warn
from network_prune.errors import ArgumentError, SourceError
from network_prune.evaluation.variant import Network
from network_prune.plain_text import plain
from network_prune.results.comparing.sets import RecordSet
from network_prune.results.lines.record_lines import line_of
from network_prune.results.records import read_records
from network_prune.results.study import Study
from network_prune.study.events import Started
from tests.made_studies import images, random_study, variant
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
STRANGE = "".join(NAMES[:-1])  # which text in a record can be


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


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """A study that somebody else recorded, of hostile names alone."""
    folder = tmp_path_factory.mktemp("strangers")
    shown = images(20, names=[f"{STRANGE}{n}" for n in range(20)])
    shown = type(shown)(shown.labels, shown.names, dict.fromkeys(range(10), STRANGE))
    variants = [variant(p_prune=p, include=[STRANGE], score=STRANGE) for p in (0.2, 0.9)]
    said = {
        "versions": {"network_prune": STRANGE, "torch": STRANGE, "python": STRANGE},
        "notes": [STRANGE],
        "used": {"warnings": [STRANGE]},
    }
    random_study(
        folder, variants, n=20, network=STRANGE, weights=STRANGE, data=STRANGE, shown=shown, **said
    )
    records = list(read_records(folder)[0].values())
    for record in records:
        for layer in (record["realised"] or {"layers": ()})["layers"]:
            layer["name"] += STRANGE
        (record["realised"] or {})["warnings"] = [STRANGE]
    (folder / "records.jsonl").write_bytes(b"".join(line_of(each) + b"\n" for each in records))
    return folder


COMMANDS = (
    ("records",),
    ("records", "--json"),
    ("records", "--where", f"network={STRANGE}"),
    ("compare",),
    ("compare", "--images"),
    ("compare", "--images", "--markdown"),
    ("compare", "--json"),
    ("compare", "--max-drop", 0),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(map(ascii, words)))
def test_strangers_records_print_names(run, strangers, command):
    name, *options = command
    check(run(name, strangers, *options), 1 if "--max-drop" in options else 0)


@pytest.mark.parametrize("suffix", ["md", "csv", "svg", "html"])
def test_strangers_records_are_names_in_files(run, strangers, tmp_path, suffix):
    path = tmp_path / f"report.{suffix}"
    check(run("report", strangers, "--out", path))
    text = path.read_text(encoding="utf-8")
    if suffix in ("md", "csv"):
        assert not UNPRINTABLE.search(text), ascii(text)
    if suffix == "md":
        page = MarkdownIt("commonmark").enable("table").render(text)
        assert not re.search("<(script|a|img|code|h1|em|strong)[ >]", page)
        assert "alert(1)" in html.unescape(page)
    if suffix == "csv":
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not any(re.match(r"\s*[=+@]", part) for cell in cells for part in cell.split(";"))
    if suffix in ("svg", "html"):
        assert "<script>alert" not in text
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", text)


def test_a_document_of_a_comparison_is_text(run, strangers):
    shown = check(run("compare", strangers, "--images", "--markdown")).out
    page = MarkdownIt("commonmark").enable("table").render(shown)
    assert not re.search("<(script|a|img|code|h1|h2|em|strong|pre)[ >]", page)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_what_python_shows_of_hostile_names_is_names(name):
    layers = nn.Module()
    layers.add_module(name.replace(".", "_"), nn.Conv2d(1, 2, 3))
    prunable = network_prune.rank(layers, p_prune=0.5, include=["*"])
    pruned = network_prune.prune(layers, prunable)
    shown = [prunable, pruned, pruned.draw, pruned.summary(), str(pruned.summary())]
    shown += [each._repr_html_() for each in shown[:-1]]
    shown += [ArgumentError(name), SourceError(f"{name} is missing")]
    shown += [Study([], source=name), RecordSet.__repr__(SimpleNamespace(label=name))]
    for each in shown:
        assert not UNPRINTABLE.search(str(each)), ascii(str(each))
    with pytest.warns(UserWarning, match=f"^{re.escape(plain(name))}$"):
        warn([name], stacklevel=1)


def test_what_libraries_say_is_printable(run, monkeypatch, caplog):
    def say_it(*_, **__):
        sys.stderr.write(warnings.formatwarning(ALL, UserWarning, ALL, 1))
        logging.getLogger("their.own").warning("%s", ALL)
        raise LookupError("\x9b31m\u202egnp")

    monkeypatch.setattr("network_prune.results.streamed.stream", say_it)
    before = logging.getLogRecordFactory()
    outcome = check(run("records"), 1)
    assert (
        outcome.err.count(r"\x9b31m\u202egnp") == 4
    )  # a warning's file and text, an error and its line
    assert r"\x9b31m\u202egnp" in caplog.text
    assert logging.getLogRecordFactory() is before


def test_nothing_but_the_command_lines_output_prints_or_warns():
    """So that nothing reaches a terminal as it is."""
    for path in PACKAGE.rglob("*.py"):
        if path.name in ("__main__.py", "output.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            name = getattr(called, "id", getattr(called, "attr", None))
            owner = getattr(called, "value", None)
            is_console = isinstance(owner, ast.Call | ast.Attribute)
            assert name not in ("print", "echo", "secho") or is_console, path
            is_warning = name == "warn" and getattr(owner, "id", None) == "warnings"
            assert not is_warning or path.name == "text.py", path
