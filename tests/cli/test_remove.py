"""``network-prune remove`` writes a smaller network that computes what the masked one does."""

import json

import pytest
import torch

import network_prune as npr

OPTIONS = ("remove", "--p-prune", 0.5, "--scope", "layer", "--repeats", 0)


@pytest.mark.parametrize("more", [(), ("--with-norm", "--p-bern", 0.7, "--seed", 4)])
def test_the_file_holds_the_smaller_network(run, tmp_path, more):
    path = tmp_path / "smaller.safetensors"
    outcome = run(*OPTIONS, *more, "--out", path)
    assert (outcome.code, outcome.err) == (0, "")
    loaded = npr.load_network(f"packed:{path}")
    assert loaded.made["stage"] == "removed"
    assert loaded.made["variant"]["p_prune"] == 0.5
    smaller = loaded.model
    model = npr.load_network("digits").model
    options = {"p_bern": 0.7, "seed": 4, "with_norm": True} if more else {}
    npr.prune_neurons(model, p_prune=0.5, scope="layer", **options)
    image = torch.randn(3, *npr.load_network("digits").preprocessing.shape)
    with torch.no_grad():
        assert torch.allclose(smaller(image), model(image), rtol=1e-4, atol=1e-5)
    parameters = sum(parameter.numel() for parameter in smaller.parameters())
    assert f"{parameters:,}" in outcome.out
    assert "multiply-adds" in outcome.out
    assert "ms a forward" not in outcome.out


def test_json(run):
    record = json.loads(run(*OPTIONS, "--json").out)
    assert record["after"]["parameters"] < record["before"]["parameters"]
    assert record["difference"] < 1e-5
    assert record["left"] == {}
    assert all(cut["outputs"][1] <= cut["outputs"][0] for cut in record["cut"])


def test_times_are_measured(run):
    record = json.loads(run(*OPTIONS[:-1], 2, "--json").out)
    assert record["before"]["seconds"] > 0
    assert record["after"]["seconds"] > 0


def test_nothing_to_remove_is_said(run):
    assert "nothing to remove" in run("remove", "--p-prune", 0, "--repeats", 0).out


def test_refusals(refused, tmp_path):
    assert "which remove doesn't read" in refused("remove", "--score", "taylor")
    assert "remove shows one variant" in refused("remove", "--scope", "alone")
    assert "doesn't end in .safetensors" in refused("remove", "--out", tmp_path / "smaller.pt")
    missing = tmp_path / "missing" / "smaller.safetensors"
    assert "cannot write" in refused("remove", "--out", missing, code=1)


def test_a_network_of_a_users_code_is_written_for_that_code(run, refused, tmp_path):
    path, out = tmp_path / "nets.py", tmp_path / "smaller.safetensors"
    path.write_text(
        "from torch import nn\n"
        "def small():\n"
        "    class Local(nn.Sequential):\n"
        "        pass\n"
        "    head = nn.Flatten(), nn.Linear(64, 10)\n"
        "    return Local(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3), *head)\n"
    )
    arch = ("--arch", f"{path}:small")
    size = ("--resize", 8, "--crop", 8)
    assert run(*OPTIONS, *arch, *size, "--out", out).code == 0
    line = refused("inspect", "--arch", f"packed:{out}")
    assert f"pass --arch {path}:small --weights {out}" in line
    record = json.loads(run(*OPTIONS, *arch, *size, "--weights", out, "--json").out)
    written = npr.load_network(
        f"{path}:small", weights=out, preprocessing={"resize": 8, "crop": 8}, warn=False
    )
    count = sum(parameter.numel() for parameter in written.model.parameters())
    assert record["before"]["parameters"] == count < 1200
