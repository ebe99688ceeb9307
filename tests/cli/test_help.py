"""The help: every word of it is shown, letters mean the same everywhere, and it has an example."""

import re
from pathlib import Path

import pytest
import typer
from rich.text import Text

from network_prune.cli.main import app
from network_prune.options import LETTERS

GROUP = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)
# The frame around an option's text, what is broken, and where.
FRAME = re.compile(r"[\s│╭╮╰╯─]+")


def only_text(text):
    return FRAME.sub("", text)


def as_written(text, command):
    """Return a help text as it was before it was kept from being markup, where it would be."""
    is_markup = command.rich_markup_mode == "rich"  # which it isn't in all versions of Typer
    return Text.from_markup(text, emoji=False).plain if is_markup else text


@pytest.fixture(scope="module")
def helps():
    """What each command's help prints, on a terminal so wide that no text is broken."""
    from contextlib import redirect_stdout
    from io import StringIO

    from network_prune.cli.main import main

    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.rich_utils.MAX_WIDTH", 5000)
        for name in COMMANDS:
            out = StringIO()
            with redirect_stdout(out), pytest.raises(SystemExit) as stop:
                main([name, "--help"])
            assert stop.value.code == 0
            found[name] = out.getvalue()
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_text_is_shown_as_it_is_written(helps, name):
    command, shown = GROUP.commands[name], only_text(helps[name])
    texts = {each.name: each.help for each in command.params if not each.hidden and each.help}
    assert len(texts) > 1
    for parameter, text in texts.items():
        assert only_text(as_written(text, command)) in shown, parameter
    for paragraph in as_written(command.help, command).split("\n\n"):
        assert only_text(paragraph) in shown


def test_every_extra_is_shown_where_it_is_named(helps):
    extras = {
        extra for text in helps.values() for extra in re.findall(r"extra\s+(\[?\w+\]?)", text)
    }
    named = {"[mlflow]", "[onnx]", "[parquet]", "[ray]", "[report]", "[torchattack]"}
    assert named <= extras
    assert all(extra.startswith("[") for extra in extras if extra in {"ray", "onnx", "report"})
    assert r"\[" not in "".join(helps.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_has_an_example(helps, name):
    usage, *others = " ".join(helps[name].split()).split(f"network-prune {name} ")
    assert "Usage:" in usage
    assert any(" --" in text or "study" in text or "'" in text for text in others[1:])


def short_and_long():
    for name in COMMANDS:
        for parameter in GROUP.commands[name].params:
            if parameter.param_type_name == "option":
                short = [each for each in parameter.opts if not each.startswith("--")]
                long = [each for each in parameter.opts if each.startswith("--")]
                yield name, short, long


def test_a_letter_means_the_same_in_every_command():
    meant = {}
    for name, short, long in short_and_long():
        for letter in short:
            assert meant.setdefault(letter, long) == long, name
    assert meant == {f"-{each}": [f"--{name.replace('_', '-')}"] for name, each in LETTERS.items()}


def test_an_option_has_its_letter_in_every_command():
    letters = {}
    for name, short, long in short_and_long():
        assert letters.setdefault(long[0], short) == short, (name, long)


def test_letters_are_none_of_those_of_all_commands():
    assert not {"h", "V"} & {*LETTERS.values()}
    assert len({*LETTERS.values()}) == len(LETTERS)


def test_texts_stay_as_they_are_where_rich_is_not_used(monkeypatch):
    from network_prune.cli.command import OnceCommand

    command = OnceCommand("show", help="Needs the extra [ray].", rich_markup_mode=None)
    assert command.help == "Needs the extra [ray]."
    command = OnceCommand("show", help="Needs the extra [ray].", rich_markup_mode="rich")
    assert command.help == r"Needs the extra \[ray]."


def test_an_error_names_its_extra_in_full(refused, monkeypatch):
    monkeypatch.setattr("network_prune.extras.importlib.util.find_spec", lambda name: None)
    assert refused("sweep", "--engine", "ray").endswith("pip install 'network-prune[ray]'")


def test_the_documentation_has_all_letters():
    page = Path(__file__).parents[2] / "docs" / "command-line.md"
    listed = dict(re.findall(r"\| `-(\w)` \| `--([\w-]+)` ", page.read_text(encoding="utf-8")))
    assert listed == {each: name.replace("_", "-") for name, each in LETTERS.items()}
