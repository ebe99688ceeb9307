"""A run records each row, whatever happens to it on the way."""

import json
import os
import signal

import numpy as np
import pytest
import torch

from network_prune.errors import RunError, SourceError
from network_prune.results.lines.checksum import signed
from network_prune.sources.networks.load import load_network
from network_prune.transfer.attack.iteration import run_attack
from network_prune.transfer.attack.settings import Attack
from network_prune.transfer.augmentations.augmentation import Augmentation
from network_prune.transfer.augmentations.surrogates import make_surrogate
from network_prune.transfer.pixel_network import PixelNetwork
from network_prune.transfer.running import batch as running_batch
from network_prune.transfer.running.events import Advanced, Recorded, Started
from network_prune.transfer.transfer import transfer
from network_prune.transfer.transferred import load_transfer
from tests.transfer.tiny import FIRST, SECOND, THIRD, net, plan, quiet

FIELDS = ("labels", "targets", "classes", "linf", "l2")


def figures(record):
    """What a record says, but for times."""
    return {name: value for name, value in record.items() if not name.startswith("seconds")}


def run(values, **options):
    return transfer(values, told=options.pop("told", quiet), progress=False, **options)


def attacked(values, augmentation, seed=0):
    """The end's images and pixels of a run, computed without its code."""
    from network_prune.sources.digits.pictures import read_digits

    pixels, labels = read_digits(held_out=True)
    places = np.arange(values["limit"]) * len(labels) // values["limit"]
    clean = torch.from_numpy(pixels[places])[:, None].float() / 255
    loaded = load_network(FIRST)
    network = PixelNetwork(loaded.model, loaded.preprocessing)
    attack = Attack(epsilon=0.2, step=0.05, goal=values.get("goal", "targeted"), loss="logit")
    ends = []
    for start in range(0, len(places), 3):
        part = slice(start, start + 3)
        *_, end = run_attack(
            make_surrogate(Augmentation.parse(augmentation), [network], seed=seed),
            clean[part],
            torch.from_numpy(values["classes"][part]),
            attack,
            iterations=4,
            seed=seed,
            first=start,
        )
        ends.append(end.images)
    return clean, torch.cat(ends), labels[places]


@pytest.mark.parametrize("augmentation", ["none", "dwp"])
def test_a_record_holds_what_the_attack_gives(augmentation):
    (record,) = found = run(plan(augmentation=[augmentation], against=augmentation))
    made = found.predictions(record)
    clean, end, labels = attacked({"limit": 7, "classes": made.targets}, augmentation)
    assert made.labels.tolist() == labels.tolist()
    for name in (FIRST, SECOND):
        loaded = load_network(name)
        network = PixelNetwork(loaded.model, loaded.preprocessing)
        with torch.no_grad():
            rounded, truncated = (end * 255).round() / 255, (end * 255).floor() / 255
            expected = [network(images).argmax(1) for images in (clean, end, rounded, truncated)]
        kinds = (made.clean(name), made.at(-1, name), made.rounded(name), made.truncated(name))
        for ours, theirs in zip(kinds, expected, strict=True):
            assert ours.tolist() == theirs.tolist()
    change = (end - clean).flatten(1).double()
    np.testing.assert_allclose(made.linf, change.abs().amax(1), rtol=1e-12)
    np.testing.assert_allclose(made.l2, change.norm(dim=1), rtol=1e-12)
    assert record["distance"]["linf"] == made.linf.max() <= 0.2
    assert record["distance"]["l2"] == pytest.approx(made.l2.mean())


def test_targets_differ_from_the_truth_and_hang_on_seed_and_position_alone():
    def targets(**changes):
        found = run(plan(augmentation=["none"], passes=1, **changes))
        return found.predictions(found[0])

    whole = targets(limit=20)
    assert (whole.targets != whole.labels).all()
    assert set(whole.targets.tolist()) <= set(range(10))
    assert whole.targets.tolist() != targets(limit=20, target_seed=1).targets.tolist()
    # Of 500 held-out digits, 10 are every second one of 20.
    assert targets(limit=10).targets.tolist() == whole.targets[::2].tolist()


def test_an_untargeted_row_has_no_targets():
    found = run(plan(goal="untargeted", augmentation=["none"]))
    assert found[0]["images"]["targets"] == "none"
    assert set(found.predictions(found[0]).targets.tolist()) == {-1}


def test_every_method_gets_the_passes():
    values = plan(augmentation=["none", "dwp:draws=2", "mup"], passes=8, limit=3)
    costs = [(r["iterations"], r["passes_per_iteration"], r["passes"]) for r in run(values)]
    assert costs == [(8, 1, 8), (4, 2, 8), (4, 2, 8)]


def test_an_ensemble_counts_the_passes_of_each_network():
    values = plan(surrogate=[f"{FIRST}+{SECOND}"], victim=[THIRD], augmentation=["none"], limit=3)
    (record,) = found = run(values)
    assert [network["name"] for network in record["surrogates"]] == [FIRST, SECOND]
    assert (record["iterations"], record["passes"]) == (4, 8)
    assert found.predictions(record).networks == (FIRST, SECOND, THIRD)


def test_a_bound_is_made_on_more_networks_and_tried_on_the_others():
    values = plan(victim=[SECOND, THIRD], bound=[SECOND], augmentation=["none"], limit=3)
    none, bound = found = run(values)
    ensemble = run(plan(surrogate=[f"{FIRST}+{SECOND}"], victim=[THIRD], limit=3))
    assert bound["augmentation"]["name"] == "bound"
    assert bound["augmentation"]["networks"] == [SECOND]
    assert [network["name"] for network in bound["surrogates"]] == [FIRST]
    assert [network["name"] for network in bound["victims"]] == [THIRD]
    assert bound["passes"] == 2 * none["passes"]
    ours, theirs = found.predictions(bound), ensemble.predictions(ensemble[0])
    assert ours.at(-1, THIRD).tolist() == theirs.at(-1, THIRD).tolist()


def test_points_are_those_of_a_shorter_attack():
    whole = run(plan(augmentation=["dwp"], against="dwp", passes=4, at=[2, 3]))
    short = run(plan(augmentation=["dwp"], against="dwp", passes=2))
    assert [point["iteration"] for point in whole[0]["points"]] == [2, 3, 4]
    ours, theirs = whole.predictions(whole[0]), short.predictions(short[0])
    for name in (FIRST, SECOND):
        assert ours.at(0, name).tolist() == theirs.at(-1, name).tolist()


def test_a_network_without_a_finite_logit_predicts_no_class():
    found = run(plan(victim=[net("undefined")], augmentation=["none"], limit=20, passes=1))
    made = found.predictions(found[0])
    assert 0 < (made.clean(net("undefined")) == -1).sum() < 20
    assert (made.clean(FIRST) >= 0).all()


@pytest.mark.parametrize("batches", [1, 2, 4])
def test_a_killed_run_goes_on_and_ends_the_same(tmp_path, monkeypatch, batches):
    whole = run(plan())
    computed = []

    def until(batch):
        def attack(*arguments, **options):
            computed.append(options["first"])
            if len(computed) == batch:
                raise KeyboardInterrupt
            return run_attack(*arguments, **options)

        return attack

    with monkeypatch.context() as patch:
        patch.setattr(running_batch, "run_attack", until(batches))
        with pytest.raises(KeyboardInterrupt):
            run(plan(), out=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(running_batch, "run_attack", until(0))
        resumed = run(plan(), out=tmp_path)
    assert list(map(figures, resumed)) == list(map(figures, whole))
    # Two rows of three batches, and the one that was interrupted.
    assert len(computed) == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "outcomes.jsonl",
        "records.lock",
        "transfer.jsonl",
    ]
    again = load_transfer(tmp_path)
    for record in again:
        ours, theirs = again.predictions(record), whole.predictions(record)
        for name in FIELDS:
            assert np.array_equal(getattr(ours, name), getattr(theirs, name))


def test_the_state_of_a_recorded_row_goes_with_the_next_run(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("network_prune.study.running.state_file.StateFile.remove", lambda _: None)
        first = run(plan(), out=tmp_path)
    assert list(tmp_path.glob("partial-*"))
    assert run(plan(), out=tmp_path) == first
    assert not list(tmp_path.glob("partial-*"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_a_run_that_is_killed_for_good_loses_one_batch_at_most(tmp_path):
    def kill(event):
        if isinstance(event, Advanced) and event.images == 6:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        try:
            run(plan(), out=tmp_path, told=kill)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    advanced = []
    resumed = run(plan(), out=tmp_path, told=advanced.append)
    images = [event.images for event in advanced if isinstance(event, Advanced)]
    assert images == [7, 3, 6, 7]
    assert list(map(figures, resumed)) == list(map(figures, run(plan())))


def test_a_damaged_state_is_computed_anew(tmp_path, monkeypatch):
    whole = run(plan(), out=tmp_path / "whole")
    out = tmp_path / "out"
    out.mkdir()
    for record in whole:
        state = signed({"key": record["key"], "seconds": 1, "predictions": "?"})
        (out / f"partial-{record['key'][:16]}.json").write_bytes(state)
    told = []
    found = run(plan(), out=out, told=told.append)
    assert list(map(figures, found)) == list(map(figures, whole))
    assert sum("no state of a run" in str(event) for event in told) == len(whole)


def test_a_plan_may_grow_in_its_folder(tmp_path):
    run(plan(augmentation=["none"]), out=tmp_path)
    events = []
    grown = run(plan(augmentation=["none", "scale"]), out=tmp_path, told=events.append)
    started = next(event for event in events if isinstance(event, Started))
    assert ([row.name for row in started.due], started.recorded) == (["scale"], 1)
    assert [event.record for event in events if isinstance(event, Recorded)] == [grown[1]]
    assert len(load_transfer(tmp_path)) == 2
    assert len((tmp_path / "transfer.jsonl").read_text().splitlines()) == 2


def test_a_folder_that_grew_by_a_victim_is_compared_as_if_it_had_been_there(tmp_path):
    run(plan(victim=[SECOND]), out=tmp_path)
    run(plan(victim=[SECOND, THIRD]), out=tmp_path)
    grown, whole = load_transfer(tmp_path), run(plan(victim=[SECOND, THIRD]))
    assert len(grown) == 4
    assert len(grown.sets) == 2
    assert grown.compare().rows() == whole.compare().rows()
    assert grown.compare().summary == whole.compare().summary


def test_batches_and_times_are_of_the_record(tmp_path):
    (record,) = run(plan(augmentation=["none"]))
    assert record["running"] == {"batch_size": 3, "device": "cpu"}
    assert record["seconds"] > record["seconds_drawing"] == 0.0
    assert json.loads(json.dumps(record)) == record


def test_what_is_random_is_repeated_and_nothing_else():
    found = run(plan(augmentation=["none", "dwp"], seeds=3, limit=3))
    assert [(r["augmentation"]["name"], r["seed"]) for r in found] == [
        ("none", 0),
        ("dwp", 0),
        ("dwp", 1),
        ("dwp", 2),
    ]


def test_a_folder_is_written_to_by_one_run(tmp_path):
    def told(event):
        if isinstance(event, Recorded):
            run(plan(), out=tmp_path)

    with pytest.raises(RunError, match="another run writes to"):
        run(plan(), out=tmp_path, told=told)


def test_other_weights_of_the_same_name_are_refused(tmp_path, monkeypatch):
    weights = tmp_path / "weights.pt"
    torch.save(load_network(FIRST).model.state_dict(), weights)
    out = tmp_path / "out"
    run(plan(surrogate=[f"{FIRST}={weights}"], augmentation=["none"]), out=out)
    torch.save(load_network(THIRD).model.state_dict(), weights)
    with pytest.raises(SourceError, match=r"the weights of .*weights\.pt aren't those"):
        run(plan(surrogate=[f"{FIRST}={weights}"], augmentation=["none"]), out=out)


def test_other_weights_of_a_bounds_network_are_refused(tmp_path):
    weights = tmp_path / "weights.pt"
    torch.save(load_network(SECOND).model.state_dict(), weights)
    out, bound = tmp_path / "out", f"{SECOND}={weights}"
    values = plan(victim=[THIRD], bound=[bound], augmentation=["none"], limit=3)
    run(values, out=out)
    torch.save(load_network(THIRD).model.state_dict(), weights)
    with pytest.raises(SourceError, match=r"the weights of .*weights\.pt aren't those"):
        run(values, out=out)


def test_other_preprocessing_of_a_bounds_network_is_another_row(tmp_path):
    code = "from tests.transfer.tiny_networks import build\n\n\ndef beside():\n    net = build(2)\n"
    path = tmp_path / "beside.py"
    values = plan(bound=[f"{path}:beside"], augmentation=["none"], limit=3)

    def made(mean):
        changed = f"    net.preprocessing['mean'] = [{mean}]\n    return net\n"
        path.write_text(code + changed)
        return run(values, out=tmp_path / "out")

    (none, bound), (same, other) = made(0.3), made(0.7)
    assert none["key"] == same["key"]
    assert bound["key"] != other["key"]
    assert bound["augmentation"]["preprocessing"][0]["mean"] == [0.3]
    assert len(load_transfer(tmp_path / "out")) == 3


def test_other_images_of_the_same_name_are_refused(tmp_path):
    data = tmp_path / "data.npz"
    pixels = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
    np.savez(data, images=pixels, labels=np.arange(4))
    out = tmp_path / "out"
    values = plan(data=str(data), augmentation=["none"], limit=None)
    run(values, out=out)
    np.savez(data, images=pixels[::-1], labels=np.arange(4))
    with pytest.raises(SourceError, match=r"the images of .*data\.npz aren't those"):
        run(values, out=out)


def test_a_line_that_is_no_record_is_told_and_left_out(tmp_path):
    found = run(plan(augmentation=["none"]), out=tmp_path)
    with (tmp_path / "transfer.jsonl").open("a") as file:
        file.write('{"schema": 1}\n')
    message = r"line 2 is damaged \(it is no record\) and left out; its row is computed again"
    with pytest.warns(UserWarning, match=message):
        assert load_transfer(tmp_path) == found


def test_a_half_written_row_is_told_in_its_own_words(tmp_path):
    run(plan(augmentation=["none"]), out=tmp_path)
    with (tmp_path / "transfer.jsonl").open("a") as file:
        file.write('{"schema": 1')
    with pytest.warns(UserWarning, match=r"is half-written .*; its row is computed again"):
        load_transfer(tmp_path)


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"holds no transfer\.jsonl; pass the folder that transf"):
        load_transfer(tmp_path)


def test_predictions_that_are_gone_are_told(tmp_path):
    run(plan(augmentation=["none"]), out=tmp_path)
    (tmp_path / "outcomes.jsonl").unlink()
    found = load_transfer(tmp_path)
    with pytest.raises(SourceError, match=r"predictions of record .* are gone, damaged or"):
        found.predictions(found[0])
