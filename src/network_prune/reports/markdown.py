"""Tables in Markdown."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from network_prune.plain_text import plain

# What Markdown would take for more than the character: entities and tags, code, cells, formulas,
# ends of a link's text, emphasis but for a lone star and what stands inside of a word, and a
# backslash before any of its own.
_MARKUP: Final = re.compile(
    r"""&(?=[#\w]) | [<`|$~] | \](?=[(\[:]) | (?<!\S)\*(?=\S) | (?<=\S)\*
    | (?<![^\W_])_ | _(?![^\W_]) | \\(?=[!-/:-@\[-`{-~])""",
    re.VERBOSE,
)

# What makes more of a whole line: a heading, a quote, a list or a rule.
_START: Final = re.compile(r"^(?=[#>+*=-])|^\d{1,9}(?=[.)](?:\s|$))")


@lru_cache(4096)
def markdown_text(text: str) -> str:
    """Return ``text`` so that Markdown shows it as it is; unprintable characters as escapes."""
    return _MARKUP.sub(r"\\\g<0>", plain(text))


def markdown_line(text: str) -> str:
    """Return ``text`` so that Markdown shows it as it is at the start of a line, too."""
    return _START.sub(r"\g<0>\\", markdown_text(text).lstrip())


def markdown_row(cells: Iterable[str], numbers: Iterable[str] = ()) -> str:
    """Return one row of a table; what the cells hold is escaped, but for numbers behind them."""
    return f"| {' | '.join([*map(markdown_text, cells), *numbers])} |"


def markdown_head(titles: Sequence[str], *, words: int) -> str:
    """Return the head of a table; the first ``words`` columns hold words, the others numbers."""
    rule = [":--"] * words + ["--:"] * (len(titles) - words)
    return f"{markdown_row(titles)}\n|{'|'.join(rule)}|"
