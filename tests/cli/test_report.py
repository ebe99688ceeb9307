"""``network-prune report``: what it writes, what it says, how it watches."""

import pytest

from network_prune.reports import watching
from network_prune.results.lines.checksum import signed
from network_prune.results.records import FILE
from tests.made_studies import random_study, variant


@pytest.fixture
def study(tmp_path):
    return random_study(tmp_path / "study", [variant(p_prune=p) for p in (0.2, 0.5)], n=40)


def test_it_writes_the_page_and_says_where(run, study, tmp_path):
    path = tmp_path / "page.html"
    outcome = run("report", study.source, "--out", path, "--title", "Mine")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{path}: 3 records\n", "")
    assert "<title>Mine</title>" in path.read_text()


def test_the_title_is_the_studies_by_default(run, study, tmp_path):
    other = random_study(tmp_path / "other", [variant(p_prune=0.9)], n=50)
    run("report", study.source, other.source, "--out", tmp_path / "page.html")
    assert "<title>study, other</title>" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("name", ["a.md", "a.csv", "a.html"])
def test_a_record_of_two_studies_counts_once(run, tmp_path, name):
    draws = [variant(index=index) for index in range(3)]
    one = random_study(tmp_path / "one", draws[:2])
    both = random_study(tmp_path / "both", draws)
    paths = [tmp_path / f"{number}{name}" for number in range(2)]
    run("report", both.source, "--out", paths[0], "--title", "")
    outcome = run("report", one.source, both.source, both.source, "--out", paths[1], "--title", "")
    assert outcome.out == f"{paths[1]}: 4 records\n"
    assert paths[1].read_bytes() == paths[0].read_bytes()


def test_a_half_written_record_is_told_and_left_out(run, study, tmp_path):
    with (tmp_path / "study" / FILE).open("a") as file:
        file.write('{"schema": 2, "net')
    outcome = run("report", study.source, "--out", tmp_path / "page.html")
    assert outcome.code == 0
    assert "half-written" in outcome.err
    assert outcome.out.endswith(": 3 records\n")


def test_a_folder_without_records_is_refused(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no records.jsonl" in refused(
        "report", tmp_path / "empty", "--out", tmp_path / "p.html"
    )
    (tmp_path / "empty" / FILE).write_text("")
    assert "has no records" in refused("report", tmp_path / "empty", "--out", tmp_path / "p.html")
    assert not (tmp_path / "p.html").exists()


def test_another_schema_is_refused(refused, tmp_path):
    (tmp_path / FILE).write_bytes(signed({"schema": 99}) + b"\n")
    assert "has schema 99" in refused("report", tmp_path, "--out", tmp_path / "p.html")


@pytest.mark.parametrize("place", ["missing/page.html", "."])
def test_a_place_that_cant_be_written_is_refused(refused, study, tmp_path, place):
    assert "cannot write" in refused("report", study.source, "--out", tmp_path / place, code=1)


def test_an_unknown_format_is_refused(refused, study, tmp_path):
    assert "doesn't say the format" in refused("report", study.source, "--out", tmp_path / "page")
    assert "unknown format 'tex'" in refused(
        "report", study.source, "--out", tmp_path / "page", "--format", "tex"
    )
    assert "--watch makes pages, not csv" in refused(
        "report", study.source, "--out", tmp_path / "page.csv", "--watch"
    )


@pytest.mark.parametrize("ending", ["md", "csv", "svg"])
def test_other_formats_go_to_files_for_a_paper(run, study, tmp_path, ending):
    path = tmp_path / f"table.{ending}"
    assert run("report", study.source, "--out", path).code == 0
    assert "weights" in path.read_text()


def test_watch_writes_again_when_records_come_and_stops_at_ctrl_c(run, tmp_path, monkeypatch):
    folder, path = tmp_path / "study", tmp_path / "page.html"
    looks = []

    def look_again(_):
        looks.append(path.read_text() if path.exists() else "")
        if len(looks) == 1:
            random_study(folder, [variant()], n=40)
        elif len(looks) == 3:
            random_study(folder, [variant(), variant(index=1)], n=40)
        elif len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", look_again)
    outcome = run("report", folder, "--out", path, "--watch")
    assert (outcome.code, outcome.out) == (0, "")
    told = [f"waiting for records in {folder}", f"{path}: 2 records"]
    assert outcome.err.splitlines()[:2] == told
    assert looks[0] == ""
    assert looks[1] == looks[2] != looks[3]
    assert '<meta http-equiv="refresh" content="10">' in looks[3]
    assert "<strong>running</strong>" in looks[3]
    # The page that stays doesn't load itself anew.
    assert 'http-equiv="refresh"' not in path.read_text()


@pytest.mark.parametrize("written", [b'{"schema": 2, "net', b"{"])
def test_watch_waits_for_the_end_of_the_first_line(run, study, tmp_path, monkeypatch, written):
    records, path = tmp_path / "study" / FILE, tmp_path / "page.html"
    whole = records.read_bytes()
    records.write_bytes(written)
    looks = []

    def look_again(_):
        looks.append(path.exists())
        if len(looks) == 1:
            records.write_bytes(whole)
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", look_again)
    outcome = run("report", study.source, "--out", path, "--watch")
    assert (outcome.code, outcome.out, looks) == (0, "", [False, True])
    assert outcome.err.splitlines()[0] == f"waiting for records in {study.source}"


def test_watch_that_ends_before_the_first_record_writes_nothing(run, study, tmp_path, monkeypatch):
    (tmp_path / "study" / FILE).write_bytes(b'{"schema": 2, "net')

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", stop)
    outcome = run("report", study.source, "--out", tmp_path / "page.html", "--watch")
    assert (outcome.code, outcome.err) == (0, f"waiting for records in {study.source}\n")
    assert not (tmp_path / "page.html").exists()
