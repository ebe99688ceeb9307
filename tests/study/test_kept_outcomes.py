"""What a study keeps of each image, and what it saves by it."""

import json

import pytest
import torch
from PIL import Image

from network_prune import load_data, load_network, sweep
from network_prune.evaluation.metrics import measure_samples
from network_prune.evaluation.outcomes import LEFT_OUT, Outcomes
from network_prune.results import outcome_store
from network_prune.results.study import load_study
from network_prune.study.events import Started

SMALL = {"method": "weights", "p_prune": [0.3, 0.6], "limit": 60, "batch_size": 16, "workers": 0}
GROWN = {**SMALL, "p_prune": [0.3, 0.6, 0.8]}


@pytest.fixture(scope="module")
def undisturbed():
    return sweep(GROWN)


def all_outcomes(study):
    return {record["key"]: study.outcomes(record) for record in study}


def test_they_are_what_the_network_does_with_each_image():
    study = sweep({**SMALL, "p_prune": 0.0, "fold": False, "channels_last": False})
    network = load_network("digits")
    data = load_data("digits", transform=network.preprocessing.transform(), limit=60)
    with torch.no_grad():
        parts = [
            Outcomes.of(measure_samples(network.model.eval()(images), labels))
            for images, labels in data.batches(16)
        ]
    assert study.outcomes(study[0]) == sum(parts, Outcomes())
    images = study.images(study[0])
    assert images.labels == data.labels.tolist()
    assert images.name(3) == "image 3"


def test_they_agree_with_the_counts_and_differences(undisturbed):
    dense = undisturbed.outcomes(undisturbed[0])
    for record in undisturbed[1:]:
        own, difference = undisturbed.outcomes(record), record["difference"]
        assert int(own.right1.sum()) == record["metrics"]["hits1"]
        assert int((own.right1 & ~dense.right1).sum()) == difference["gained1"]
        assert int((dense.right5 & ~own.right5).sum()) == difference["lost5"]


def test_a_grid_that_grows_needs_no_second_pass_of_the_dense_network(tmp_path, undisturbed):
    sweep(SMALL, out=tmp_path)
    told = []
    grown = sweep(GROWN, out=tmp_path, told=told.append)
    (started,) = (event for event in told if isinstance(event, Started))
    assert [variant.p_prune for variant in started.due] == [0.8]
    assert grown == undisturbed  # the interval of the loss's difference, too
    assert all_outcomes(load_study(tmp_path)) == all_outcomes(undisturbed)


@pytest.mark.parametrize("lose", ["all", "losses", "half"])
def test_what_is_lost_of_them_is_computed_again(tmp_path, undisturbed, lose):
    sweep(SMALL, out=tmp_path)
    path = tmp_path / outcome_store.FILE
    lines = path.read_bytes().splitlines(keepends=True)
    dense = load_study(tmp_path)[0]["outcomes"]
    kept = {
        "all": [],
        "losses": [line for line in lines if dense["losses"].encode() not in line],
        "half": [lines[0][:40]],
    }[lose]
    path.write_bytes(b"".join(kept))
    told = []
    assert sweep(GROWN, out=tmp_path, told=told.append) == undisturbed
    assert told[0].due[0] is None
    study = load_study(tmp_path)
    assert [record["key"] for record in study] == [record["key"] for record in undisturbed]
    found = all_outcomes(study)
    assert found[study[0]["key"]] == undisturbed.outcomes(undisturbed[0])
    assert found[undisturbed[-1]["key"]] == undisturbed.outcomes(undisturbed[-1])


def test_they_can_be_left_out(tmp_path, undisturbed):
    study = sweep({**SMALL, "outcomes": False}, out=tmp_path)
    assert {record["outcomes"] for record in study} == {None}
    assert [study.outcomes(record) for record in study] == [None] * 3
    assert not (tmp_path / outcome_store.FILE).exists()
    assert [record["difference"] for record in study] == [
        record["difference"] for record in undisturbed[:3]
    ]
    # A study that went on without them goes on with them; the dense network runs once more.
    grown = sweep(GROWN, out=tmp_path)
    assert [record["difference"] for record in grown] == [
        record["difference"] for record in undisturbed
    ]
    assert [grown.outcomes(r) is not None for r in grown] == [True, False, False, True]


def test_unreadable_images_keep_their_places(tmp_path):
    folder = tmp_path / "images"
    for label in range(4):
        (folder / str(label)).mkdir(parents=True)
        Image.new("L", (8, 8), 60 * label).save(folder / str(label) / "b.png")
    for broken in ("0/a.png", "2/c.png", "3/c.png"):
        (folder / broken).write_bytes(b"no picture")
    plan = {"data": str(folder), "skip_unreadable": True, "workers": 0, "first_label": 0}
    small = sweep({**plan, "batch_size": 2, "p_prune": 0.2}, out=tmp_path / "study")
    grown = sweep({**plan, "batch_size": 2, "p_prune": [0.2, 0.4]}, out=tmp_path / "study")
    assert len(grown) == len(small) + 1
    for record in grown:
        codes = grown.outcomes(record).codes
        assert [p for p, code in enumerate(codes) if code == LEFT_OUT] == [0, 4, 6]
        assert record["metrics"]["n"] == 4
    assert grown.images(grown[0]).name(4) == "2/c.png"
    assert grown == sweep({**plan, "batch_size": 2, "p_prune": [0.2, 0.4]})


def test_the_file_of_eval_holds_them_and_its_output_does_not(run, tmp_path, undisturbed):
    path = tmp_path / "eval.json"
    options = ("--limit", 60, "--batch-size", 16, "--workers", 0, "--method", "weights")
    printed = json.loads(run("eval", *options, "--p-prune", 0.3, "--json", "--output", path).out)
    study = load_study(path)
    assert list(study) == printed
    assert "data" not in printed[0]["outcomes"]
    record = next(record for record in study if record["variant"])
    assert study.outcomes(record) == undisturbed.outcomes(undisturbed[1])
