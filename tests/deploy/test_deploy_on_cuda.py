"""What cuts, times and trains networks does so on a GPU, too."""

import pytest
import torch

import network_prune as npr
import networks

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
CUDA = torch.device("cuda")


@pytest.fixture
def network():
    loaded = npr.load_network("digits")
    loaded.model.to(CUDA)
    return loaded


def pictures(count=4):
    return torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(0)).to(CUDA)


def test_neurons_are_removed_where_the_network_is(network):
    with npr.prune_neurons(network, p_prune=0.5, scope="layer"):
        removed = npr.remove_neurons(network, pictures(), repeats=2)
        with torch.no_grad():
            wanted = network.model(pictures())
    assert {tensor.device.type for tensor in removed.model.state_dict().values()} == {"cuda"}
    with torch.no_grad():
        torch.testing.assert_close(removed.model(pictures()), wanted, rtol=1e-3, atol=1e-3)
    assert removed.after.parameters < removed.before.parameters


def test_times_and_memory_are_the_gpus(network):
    found = npr.bench({"dense": network}, pictures(), repeats=3, progress=False)
    (row,) = found.rows
    assert row.peak_bytes > 0
    assert torch.cuda.get_device_name() in found.where


def test_a_retrained_network_comes_back_bit_for_bit(network):
    transform = network.preprocessing.transform()
    data = npr.load_data("digits:train", transform=transform, limit=64)
    before = networks.snapshot(network.model)
    with npr.retrain(network, data, p_prune=0.5, epochs=1) as retrained:
        for layer in retrained.draw.layers:
            weight = networks.weight_of(network.model, layer.name)
            assert not weight[~retrained.draw.mask(layer.name).to(CUDA)].any()
    assert networks.snapshot(network.model) == before


def test_a_packed_file_holds_the_same_bits(network, tmp_path):
    with npr.prune_weights(network, p_prune=0.5):
        npr.save_packed(network, tmp_path / "half.safetensors")
        npr.make_permanent(network.model)
    again = npr.load_network(f"packed:{tmp_path / 'half.safetensors'}").model
    for name, value in network.model.state_dict().items():
        assert networks.same_bits(again.state_dict()[name], value.cpu())
