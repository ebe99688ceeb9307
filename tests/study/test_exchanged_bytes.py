"""Images are what their bytes say: one exchanged at equal name and size is told."""

import json

import pytest

from network_prune import sweep
from network_prune.errors import SourceError
from network_prune.results.study import load_study
from network_prune.sources.digests import SIZE, differing
from network_prune.study.events import Recorded
from tests.grey_pictures import exchange, write_pictures

N = 12


@pytest.fixture
def folder(tmp_path):
    return write_pictures(tmp_path / "images", N)


def plan(folder, **changes):
    usual = {
        "data": str(folder),
        "method": "weights",
        "p_prune": [0.3],
        "batch_size": 2,
        "workers": 0,
        "first_label": 0,
    }
    return {**usual, **changes}


def lines(out):
    return (out / "records.jsonl").read_bytes()


def test_a_grown_grid_names_the_image_that_was_exchanged(folder, tmp_path):
    out = tmp_path / "out"
    sweep(plan(folder), out=out)
    before = lines(out)
    exchange(folder, "0/04.bmp")
    with pytest.raises(
        SourceError,
        match=r"^the images of .*images aren't those .* before: "
        r"0/04\.bmp has other bytes; bring the old ones back, or pass another",
    ):
        sweep(plan(folder, p_prune=[0.3, 0.6]), out=out)
    assert lines(out) == before
    assert len(sweep(plan(folder, p_prune=[0.3, 0.6]), out=tmp_path / "other")) == 3


@pytest.mark.parametrize("outcomes", [True, False])
def test_all_that_changed_is_counted_and_the_first_named_where_it_is_known(
    folder, tmp_path, outcomes
):
    out = tmp_path / "out"
    sweep(plan(folder, outcomes=outcomes), out=out)
    for place in (1, 3, 7, 9):
        exchange(folder, f"1/{place:02}.bmp")
    told = {
        True: r"1/01\.bmp, 1/03\.bmp, 1/07\.bmp and 1 more have other bytes",
        False: r"some have other bytes \(which ones isn't known without outcomes\)",
    }[outcomes]
    before = lines(out)
    with pytest.raises(SourceError, match=told):
        sweep(plan(folder, outcomes=outcomes, p_prune=[0.6]), out=out)
    assert lines(out) == before


def interrupt_in_last_chunk(plan, out):
    """Kill a run when its first variant is recorded: the others' last chunk is under way."""

    def told(event):
        if isinstance(event, Recorded):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(plan, out=out, told=told)


def test_an_image_exchanged_between_a_kill_and_the_resume_is_named(folder, tmp_path, monkeypatch):
    from network_prune.evaluation import one_pass

    monkeypatch.setattr(one_pass.chunks, "__defaults__", (1,))
    out, values = tmp_path / "out", plan(folder, p_prune=[0.3, 0.6])
    interrupt_in_last_chunk(values, out)
    (partial,) = out.glob("partial-*.json")
    assert 0 < json.loads(partial.read_bytes())["images"] < N
    before = lines(out)
    exchange(folder, "1/11.bmp")
    with pytest.raises(SourceError, match=r"1/11\.bmp has other bytes; bring the old ones back"):
        sweep(values, out=out)
    assert lines(out) == before
    write_pictures(folder, N)
    assert list(sweep(values, out=out)) == list(sweep(values))


def test_the_chunk_that_was_under_way_is_read_as_before_or_refused(folder, tmp_path, monkeypatch):
    from network_prune.evaluation import one_pass
    from network_prune.study.events import Advanced

    monkeypatch.setattr(one_pass.chunks, "__defaults__", (1,))
    out, values = tmp_path / "out", plan(folder, p_prune=[0.3, 0.6])

    def told(event):
        if isinstance(event, Advanced) and event.variant and event.metrics.n == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(values, out=out, told=told)
    exchange(folder, "0/06.bmp")
    with pytest.raises(SourceError, match=r"0/06\.bmp has other bytes"):
        sweep(values, out=out)
    assert not lines(out)


def test_an_image_that_can_be_read_since_is_told(folder, tmp_path):
    path = folder / "0" / "06.bmp"
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    values = plan(folder, skip_unreadable=True)
    first = sweep(values, out=tmp_path / "out")
    assert first[0]["metrics"]["unreadable"] == 1
    path.write_bytes(whole)
    with pytest.raises(SourceError, match=r"0/06\.bmp has other bytes"):
        sweep({**values, "p_prune": [0.6]}, out=tmp_path / "out")


def test_another_network_of_the_study_reads_the_same_bytes(folder, tmp_path):
    sweep(plan(folder, p_prune=0), out=tmp_path / "out")
    exchange(folder, "1/05.bmp")
    with pytest.raises(SourceError, match=r"1/05\.bmp has other bytes"):
        sweep(plan(folder, arch="digits-plain", p_prune=0), out=tmp_path / "out")


@pytest.mark.parametrize("killed", [False, True])
def test_scores_are_learned_from_the_same_bytes(folder, tmp_path, killed):
    out = tmp_path / "out"
    values = {
        "method": "weights",
        "score": ["taylor"],
        "score_data": str(folder),
        "p_prune": [0.3, 0.5],
        "limit": 20,
        "batch_size": 8,
        "workers": 0,
    }
    if killed:
        interrupt_in_last_chunk(values, out)
    else:
        sweep(values, out=out)
    before = lines(out)
    exchange(folder, "0/02.bmp")
    with pytest.raises(SourceError, match=r"the images of .*images aren't .*0/02\.bmp has other"):
        sweep({**values, "p_prune": [0.3, 0.5, 0.7]}, out=out)
    assert lines(out) == before


def test_a_record_says_what_its_images_were_read_from(folder, tmp_path):
    study = sweep(plan(folder), out=tmp_path / "out")
    (sha256,) = {record["read"]["data"] for record in study}
    digests = load_study(tmp_path / "out").store.get(sha256)
    assert len(digests) == N * SIZE
    exchange(folder, "1/05.bmp")
    other = sweep(plan(folder), out=tmp_path / "other")
    assert [record["key"] for record in other] == [record["key"] for record in study]
    assert differing(digests, other.store.get(other[0]["read"]["data"])) == [2 + 6]


def test_records_of_before_have_no_digests_and_go_on(folder, tmp_path):
    out = tmp_path / "out"
    sweep(plan(folder), out=out)
    path = out / "records.jsonl"
    old = [json.loads(line) for line in lines(out).splitlines()]
    for record in old:
        del record["read"], record["crc32"]
        record["schema"] = 2
    path.write_text("".join(json.dumps(record) + "\n" for record in old))
    exchange(folder, "0/04.bmp")
    assert len(sweep(plan(folder, p_prune=[0.3, 0.6]), out=out)) == 3
