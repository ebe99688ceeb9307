"""Studies that recalibrate BatchNorms: the figures are those of Python's calls, on any machine."""

import math
from functools import partial

import pytest
import torch

import network_prune as npr
from network_prune.errors import ArgumentError, SourceError, UnsupportedNetworkError
from network_prune.evaluation import switch
from network_prune.evaluation.one_pass import chunks
from network_prune.evaluation.variant import Variant
from network_prune.options import GRID_OPTIONS, defaults
from network_prune.results.axes import axes
from network_prune.results.command import commands
from network_prune.results.naming import method_text
from network_prune.results.records import FILE
from network_prune.study.events import Failed
from network_prune.study.recalibration_images import RecalibrationImages
from network_prune.study.running import pass_run
from tests.grey_pictures import exchange, write_pictures

SMALL = {"method": "weights", "p_prune": 0.4, "limit": 60, "batch_size": 16, "recalibrate": 40}
DRAWS = {**SMALL, "method": ["weights", "neurons"], "p_bern": 0.5, "draws": 2}


def by_hand(record):
    """Evaluate what a record is of by the calls that Python has."""
    variant = record["variant"]
    network = npr.load_network("digits")
    transform = network.preprocessing.transform()
    data = npr.load_data("digits", transform=transform, limit=record["data"]["n"])
    granularity = {"weights": "weight", "neurons": "neuron"}[variant["method"]]
    prunable = npr.rank(network, granularity, p_prune=variant["p_prune"])
    options = {name: variant[name] for name in ("p_bern", "seed", "index", "with_norm")}
    count, size = variant["recalibrate"], record["asked"]["running"]["batch_size"]
    chosen = torch.cat([images for images, _ in data.batches(limit=count)])
    batches = math.ceil(count / size)
    with npr.prune(network, prunable, **options):
        npr.recalibrate(network, [chosen[first::batches] for first in range(batches)])
        return npr.evaluate(network, data, batch_size=size, fold=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return npr.sweep(DRAWS, out=tmp_path_factory.mktemp("study"))


@pytest.mark.parametrize("place", range(1, 5))
def test_each_draws_figures_are_those_of_pythons_calls(study, place):
    found = by_hand(study[place])
    assert study[place]["metrics"]["loss_sum"] == found.loss_sum
    assert study[place]["metrics"]["hits1"] == found.hits1


def test_neurons_take_their_norms_along(tmp_path):
    plan = {**SMALL, "method": "neurons", "with_norm": True, "p_prune": 0.1}
    *_, record = npr.sweep(plan)
    assert record["metrics"]["loss_sum"] == by_hand(record).loss_sum


def test_it_helps_and_leaves_the_dense_network_alone(study):
    stale = npr.sweep({**DRAWS, "recalibrate": None})
    assert stale[0] == study[0]
    assert "recalibrate" not in stale[1]["variant"]
    assert study[1]["variant"] == {**stale[1]["variant"], "recalibrate": 40}
    for own, old in list(zip(study, stale, strict=True))[1:3]:
        assert own["metrics"]["loss"] < old["metrics"]["loss"]
        assert own["draw_sha256"] == old["draw_sha256"]
        assert own["key"] != old["key"]


def test_what_isnt_recalibrated_keeps_its_key_and_shares_a_study(tmp_path):
    one = {"p_bern": 1.0, "score": "l1", "scope": "global", "method": "weights", "p_prune": 0.2}
    plain = Variant.of({**defaults(GRID_OPTIONS), **one})
    assert "recalibrate" not in plain.to_dict()
    assert plain.at(recalibrate=5).to_dict() == {**plain.to_dict(), "recalibrate": 5}
    bare = {**SMALL, "recalibrate": None}
    before = npr.sweep(bare)
    mixed = npr.sweep({**bare, "grids": [{}, {"recalibrate": 40}]}, out=tmp_path)
    assert mixed[:2] == before
    assert [method_text(record) for record in mixed] == [
        "dense",
        "weights",
        "weights recalibrate=40",
    ]
    assert [axes(record)["recalibrate"] for record in mixed] == [None, None, 40]
    assert len(mixed.where("recalibrate=40")) == 1


def test_all_images_are_taken_where_there_are_fewer():
    *_, all_of_them = npr.sweep({**SMALL, "recalibrate": 60})
    *_, more = npr.sweep({**SMALL, "recalibrate": 999})
    assert more == all_of_them
    assert more["variant"]["recalibrate"] == 60


def test_the_records_commands_make_them_again(run, tmp_path):
    records = npr.sweep({**SMALL, "grids": [{}, {"recalibrate": 30}]})
    first, second = commands(records)
    assert "--recalibrate 40" in first
    assert "--recalibrate 30" in second


@pytest.mark.parametrize("count", [2, 5])
def test_shards_record_what_one_process_does(study, tmp_path, count):
    for number in range(count, 0, -1):
        shared = npr.sweep(DRAWS, out=tmp_path, shard=f"{number}/{count}")
    assert list(shared) == list(study)
    npr.sweep(DRAWS, out=tmp_path / "one")
    assert (tmp_path / FILE).read_bytes() == (tmp_path / "one" / FILE).read_bytes()


@pytest.mark.parametrize("held_bytes", [switch.HELD_BYTES, 0])
def test_in_many_chunks_the_figures_are_the_same(study, monkeypatch, held_bytes):
    calls = []
    monkeypatch.setattr(pass_run, "chunks", partial(chunks, held_bytes=0))
    monkeypatch.setattr(switch, "HELD_BYTES", held_bytes)
    estimate = switch.estimate
    monkeypatch.setattr(switch, "estimate", lambda *args: (calls.append(1), estimate(*args))[1])
    assert list(npr.sweep(DRAWS)) == list(study)
    assert len(calls) == (4 if held_bytes else 16)


def test_a_run_that_was_interrupted_goes_on_to_the_same_records(study, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(pass_run, "chunks", partial(chunks, held_bytes=0))
        seen = []

        def told(event):
            seen.append(event)
            if len(seen) == 12:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            npr.sweep(DRAWS, out=tmp_path, told=told)
    assert list(npr.sweep(DRAWS, out=tmp_path)) == list(study)


@pytest.mark.parametrize(
    "changes",
    [{"fold": False, "channels_last": False}, {"channels_last": False}, {"dtype": "bfloat16"}],
)
def test_however_it_is_made_faster_no_stale_statistics_are_used(study, changes):
    found = npr.sweep({**DRAWS, **changes})
    for own, usual in zip(found, study, strict=True):
        rel = 0.1 if "dtype" in changes else 1e-4
        assert own["metrics"]["loss"] == pytest.approx(usual["metrics"]["loss"], rel=rel)


def test_norms_may_be_ranked_too():
    plan = {**SMALL, "layers": "conv2d,batchnorm2d", "tensors": "weight,bias", "p_prune": 0.5}
    stale, found = (npr.sweep({**plan, "recalibrate": n})[1]["metrics"] for n in (None, 40))
    assert found["loss"] < stale["loss"]


def test_only_norms_that_arent_recalibrated_are_folded(study):
    folded = [record["used"]["folded_norms"] for record in study]
    assert folded[0] > 0
    assert folded[1:] == [0] * 4


# --- refused ------------------------------------------------------------------------------


def test_a_network_without_batchnorms_says_so_and_others_go_on():
    with pytest.raises(
        UnsupportedNetworkError, match=r"has no BatchNorm with .*--recalibrate\) out"
    ):
        npr.sweep({**SMALL, "arch": "digits-plain"})
    told = []
    study = npr.sweep({**SMALL, "arch": ["digits-plain", "digits"]}, told=told.append)
    assert len(study) == 2
    (failed,) = [event for event in told if isinstance(event, Failed)]
    assert str(failed).startswith("digits-plain: the network (Sequential) has no BatchNorm")


def test_draws_that_are_compared_are_not_recalibrated():
    with pytest.raises(ArgumentError, match="recalibrate=40 goes with one draw at a time"):
        npr.sweep(SMALL, measure=npr.DrawsCompared(2))


@pytest.mark.parametrize("count", [0, -1, 1.5, "40", True])
def test_no_other_numbers_are_taken(count):
    with pytest.raises(ArgumentError, match="recalibrate="):
        npr.sweep({**SMALL, "recalibrate": count})


def folder_plan(folder, **changes):
    usual = {"data": str(folder), "batch_size": 4, "workers": 0, "first_label": 0}
    return {**SMALL, "limit": None, "recalibrate": 6, **usual, **changes}


def test_an_image_that_is_exchanged_after_it_was_recalibrated_on_is_told(tmp_path, monkeypatch):
    folder = write_pictures(tmp_path / "images", 12)
    read = RecalibrationImages._read

    def then_exchanged(self, count):
        found = read(self, count)
        exchange(folder, "0/04.bmp")
        return found

    monkeypatch.setattr(RecalibrationImages, "_read", then_exchanged)
    with pytest.raises(SourceError, match=r"0/04\.bmp has other bytes"):
        npr.sweep(folder_plan(folder), out=tmp_path / "out")
    assert (tmp_path / "out" / FILE).read_bytes() == b""


def test_unreadable_images_are_left_out_if_asked(tmp_path):
    folder = write_pictures(tmp_path / "images", 12)
    (folder / "0" / "04.bmp").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"cannot read image 0/04\.bmp"):
        npr.sweep(folder_plan(folder))
    *_, record = npr.sweep(folder_plan(folder, skip_unreadable=True))
    assert record["metrics"]["unreadable"] == 1
    for path in folder.rglob("*.bmp"):
        path.write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"none of the 6 images of .* to recalibrate on can be"):
        npr.sweep(folder_plan(folder, skip_unreadable=True))
