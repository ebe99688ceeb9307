"""Tables in LaTeX: what cells hold is text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.display.latex import latex_lines, latex_text
from network_prune.display.table import Column, Table


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("20.00%", r"20.00\%"),
        ("a_b & c#1 {x}", r"a\_b \& c\#1 \{x\}"),
        (r"C:\new", r"C:\textbackslash{}new"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("<b>|$1", r"\textless{}b\textgreater{}\textbar{}\$1"),
        ("97.5 ± 0.1", r"97.5 $\pm$ 0.1"),
        ("0…2", r"0\ldots{}2"),
        ("–", "--"),
        ("-1.500", "$-$1.500"),
        ("[-1.0, +2.0]", "[$-$1.0, $+$2.0]"),
        ("resnet-18", "resnet-18"),
        ("1e-05", "1e-05"),
    ],
)
def test_text_is_set_as_it_is(text, meant):
    assert latex_text(text) == meant


def test_a_table_has_the_rules_of_booktabs():
    table = Table(
        [Column("network", is_words=True), Column("p_prune")],
        [("a_1", "0.2"), ("[b]", "0.3"), ("* c", "0.4")],
        title="50% of all",
    )
    assert latex_lines(table) == [
        "% 50% of all",
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"network & p\_prune \\",
        r"\midrule",
        r"a\_1 & 0.2 \\",
        r"{}[b] & 0.3 \\",
        r"{}* c & 0.4 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


@given(st.text(max_size=20))
def test_nothing_in_a_cell_is_a_command_or_ends_it(text):
    shown = latex_text(text)
    for known in (r"\\text[a-z]+\{\}", r"\\ldots\{\}", r"\$\\(pm|times|rightarrow)\$", r"\$[+-]\$"):
        shown = re.sub(known, "", shown)
    assert not re.search(r"(?<!\\)[&%$#_{}~^<>|\"`]", shown)
    assert "\n" not in shown
    assert "\\" not in re.sub(r"\\[&%$#_{}]", "", shown)
