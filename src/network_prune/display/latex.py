r"""Tables in LaTeX, with the rules of booktabs; whatever the cells hold is text."""

import re
from collections.abc import Sequence
from typing import Final

from network_prune.display.table import Table, filled
from network_prune.plain_text import plain

_MEANT: Final = {
    **{each: f"\\{each}" for each in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "–": "--",
    "…": r"\ldots{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
}
_SPECIAL: Final = re.compile(f"[{re.escape(''.join(_MEANT))}]")
_SIGN: Final = re.compile(r"(?<![\w.)\]+-])([+-])(?=\d)")
# Behind the end of a row these would be an argument and a star of it.
_ARGUMENT: Final = re.compile(r"^\s*[\[*]")


def latex_text(text: str) -> str:
    r"""Return ``text`` so that LaTeX sets it as it is; signs of numbers are those of formulas."""
    shown = _SPECIAL.sub(lambda found: _MEANT[found[0]], plain(text))
    return _SIGN.sub(r"$\1$", shown)


def latex_lines(table: Table) -> list[str]:
    """Return a tabular for a document that uses the package booktabs."""
    table = filled(table)
    places = "".join("l" if column.is_words else "r" for column in table.columns)
    title = [f"% {plain(table.title)}"] if table.title else []
    return [
        *title,
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{places}}}",
        r"\toprule",
        _row([column.title for column in table.columns]),
        r"\midrule",
        *map(_row, table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _row(cells: Sequence[str]) -> str:
    shown = " & ".join(map(latex_text, cells))
    return rf"{'{}' if _ARGUMENT.match(shown) else ''}{shown} \\"
