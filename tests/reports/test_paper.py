"""Tables and pictures for a paper: figures as recorded, fonts along, the same bytes again."""

import csv
import re

import pytest
from PIL import Image

from network_prune.errors import ArgumentError, RunError
from network_prune.reports.paper import COLUMN, write_paper
from tests.made_studies import random_study, variant

GRID = [
    variant(method=method, p_prune=p_prune, p_bern=p_bern, index=index)
    for method in ("connections", "neurons")
    for p_prune, p_bern, index in ((0.2, 1.0, 0), (0.4, 0.5, 0), (0.4, 0.5, 1))
]


@pytest.fixture
def study(tmp_path):
    return random_study(tmp_path / "study", GRID)


def test_markdown_has_the_rows_of_the_users_tables(study, tmp_path):
    write_paper([study], tmp_path / "a.md", format="md")
    text = (tmp_path / "a.md").read_text("utf-8")
    assert re.findall("^#.*", text, re.MULTILINE) == ["### Prune connections", "### Prune neurons"]
    head, _, dense, two, one = text.split("\n\n")[1].splitlines()
    assert head == "| network | p_prune | p_bern | pruning ratio | eval performance |"
    metrics = study[0]["metrics"]
    loss, acc1, acc5 = (f"{metrics[name]:.3f}" for name in ("loss", "acc1", "acc5"))
    assert dense == f"| digits | 0 | 0 | 0.00% | Loss {loss}  Acc@1 {acc1}  Acc@5 {acc5} |"
    assert one.startswith("| digits | 0.4 | 0.5 | 20.00% | Loss ")
    assert one.count(" ± ") == 3
    assert two.startswith("| digits | 0.2 | 1 | 20.00% | Loss ")
    draws = [record["metrics"]["acc1"] for record in study[2:4]]
    assert f"Acc@1 {sum(draws) / 2:.3f} ± {abs(draws[0] - draws[1]) / 2**0.5:.3f}" in one


def test_csv_has_a_row_for_each_record_of_all_studies(study, tmp_path):
    other = random_study(tmp_path / "b", GRID[:1], versions={"torch": "3", "new": "1"})
    write_paper([study, other], tmp_path / "a.csv", format="csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == [record["key"] for record in [*study, *other]]
    assert [row["new"] for row in rows[-3:]] == ["", "1", "1"]


@pytest.mark.parametrize("kind", ["svg", "png", "pdf", "md", "csv"])
def test_the_same_records_give_the_same_bytes(study, tmp_path, kind):
    for name in ("a", "b"):
        write_paper([study], tmp_path / name, format=kind)
    content = (tmp_path / "a").read_bytes()
    assert content == (tmp_path / "b").read_bytes()
    if kind == "pdf":
        # TrueType, all of it in the file.
        assert b"/FontFile2" in content
        assert b"/Type3" not in content
    if kind == "svg":
        # Shapes, so no reader needs the font.
        assert b"<text" not in content
        assert b'id="DejaVuSans-' in content


def test_pictures_are_as_wide_as_a_column(study, tmp_path):
    write_paper([study], tmp_path / "a", format="png")
    with Image.open(tmp_path / "a") as image:
        assert image.width == COLUMN * 300
        curves_and_landings = 2.06 + 2 * 1.4
        assert image.height > curves_and_landings * 300


def test_every_kind_of_study_has_its_part(study, tmp_path):
    layer = random_study(tmp_path / "b", [variant(scope="layer", include=["conv1"])])
    layer[1]["realised"]["layers"] = layer[1]["realised"]["layers"][:1]
    write_paper([layer, study], tmp_path / "a.md", format="md")
    text = (tmp_path / "a.md").read_text("utf-8")
    assert "### One layer at a time" in text
    assert "| conv1 |" in text
    write_paper([layer], tmp_path / "one", format="png")
    write_paper([layer, study], tmp_path / "both", format="png")
    with Image.open(tmp_path / "one") as one, Image.open(tmp_path / "both") as both:
        assert both.height > one.height


@pytest.mark.parametrize("kind", ["svg", "md"])
def test_what_cannot_be_written_is_one_line(study, tmp_path, kind):
    with pytest.raises(RunError, match=r"cannot write .*gone/a: No such file"):
        write_paper([study], tmp_path / "gone" / "a", format=kind)


def test_a_wrong_format_or_nothing_to_draw_is_refused(study, tmp_path):
    with pytest.raises(ArgumentError, match="unknown format 'docx'; pass one of md, csv"):
        write_paper([study], tmp_path / "a", format="docx")
    with pytest.raises(ArgumentError, match="nothing to draw"):
        write_paper([study.where("method=dense")], tmp_path / "a", format="svg")


def test_dense_networks_alone_have_their_table(tmp_path):
    dense = random_study(tmp_path / "a", [])
    other = random_study(tmp_path / "b", [], seed=1, data="shifted")
    write_paper([dense, other], tmp_path / "a.md", format="md")
    title, _, *_, one, two = (tmp_path / "a.md").read_text("utf-8").splitlines()
    assert title == "### Dense"
    loss = dense[0]["metrics"]["loss"]
    assert one.startswith(f"| digits data=digits | 0 | 0 | 0.00% | Loss {loss:.3f}  Acc@1 ")
    assert two.startswith("| digits data=shifted | 0 | 0 | 0.00% | Loss ")
    pruned = random_study(tmp_path / "c", [variant()], data="third")
    write_paper([dense, pruned], tmp_path / "a.md", format="md")
    *_, title, _, _, _, one = (tmp_path / "a.md").read_text("utf-8").splitlines()
    assert (title, one[:22]) == ("### Dense", "| digits | 0 | 0 | 0.0")


def test_headings_are_text(tmp_path):
    study = random_study(tmp_path / "a", [variant(score="custom:<b>\x1b[31m")])
    write_paper([study], tmp_path / "a.md", format="md")
    heading = (tmp_path / "a.md").read_text("utf-8").splitlines()[0]
    assert heading == r"### Prune weights score=custom:\<b>\x1b[31m"
