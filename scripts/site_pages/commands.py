"""The reference of the command line: a page for each command, made from its declaration."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer
from rich.text import Text

from network_prune.cli.main import app

# What Markdown would take for markup.
_LITERAL = str.maketrans({**{each: f"\\{each}" for each in "\\`*_[]#|"}, "<": "&lt;", "&": "&amp;"})
_RUN = re.compile(r"(?:Examples?: )?(network-prune .*)")


def command_pages() -> dict[str, str]:
    """Return the pages' texts by their places in the site, in the commands' order."""
    group: Any = typer.main.get_command(app)
    shown = {name: each for name, each in group.commands.items() if not each.hidden}
    pages = {f"reference/commands/{name}.md": _page(name, each) for name, each in shown.items()}
    lines = [
        f"* [{name}]({name}.md): {_prose((each.help or '').strip().partition('.')[0])}"
        for name, each in shown.items()
    ]
    head = f"# network-prune\n\n{_prose(group.help or '')}\n\n" + "\n".join(lines) + "\n"
    return {"reference/commands/index.md": head + _options(group, "network-prune"), **pages}


def _page(name: str, command: Any) -> str:
    texts = [inspect.cleandoc(text) for text in (command.help, command.epilog) if text]
    parts = [part for text in texts for part in _parts(text)]
    return "\n\n".join([f"# network-prune {name}", *parts]) + "\n" + _options(command, name)


def _parts(text: str) -> Iterator[str]:
    """Yield a help text's paragraphs, commands that stand on lines of their own as blocks."""
    for paragraph in re.split(r"\n\s*\n", text.replace("\b", "").replace("\f", "")):
        prose, runs = list[str](), list[str]()
        for line in map(str.strip, paragraph.strip().splitlines()):
            run = _RUN.fullmatch(line)
            if runs and line.startswith("-"):
                runs[-1] += f" {line}"
            elif run is not None and (line.startswith("Example") or _announced(prose)):
                runs.append(run[1])
            else:
                prose.append(line)
        if prose:
            yield _prose(" ".join(prose))
        if runs:
            yield "```console\n" + "\n".join(map(_plain, runs)) + "\n```"


def _announced(prose: list[str]) -> bool:
    return not prose or prose[-1].endswith(":")


def _options(command: Any, name: str) -> str:
    """Return a section for each panel of the help, with an entry for each option."""
    context = command.context_class(command, info_name=name)
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None or getattr(parameter, "hidden", False):
            continue
        is_option = parameter.param_type_name == "option"
        usual = "Options" if is_option else "Arguments"
        panel = getattr(parameter, "rich_help_panel", None) or usual
        panels.setdefault(panel, []).append(_entry(parameter, record, is_option=is_option))
    return "".join(f"\n## {panel}\n\n" + "\n".join(entries) for panel, entries in panels.items())


def _entry(parameter: Any, record: tuple[str, str], *, is_option: bool) -> str:
    said = re.sub(r"<list\[(.*?)\]>", r"<\1>", " ".join(record[0].split()))
    anchor = f"option-{parameter.name.replace('_', '-')}" if is_option else parameter.name
    help_text = parameter.help or ""
    # What Typer adds, in brackets: the default, a range.
    more = record[1].removeprefix(help_text).strip().removeprefix("[").removesuffix("]")
    more = re.sub(r"default: \((.*)\)", r"default: \1", more)
    texts = [_prose(help_text), f"[{more}]".translate(_LITERAL)] if more else [_prose(help_text)]
    return f"### `{said}` {{ #{anchor} }}\n\n" + "\n\n".join(texts) + "\n"


def _prose(text: str) -> str:
    """Return help as Markdown in which nothing but its words counts."""
    return _plain(" ".join(text.split())).translate(_LITERAL)


def _plain(text: str) -> str:
    """Return help without rich's markup, where the command line reads it as such."""
    return Text.from_markup(text).plain if app.rich_markup_mode == "rich" else text
