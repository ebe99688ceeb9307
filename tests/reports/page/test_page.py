"""What the page carries, read without a browser."""

import json
import re

import plotly.graph_objects
import pytest

from network_prune.errors import ArgumentError, RunError, SourceError
from network_prune.reports.page.embedded import embedded_outcomes
from network_prune.reports.page.page import Look, page
from network_prune.reports.page.section import spread
from network_prune.reports.report import report, studies_of
from network_prune.results.published.figures import published_rows
from network_prune.results.study import Study
from tests.made_studies import random_study, samples, variant, write_study


def carried(text, name):
    return json.loads(re.search(f'id="{name}-data">(.*?)</script>', text)[1])


@pytest.fixture(scope="module")
def text(study):
    return page([study], Look("Two methods"))


def plain_parts(text):
    """The page without scripts, styles and data."""
    return re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)


def test_every_figure_is_one_that_plotly_takes(text):
    found = carried(text, "figures")
    assert list(found) == ["accuracy", "landing", "importance", "classes"]
    for section in found.values():
        for view in section["views"]:
            plotly.graph_objects.Figure(view["figure"])


def test_nothing_is_loaded_from_elsewhere(text):
    links = re.findall(r'(?:src|href)="([^"]*)"', plain_parts(text))
    outside = [link for link in links if not link.startswith(("#", "data:"))]
    # Two links in the foot, which people may follow.
    assert outside == ["https://plotly.com/javascript/", "https://datatables.net/"]
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert "connect-src" not in text


def test_the_same_records_make_the_same_page(study, text):
    assert page([study], Look("Two methods")) == text


def test_rows_and_columns_are_those_of_the_records(study, text):
    table = carried(text, "records")
    names = [column["name"] for column in table["columns"]]
    for record, row in zip(study, table["rows"], strict=True):
        cells = dict(zip(names, row, strict=True))
        assert cells["acc1"] == record["metrics"]["acc1"]
        assert cells["loss"] == record["metrics"]["loss"]
        assert record["key"].startswith(cells["key"])
    assert names[:3] == ["network", "method", "p_prune"]
    shown = [column["name"] for column in table["columns"] if column["shown"]]
    assert "index" in shown  # which differs
    assert "score" not in names  # which doesn't


def test_a_limit_makes_the_badge_partial(tmp_path):
    from tests.made_studies import DATA, RUNNING

    asked = {"weights": "default", "data": {**DATA, "limit": 50}, "running": RUNNING}
    study = write_study(tmp_path / "s", [(None, samples([True] * 50))], asked=asked)
    assert "<strong>partial</strong> measured on 50 images spread over" in page([study])


def test_a_study_without_a_limit_has_no_badge(text):
    assert 'class="badge"' not in plain_parts(text)


def test_sections_come_where_there_is_data(tmp_path):
    study = write_study(tmp_path / "s", [(None, samples([True, False, True]))])
    found = page([study])
    assert carried(found, "figures") == {}
    assert "Accuracy against" not in found
    assert len(carried(found, "records")["rows"]) == 1


def test_layers_pruned_alone_make_the_section_sensitivity(tmp_path):
    # A layer alone is a record of one layer.
    study = random_study(
        tmp_path / "s", [variant(scope="layer", include=["conv1"], p_prune=p) for p in (0.1, 0.9)]
    )
    for record in study:
        if record["variant"]:
            record["realised"]["layers"] = record["realised"]["layers"][:1]
    found = carried(page([study]), "figures")
    assert next(iter(found)) == "sensitivity"
    (view,) = found["sensitivity"]["views"]
    heat = view["figure"]["data"][0]
    assert heat["z"] == [[record["difference"]["acc1_difference"] for record in study[1:]]]
    assert heat["zmin"] == -heat["zmax"]


def test_diversity_is_shown_where_it_was_measured(tmp_path):
    study = random_study(tmp_path / "s", [variant(p_prune=p) for p in (0.1, 0.9)])
    mean = {"n": 4, "total": 8 << 32, "square_total": 20 << 64}
    for record in study[1:]:
        figures = {"acc1": mean, "agreement": mean, "cosine": mean, "left_out_of_cosine": 0}
        record["diversity"] = {"prune": figures, "dropout": figures, "difference": figures}
    found = carried(page([study]), "figures")["diversity"]["views"]
    assert len(found) == 3
    assert found[0]["figure"]["data"][0]["y"] == [2.0, 2.0]


def test_published_figures_stand_beside_measured_ones_with_a_badge(tmp_path):
    row = next(row for row in published_rows() if row.method == "connections" and row.p_prune)
    variants = [variant(method=row.method, p_prune=row.p_prune, p_bern=row.p_bern)]
    names = {"network": row.network, "weights": row.weights}
    study = random_study(tmp_path / "s", variants, **names)
    found = page([study], Look(published=published_rows()))
    assert '<span class="badge">reported</span>' in found
    dense, cells = carried(found, "figures")["reported"]["views"][0]["numbers"]["rows"]
    measured = study[1]["metrics"]["acc1"]
    low, high = study[1]["metrics"]["acc1_interval"]
    assert dense[:2] == [f"{row.network} ({row.weights})", "dense"]
    assert cells[6:9] == [f"{value:.3f}" for value in (row.loss, row.acc1, row.acc5)]
    assert cells[10] == f"{measured:.3f}"
    assert cells[12:] == [
        f"{measured - row.acc1:+.3f}",
        f"[{low:.3f}, {high:.3f}]",
        "other images",
    ]


def test_what_nothing_was_published_of_has_no_such_section(study):
    assert "reported" not in carried(page([study], Look(published=published_rows())), "figures")


def test_studies_on_other_images_share_a_page_and_say_so(tmp_path):
    studies = [
        random_study(tmp_path / name, [variant()], n=n, data=name)
        for name, n in (("a", 20), ("b", 30))
    ]
    found = page(studies)
    assert "can't be compared with each other" in found
    records = carried(found, "records")
    assert records["images"] == [0, 0, 1, 1]
    assert {column["name"] for column in records["columns"]} >= {"study", "data"}
    assert len(carried(found, "outcomes")) == 2


def test_outcomes_beyond_the_budget_are_left_out(study):
    rows = [(study, record) for record in study]
    (piece,) = embedded_outcomes(rows)
    assert embedded_outcomes(rows, budget=len(piece["bits"])) == [{**piece, "names": None}]
    assert embedded_outcomes(rows, budget=len(piece["bits"]) - 1) == []


def test_records_without_outcomes_still_make_a_page(tmp_path):
    study = random_study(tmp_path / "s", [variant(), variant(index=1)], outcomes=False)
    found = page([study])
    assert carried(found, "outcomes") == []
    assert "classes" not in carried(found, "figures")


def test_spread_takes_evenly_and_no_more():
    assert spread(list(range(10)), 3) == [0, 4, 8]
    assert spread(list(range(3)), 5) == [0, 1, 2]
    assert spread(list(range(3)), 0) == [0]


def test_records_in_hand_paths_and_studies_are_taken(study, tmp_path):
    assert studies_of(study.source)[0] == study
    other = write_study(tmp_path / "other", [(None, samples([True] * 9))])
    assert studies_of([study, other.source]) == [study, other]
    assert studies_of(list(study))[0] == list(study)


def test_any_iterable_of_records_studies_and_paths_is_taken(study):
    assert studies_of(record for record in study) == [list(study)]
    assert studies_of({record["key"]: record for record in study}.values()) == [list(study)]
    # A record of two studies counts once.
    assert studies_of(iter([study, study.source])) == [study]
    assert studies_of((study,)) == [study]
    assert studies_of(study[0]) == [[study[0]]]


@pytest.mark.parametrize("wrong", [None, 3, [None], object()])
def test_what_is_no_study_is_refused(wrong):
    with pytest.raises(
        ArgumentError, match="is no study; pass studies, their paths, or records alone"
    ):
        studies_of(wrong)


def test_records_among_studies_are_refused(study):
    with pytest.raises(ArgumentError, match="dict is no study; pass studies, their paths"):
        studies_of([study, study[0]])


def test_a_dict_that_is_no_record_is_refused(study):
    with pytest.raises(SourceError, match="runs entry 2: it is no record; pass a list of"):
        studies_of([study[0], {"method": "weights"}])


def test_no_records_are_refused():
    with pytest.raises(SourceError, match="memory has no records; run the sweep first"):
        studies_of(Study([]))
    with pytest.raises(SourceError, match="there are no studies; pass one or more"):
        studies_of([])


def test_a_name_that_says_no_format_is_refused(study, tmp_path):
    with pytest.raises(
        ArgumentError, match=r"doesn't say the format; pass a name that ends in \.html"
    ):
        report(study, out=tmp_path / "page.docx")
    with pytest.raises(ArgumentError, match="unknown format 'docx'"):
        report(study, out=tmp_path / "page.html", format="docx")


def test_a_page_that_cant_be_written_leaves_the_old_one(study, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(RunError, match="No space left on device"):
        report(study, out=path)
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
    assert path.read_text() == "old"


def test_the_extra_that_is_missing_is_named(study, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "network_prune.extras.importlib.util.find_spec",
        lambda name: None if name == "plotly" else 1,
    )
    with pytest.raises(
        SourceError,
        match=r"the page needs the package plotly: pip install 'network-prune\[report\]'",
    ):
        report(study, out=tmp_path / "page.html")
