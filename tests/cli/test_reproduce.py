"""``network-prune reproduce``: published and measured figures side by side."""

import json
import re

import pytest
import yaml

from network_prune.results.published import figures

FEW = ("--arch", "digits", "--data", "digits", "--limit", 40)
# What the embedded network gives on all 500 digits, and figures that it doesn't.
ROWS = [
    {"p_prune": 0, "p_bern": 0, "ratio": 0, "loss": 0.081, "acc1": 99.0, "acc5": 100.0},
    {"p_prune": 0.2, "p_bern": 1, "ratio": 0.2, "acc1": 86.8, "note": "it was printed as 2"},
    {"p_prune": 0.3, "p_bern": 1, "ratio": 0.3, "acc1": 50.0},
    {"p_prune": 0.2, "p_bern": 0.5, "ratio": 0.1, "acc1": 97.0},
]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Figures of the embedded network, as if they had been published."""
    table = {"title": "T", "source": "a paper", "method": "connections", "digits": 3}
    rows = [{"network": "digits", **row} for row in ROWS]
    content = {"data": "digits", "images": 500, "weights": "embedded"}
    content["preprocessing"] = {"resize": 32}
    path = tmp_path / "figures.yaml"
    path.write_text(yaml.safe_dump({**content, "tables": [{**table, "rows": rows}]}))
    monkeypatch.setattr(figures, "FILE", path)


def rows_of(out):
    lines = [line.strip("| ").split(" | ") for line in out.splitlines() if line.startswith("|")]
    return {(row[1], *row[2:4]): row for row in lines[2:]}


def test_published_and_measured_stand_side_by_side(run, published, tmp_path):
    options = ("--arch", "digits", "--data", "digits", "--draws", 3, "--out", tmp_path / "r")
    outcome = run("reproduce", *options, "--output", tmp_path / "a.json")
    assert outcome.code == 0
    rows = rows_of(outcome.out)
    dense, same, other, drawn = (
        rows[key]
        for key in (
            ("dense", "0", "0"),
            ("connections", "0.2", "1"),
            ("connections", "0.3", "1"),
            ("connections", "0.2", "0.5"),
        )
    )
    assert dense[6:9] == ["Loss 0.081  Acc@1 99.000  Acc@5 100.000"] * 2 + ["+0.000"]
    assert (same[6], same[8], same[10]) == ("Acc@1 86.800", "+0.000", "inside")
    assert float(other[8]) == pytest.approx(18.6 - 50, abs=1)
    assert other[10] == "outside"
    assert drawn[4] == "3"
    assert re.search(r"Acc@1 97\.\d{3} ± 0\.\d{3}", drawn[7])
    assert drawn[10] == "inside"
    assert "published, not measured by us: a paper; digits, 500 images" in outcome.out
    assert "measured on digits\n" in outcome.out
    assert "connections 0.2: it was printed as 2" in outcome.out
    assert "3 of 4 published Acc@1 lie inside the 95% interval" in outcome.out
    assert "reported" in (tmp_path / "r" / "page.html").read_text("utf-8")
    found = json.loads((tmp_path / "a.json").read_text())
    assert len(found["records"]) == 6
    (json_row,) = (row for row in found["published"] if row["p_prune"] == 0.3)
    assert json_row["published"] == {"loss": None, "acc1": 50.0, "acc5": None}
    assert json_row["published_in_interval"] == {"loss": None, "acc1": False, "acc5": None}
    assert json_row["standing"] is None
    again = run("reproduce", *options)
    assert rows_of(again.out) == rows


def test_fewer_images_are_said_to_be_fewer(run, published, tmp_path):
    out = run("reproduce", *FEW, "--draws", 1, "--out", tmp_path / "r").out
    rows = rows_of(out)
    assert rows["connections", "0.2", "1"][10].endswith("side, partial")
    assert rows["connections", "0.2", "0.5"][9:] == ["–", "–, partial"]
    assert "warning: partial: measured on 40 images, published on 500" in out


def test_the_grid_runs_on_networks_that_nothing_is_published_of(run, tmp_path):
    shown = run("reproduce", *FEW, "--draws", 1, "--json", "--out", tmp_path, "--limit=4")
    assert shown.code == 2  # twice
    shown = run("reproduce", *FEW, "--draws", 1, "--json", "--out", tmp_path)
    found = json.loads(shown.out)
    assert len(found["records"]) == 13
    assert {row["published"] for row in found["published"]} == {None}
    again = run("reproduce", *FEW, "--draws", 1, "--out", tmp_path).out
    assert "nothing is published of this network with these weights" in again


def test_without_images_it_says_how_to_get_them(refused):
    line = refused("reproduce")
    for text in ("50,000 ImageNet validation images", "image-net.org", "--data FOLDER", "digits"):
        assert text in line
    assert refused("reproduce", "--arch", "resnet18") == line


def test_a_page_that_cant_be_written_is_told_before_the_run(refused, tmp_path):
    line = refused("reproduce", *FEW, "--page", tmp_path / "no" / "p.html", code=1)
    assert "no/p.html: pass a file in a folder that exists" in line
