import os

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from network_prune.errors import SourceError
from network_prune.sources.networks.weights.checkpoints import Checkpoint
from network_prune.sources.networks.weights.files import is_weights_file
from network_prune.sources.networks.weights.fit import hash_weights, load_weights


def network(**options):
    return nn.Sequential(nn.Conv2d(1, 2, 3, **options), nn.BatchNorm2d(2))


@pytest.fixture
def state():
    torch.manual_seed(3)
    return network().state_dict()


@pytest.fixture(params=["w.safetensors", "w.pth", "w.pt", "w.bin", "w.pth.tar"])
def path(request, tmp_path):
    return tmp_path / request.param


def read_weights(path):
    return Checkpoint(str(path)).first


def save(state, path):
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)


def test_files_of_every_kind_load(path, state):
    save(state, path)
    model = network()
    load_weights(model, path)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "state_dict_ema"])
def test_a_wrapped_state_dict_is_found(tmp_path, state, key):
    torch.save({"epoch": 3, key: state, "optimizer": {}}, tmp_path / "w.pth")
    assert read_weights(tmp_path / "w.pth").keys() == state.keys()


def test_old_files_without_batch_counters_load(tmp_path, state):
    del state["1.num_batches_tracked"]
    save_file(state, tmp_path / "w.safetensors")
    load_weights(network(), tmp_path / "w.safetensors")


def test_every_difference_is_listed_and_nothing_changed(tmp_path, state):
    del state["1.bias"]
    extra = {f"head.{number}": torch.zeros(1) for number in range(5)}
    save_file(state | extra | {"0.weight": torch.zeros(2, 1, 5, 5)}, tmp_path / "w.safetensors")
    model = network()
    before = hash_weights(model)
    message = (
        r"w\.safetensors doesn't fit the network: 1 missing \(1\.bias\); "
        r"5 unexpected \(head\.0, head\.1, head\.2, …\); "
        r"1 of another shape \(0\.weight is \[2, 1, 5, 5\], not \[2, 1, 3, 3\]\)$"
    )
    with pytest.raises(SourceError, match=message):
        load_weights(model, tmp_path / "w.safetensors")
    assert hash_weights(model) == before


def test_missing_files_folders_and_empty_files_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"no weights file .*gone\.pth"):
        read_weights(tmp_path / "gone.pth")
    with pytest.raises(SourceError, match="is a folder; pass the weights file in it"):
        read_weights(tmp_path)
    (tmp_path / "w.pth").touch()
    with pytest.raises(SourceError, match=r"weights file .*w\.pth is empty"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize(
    "content", [b"hello, I am text\n" * 9, b"\x80\x04", b"PK\x03\x04" + b"x" * 99]
)
def test_files_of_another_format_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=rf"^[^\n]*{name} can't be read as [^\n]*$"):
        read_weights(tmp_path / name)


def test_cut_off_files_are_named(path, state):
    save(state, path)
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(SourceError, match=r"can't be read as .* cut off"):
        read_weights(path)


@pytest.mark.parametrize("names", [("a.safetensors", "a.pth"), ("a.pth", "a.safetensors")])
def test_a_wrong_suffix_is_named(tmp_path, state, names):
    save(state, tmp_path / names[0])
    (tmp_path / names[0]).rename(tmp_path / names[1])
    with pytest.raises(SourceError, match="rename it to"):
        read_weights(tmp_path / names[1])


class Trap:
    """Pickles to a call that leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_files_that_need_code_are_refused_and_run_none(tmp_path, zipped):
    torch.save(
        {"state_dict": Trap(tmp_path / "ran")},
        tmp_path / "w.pth",
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(SourceError, match=r"^[^\n]*w\.pth needs code to load[^\n]*refused[^\n]*$"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_whole_pickled_networks_are_refused(tmp_path):
    torch.save(network(), tmp_path / "w.pth")
    with pytest.raises(SourceError, match=r"needs code to load \(torch\.nn\.modules"):
        read_weights(tmp_path / "w.pth")


def test_files_without_a_state_dict_are_refused(tmp_path):
    torch.save({"epoch": 3, "best": 0.5}, tmp_path / "w.pth")
    with pytest.raises(SourceError, match="holds no state dict; it holds 'epoch', 'best'"):
        read_weights(tmp_path / "w.pth")
    torch.save([torch.zeros(1)], tmp_path / "w.pth")
    with pytest.raises(SourceError, match="holds a list, not a state dict"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_the_hash_is_of_names_dtypes_shapes_and_bytes(state, dtype):
    model = network().to(dtype)
    model.load_state_dict(state)
    first = hash_weights(model)
    assert hash_weights(model.to(memory_format=torch.channels_last)) == first
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] += 1
    assert hash_weights(model) != first


def test_the_hash_tells_dtypes_and_names_apart():
    zeros = [nn.Linear(1, 1).to(dtype) for dtype in (torch.float16, torch.bfloat16)]
    zeros.append(nn.Sequential(nn.Linear(1, 1).half()))
    for model in zeros:
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
    assert len({hash_weights(model) for model in zeros}) == 3


def test_the_hash_tells_minus_zero_from_zero():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    first = hash_weights(model)
    with torch.no_grad():
        model.weight.neg_()
    assert hash_weights(model) != first


@pytest.mark.parametrize("weights", ["w.pth", "no/such", "X.SAFETENSORS", "a.ckpt", "a.pth.tar"])
def test_paths_and_known_suffixes_mean_files(weights):
    assert is_weights_file(weights)


def test_absurd_file_names_are_missing_files():
    with pytest.raises(SourceError, match="no weights file xxx"):
        read_weights("x" * 5000 + ".pth")


def test_names_mean_files_only_where_they_exist(tmp_path, monkeypatch):
    assert not is_weights_file("IMAGENET1K_V1")
    assert not is_weights_file("a1_in1k")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoint").touch()
    assert is_weights_file("checkpoint")
