"""Shards of a sweep: together they record what one process records, byte for byte."""

import json
import random

import pytest
import torch
from safetensors.torch import save_file

from network_prune import load_network
from network_prune.errors import ArgumentError, RunError, SourceError
from network_prune.evaluation import one_pass
from network_prune.results.lines.checksum import signed
from network_prune.results.lines.notices import Damaged
from network_prune.results.parts.merge import merge
from network_prune.results.parts.part_file import PartFile
from network_prune.results.parts.part_lines import read_line
from network_prune.results.records import FILE
from network_prune.study.sweep import sweep
from tests.grey_pictures import exchange, write_pictures
from tests.study.small_grid import GRID

TWO = {**GRID, "arch": ["digits", "digits-plain"], "draws": 1}


def run_shards(plan, folder, order, count):
    """Run shards in some order; return what each returned."""
    return [sweep(plan, out=folder, shard=f"{number}/{count}") for number in order]


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """Return the file of records of one process."""
    folder = tmp_path_factory.mktemp("one")
    sweep(TWO, out=folder)
    return (folder / FILE).read_bytes()


@pytest.mark.parametrize("count", [2, 7])
def test_any_number_of_shards_in_any_order_give_the_records_of_one_process(
    tmp_path, one_process, count
):
    order = random.Random(count).sample(range(1, count + 1), count)
    *others, last = run_shards(TWO, tmp_path, order, count)
    assert not any(others)
    assert len(last) == one_process.count(b"\n")
    assert (tmp_path / FILE).read_bytes() == one_process
    assert None not in [last.outcomes(record) for record in last]
    assert [path.name[:7] for path in (tmp_path / "shards").iterdir()] == ["merged-"]


def test_a_shard_that_is_run_twice_evaluates_nothing_again(tmp_path, one_process, monkeypatch):
    run_shards(TWO, tmp_path, [2], 3)
    with monkeypatch.context() as patch:
        patch.setattr("network_prune.study.running.pass_run.chunks", None)
        run_shards(TWO, tmp_path, [2], 3)
    run_shards(TWO, tmp_path, [1, 3], 3)
    monkeypatch.setattr("network_prune.study.running.pass_run.chunks", None)
    assert [len(study) for study in run_shards(TWO, tmp_path, [1, 2, 3], 3)] == [18] * 3
    assert (tmp_path / FILE).read_bytes() == one_process


def test_a_shard_goes_on_where_it_was_interrupted(tmp_path, one_process, monkeypatch):
    monkeypatch.setattr(one_pass.chunks, "__defaults__", (1,))
    read, computed = one_pass.chunks, []

    def interrupted(batches):
        for number, chunk in enumerate(read(batches)):
            if number == 1:
                raise KeyboardInterrupt
            yield chunk

    with monkeypatch.context() as patch:
        patch.setattr("network_prune.study.running.pass_run.chunks", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_shards(TWO, tmp_path, [1], 2)
    assert list((tmp_path / "shards").glob("partial-*"))

    def counted(batches):
        for chunk in read(batches):
            computed.append(len(chunk))
            yield chunk

    monkeypatch.setattr("network_prune.study.running.pass_run.chunks", counted)
    run_shards(TWO, tmp_path, [1, 2], 2)
    left = sum(computed)
    computed.clear()
    run_shards(TWO, tmp_path / "undisturbed", [1, 2], 2)
    assert left == sum(computed) - 16
    assert (tmp_path / FILE).read_bytes() == one_process


def test_shards_of_layers_pruned_alone_and_of_learned_scores(tmp_path):
    alone = {"scope": "alone", "method": "weights", "p_prune": [0.5, 0.9], "limit": 48}
    learned = {"score": "taylor", "score_images": 32, "limit": 48, "include": "layer1.*"}
    for name, plan in {"alone": alone, "learned": learned}.items():
        plan["batch_size"] = 16
        sweep(plan, out=tmp_path / name / "one")
        run_shards(plan, tmp_path / name / "four", [4, 3, 2, 1], 4)
        one, four = (tmp_path / name / each / FILE for each in ("one", "four"))
        assert one.read_bytes() == four.read_bytes()


def test_images_that_cannot_be_read_are_left_out_wherever_they_lie(tmp_path):
    folder = write_pictures(tmp_path / "images", 12)
    for broken in (2, 3, 11):
        sorted(folder.rglob("*.bmp"))[broken].write_bytes(b"no picture")
    plan = {"data": str(folder), "p_prune": 0.2, "skip_unreadable": True, "workers": 0}
    plan |= {"batch_size": 2, "first_label": 0}
    whole = sweep(plan, out=tmp_path / "one")
    *_, last = run_shards(plan, tmp_path / "shards", range(1, 7), 6)
    assert last == whole
    assert whole[0]["metrics"]["unreadable"] == 3


def test_what_is_recorded_before_is_not_evaluated_again(tmp_path, one_process):
    sweep({**TWO, "method": "weights"}, out=tmp_path)
    *_, last = run_shards(TWO, tmp_path, [1, 2], 2)
    expected = {json.loads(line)["key"]: line for line in one_process.splitlines()}
    found = {json.loads(line)["key"]: line for line in (tmp_path / FILE).read_bytes().splitlines()}
    assert found == expected
    assert [record["key"] for record in last] == list(expected)


def test_without_the_dense_network_and_without_outcomes(tmp_path):
    plan = {**GRID, "dense": False, "outcomes": False}
    whole = sweep(plan, out=tmp_path / "one")
    *_, last = run_shards(plan, tmp_path / "three", [1, 2, 3], 3)
    assert last == whole


# --- refused --------------------------------------------------------------------------------


def test_another_number_of_shards_another_plan_and_one_process_are_refused(tmp_path):
    run_shards(GRID, tmp_path, [1], 3)
    with pytest.raises(ArgumentError, match="is cut into 3 shards; pass I/3"):
        run_shards(GRID, tmp_path, [1], 4)
    with pytest.raises(ArgumentError, match="has shards of another plan"):
        run_shards({**GRID, "p_prune": 0.6}, tmp_path, [1], 3)
    with pytest.raises(ArgumentError, match="is cut into 3 shards that aren't put together yet"):
        sweep(GRID, out=tmp_path)
    with pytest.raises(ArgumentError, match="needs a folder that all shards have"):
        sweep(GRID, shard="1/2")


def test_a_shard_that_runs_already_on_this_host_is_refused(tmp_path):
    run_shards(GRID, tmp_path, [1], 3)
    with (
        PartFile(tmp_path, "2/3"),
        pytest.raises(RunError, match="another process runs shard 2/3"),
    ):
        run_shards(GRID, tmp_path, [2], 3)


def other_host(monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "other.host")


def test_two_hosts_may_run_one_shard(tmp_path, one_process, monkeypatch):
    run_shards(TWO, tmp_path, [1], 2)
    (ours,) = (tmp_path / "shards").glob("*.parts.jsonl")
    hidden = ours.rename(tmp_path / ours.name)
    with monkeypatch.context() as patch:
        other_host(patch)
        run_shards(TWO, tmp_path, [1], 2)
    hidden.rename(ours)
    run_shards(TWO, tmp_path, [2], 2)
    assert (tmp_path / FILE).read_bytes() == one_process


def test_two_hosts_that_disagree_are_refused_by_name(tmp_path, monkeypatch):
    run_shards(GRID, tmp_path, [1], 2)
    (ours,) = (tmp_path / "shards").glob("*.parts.jsonl")
    lines = [read_line(line) for line in ours.read_bytes().splitlines()]
    lines[1]["sums"]["metrics"]["loss_sum"] += 1
    theirs = ours.with_name("1-of-2.other.parts.jsonl")
    theirs.write_bytes(b"".join(signed(line) + b"\n" for line in lines))
    with pytest.raises(SourceError, match="have one key and disagree") as raised:
        run_shards(GRID, tmp_path, [2], 2)
    assert f"{ours} line 2" in str(raised.value)
    assert f"{theirs} line 2" in str(raised.value)


def test_images_exchanged_between_shards_are_refused_by_name(tmp_path):
    folder = write_pictures(tmp_path / "images", 8)
    plan = {"data": str(folder), "workers": 0, "batch_size": 8, "first_label": 0}
    plan |= {"dense": False, "p_prune": [0.2, 0.4, 0.6, 0.8]}  # each shard has a variant
    run_shards(plan, tmp_path / "study", [1, 2], 4)
    exchange(folder, "0/04.bmp")
    run_shards(plan, tmp_path / "study", [3], 4)
    with pytest.raises(SourceError, match=r"0/04\.bmp has other bytes"):
        run_shards(plan, tmp_path / "study", [4], 4)


@pytest.fixture
def weights(tmp_path):
    """Return a plan of weights in a file, and what puts other weights into it."""
    path, model = tmp_path / "weights.safetensors", load_network("digits").model
    save_file(model.state_dict(), path)

    def exchange_them():
        with torch.no_grad():
            model.get_parameter("conv1.0.weight").mul_(2)
        save_file(model.state_dict(), path)

    return {**GRID, "weights": str(path), "data": "digits"}, exchange_them


def test_weights_exchanged_between_shards_are_refused(tmp_path, weights):
    plan, exchange_them = weights
    run_shards(plan, tmp_path / "study", [1], 2)
    exchange_them()
    with pytest.raises(SourceError, match="the weights of digits aren't those of this study"):
        run_shards(plan, tmp_path / "study", [2], 2)


def test_shards_of_other_weights_that_ran_at_once_are_told_and_kept(tmp_path, weights):
    plan, exchange_them = weights
    run_shards(plan, tmp_path / "study", [1], 2)
    exchange_them()
    run_shards(plan, tmp_path / "other", [2], 2)
    ours, theirs = (tmp_path / name / "shards" for name in ("study", "other"))
    for path in theirs.glob("2-of-2*"):
        path.rename(ours / path.name)
    before = {path.name: path.read_bytes() for path in ours.iterdir()}
    with pytest.raises(SourceError, match="are of other weights for digits") as raised:
        merge(tmp_path / "study", told=pytest.fail)
    assert all(f"{ours / number}-of-2" in str(raised.value) for number in "12")
    assert {path.name: path.read_bytes() for path in ours.iterdir()} == before


def test_a_damaged_part_is_told_and_evaluated_again(tmp_path, one_process):
    run_shards(TWO, tmp_path, [1], 2)
    (path,) = (tmp_path / "shards").glob("*.parts.jsonl")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    for shard in ("1/2", "2/2"):
        told = []
        sweep(TWO, out=tmp_path, shard=shard, told=told.append)
        assert any(isinstance(event, Damaged) for event in told)
    assert (tmp_path / FILE).read_bytes() == one_process


def test_what_is_finished_so_far_can_be_recorded(tmp_path, one_process):
    shards = range(1, 8)
    run_shards(TWO, tmp_path, [1, 2, 3, 4], 7)
    count, missing = merge(tmp_path, told=pytest.fail)
    assert 0 < count < 18
    assert {unit.shard for unit in missing} == {5, 6, 7}
    lines = (tmp_path / FILE).read_bytes().splitlines()
    assert set(lines) <= set(one_process.splitlines())
    run_shards(TWO, tmp_path, shards, 7)
    found = (tmp_path / FILE).read_bytes()
    assert sorted(found.splitlines()) == sorted(one_process.splitlines())
