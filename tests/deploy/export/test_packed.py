"""A packed file gives a network back bit for bit, as small as its zeros allow."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from torch import nn
from torch.nn.utils import prune as torch_prune

import network_prune as npr
from network_prune.sources.networks.packed.bits import pack, unpack
from network_prune.sources.networks.packed.packed_file import PackedFile
from tests.networks import Tied, same_bits

NAN_WITH_A_PAYLOAD = np.array([0x7FC0BEEF], np.uint32).view(np.float32)[0]
SPECIAL = [0.0, -0.0, float("inf"), 1.5, 1e-45]


def file_of(tmp_path, name="net.safetensors"):
    return tmp_path / name


def same_states(one, other):
    return list(one) == list(other) and all(same_bits(one[name], other[name]) for name in one)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(400, 700),
    st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64]),
)
def test_bits_and_values_are_the_tensor(seed, n, dtype):
    chance = torch.Generator().manual_seed(seed)
    numbers = torch.tensor(SPECIAL)[torch.randint(len(SPECIAL), (n,), generator=chance)]
    value = torch.where(torch.rand(n, generator=chance) < 0.3, numbers, 0.0).to(dtype)
    value[3] = float("nan")
    parts = pack(value)
    assert parts is not None
    packing, bits, kept = parts
    assert bits.dtype == torch.uint8
    assert bits.nbytes + kept.nbytes < value.nbytes
    assert same_bits(unpack(packing, bits, kept), value)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.uint8, torch.bool])
def test_whole_numbers_too(dtype):
    value = (torch.arange(30_000) % 17 == 0).to(dtype).reshape(100, 300)
    parts = pack(value)
    if dtype in (torch.uint8, torch.bool):
        assert sum(part.nbytes for part in parts[1:]) < 0.2 * value.nbytes
    assert torch.equal(unpack(*parts), value)


@pytest.mark.parametrize(
    "dtype",
    [torch.uint16, torch.uint32, torch.uint64, torch.float8_e8m0fnu, torch.complex128, torch.bool],
)
@pytest.mark.parametrize("block", [1, 12])
def test_dtypes_that_pytorch_cannot_put_too(dtype, block):
    size = torch.empty((), dtype=dtype).element_size()
    content = torch.arange(3600 * size).reshape(-1, block * size) % 7 % 2
    content[torch.arange(len(content)) % 5 != 0] = 0
    value = content.to(torch.uint8).reshape(-1).view(dtype).reshape(300, 4, 3)
    packing, bits, kept = pack(value)
    assert kept.dtype == dtype
    assert same_bits(unpack(packing, bits, kept), value)


def test_only_plus_zero_is_dropped():
    value = torch.zeros(4000)
    value[7], value[9] = -0.0, float(NAN_WITH_A_PAYLOAD)
    value.view(torch.int32)[9] = 0x7FC0BEEF
    packing, bits, kept = pack(value)
    assert len(kept) == 2
    assert same_bits(unpack(packing, bits, kept), value)


def test_kernels_and_neurons_that_are_gone_as_a_whole_have_a_bit_each():
    value = torch.ones(32, 16, 3, 3)
    value[::2] = 0
    packing, bits, kept = pack(value)
    assert (packing.block, bits.nbytes, len(kept)) == (144, 4, 16 * 144)
    assert same_bits(unpack(packing, bits, kept), value)
    value[1, ::2] = 0
    packing, bits, kept = pack(value)
    assert (packing.block, bits.nbytes, len(kept)) == (9, 64, 16 * 144 - 72)
    assert same_bits(unpack(packing, bits, kept), value)


def test_what_saves_nothing_stays_as_it_is():
    assert pack(torch.ones(10_000)) is None
    assert pack(torch.zeros(3)) is None


@pytest.mark.parametrize("method", ["weight", "connection", "neuron"])
@pytest.mark.parametrize("arch", ["digits", "digits-plain", "digits-attention", "digits-mixer"])
def test_a_masked_network_comes_back_without_masks(tmp_path, arch, method):
    network = npr.load_network(arch)
    layers = [nn.Conv2d, nn.Linear]
    npr.prune(network, npr.rank(network, method, p_prune=0.4, layers=layers), with_norm=False)
    npr.save_packed(network, file_of(tmp_path), made={"stage": "pruned", "p_prune": 0.4})
    found = npr.load_network(f"packed:{file_of(tmp_path)}")
    npr.make_permanent(network)
    assert same_states(found.model.state_dict(), network.model.state_dict())
    assert (found.classes, found.class_names) == (network.classes, network.class_names)
    assert found.preprocessing == network.preprocessing
    assert found.arch == arch
    assert found.made["p_prune"] == 0.4
    assert "pruned, from embedded" in found.weights


def test_a_network_stays_as_it_was(tmp_path):
    network = npr.load_network("digits")
    npr.prune_weights(network, p_prune=0.4)
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    npr.save_packed(network, file_of(tmp_path))
    assert same_states(network.model.state_dict(), before)


def test_masks_of_torch_and_a_redrawer_are_read(tmp_path):
    network = npr.load_network("digits")
    layer = next(module for module in network.model.modules() if isinstance(module, nn.Conv2d))
    torch_prune.l1_unstructured(layer, "weight", amount=0.5)
    npr.save_packed(network, file_of(tmp_path))
    torch_prune.remove(layer, "weight")
    found = npr.load_network(f"packed:{file_of(tmp_path)}").model.state_dict()
    wanted = network.model.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    network = npr.load_network("digits")
    prunable = npr.rank(network, "weight", p_prune=0.5)
    with npr.Redrawer(network, prunable, p_bern=0.5, seed=3) as redrawer:
        redrawer.redraw(0)
        npr.save_packed(network, file_of(tmp_path))
        found = npr.load_network(f"packed:{file_of(tmp_path)}")
        assert same_states(found.model.state_dict(), network.model.state_dict())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_and_channels_last(tmp_path, dtype):
    network = npr.load_network("digits")
    network.model.to(dtype=dtype, memory_format=torch.channels_last)
    npr.prune_weights(network, p_prune=0.7)
    npr.save_packed(network, file_of(tmp_path))
    state = PackedFile(file_of(tmp_path)).state()
    npr.make_permanent(network)
    assert same_states(state, network.model.state_dict())
    found = npr.load_network(f"packed:{file_of(tmp_path)}")
    assert same_states(found.model.state_dict(), network.model.state_dict())


def test_a_network_of_nobodys_name_is_read_as_weights(tmp_path):
    model = npr.load_network("digits").model
    npr.prune_weights(model, p_prune=0.5)
    npr.save_packed(model, file_of(tmp_path))
    with pytest.raises(npr.NetworkPruneError, match="doesn't say which network"):
        npr.load_network(f"packed:{file_of(tmp_path)}")
    found = npr.load_network("digits", weights=file_of(tmp_path))
    npr.make_permanent(model)
    assert same_states(found.model.state_dict(), model.state_dict())


def test_tied_tensors_are_stored_once(tmp_path):
    model = Tied()
    npr.prune_weights(model, p_prune=0.9)
    npr.save_packed(model, file_of(tmp_path))
    packed = PackedFile(file_of(tmp_path))
    tied = {name: of for name, of in packed.head.tensors.items() if isinstance(of, str)}
    assert tied
    state = packed.state()
    assert all(state[name] is state[of] for name, of in tied.items())
    npr.make_permanent(model)
    assert same_states(state, model.state_dict())


def test_a_pruned_network_takes_little_more_than_half(tmp_path):
    network = npr.load_network("resnet18", weights="none")
    npr.prune(network, npr.rank(network, "weight", p_prune=0.5, layers=[nn.Conv2d, nn.Linear]))
    npr.save_packed(network, file_of(tmp_path))
    dense = sum(
        value.nbytes
        for value in npr.load_network("resnet18", weights="none").model.state_dict().values()
    )
    assert file_of(tmp_path).stat().st_size <= 0.55 * dense
    found = npr.load_network(f"packed:{file_of(tmp_path)}")
    npr.make_permanent(network)
    assert same_states(found.model.state_dict(), network.model.state_dict())


def test_other_numbers_of_classes(tmp_path):
    own = npr.load_network("resnet18", weights="none").model
    own.fc = nn.Linear(512, 7)
    torch.save(own.state_dict(), tmp_path / "seven.pth")
    network = npr.load_network("resnet18", weights=tmp_path / "seven.pth", warn=False)
    npr.save_packed(network, file_of(tmp_path))
    found = npr.load_network(f"packed:{file_of(tmp_path)}", warn=False)
    assert (found.classes, found.weights_sha256) == (7, network.weights_sha256)
    assert found.notes == network.notes


@pytest.mark.parametrize(
    "arch", ["digits", "digits-mixer", "resnet18", "mobilenet_v2", "timm:resnet10t"]
)
def test_a_network_without_its_neurons_comes_back(tmp_path, arch):
    network = npr.load_network(
        arch,
        weights="none",
        preprocessing={"resize": 64, "crop": 64} if not arch.startswith("digits") else None,
    )
    image = torch.randn(1, *network.preprocessing.shape)
    with npr.prune_neurons(network, p_prune=0.5, scope="layer"):
        removed = npr.remove_neurons(network, image, repeats=0)
    assert removed.cut
    npr.save_packed(removed, file_of(tmp_path), network=network, made={"stage": "removed"})
    found = npr.load_network(f"packed:{file_of(tmp_path)}")
    assert same_states(found.model.state_dict(), removed.model.state_dict())
    assert torch.equal(found.model(image), removed.model(image))
    again = npr.load_network(arch, weights=file_of(tmp_path))
    assert same_states(again.model.state_dict(), removed.model.state_dict())


def test_neurons_are_removed_from_what_was_packed(tmp_path):
    network = npr.load_network("digits")
    image = torch.randn(1, *network.preprocessing.shape)
    for number, p_prune in enumerate((0.3, 0.5, 0.6)):
        with npr.prune_neurons(network, p_prune=p_prune, scope="layer"):
            removed = npr.remove_neurons(network, image, repeats=0)
        path = file_of(tmp_path, f"{number}.safetensors")
        npr.save_packed(removed, path, network=network, made={"stage": "removed"})
        network = npr.load_network(f"packed:{path}")
        assert torch.equal(network.model(image), removed.model(image))
    assert network.arch == "digits"


def test_what_it_was_made_of_is_known_however_often_it_is_written(tmp_path):
    dense, file, again = (
        npr.load_network("digits"),
        tmp_path / "a.safetensors",
        tmp_path / "b.safetensors",
    )
    with npr.prune_weights(dense, p_prune=0.5):
        npr.save_packed(dense, file, made={"stage": "pruned"})
    packed = npr.load_network(f"packed:{file}")
    parameters = sum(parameter.numel() for parameter in dense.model.parameters())
    of = {
        "arch": "digits",
        "weights_sha256": dense.weights_sha256,
        "root_sha256": dense.weights_sha256,
        "parameters": parameters,
    }
    assert packed.made["of"] == of
    npr.save_packed(packed, again, made=packed.made)
    assert npr.load_network(f"packed:{again}").made["of"] == of
    with npr.prune_weights(packed, p_prune=0.9):
        npr.save_packed(packed, again, made=packed.made)
    wanted = {**of, "weights_sha256": packed.weights_sha256}
    assert npr.load_network(f"packed:{again}").made["of"] == wanted


def test_weights_of_another_network_without_neurons_are_refused(tmp_path):
    network = npr.load_network("digits")
    with npr.prune_neurons(network, p_prune=0.5, scope="layer"):
        image = torch.randn(1, *network.preprocessing.shape)
        removed = npr.remove_neurons(network, image, repeats=0)
    npr.save_packed(removed, file_of(tmp_path), network=network)
    with pytest.raises(npr.NetworkPruneError, match="doesn't fit the network: there is no layer"):
        npr.load_network("digits-plain", weights=file_of(tmp_path))


def test_code_is_not_run_because_a_file_says_so(tmp_path):
    path, trace = tmp_path / "nets.py", tmp_path / "was_run"
    path.write_text(
        f"import network_prune, pathlib\n"
        f"def net():\n"
        f"    pathlib.Path({str(trace)!r}).touch()\n"
        f"    return network_prune.load_network('digits').model\n"
    )
    own = {"resize": 32, "crop": 32, "mean": [0.5], "std": [0.5]}
    network = npr.load_network(f"{path}:net", preprocessing=own)
    with npr.prune_neurons(network, p_prune=0.5, scope="layer"):
        image = torch.randn(1, *network.preprocessing.shape)
        removed = npr.remove_neurons(network, image, repeats=0)
    npr.save_packed(removed, file_of(tmp_path), network=network)
    trace.unlink()
    with pytest.raises(
        npr.NetworkPruneError, match=r"may run code.*--arch .*nets.py:net --weights"
    ):
        npr.load_network(f"packed:{file_of(tmp_path)}")
    assert not trace.exists()
    found = npr.load_network(f"{path}:net", weights=file_of(tmp_path), preprocessing=own)
    assert torch.equal(found.model(image), removed.model(image))


def test_refusals_of_what_is_not_written(tmp_path):
    network = npr.load_network("digits")
    with pytest.raises(npr.NetworkPruneError, match=r"doesn't end in \.safetensors.*net\.safeten"):
        npr.save_packed(network, tmp_path / "net.pt")
    for made in ({"x": object()}, {"x": float("nan")}):
        with pytest.raises(npr.NetworkPruneError, match="isn't plain data for JSON"):
            npr.save_packed(network, file_of(tmp_path), made=made)
    network.model.register_buffer("more", torch.zeros(3))
    with pytest.raises(npr.NetworkPruneError, match=r"can't be built anew from digits.*more"):
        npr.save_packed(network, file_of(tmp_path))
    model = nn.Linear(3, 3)
    model.register_buffer("sparse", torch.eye(3).to_sparse())
    with pytest.raises(npr.NetworkPruneError, match="'sparse' in the network's state dict"):
        npr.save_packed(model, file_of(tmp_path))
    model = nn.Linear(3, 3)
    model.register_buffer("complex", torch.zeros(3, dtype=torch.complex128))
    with pytest.raises(npr.NetworkPruneError, match="can't be written as safetensors"):
        npr.save_packed(model, file_of(tmp_path))
    with pytest.raises(npr.NetworkPruneError, match=r"pass an nn\.Module"):
        npr.save_packed({}, file_of(tmp_path))
    assert not file_of(tmp_path).exists()


def test_names_of_parts_that_are_taken(tmp_path):
    class Odd(nn.Module):
        def state_dict(self, *_, **__):
            return {"a": torch.zeros(500), "a:mask": torch.ones(2), "b": torch.zeros(500)}

    npr.save_packed(Odd(), file_of(tmp_path))
    state = PackedFile(file_of(tmp_path)).state()
    assert same_states(state, Odd().state_dict())
    with safe_open(file_of(tmp_path), framework="pt") as file:
        assert set(file.keys()) == {"a", "a:mask", "b:mask", "b:kept"}


def test_squeezenet_of_deep_compression(tmp_path, test_data):
    name = "squeezenet1_0-deep-compression.safetensors"
    network = npr.load_network("squeezenet1_0", weights=test_data / name)
    npr.save_packed(network, file_of(tmp_path))
    dense = sum(value.nbytes for value in network.model.state_dict().values())
    assert file_of(tmp_path).stat().st_size < 0.4 * dense
    assert npr.load_network(f"packed:{file_of(tmp_path)}").weights_sha256 == network.weights_sha256
