"""A pruned network is one of torch.nn.utils.prune's, and computes with exact zeros."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import network_prune as npr
import networks


def test_torch_sees_a_pruned_network():
    model = networks.build("plain")
    assert not torch_prune.is_pruned(model)
    with npr.prune_weights(model, p_prune=0.5):
        assert torch_prune.is_pruned(model)
        assert list(model[0]._parameters) == ["weight_orig", "bias"]
        assert list(model[3]._parameters) == ["weight_orig", "bias"]
        assert list(model[0]._buffers) == ["weight_mask"]
        assert model[0].weight_mask.dtype is torch.float32
        assert isinstance(model[0].weight_orig, nn.Parameter)
        assert not isinstance(model[0].weight, nn.Parameter)
    assert not torch_prune.is_pruned(model)


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
@pytest.mark.parametrize("name", [n for n in networks.AWKWARD if n != "half"])
def test_computes_what_the_network_with_zeros_written_by_hand_does(name, granularity):
    model = networks.build(name).eval()
    prunable = npr.rank(model, granularity, p_prune=0.6)
    with npr.prune(model, prunable, p_bern=0.5, seed=9) as pruned, torch.no_grad():
        for _ in range(2):
            by_hand = networks.zeroed_by_hand(lambda: networks.build(name).eval(), pruned.draw)
            x = networks.inputs(model)
            assert networks.same_bits(model(x), by_hand(x))
            pruned.redraw()


def test_a_shared_weight_counts_once_and_is_masked_in_every_layer():
    for name in ("tied", "shared storage"):
        model = networks.build(name)
        found = npr.rank(model, p_prune=0.5)
        assert [layer.name for layer in found.layers] == ["first", "between"]
        assert found.elements.elements == 144 + 16
        with npr.prune(model, found) as pruned:
            keep = pruned.draw.mask("first")
            for layer in (model.first, model.second):
                assert torch.equal(layer.weight_mask, keep.float())
                assert not layer.weight[~keep].any()


def test_an_embedding_shares_the_mask_of_its_linear_layer():
    model = networks.build("plain")
    model = networks.TiedEmbedding()
    before = networks.snapshot(model)
    with npr.prune_weights(model, p_prune=0.5, layers=(nn.Linear,)) as pruned:
        model(networks.inputs()).sum().backward()
        keep = pruned.draw.mask("head")
        assert torch.equal(model.embed.weight != 0, keep)
        assert torch.equal(model.head.weight != 0, keep)
        assert not model.embed.weight_orig.grad[~keep].any()
    model.zero_grad()
    assert networks.snapshot(model) == before


@pytest.mark.parametrize("value", [float("nan"), -0.0, float("inf"), float("-inf"), -1.0])
@pytest.mark.parametrize("name", ["plain", "frozen", "half"])
def test_masked_weights_are_positive_zero_whatever_stands_below(name, value):
    model = networks.build(name).eval()
    with npr.prune_weights(model, p_prune=0.5) as pruned, torch.no_grad():
        dead = ~pruned.draw.mask("0")
        model[0].weight_orig[dead] = value
        if name != "half":
            assert bool(model(networks.inputs()).isfinite().all())
        else:
            model[0]._forward_pre_hooks[next(iter(model[0]._forward_pre_hooks))](model[0], ())
        assert not model[0].weight[dead].any()
        assert not model[0].weight[dead].signbit().any()


def test_a_frozen_network_computes_its_masked_weights_once():
    model = networks.build("frozen")
    x = networks.inputs()
    npr.prune_weights(model, p_prune=0.5)
    first = model[0].weight
    for _ in range(3):
        model(x)
        model(x.clone().requires_grad_()).sum().backward()
    with torch.inference_mode():
        model(x)
    assert model[0].weight is first

    with torch.no_grad():
        model[0].weight_orig.mul_(2)
    model(x)
    doubled = model[0].weight
    assert doubled is not first
    assert torch.equal(doubled, 2 * first)

    model.load_state_dict({**model.state_dict(), "0.weight_orig": torch.ones(8, 4, 3, 3)})
    model(x)
    assert torch.equal(model[0].weight, model[0].weight_mask.float())

    model[0].weight_mask[0] = True
    model(x)
    assert bool(model[0].weight[0].all())


def test_a_frozen_network_follows_new_data():
    model = networks.build("frozen")
    npr.prune_weights(model, p_prune=0.5)
    model(networks.inputs())
    model[0].weight_orig.data = torch.full((8, 4, 3, 3), 3.0)
    model(networks.inputs())
    assert torch.equal(model[0].weight, model[0].weight_mask * 3.0)


def test_freezing_after_training_leaves_no_graph_behind():
    model = networks.build("frozen")
    npr.prune_weights(model, p_prune=0.5)
    x = networks.inputs(requires_grad=True)
    model(x)
    model.requires_grad_(True)
    model(x)
    model.requires_grad_(False)
    for _ in range(2):
        model(x).sum().backward()
        assert model[0].weight.grad_fn is None


def test_training_under_masks_moves_only_what_is_kept():
    model = networks.build("plain")
    pruned = npr.prune_weights(model, p_prune=0.5)
    keep = pruned.draw.mask("0")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    start = model[0].weight_orig.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        model(networks.inputs()).square().sum().backward()
        assert not model[0].weight_orig.grad[~keep].any()
        optimizer.step()
        with torch.no_grad():
            model(networks.inputs())
        assert torch.equal(model[0].weight, torch.where(keep, model[0].weight_orig, 0.0))
    assert torch.equal(model[0].weight_orig[~keep], start[~keep])
    assert bool((model[0].weight_orig != start)[keep].any())


def test_data_edits_of_trainable_weights_show_in_the_next_forward():
    model = networks.build("plain")
    pruned = npr.prune_weights(model, p_prune=0.5)
    model[0].weight_orig.data.fill_(7.0)
    model(networks.inputs())
    assert torch.equal(model[0].weight, pruned.draw.mask("0") * 7.0)


def test_gradients_equal_those_of_the_network_with_zeros():
    model = networks.build("plain")
    pruned = npr.prune_weights(model, p_prune=0.5)
    by_hand = networks.zeroed_by_hand(lambda: networks.build("plain"), pruned.draw)
    x, y = networks.inputs(requires_grad=True), networks.inputs(requires_grad=True)
    for _ in range(2):
        model(x).square().sum().backward()
        by_hand(y).square().sum().backward()
    keep = pruned.draw.mask("0")
    assert torch.equal(x.grad, y.grad)
    assert torch.equal(model[0].weight_orig.grad, torch.where(keep, by_hand[0].weight.grad, 0.0))


@pytest.mark.parametrize("name", ["plain", "frozen", "tied"])
def test_forwards_with_two_draws_join_in_one_backward(name):
    model = networks.build(name).eval()
    pruned = npr.prune_weights(model, p_prune=0.8, p_bern=0.5)
    x = networks.inputs(requires_grad=True)
    singles = []
    for index in (0, 1):
        pruned.redraw(index)
        (grad,) = torch.autograd.grad(model(x).square().sum(), x)
        singles.append(grad)
    pruned.redraw(0)
    loss = model(x).square().sum()
    pruned.redraw(1)
    loss = loss + model(x).square().sum()
    pruned.redraw(2)
    loss.backward()
    assert not torch.equal(singles[0], singles[1])
    torch.testing.assert_close(x.grad, singles[0] + singles[1])


def test_a_redraw_does_not_disturb_a_graph_that_is_alive():
    model = networks.build("plain").eval()
    pruned = npr.prune_weights(model, p_prune=0.8, p_bern=0.5)
    x = networks.inputs(requires_grad=True)
    (expected,) = torch.autograd.grad(model(x).square().sum(), x)
    loss = model(x).square().sum()
    pruned.redraw()
    pruned.restore()
    loss.backward()
    assert torch.equal(x.grad, expected)


@pytest.mark.parametrize("name", ["plain", "frozen"])
def test_inference_mode_first_and_gradients_after(name):
    model = networks.build(name).eval()
    before = networks.snapshot(model)
    x = networks.inputs()
    with torch.inference_mode():
        pruned = npr.prune_weights(model, p_prune=0.8, p_bern=0.5)
        model(x)
        pruned.redraw()
        out = model(x).clone()
    live = x.clone().requires_grad_()
    again = model(live)
    assert torch.equal(again.detach(), out)
    again.sum().backward()
    assert live.grad is not None
    model.zero_grad()
    with torch.inference_mode():
        pruned.restore()
    assert networks.snapshot(model) == before


def test_masks_lie_in_memory_as_their_weights_do():
    model = networks.build("channels_last")
    with npr.prune_weights(model, p_prune=0.5):
        for layer in (model[0], model[3]):
            assert layer.weight_mask.is_contiguous(memory_format=torch.channels_last)
            assert layer.weight.stride() == layer.weight_orig.stride()


def test_redraw_equals_a_fresh_prune_and_counts_up_by_default():
    model, other = networks.build("plain"), networks.build("plain")
    prunable = npr.rank(model, p_prune=0.6)
    pruned = npr.prune(model, prunable, p_bern=0.5, seed=4, index=10)
    for index, ask in [(11, None), (3, 3), (4, None)]:
        pruned.redraw(ask)
        assert pruned.draw == prunable.draw(p_bern=0.5, seed=4, index=index)
        with npr.prune(other, prunable, p_bern=0.5, seed=4, index=index):
            assert torch.equal(model[0].weight, other[0].weight)
            assert torch.equal(model[3].weight_mask, other[3].weight_mask)


def test_compiled_to_eager_switches_keep_the_values():
    model = networks.build("frozen")
    pruned = npr.prune_weights(model, p_prune=0.5)
    compiled = torch.compile(model, backend="eager")
    x = networks.inputs()
    for _ in range(2):
        with torch.no_grad():
            assert torch.equal(compiled(x), model(x))
        pruned.redraw()


def test_a_pickled_state_dict_brings_weights_and_masks_back(tmp_path):
    model, other = networks.build("plain"), networks.build("plain")
    with npr.prune_weights(model, p_prune=0.5, seed=1):
        torch.save(model.state_dict(), tmp_path / "state.pt")
        x, state = networks.inputs(), torch.load(tmp_path / "state.pt", weights_only=True)
        with npr.prune_weights(other, p_prune=0.5, seed=2), torch.no_grad():
            other.load_state_dict(state)
            assert networks.same_bits(other.eval()(x), model.eval()(x))
