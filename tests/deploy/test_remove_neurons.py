"""remove_neurons: a smaller network with the masked network's outputs."""

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from removable import LAYERS, NETWORKS, Residual, chain, stirred
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

import network_prune as npr
import networks
from network_prune.errors import ArgumentError, UnsupportedNetworkError

# Layers of some are refused with_norm, by rules that aren't removal's.
WITHOUT_NORM = ("transformer", "borrowed", "adding", "elsewhere")


def x(seed: int = 1) -> Tensor:
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def rank(model: nn.Module, p_prune: float = 0.5) -> npr.PrunableSet:
    there = {kind for kind in LAYERS if any(isinstance(m, kind) for m in model.modules())}
    kinds = [kind for kind in LAYERS if kind in there]
    odd = [name for name, _ in model.named_modules() if name == "odd"]  # ranking refuses it
    return npr.rank(model, "neuron", p_prune=p_prune, scope="layer", layers=kinds, exclude=odd)


def apart(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    one, other = one.detach(), other.detach()
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-30))


def removed_from(model: nn.Module, **options: object) -> npr.Removed:
    return npr.remove_neurons(model, x(), repeats=0, **options)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("with_norm", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_the_masked_network(name, with_norm):
    if with_norm and name in WITHOUT_NORM:
        pytest.skip("with_norm=True is refused")
    model = stirred(NETWORKS[name]())
    before = networks.snapshot(model)
    with npr.prune(model, rank(model), with_norm=with_norm):
        masked = networks.snapshot(model)
        removed = removed_from(model)
        assert networks.snapshot(model) == masked
        for seed in range(2, 6):
            with torch.no_grad():
                assert apart(removed.model(x(seed)), model(x(seed))) < 1e-5
    assert networks.snapshot(model) == before
    assert removed.cut
    assert removed.after.parameters < removed.before.parameters
    assert removed.after.multiply_adds < removed.before.multiply_adds
    assert not torch_prune.is_pruned(removed.model)


@settings(max_examples=60)
@given(
    st.sampled_from(list(NETWORKS)),
    st.sampled_from([0.1, 0.3, 0.5, 0.8, 1.0]),
    st.sampled_from([0.3, 0.7, 1.0]),
    st.booleans(),
    st.integers(0, 10_000),
)
def test_any_mask(name, p_prune, p_bern, with_norm, seed):
    model = stirred(NETWORKS[name](), seed)
    with_norm = with_norm and name not in WITHOUT_NORM
    npr.prune(model, rank(model, p_prune), p_bern=p_bern, seed=seed, with_norm=with_norm)
    removed = removed_from(model)
    with torch.no_grad():
        assert apart(removed.model(x(seed)), model(x(seed))) < 1e-5


def test_a_constant_is_right_at_padded_borders_and_within():
    """BatchNorm's constant through a padded convolution, which no bias of the next one can say."""
    model = stirred(
        nn.Sequential(
            nn.Conv2d(4, 3, 1, bias=False), nn.BatchNorm2d(3), nn.Conv2d(3, 1, 3, padding=1)
        )
    )
    with torch.no_grad():
        model[0].weight[1:] = 0.0
        norm = model[1]
        sent = norm.bias - norm.running_mean * norm.weight / (norm.running_var + norm.eps).sqrt()
    removed = removed_from(model)
    assert [cut.name for cut in removed.cut] == ["0", "1", "2"]
    assert removed.model[2].weight.shape == (1, 2, 3, 3)  # the neuron left, and one for constants
    out = removed.model(torch.zeros(1, 4, 5, 5))[0, 0]
    kernel = (model[2].weight[0] * sent.reshape(3, 1, 1)).sum(0)
    assert torch.allclose(out[2, 2], kernel.sum() + model[2].bias, atol=1e-5)
    assert torch.allclose(out[0, 0], kernel[1:, 1:].sum() + model[2].bias, atol=1e-5)


def test_sizes_by_hand():
    model = stirred(
        nn.Sequential(
            nn.Conv2d(4, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3)
        )
    )
    with npr.prune_neurons(model, p_prune=0.5, scope="layer", with_norm=True, exclude=["3"]):
        removed = removed_from(model)
    assert [(cut.name, cut.inputs, cut.outputs) for cut in removed.cut] == [
        ("0", (4, 4), (8, 4)),
        ("1", (8, 4), (8, 4)),
        ("3", (8, 4), (6, 6)),
    ]
    assert removed.before.parameters == 4 * 8 * 9 + 2 * 8 + 8 * 6 * 9 + 6
    assert removed.after.parameters == 4 * 4 * 9 + 2 * 4 + 4 * 6 * 9 + 6
    # Two images, 6 by 6 and 4 by 4 places.
    assert removed.before.multiply_adds == 2 * (36 * 4 * 8 * 9 + 16 * 8 * 6 * 9)
    assert removed.after.multiply_adds == 2 * (36 * 4 * 4 * 9 + 16 * 4 * 6 * 9)
    assert removed.left == {}


def test_nothing_between_agreeing_layers_is_picked_or_put():
    model = stirred(chain())
    with npr.prune_neurons(model, p_prune=0.5, scope="layer", with_norm=True, exclude=["6"]):
        removed = removed_from(model)
    assert [type(module) for module in removed.model] == [type(module) for module in model]


def test_branches_that_disagree_are_put_where_they_belong():
    model = stirred(Residual())
    with npr.prune(model, rank(model), with_norm=True):
        removed = removed_from(model)
    made = {cut.name: cut.outputs for cut in removed.cut}
    assert made["blocks.0.0"] == made["blocks.1.3"] == (8, 4)
    first, second = (removed.model.blocks[number][4] for number in (0, 1))
    assert len(first.put) == len(second.put) > 4
    assert first.put.tolist() != second.put.tolist()
    assert first.constants.tolist() == [0.0]


def test_a_layer_without_any_neuron_left():
    model = stirred(chain())
    with npr.prune_neurons(model, p_prune=1.0, include=["3"], with_norm=True):
        removed = removed_from(model)
        with torch.no_grad():
            assert apart(removed.model(x(2)), model(x(2))) < 1e-5
    # A convolution has at least one channel. The last one's outputs are its biases, filled in.
    assert {cut.name: cut.outputs[1] for cut in removed.cut} == {
        "0": 1, "1": 1, "3": 1, "4": 1, "6": 1
    }  # fmt: skip


def test_it_is_trained_saved_and_loaded_as_any_network():
    model = stirred(Residual())
    with npr.prune(model, rank(model)):
        smaller = removed_from(model).model
    pickled = io.BytesIO()
    torch.save(smaller, pickled)
    pickled.seek(0)
    loaded = torch.load(pickled, weights_only=False)
    other = copy.deepcopy(smaller)
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    other.load_state_dict(smaller.state_dict())
    want = smaller(x())
    assert torch.equal(loaded(x()), want)
    assert torch.equal(other(x()), want)
    want.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in smaller.parameters())
    assert smaller.train()(x()).shape == want.shape


def test_gradients_of_the_input_are_the_masked_networks():
    model = stirred(Residual())
    with npr.prune(model, rank(model)):
        smaller = removed_from(model).model
        gradients = []
        for network in (smaller, model):
            image = x(4).requires_grad_()
            network(image).square().sum().backward()
            gradients.append(image.grad)
    assert apart(*gradients) < 1e-5


@pytest.mark.parametrize("kind", ["bfloat16", "float64", "channels_last", "frozen"])
def test_the_weights_kind_is_kept(kind):
    model = stirred(chain())
    if kind == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    elif kind == "frozen":
        model.requires_grad_(False)
    else:
        model = model.to(getattr(torch, kind))
    image = x().to(model[0].weight.dtype)
    npr.prune(model, rank(model))
    smaller = npr.remove_neurons(model, image, repeats=0).model
    for module in smaller.modules():
        if type(module) is nn.Conv2d:
            assert module.weight.dtype == image.dtype
            assert module.weight.requires_grad == (kind != "frozen")
            if kind == "channels_last":
                assert module.weight.is_contiguous(memory_format=torch.channels_last)
    close = {"bfloat16": 16 * 2**-7}.get(kind, 1e-5)
    assert apart(smaller(image).double(), model(image).double()) < close


def test_zeros_without_a_mask_go_too():
    model = stirred(chain())
    with npr.prune(model, rank(model)):
        masked = removed_from(model)
        npr.make_permanent(model)
        permanent = removed_from(model)
    assert permanent.cut == masked.cut


def test_costs_and_the_table():
    model = stirred(chain())
    npr.prune(model, rank(model))
    removed = npr.remove_neurons(model, x(), repeats=3)
    assert removed.before.seconds > 0
    assert removed.after.seconds > 0
    state = removed.model.state_dict()
    assert removed.after.state_bytes == sum(t.numel() * t.element_size() for t in state.values())
    text = str(removed)
    assert "parameters" in text
    assert f"{removed.after.parameters:,}" in text
    assert "ms a forward" in text
    assert "<table>" in removed._repr_html_()
    assert removed.to_dict()["after"]["parameters"] == removed.after.parameters
    assert "ms a forward" not in str(npr.remove_neurons(model, x(), repeats=0))


def test_nothing_to_remove_is_said():
    model = stirred(chain())
    removed = removed_from(model)
    assert removed.cut == ()
    assert "nothing to remove" in str(removed)
    assert "nothing to remove" in repr(removed)
    assert torch.equal(removed.model(x()), model(x()))


def test_what_is_left_is_said_by_name():
    model = stirred(NETWORKS["borrowed"]())
    npr.prune(model, rank(model))
    left = removed_from(model).left
    assert "read without calling it" in left["read"]
    assert "more than once" in left["twice"]
    assert "shares" in left["tied"]
    assert "shares" in left["other"]
    assert "attention" in " ".join(_left_of("transformer"))


def _left_of(name: str) -> list[str]:
    model = stirred(NETWORKS[name]())
    npr.prune(model, rank(model))
    return [f"{path}: {why}" for path, why in removed_from(model).left.items()]


def test_excluded_layers_stay_as_they_are():
    model = stirred(chain())
    npr.prune(model, rank(model))
    removed = removed_from(model, exclude=["3"])
    assert removed.left["3"] == "it is excluded"
    assert "3" not in [cut.name for cut in removed.cut]
    assert removed.model[3].weight.shape == (8, 8, 3, 3)


class Widths(nn.Sequential):
    """Computes by a width that it holds on its own."""

    def forward(self, x: Tensor) -> Tensor:
        made = self[0](x)
        made = made.view(len(made), 8, -1)
        return self[1](made.reshape(len(made), 8, 6, 6).relu())


def test_a_width_that_the_networks_code_holds_keeps_what_is_between_layers():
    model = stirred(Widths(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 3, 3)))
    npr.prune(model, rank(model))
    removed = removed_from(model)
    assert removed.model[0].layer.weight.shape == (4, 4, 3, 3)
    assert removed.model[1].layer.weight.shape[1] < 8
    # The attributes that it hasn't are the layer's.
    assert removed.model[0].weight is removed.model[0].layer.weight
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = removed.model[0].nothing_such


class Sly(nn.Sequential):
    """Looks at its layer's shape in a way that no operation shows."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self[0].weight.shape[0]


class Decides(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        made = super().forward(x)
        return made if made.sum() > 0 else -made


def test_a_network_that_would_compute_something_else_is_refused():
    model = stirred(Sly(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3)))
    npr.prune(model, rank(model))
    with pytest.raises(UnsupportedNetworkError, match=r"outputs would differ by .* among 0, 2"):
        removed_from(model)
    assert removed_from(model, exclude=["0"]).cut


def test_a_network_that_decides_by_numbers_is_refused():
    model = stirred(Decides(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3)))
    npr.prune(model, rank(model))
    with pytest.raises(UnsupportedNetworkError, match="decides by numbers"):
        removed_from(model)


def test_other_refusals():
    model = stirred(chain())
    npr.prune(model, rank(model))
    with pytest.raises(ArgumentError, match="holds no tensor; pass what the network is called"):
        npr.remove_neurons(model, (3,))
    with pytest.raises(ArgumentError, match="repeats=-1 is too small"):
        npr.remove_neurons(model, x(), repeats=-1)
    with pytest.raises(ArgumentError, match="unknown layer or pattern 'conv9'"):
        removed_from(model, exclude=["conv9"])
    with pytest.raises(ArgumentError, match="exclude takes a list"):
        removed_from(model, exclude="3")
    with pytest.raises(UnsupportedNetworkError, match=r"failed on example_input .* pass what"):
        npr.remove_neurons(model, torch.randn(1, 3, 8, 8))
    with pytest.raises(UnsupportedNetworkError, match="doesn't give finite numbers"):
        npr.remove_neurons(model, x() * float("nan"))
    npr.restore(model)
    model[0].register_forward_hook(lambda module, inputs, output: None)
    with pytest.raises(UnsupportedNetworkError, match=r"can't be copied to remove neurons.*hooks"):
        removed_from(model)


def test_arguments_beside_a_tensor():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Conv2d(4, 8, 3)
            self.last = nn.Conv2d(8, 3, 3)

        def forward(self, image: Tensor, scale: float) -> dict[str, Tensor]:
            return {"made": self.last(F.relu(self.one(image)) * scale)}

    model = stirred(Two())
    npr.prune(model, rank(model))
    removed = npr.remove_neurons(model, (x(), 0.5), repeats=0)
    assert apart(removed.model(x(3), 2.0)["made"], model(x(3), 2.0)["made"]) < 1e-5
