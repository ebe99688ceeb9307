"""How wide the place is that text is shown in, and text as narrow as that."""

import os
import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from network_prune.plain_text import plain

# An interval, and what stands around ±: no line ends within them.
_FIGURES: Final = re.compile(r"\[[-+\d.]+, [-+\d.]+\]|(?<=\S) ± (?=\S)")
_HELD: Final = "\N{NO-BREAK SPACE}"  # which `plain` leaves nowhere
_USUAL: Final = 80  # of a terminal that doesn't say
_LEAST: Final = 20
_TITLE: Final = 14  # characters that a title takes


def shown_width(stream: TextIO, *, in_files: bool = False) -> int | None:
    """Return the characters in a line: what COLUMNS says, or else the terminal; None for a file.

    Args:
        stream: where lines go.
        in_files: whether COLUMNS counts for a file, too. Some programs set it for those that they
            start, whose output they read.
    """
    said = os.environ.get("COLUMNS", "")
    is_terminal = stream.isatty()
    if said.isdecimal() and int(said) and (is_terminal or in_files):
        return max(_LEAST, int(said))
    if not is_terminal:
        return None
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return max(_LEAST, columns or _USUAL)


def wrapped(lines: Iterable[str], width: int | None, *, indent: int = 2) -> list[str]:
    """Return printable lines, long ones broken between words.

    Lines that start with a space are commands to copy, and stay whole, as rows of tables do.

    Args:
        lines: what to show.
        width: most characters in a line, of which words longer than it take no notice; None
            breaks nothing.
        indent: spaces before what a line goes on with.
    """
    texts = map(plain, lines)
    if width is None:
        return list(texts)
    return [piece for text in texts for piece in _broken(text, width, indent)]


def head_lines(lines: Mapping[str, str], *, width: int | None = None) -> list[str]:
    """Return titles and texts in two columns, at most ``width`` characters in all."""
    texts = [f"{title:<{_TITLE}} {text}" for title, text in lines.items()]
    return wrapped(texts, width, indent=_TITLE + 1)


def _broken(text: str, width: int, indent: int) -> list[str]:
    if len(text) <= width or text.startswith((" ", "|")):
        return [text]
    pieces = textwrap.wrap(
        _FIGURES.sub(lambda found: found[0].replace(" ", _HELD), text),
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [piece.replace(_HELD, " ") for piece in pieces]
