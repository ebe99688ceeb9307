"""Files that earlier versions wrote are read, and mean what they meant.

``PYTHONPATH=src:. python tests/test_earlier_files.py`` writes those of the present version into
``tests/earlier`` at a release; it never changes what is there.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

import network_prune as npr

EARLIER = Path(__file__).parent / "earlier"
GRID = {"method": ["weights", "connections"], "p_prune": 0.3, "p_bern": 0.5, "limit": 40}
RUN = {
    "surrogate": ["digits-plain"],
    "victim": ["digits"],
    "augmentation": ["none", "dwp"],
    "goal": ["untargeted"],
    "passes": 2,
    "seeds": 1,
    "limit": 8,
}
SETTINGS = {"p_bern": 0.5, "seed": 7, "index": 3}


def write(folder):
    """Write one of each kind of file that later versions have to read."""
    folder.mkdir(parents=True)
    npr.sweep(GRID, out=folder / "study", progress=False)
    npr.transfer(RUN, out=folder / "transfer", progress=False)
    for path in folder.glob("*/*.lock"):
        path.unlink()
    network = npr.load_network("digits-plain")
    prunable = ranked(network)
    prunable.save(folder / "prunable.safetensors")
    prunable.draw(**SETTINGS).save(folder / "draw.safetensors")
    with npr.prune_weights(network, p_prune=0.98, layers=(nn.Conv2d, nn.Linear)):
        write_packed(folder / "packed.safetensors", network.model, network)
    every = {"scope": "layer", "layers": (nn.Conv2d, nn.Linear)}
    with npr.prune_neurons(network, p_prune=0.7, **every, exclude=("classifier.2",)):
        small = npr.remove_neurons(network, torch.zeros(1, 1, 32, 32)).model
    write_packed(folder / "removed.safetensors", small, network)


def write_packed(path, model, network):
    npr.save_packed(model, path, network=network, made={"stage": "pruned"})
    packed = npr.load_network(f"packed:{path}")
    content = {"weights_sha256": packed.weights_sha256, "outputs": outputs(packed)}
    path.with_suffix(".json").write_text(json.dumps(content) + "\n")


def ranked(network):
    return npr.rank(network, "connection", p_prune=0.4, scope="layer")


def outputs(network):
    with torch.no_grad():
        return network.model(torch.linspace(-1, 1, 1024).reshape(1, 1, 32, 32))[0].tolist()


@pytest.fixture(scope="module", params=sorted(EARLIER.glob("*")), ids=lambda path: path.name)
def folder(request):
    return request.param


@pytest.fixture(scope="module")
def measured():
    """The same study by the present version, in a folder of its own."""
    return npr.sweep(GRID, progress=False)


def test_there_are_files_of_an_earlier_version():
    names = [path.name for path in EARLIER.glob("*")]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", name) for name in names)
    assert "0.1.0" in names


def test_a_study_is_read_and_has_the_figures_of_the_present(folder, measured):
    study = npr.load_study(folder / "study")
    assert len(study) == len(measured) == 3
    for old, new in zip(study, measured, strict=True):
        assert old["versions"]["network_prune"] == folder.name
        for name in ("variant", "prunable_sha256", "draw_sha256", "realised"):
            assert old[name] == new[name]
        assert old["metrics"]["hits1"] == new["metrics"]["hits1"]
        assert old["metrics"]["loss"] == pytest.approx(new["metrics"]["loss"], rel=1e-5)
        assert len(study.outcomes(old).right1) == GRID["limit"]


def test_a_study_goes_on_beside_what_was_measured(folder, measured, tmp_path):
    """And both are compared image by image."""
    if folder.name == npr.__version__:
        pytest.skip("the present version goes on with its own")
    shutil.copytree(folder / "study", tmp_path / "study")
    before = (tmp_path / "study" / "records.jsonl").read_bytes()
    found = npr.sweep(GRID, out=tmp_path / "study", progress=False)
    assert [record["key"] for record in found] == [record["key"] for record in measured]
    assert (tmp_path / "study" / "records.jsonl").read_bytes().startswith(before)
    versions = {r["versions"]["network_prune"] for r in npr.load_study(tmp_path / "study")}
    assert versions == {folder.name, npr.__version__}
    both = [f"{tmp_path / 'study'}#network_prune={name}" for name in sorted(versions)]
    compared = npr.compare(*both)
    assert len(compared.comparisons) == len(measured)
    assert all(each.gained == each.lost == 0 for each in compared.comparisons)


def test_a_transfer_run_is_read(folder):
    run = npr.load_transfer(folder / "transfer")
    assert [record["versions"]["network_prune"] for record in run] == [folder.name] * 2
    assert {row["augmentation"] for row in run.rows()} == {"none", "dwp"}
    assert all(0 <= row["success"] <= 100 for row in run.rows())


def test_prunable_sets_and_draws_are_what_is_chosen_now(folder):
    prunable = npr.PrunableSet.load(folder / "prunable.safetensors")
    assert prunable.elements == ranked(npr.load_network("digits-plain")).elements
    draw = npr.Draw.load(folder / "draw.safetensors")
    assert draw.elements == prunable.draw(**SETTINGS).elements


@pytest.mark.parametrize("name", ["packed", "removed"])
def test_packed_files_hold_the_same_network(folder, name):
    packed = npr.load_network(f"packed:{folder / name}.safetensors")
    said = json.loads((folder / f"{name}.json").read_text())
    assert packed.weights_sha256 == said["weights_sha256"]
    assert packed.made["network_prune"] == folder.name
    assert outputs(packed) == pytest.approx(said["outputs"], rel=1e-4, abs=1e-5)


if __name__ == "__main__":
    write(EARLIER / npr.__version__)
