"""How different draws are: what was measured on something else is told apart everywhere."""

import re

import pytest
from matplotlib.figure import Figure

from network_prune.reports.diversity import diversity_lines
from network_prune.reports.page.bars import diversity_section
from network_prune.results.series.diverse import diverse
from network_prune.results.series.pictures import pictures
from tests.made_studies import DATA, RUNNING, random_study, variant

MEAN = {"n": 4, "total": 8 << 32, "square_total": 20 << 64, "mean": 2.0, "interval": [1.0, 3.0]}
FIGURES = {**dict.fromkeys(("acc1", "agreement", "cosine"), MEAN), "left_out_of_cosine": 0}
COMPARED = {"draws": 2, "prune": FIGURES, "dropout": FIGURES, "difference": FIGURES}


def compared(folder, *, draws=2, values=(), **options):
    study = random_study(
        folder, [variant(p_prune=p, **dict(values)) for p in (0.1, 0.9)], **options
    )
    for record in study[1:]:
        record["diversity"] = {**COMPARED, "draws": draws}
    return study


OTHERS = {
    "limit=9": {"asked": {"weights": "default", "data": {**DATA, "limit": 9}, "running": RUNNING}},
    "data=shifted": {"data": "shifted"},
    "seed=3": {"values": {"seed": 3}},
    "draws=5": {"draws": 5},
}


@pytest.mark.parametrize("said", OTHERS)
def test_what_differs_is_said_in_table_page_and_picture(tmp_path, said):
    one, other = compared(tmp_path / "a"), compared(tmp_path / "b", **OTHERS[said])
    records = [*one, *other]
    assert [family.records for family in diverse(records)] == [(*one[1:],), (*other[1:],)]
    rows = [line for line in diversity_lines(records) if "| prune |" in line]
    assert [said.replace("_", "\\_") in row for row in rows] == [False, False, True, True]
    section = diversity_section(records)
    assert [said in row[0] for row in section.views[0].numbers.rows] == [False, False, True, True]
    ax = Figure().subplots()
    ((picture,),) = [kind for kind in pictures(records, together=True) if len(kind) == 1][-1:]
    picture.draw(ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [said in label for label in labels] == [False, False, True, True]


def test_rows_say_network_and_p_bern(tmp_path):
    study = compared(tmp_path, values={"p_bern": 0.25}, network="net")
    other = compared(tmp_path / "b")
    lines = diversity_lines([*study, *other])
    assert any(line.startswith("| net | weights | prune | 0.1 | 0.25 |") for line in lines)
    assert [line.partition(":")[0] for line in lines if re.match(r".*dense: ", line)] == [
        "net dense",
        "digits dense",
    ]
