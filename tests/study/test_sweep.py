"""Sweeps: what single evaluations give, recorded once, whatever interrupts them."""

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import network_prune as npr
from network_prune.errors import NetworkPruneError, RunError
from network_prune.evaluation import one_pass
from network_prune.evaluation.reading import Reading
from network_prune.results.command import commands
from network_prune.results.lines.checksum import signed
from network_prune.results.lines.notices import Damaged, Dropped
from network_prune.results.records import FILE, RecordFile, read_records
from network_prune.study.events import Advanced, Failed, Recorded, Started
from network_prune.study.plan import make_plan
from network_prune.study.running.progress import Progress
from network_prune.study.sweep import sweep
from tests.study.small_grid import GRID

COUNTS = ("n", "hits1", "hits5", "loss_sum", "loss_square_sum")


def counts(metrics):
    return tuple(metrics[name] for name in COUNTS)


# --- figures ------------------------------------------------------------------------------


SLOW_WAY = {"fold": False, "channels_last": False}


@pytest.mark.parametrize(
    ("speed", "with_norm", "p_prune"),
    [({}, False, [0.2, 0.4]), (SLOW_WAY, False, [0.2]), ({}, True, [0.4]), (SLOW_WAY, True, [0.2])],
)
def test_figures_are_those_of_single_evaluations_to_the_last_bit(
    tmp_path, speed, with_norm, p_prune
):
    plan = {**GRID, **speed, "with_norm": with_norm, "p_prune": p_prune}
    records = sweep(plan, out=tmp_path)
    assert len(records) == 1 + 2 * len(p_prune) * 3
    network = npr.load_network("digits")
    data = npr.load_data("digits", transform=network.preprocessing.transform(), limit=60)
    dense = npr.evaluate(network.model, data, batch_size=16, **speed).to_dict()
    assert counts(records[0]["metrics"]) == counts(dense)
    for record in records[1:]:
        variant = record["variant"]
        granularity = variant["method"].rstrip("s")
        prunable = npr.rank(network.model, granularity, p_prune=variant["p_prune"])
        drawn = {name: variant[name] for name in ("p_bern", "seed", "index", "with_norm")}
        with npr.prune(network.model, prunable, **drawn) as pruned:
            single = npr.evaluate(network.model, data, batch_size=16, **speed)
            assert counts(record["metrics"]) == counts(single.to_dict())
            assert record["draw_sha256"] == pruned.draw.sha256
            assert record["realised"] == pruned.summary().to_dict()
        gained = record["metrics"]["hits1"] - dense["hits1"]
        difference = record["difference"]
        assert difference["gained1"] - difference["lost1"] == gained
        assert difference["loss_sum"] == record["metrics"]["loss_sum"] - dense["loss_sum"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_figures_on_a_gpu_are_those_of_single_evaluations(tmp_path):
    records = sweep({**GRID, "device": "cuda"}, out=tmp_path)
    network = npr.load_network("digits")
    data = npr.load_data("digits", transform=network.preprocessing.transform(), limit=60)
    model = network.model.cuda()
    for record in records[1:]:
        variant = record["variant"]
        prunable = npr.rank(model, variant["method"].rstrip("s"), p_prune=variant["p_prune"])
        drawn = {name: variant[name] for name in ("p_bern", "seed", "index")}
        with npr.prune(model, prunable, **drawn) as pruned:
            single = npr.evaluate(model, data, batch_size=16)
            assert counts(record["metrics"]) == counts(single.to_dict())
            assert record["draw_sha256"] == pruned.draw.sha256


@pytest.mark.parametrize("held_bytes", [1, 40_000])
def test_figures_dont_hang_on_how_much_is_held(tmp_path, monkeypatch, undisturbed, held_bytes):
    monkeypatch.setattr(one_pass.chunks, "__defaults__", (held_bytes,))
    assert {record["key"]: record for record in sweep(GRID, out=tmp_path)} == undisturbed


def test_each_image_is_read_once(tmp_path, monkeypatch):
    from network_prune.sources.data.pictures import LabelledImages

    read = []
    original = LabelledImages.read
    monkeypatch.setattr(
        LabelledImages,
        "read",
        lambda self, i: (read.append(self.positions[i]), original(self, i))[1],
    )
    sweep(GRID, out=tmp_path)
    assert len(read) == len(set(read)) == 60


def test_made_up_images_are_those_of_a_single_evaluation(tmp_path):
    (record,) = sweep({"data": "fake:20", "p_prune": 0}, out=tmp_path)
    network = npr.load_network("digits")
    data = npr.load_data("fake:20", transform=network.preprocessing.transform(), classes=10)
    assert record["data"]["identity"] == data.identity
    assert counts(record["metrics"]) == counts(npr.evaluate(network.model, data).to_dict())


@pytest.mark.parametrize("score_data", [None, "fake:30"])
def test_learned_scores_rank_as_a_single_evaluation_does(tmp_path, score_data):
    plan = {**GRID, "score": ["taylor", "l1"], "p_bern": 1, "score_images": 20}
    records = sweep({**plan, "score_data": score_data}, out=tmp_path)
    network = npr.load_network("digits")
    data = npr.load_data(
        score_data or "digits",
        transform=network.preprocessing.transform(),
        classes=10,
        limit=None if score_data else 60,
    )
    for record in records[1:]:
        variant = record["variant"]
        learned = {"data": data.batches(16, limit=20)} if variant["score"] == "taylor" else {}
        prunable = npr.rank(
            network.model,
            variant["method"].rstrip("s"),
            p_prune=variant["p_prune"],
            score=variant["score"],
            **learned,
        )
        assert (record["prunable_sha256"], record["score"]) == (prunable.sha256, prunable.score)
        assert bool(record["score_data"]) == bool(learned)
        if learned:
            assert (record["score_data"]["identity"], record["score_data"]["n"]) == (
                data.identity,
                20,
            )
    others = sweep({**plan, "score_data": score_data, "score_images": 10}, out=tmp_path)
    same = {record["key"] for record in records} & {record["key"] for record in others}
    assert len(same) == 1 + 4


def test_learned_scores_of_one_network_dont_bind_another(tmp_path):
    grids = [{"score": "taylor"}, {"weights": "none", "score": "l1"}]
    records = sweep({"grids": grids, "limit": 10, "score_images": 5}, out=tmp_path)
    assert [(record["score"] or "dense").split(":")[0] for record in records] == [
        "dense",
        "taylor",
        "dense",
        "l1",
    ]


def test_the_bar_moves_with_every_image_of_every_variant(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(Reading, "advance", lambda self, images: seen.append(images))
    sweep({**GRID, "method": "weights", "p_prune": 0.4, "p_bern": 1}, out=tmp_path)
    assert seen == [16, 16, 16, 12] * 2


def test_events_tell_where_the_study_is(tmp_path):
    told = []
    plan = {**GRID, "method": "weights", "p_prune": 0.4, "p_bern": 1}
    records = sweep(plan, out=tmp_path, told=told.append)
    started, *others = told
    assert isinstance(started, Started)
    assert (started.due[0], started.due[1].method, started.images) == (None, "weights", 60)
    assert (started.recorded, started.base["data"]["n"]) == (0, 60)
    seen = [(e.variant is None, e.metrics.n) for e in others if isinstance(e, Advanced)]
    assert seen == [(dense, n) for dense in (True, False) for n in (16, 32, 48, 60)]
    assert [event.record for event in others if isinstance(event, Recorded)] == records


def test_without_a_folder_the_records_are_the_same(undisturbed):
    assert {record["key"]: record for record in sweep(GRID)} == undisturbed


def test_without_the_dense_network_nothing_but_the_difference_is_missing(tmp_path, undisturbed):
    records = sweep({**GRID, "dense": False}, out=tmp_path)
    assert len(records) == len(undisturbed) - 1
    for record in records:
        assert record == {**undisturbed[record["key"]], "difference": None}
    told = []
    whole = sweep(GRID, out=tmp_path, told=told.append)
    assert {record["key"]: record for record in whole} == undisturbed
    assert told[0].recorded == 0
    content = (tmp_path / FILE).read_bytes()
    assert sweep({**GRID, "dense": False}, out=tmp_path) == whole[1:]
    assert (tmp_path / FILE).read_bytes() == content


# --- resuming -----------------------------------------------------------------------------


def test_a_second_run_evaluates_nothing(tmp_path, monkeypatch):
    first = sweep(GRID, out=tmp_path)
    content = (tmp_path / FILE).read_bytes()
    monkeypatch.setattr("network_prune.study.running.pass_run.chunks", None)
    assert sweep(GRID, out=tmp_path) == first
    assert (tmp_path / FILE).read_bytes() == content
    assert not list(tmp_path.glob("partial-*"))


def test_a_state_of_which_all_is_recorded_goes_with_the_next_run(tmp_path, monkeypatch):
    monkeypatch.setattr(one_pass.chunks, "__defaults__", (1,))
    with monkeypatch.context() as patch:
        patch.setattr("network_prune.study.running.progress.Progress.remove", lambda _: None)
        first = sweep(GRID, out=tmp_path)
    assert list(tmp_path.glob("partial-*"))
    assert sweep(GRID, out=tmp_path) == first
    assert not list(tmp_path.glob("partial-*"))


def test_a_state_of_which_something_is_left_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(one_pass.chunks, "__defaults__", (1,))
    small = {**GRID, "method": "weights", "p_prune": 0.4}
    sweep(small, out=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("network_prune.study.running.pass_run.PassRun._finish", None)
        with pytest.raises(TypeError):
            sweep(GRID, out=tmp_path)
    (partial,) = tmp_path.glob("partial-*")
    sweep(small, out=tmp_path)
    assert partial.exists()


def test_a_grid_may_grow_in_the_same_folder(tmp_path, undisturbed):
    small = {**GRID, "method": "weights", "p_prune": 0.4}
    assert len(sweep(small, out=tmp_path)) == 4
    told = []
    grown = sweep(GRID, out=tmp_path, told=told.append)
    assert {record["key"]: record for record in grown} == undisturbed
    assert sum(isinstance(event, Recorded) for event in told) == len(undisturbed) - 4
    assert len(read_records(tmp_path)[0]) == len(undisturbed)


@pytest.mark.parametrize(
    ("interrupted_at", "held_bytes"), [(1, 1), (9, 40_000), (20, 1), (20, 40_000)]
)
def test_an_interrupted_pass_goes_on_with_the_variant_that_it_was_at(
    tmp_path, monkeypatch, undisturbed, interrupted_at, held_bytes
):
    monkeypatch.setattr(one_pass.chunks, "__defaults__", (held_bytes,))
    calls = []
    original = one_pass.Chunk.evaluate

    def evaluate(self, compute, **options):
        calls.append(compute)
        if len(calls) == interrupted_at:
            raise KeyboardInterrupt
        return original(self, compute, **options)

    monkeypatch.setattr(one_pass.Chunk, "evaluate", evaluate)
    with pytest.raises(KeyboardInterrupt):
        sweep(GRID, out=tmp_path)
    assert {record["key"]: record for record in sweep(GRID, out=tmp_path)} == undisturbed
    parts = 4 if held_bytes == 1 else 2
    # It is recorded in the last part, and then what it did with each image is known.
    is_recorded = interrupted_at > (parts - 1) * len(undisturbed)
    again_dense = interrupted_at % len(undisturbed) != 1 and not is_recorded
    assert len(calls) == parts * len(undisturbed) + 1 + again_dense


def test_a_grid_that_grows_while_a_pass_is_unfinished_keeps_what_is_done(
    tmp_path, monkeypatch, undisturbed
):
    monkeypatch.setattr(one_pass.chunks, "__defaults__", (1,))
    monkeypatch.setattr(Progress, "write_at_times", _interrupt_at_images(32))
    small = {**GRID, "method": "weights"}
    with pytest.raises(KeyboardInterrupt):
        sweep(small, out=tmp_path)
    monkeypatch.undo()
    told = []
    found = sweep(GRID, out=tmp_path, told=told.append)
    assert {record["key"]: record for record in found} == undisturbed
    seen = [e for e in told if isinstance(e, Advanced) and e.variant is not None]
    of_weights = [e.metrics.n for e in seen if e.variant.method == "weights"]
    assert min(of_weights) == 48
    assert len({e.variant for e in seen}) == len(undisturbed) - 1


def _interrupt_at_images(images):
    def write(self, state):
        if state.images == images:
            raise KeyboardInterrupt

    return write


def test_a_state_of_other_chunks_is_not_mixed_with_these(tmp_path, monkeypatch, undisturbed):
    def interrupt(self, state):
        Progress.write(self, state)
        if len(state.ahead) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "write_at_times", interrupt)
    monkeypatch.setattr(one_pass.chunks, "__defaults__", (1,))
    with pytest.raises(KeyboardInterrupt):
        sweep(GRID, out=tmp_path)
    monkeypatch.undo()
    assert {record["key"]: record for record in sweep(GRID, out=tmp_path)} == undisturbed


def test_a_pass_whose_last_images_are_unreadable_goes_on(tmp_path, monkeypatch):
    folder = tmp_path / "images"
    for label in range(4):
        (folder / str(label)).mkdir(parents=True)
        Image.new("L", (8, 8), 60 * label).save(folder / str(label) / "a.png")
    (folder / "3" / "b.png").write_bytes(b"no picture")
    plan = {"data": str(folder), "p_prune": 0.2, "skip_unreadable": True, "workers": 0}
    plan |= {"batch_size": 2, "first_label": 0}
    whole = sweep(plan, out=tmp_path / "whole")
    monkeypatch.setattr(one_pass.chunks, "__defaults__", (1,))
    monkeypatch.setattr("network_prune.study.running.pass_run.PassRun._finish", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        sweep(plan, out=tmp_path / "study")
    monkeypatch.undo()
    assert sweep(plan, out=tmp_path / "study") == whole
    assert whole[0]["metrics"]["unreadable"] == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no checksum"),
        (b"{}", "no checksum"),
        (b'{"images": 64}', "no checksum"),
        (signed({"key": "other"}), "another run's"),
        (signed({"sums": {}}), "no state"),
        (b"\xff", "no checksum"),
    ],
)
def test_a_damaged_state_of_a_pass_is_told_and_computed_again(
    tmp_path, monkeypatch, undisturbed, content, why
):
    read = Progress.read

    def damaged(self, told):
        self._file._path.write_bytes(content)
        return read(self, told)

    monkeypatch.setattr(Progress, "read", damaged)
    told = []
    some = {**GRID, "method": "weights", "p_prune": 0.4}
    found = sweep(some, out=tmp_path, told=told.append)
    assert list(found) == [undisturbed[record["key"]] for record in found]
    assert len(found) == 4
    (notice,) = (event for event in told if isinstance(event, Damaged))
    assert why in str(notice)
    assert "what it had of the run is computed again" in str(notice)


def test_a_half_written_line_is_told(tmp_path):
    plan = {**GRID, "method": "weights", "p_prune": 0.4, "p_bern": 1}
    records = sweep(plan, out=tmp_path)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:-9])
    told = []
    assert sweep(plan, out=tmp_path, told=told.append) == records
    size = len(content.splitlines()[-1]) - 8
    assert told[0] == Dropped(tmp_path / FILE, size, "its variant is evaluated")


def test_one_of_several_networks_may_fail_in_any_way_and_the_others_go_on(tmp_path, monkeypatch):
    def fail(error):
        def run(*_, **__):
            raise error

        monkeypatch.setattr("network_prune.study.sweep.NetworkRun.run", run)

    two = {"grids": [{"weights": "default"}, {"weights": "none"}], "limit": 10}
    told = []
    fail(torch.OutOfMemoryError("CUDA out of memory"))
    assert sweep(two, out=tmp_path, told=told.append) == []
    assert [str(event.network) for event in told] == ["digits", "digits (none)"]
    assert "out of memory; pass a smaller --batch-size" in str(told[-1])
    told.clear()
    fail(ZeroDivisionError("a bug"))
    assert sweep(two, told=told.append) == []
    assert [str(event) for event in told] == [
        "digits: ZeroDivisionError: a bug",
        "digits (none): ZeroDivisionError: a bug",
    ]
    with pytest.raises(ZeroDivisionError):
        sweep({"limit": 10})
    fail(RunError("cannot write records"))
    with pytest.raises(RunError, match="cannot write"):
        sweep(two)


def test_who_listens_to_no_events_is_warned(tmp_path):
    plan = {"arch": ["resnet0", "digits"], "data": "digits", "limit": 10}
    with pytest.warns(UserWarning, match="resnet0: unknown network"):
        assert len(sweep(plan, out=tmp_path)) == 2


def test_the_only_network_raises_its_error(tmp_path):
    with pytest.raises(NetworkPruneError, match=r"no weights file nowhere\.safetensors"):
        sweep({"weights": "nowhere.safetensors"}, out=tmp_path)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ([1], r"plan=\[1\] is no mapping; pass e.g."),
        ({"grids": {"p_prune": 0.1}}, "grids=.* is no list of mappings"),
        ({"with_norm": True}, "with_norm goes with method neurons, not connections"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path, plan, message):
    with pytest.raises(NetworkPruneError, match=message):
        sweep(plan, out=tmp_path / "study")


def _interrupt(*_):
    raise KeyboardInterrupt


# --- refused ------------------------------------------------------------------------------


def test_changed_weights_under_the_same_name_are_refused(tmp_path):
    from network_prune.sources.digits.embedded import NETWORKS

    path = tmp_path / "weights.safetensors"
    weights = load_file(NETWORKS["digits"].weights)
    save_file(weights, path)
    plan = {**GRID, "weights": str(path), "p_prune": 0.2, "method": "weights"}
    sweep(plan, out=tmp_path / "study")
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1}, path)
    content = (tmp_path / "study" / FILE).read_bytes()
    with pytest.raises(NetworkPruneError, match=r"the weights of digits .* any more; pass another"):
        sweep(plan, out=tmp_path / "study")
    assert (tmp_path / "study" / FILE).read_bytes() == content


def test_changed_images_under_the_same_name_are_refused(tmp_path):
    import numpy as np

    path = tmp_path / "images.npz"
    images = np.arange(8 * 64, dtype=np.uint8).reshape(8, 8, 8)
    labels = np.arange(8)
    np.savez(path, images=images, labels=labels)
    plan = {"data": str(path), "image_column": "images", "label_column": "labels", "p_prune": 0.2}
    sweep(plan, out=tmp_path / "study")
    np.savez(path, images=images + 1, labels=labels)
    with pytest.raises(NetworkPruneError, match=r"the images of .*images.npz aren't those"):
        sweep(plan, out=tmp_path / "study")


def test_a_second_writer_is_refused(tmp_path):
    with RecordFile(tmp_path), pytest.raises(NetworkPruneError, match="another run writes to"):
        sweep(GRID, out=tmp_path)


def test_a_network_that_fails_is_told_and_the_others_go_on(tmp_path):
    told = []
    records = sweep(
        {**GRID, "arch": ["resnet0", "digits"], "data": "digits", "p_prune": 0.2},
        out=tmp_path,
        told=told.append,
    )
    failures = [event for event in told if isinstance(event, Failed)]
    assert [str(failure.network) for failure in failures] == ["resnet0"]
    assert "resnet0" in str(failures[0].error)
    assert len(records) == 1 + 2 * 3


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"dtype": "bfloat16", "amp": True}, "dtype='bfloat16' and amp=True exclude"),
        ({"arch": "resnet18", "weights": "none"}, "resnet18 needs labelled images: pass --data"),
        ({"arch": "nothing*"}, "nothing"),
        ({"data": "nowhere/at/all"}, "nowhere/at/all"),
        ({"score": "random:x"}, "random:x"),
        ({"interpolation": "cubic"}, "unknown interpolation 'cubic'"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"score_data": "fake:4"}, "score-data fake:4 goes with --score taylor or gradient"),
        ({"score": "taylor", "score_data": "nowhere"}, "nowhere"),
    ],
)
def test_what_fits_no_network_is_refused_before_anything_is_written(tmp_path, plan, message):
    with pytest.raises(NetworkPruneError, match=message):
        sweep(plan, out=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_networks_may_be_named_by_wildcards():
    plan = make_plan({"arch": ["resnet1*", "digits"], "p_prune": 0.2})
    names = [network.arch for network in plan.variants]
    assert names == ["resnet101", "resnet152", "resnet18", "digits"]


def test_the_users_random_numbers_decide_nothing(tmp_path, undisturbed):
    torch.manual_seed(123)
    found = sweep(make_plan(GRID), out=tmp_path)
    assert {record["key"]: record for record in found} == undisturbed


def test_norms_and_biases_are_an_option_of_a_study(tmp_path):
    """What was ranked before has the keys that it had."""
    usual = {"method": "weights", "limit": 30, "p_prune": 0.5, "p_bern": 0.5}
    dense, plain = sweep({**usual, "tensors": "weight"}, out=tmp_path)
    vectors = {"layers": "norm,linear", "tensors": "weight,bias"}
    *_, rapa = sweep({**usual, **vectors}, out=tmp_path)
    assert "tensors" not in plain["variant"]
    assert rapa["variant"]["tensors"] == ["weight", "bias"]
    assert (plain["used"]["folded_norms"] > 0, rapa["used"]["folded_norms"]) == (True, 0)
    assert dense["used"]["folded_norms"] > 0
    (command,) = commands([rapa])
    assert "--layers norm,linear --tensors weight,bias" in command
