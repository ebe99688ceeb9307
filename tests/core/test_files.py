"""Prunable sets and draws as files: what is written comes back, anything else is refused."""

import json
import os
import pickle
import stat

import numpy as np
import pytest
import safetensors.numpy
import torch
from torch import nn

import network_prune as npr


@pytest.fixture
def prunable() -> npr.PrunableSet:
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(4, 6, 2, groups=2))
    for i, layer in enumerate(model):
        count = layer.weight.numel()
        values = torch.arange(count, dtype=torch.float32).mul(7 + i).remainder(31)
        layer.weight = nn.Parameter(values.reshape(layer.weight.shape))
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    return npr.rank(model, p_prune=0.3, score="random:5", scope="layer", layers=kinds)


def metadata_of(path) -> dict[str, str]:
    with safetensors.safe_open(path, framework="numpy") as file:
        return file.metadata()


def rewrite(path, *, words=None, format_name=None, kind=None, content=None) -> None:
    """Write the file again with something else in it."""
    metadata = metadata_of(path)
    tensors = safetensors.numpy.load_file(path)
    if format_name is not None:
        metadata["format"] = format_name
    if kind is not None:
        metadata["kind"] = kind
    if content is not None:
        metadata["content"] = content
    safetensors.numpy.save_file(tensors if words is None else words, path, metadata)


def test_a_prunable_set_comes_back_equal(prunable, tmp_path):
    prunable.save(tmp_path / "set.safetensors")
    loaded = npr.PrunableSet.load(str(tmp_path / "set.safetensors"))
    assert loaded == prunable
    assert hash(loaded) == hash(prunable)
    assert (loaded.p_prune, loaded.score, loaded.scope) == (0.3, "random:5", "layer")
    assert loaded.layers == prunable.layers
    assert loaded.sha256 == prunable.sha256
    again = loaded.draw(p_bern=0.4, seed=2, index=9)
    assert again == prunable.draw(p_bern=0.4, seed=2, index=9)


def test_a_draw_comes_back_equal(prunable, tmp_path):
    draw = prunable.draw(p_bern=0.1, seed=2**64 - 1, index=2**63)
    draw.save(tmp_path / "draw.safetensors")
    loaded = npr.Draw.load(tmp_path / "draw.safetensors")
    assert loaded == draw
    assert (loaded.p_bern, loaded.seed, loaded.index) == (0.1, 2**64 - 1, 2**63)
    assert all(torch.equal(loaded.mask(layer.name), draw.mask(layer.name)) for layer in draw.layers)


def test_the_file_states_its_hash_for_anyone_to_read(prunable, tmp_path):
    prunable.save(tmp_path / "set")
    content = json.loads(metadata_of(tmp_path / "set")["content"])
    assert content["sha256"] == prunable.sha256
    assert content["layers"][0] == {
        "name": "0",
        "shape": [5, 3, 3, 3],
        "transposed": False,
        "groups": 1,
    }


def test_others_may_read_the_file_as_the_umask_says(prunable, tmp_path):
    old = os.umask(0o022)
    try:
        prunable.save(tmp_path / "set")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "set").stat().st_mode) == 0o644


def test_an_older_file_is_replaced_and_nothing_else_left(prunable, tmp_path):
    prunable.save(tmp_path / "file")
    prunable.draw(p_bern=0.5, seed=1).save(tmp_path / "file")
    assert npr.Draw.load(tmp_path / "file").seed == 1
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("target", ["missing/file", "folder"])
def test_output_that_cannot_be_written_is_refused(prunable, tmp_path, target):
    (tmp_path / "folder").mkdir()
    with pytest.raises(npr.NetworkPruneError, match=r"cannot write .*(missing/file|folder)") as e:
        prunable.save(tmp_path / target)
    assert e.value.exit_code == 1
    assert os.listdir(tmp_path) == ["folder"]
    assert not os.listdir(tmp_path / "folder")


def test_a_failed_write_leaves_the_older_file(prunable, tmp_path, monkeypatch):
    prunable.save(tmp_path / "file")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(npr.NetworkPruneError, match=r"cannot write .*No space left"):
        prunable.draw(p_bern=0.5, seed=1).save(tmp_path / "file")
    assert npr.PrunableSet.load(tmp_path / "file") == prunable
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("load", [npr.PrunableSet.load, npr.Draw.load])
def test_what_is_no_file_of_ours_is_refused(load, tmp_path):
    path = tmp_path / "file"
    with pytest.raises(npr.NetworkPruneError, match="file does not exist"):
        load(path)
    with pytest.raises(npr.NetworkPruneError, match="is a folder; pass a plain file"):
        load(tmp_path)
    for content in [b"", b"PK\x03\x04 no", pickle.dumps([1]), b"\xff" * 64]:
        path.write_bytes(content)
        with pytest.raises(npr.NetworkPruneError, match="is not a readable safetensors file"):
            load(path)
    safetensors.numpy.save_file({"weight": np.zeros(3)}, path)
    with pytest.raises(npr.NetworkPruneError, match="holds something else, not a network-prune"):
        load(path)


def test_one_kind_is_not_read_as_the_other(prunable, tmp_path):
    prunable.save(tmp_path / "set")
    prunable.draw(p_bern=0.5, seed=1).save(tmp_path / "draw")
    with pytest.raises(npr.NetworkPruneError, match="holds a prunable set, not a network-prune dr"):
        npr.Draw.load(tmp_path / "set")
    with pytest.raises(npr.NetworkPruneError, match="holds a draw, not a network-prune prunable s"):
        npr.PrunableSet.load(tmp_path / "draw")


def test_a_later_format_is_not_guessed_at(prunable, tmp_path):
    prunable.save(tmp_path / "set")
    rewrite(tmp_path / "set", format_name="network-prune/2")
    with pytest.raises(npr.NetworkPruneError, match="holds something else"):
        npr.PrunableSet.load(tmp_path / "set")


def test_a_flipped_bit_is_found(prunable, tmp_path):
    prunable.save(tmp_path / "set")
    words = prunable.elements.words.copy()
    words[0] ^= np.uint64(1)
    rewrite(tmp_path / "set", words={"words": words})
    with pytest.raises(npr.NetworkPruneError, match="damaged: its SHA-256 doesn't match"):
        npr.PrunableSet.load(tmp_path / "set")


@pytest.mark.parametrize(
    "words",
    [
        {"words": np.zeros(1, np.uint64)},
        {"words": np.zeros((2, 2), np.uint64)},
        {"words": np.zeros(500, np.float64)},
        {"other": np.zeros(500, np.uint64)},
    ],
)
def test_bits_that_do_not_fit_the_layers_are_found(prunable, tmp_path, words):
    prunable.save(tmp_path / "set")
    rewrite(tmp_path / "set", words=words)
    with pytest.raises(npr.NetworkPruneError, match="damaged: its bits don't fit its layers"):
        npr.PrunableSet.load(tmp_path / "set")


def test_numbers_of_a_type_numpy_lacks_are_refused(prunable, tmp_path):
    from safetensors.torch import save_file

    prunable.save(tmp_path / "set")
    words = torch.zeros(3, dtype=torch.bfloat16)
    save_file({"words": words}, tmp_path / "set", metadata_of(tmp_path / "set"))
    with pytest.raises(npr.NetworkPruneError, match=r"is not a readable|bits don't fit"):
        npr.PrunableSet.load(tmp_path / "set")


CHANGES = {
    "no JSON": lambda content: "[",
    "no object": lambda content: "3",
    "no layers": lambda content: json.dumps({**content, "layers": [1]}),
    "unknown granularity": lambda content: json.dumps({**content, "granularity": "filter"}),
    "no settings": lambda content: json.dumps({**content, "settings": {}}),
    "wrong fraction": lambda content: json.dumps(
        {**content, "settings": {**content["settings"], "p_prune": 1.5, "p_bern": "x"}}
    ),
    "wrong choice": lambda content: json.dumps(
        {**content, "settings": {**content["settings"], "scope": "net", "seed": -1}}
    ),
    "no hash": lambda content: json.dumps(
        {key: value for key, value in content.items() if key != "sha256"}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["prunable set", "draw"])
def test_damaged_content_is_found(prunable, tmp_path, change, kind):
    value = prunable if kind == "prunable set" else prunable.draw(p_bern=0.5, seed=1)
    value.save(tmp_path / "file")
    content = json.loads(metadata_of(tmp_path / "file")["content"])
    rewrite(tmp_path / "file", content=CHANGES[change](content))
    with pytest.raises(npr.NetworkPruneError, match=f"is damaged: its content isn't a {kind}'s"):
        type(value).load(tmp_path / "file")


def test_metadata_without_content_is_found(prunable, tmp_path):
    prunable.save(tmp_path / "set")
    metadata = {"format": "network-prune/1", "kind": "prunable set"}
    safetensors.numpy.save_file({"words": prunable.elements.words}, tmp_path / "set", metadata)
    with pytest.raises(npr.NetworkPruneError, match="is damaged"):
        npr.PrunableSet.load(tmp_path / "set")
    safetensors.numpy.save_file(
        {"words": prunable.elements.words}, tmp_path / "set", {"format": "network-prune/1"}
    )
    with pytest.raises(npr.NetworkPruneError, match="holds something else"):
        npr.PrunableSet.load(tmp_path / "set")
