"""``network-prune export`` writes what other programs read, and says how it was checked."""

import json

import pytest
import torch

import network_prune as npr

pytest.importorskip("onnxruntime")
HALF = ("export", "--arch", "digits-plain", "--method", "weights", "--p-prune", 0.5)


def test_a_packed_file(run, tmp_path):
    path = tmp_path / "half.safetensors"
    outcome = run(*HALF, "--p-bern", 0.7, "--seed", 3, "--to", "packed", "--out", path)
    assert (outcome.code, outcome.err) == (0, "")
    assert f"{path.stat().st_size:,}" in outcome.out
    assert "the same bits in" in outcome.out
    loaded = npr.load_network(f"packed:{path}")
    model = npr.load_network("digits-plain").model
    draw = npr.prune_weights(model, p_prune=0.5, p_bern=0.7, seed=3).draw
    npr.make_permanent(model)
    assert all(map(torch.equal, loaded.model.parameters(), model.parameters()))
    assert loaded.made["draw_sha256"] == draw.sha256
    assert loaded.made["stage"] == "pruned"
    more = tmp_path / "more.safetensors"
    assert run("export", "--arch", f"packed:{path}", "--to", "packed", "--out", more).code == 0
    again = npr.load_network(f"packed:{more}")
    assert again.weights_sha256 == loaded.weights_sha256
    assert again.made == loaded.made
    options = ("--method", "neurons", "--p-prune", 0.3, "--scope", "layer", "--remove")
    call = ("export", "--arch", f"packed:{path}", *options, "--to", "packed", "--out", more)
    assert run(*call).code == 0
    removed = npr.load_network(f"packed:{more}")
    assert (removed.made["stage"], removed.made["from"]) == ("removed", loaded.made)
    dense = tmp_path / "dense.safetensors"
    assert run("export", "--to", "packed", "--out", dense).code == 0
    assert npr.load_network(f"packed:{dense}").made["stage"] == "dense"


def test_packed_networks_go_into_other_commands(run, tmp_path):
    path = tmp_path / "half.safetensors"
    run(*HALF, "--to", "packed", "--out", path)
    more = ("--arch", f"packed:{path}", "--json")
    shown = json.loads(run("inspect", *more).out)
    assert shown["network"]["name"] == f"packed:{path}"
    options = ("--data", "digits", "--limit", 20, "--p-prune", 0.1)
    (record,) = [
        record
        for record in json.loads(run("eval", *more, *options, "--no-dense").out)
        if record["variant"]
    ]
    assert record["network"]["weights_sha256"] == shown["network"]["weights_sha256"]
    assert not any("enlarged" in note for note in record["notes"])


def test_onnx_of_a_network_without_its_neurons(run, tmp_path):
    path = tmp_path / "small.onnx"
    call = ("export", "--arch", "digits-plain", "--method", "neurons", "--scope", "layer")
    options = ("--p-prune", 0.5, "--remove", "--to", "onnx", "--out", path, "--limit", 5, "--json")
    outcome = run(*call, *options)
    found = json.loads(outcome.out)
    assert found["bytes"] == path.stat().st_size
    assert "by onnxruntime on 5 images" in found["check"]
    assert found["ratio"] == found["bytes"] / found["dense_bytes"] < 0.6
    assert found["difference"] < 1e-5


def test_noise_where_no_images_are_named(run, tmp_path):
    call = ("export", "--arch", "squeezenet1_1", "--weights", "none", "--resize", 64, "--crop", 64)
    outcome = run(*call, "--to", "torch", "--out", tmp_path / "a.pt2")
    assert "on 2 noise" in outcome.out


def test_a_network_without_any_convolution_goes_as_it_is(run, tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(
        "from torch import nn\n"
        "def flat():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(192, 10))\n"
    )
    call = ("export", "--arch", f"{path}:flat", "--resize", 8, "--crop", 8)
    outcome = run(*call, "--to", "torch", "--out", tmp_path / "flat.pt2")
    assert (outcome.code, "outputs by torch.export" in outcome.out) == (0, True)


def test_refusals_before_anything_is_loaded(refused, tmp_path):
    assert "unknown format 'zip'" in refused(*HALF, "--to", "zip", "--out", tmp_path / "a")
    assert "doesn't end in .onnx" in refused(*HALF, "--to", "onnx", "--out", tmp_path / "a")
    missing = tmp_path / "missing" / "a.onnx"
    assert "cannot write" in refused(*HALF, "--to", "onnx", "--out", missing, code=1)
    assert "--opset is for --to onnx" in refused(
        *HALF, "--to", "torch", "--opset", 18, "--out", tmp_path / "a.pt2"
    )
    assert "pass a new folder" in refused(*HALF, "--to", "hf", "--out", tmp_path.parent)
    assert "neither timm's" in refused(*HALF, "--to", "hf", "--out", tmp_path / "a")
    assert "which export doesn't read" in refused(
        *HALF, "--score", "taylor", "--to", "hf", "--out", tmp_path / "a"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("images", [1])
def test_a_single_image_is_too_few(refused, tmp_path, images):
    line = refused(*HALF, "--to", "onnx", "--out", tmp_path / "a.onnx", "--limit", images)
    assert "two or more" in line
