"""Restore: the network is what it was, down to names, order, objects, memory, bits and hooks."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import network_prune as npr
import networks
from network_prune.pruning.masks.mask_hook import MaskMethod

SHORTCUTS = {
    "weight": npr.prune_weights,
    "connection": npr.prune_connections,
    "neuron": npr.prune_neurons,
}


def can_run(model: nn.Module) -> bool:
    return next(model.parameters()).dtype is not torch.float16


@pytest.mark.parametrize("granularity", SHORTCUTS)
@pytest.mark.parametrize("name", networks.AWKWARD)
def test_restore_after_forwards_and_redraws(name, granularity):
    model = networks.build(name).eval()
    before = networks.snapshot(model)
    x = networks.inputs(model)
    with torch.no_grad():
        dense = model(x) if can_run(model) else None
    pruned = SHORTCUTS[granularity](model, p_prune=0.7, p_bern=0.5, seed=3)
    for index in [None, None, 0, 2**40, 7]:
        if can_run(model):
            with torch.no_grad():
                model(x)
        pruned.redraw(index)
    assert networks.snapshot(model) != before
    pruned.restore()
    assert networks.snapshot(model) == before
    if dense is not None:
        with torch.no_grad():
            assert networks.same_bits(model(x), dense)


@pytest.mark.parametrize("name", networks.AWKWARD)
def test_leaving_the_context_restores_also_after_an_exception(name):
    model = networks.build(name)
    before = networks.snapshot(model)

    def interrupted() -> None:
        with npr.prune_weights(model, p_prune=0.5) as pruned:
            pruned.redraw(5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert networks.snapshot(model) == before


@pytest.mark.parametrize("name", networks.AWKWARD)
def test_the_module_function_restores_without_the_handle(name):
    model = networks.build(name)
    before = networks.snapshot(model)
    npr.prune_weights(model, p_prune=1.0)
    npr.restore(model)
    assert networks.snapshot(model) == before


@pytest.mark.parametrize("method", ["attach", "apply_mask"])
@pytest.mark.parametrize("name", ["plain", "tied", "parameters in another order"])
@pytest.mark.parametrize("fatal", [1, 2, 3])
def test_a_failure_while_the_masks_are_put_on_undoes_them(monkeypatch, name, method, fatal):
    model = nn.Sequential(networks.build(name), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    before = networks.snapshot(model)
    original, calls = getattr(MaskMethod, method), []

    def failing(self, *args):
        calls.append(self)
        if len(calls) == fatal:
            raise MemoryError("no room for a mask")
        return original(self, *args)

    monkeypatch.setattr(MaskMethod, method, failing)
    with pytest.raises(MemoryError):
        npr.prune_weights(model, p_prune=0.5)
    assert networks.snapshot(model) == before


def test_a_failure_while_the_hook_is_put_on_undoes_it(monkeypatch):
    model = networks.build("plain")
    before = networks.snapshot(model)

    def failing(*args):
        raise MemoryError

    monkeypatch.setattr(model[3], "register_forward_pre_hook", failing)
    marked = networks.snapshot(model)
    with pytest.raises(MemoryError):
        npr.prune_weights(model, p_prune=0.5)
    assert networks.snapshot(model) == marked
    monkeypatch.undo()
    assert networks.snapshot(model) == before


def test_restore_with_norms():
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1))
    before = networks.snapshot(model.eval())
    with npr.prune_neurons(model, p_prune=0.6, p_bern=0.5, with_norm=True) as pruned:
        assert len(networks.masked_tensors(model)) == 6
        for _ in range(4):
            model(networks.inputs())
            pruned.redraw()
    assert networks.snapshot(model) == before


def test_restore_takes_off_what_torch_stacked_on_top():
    model = networks.build("plain")
    before = networks.snapshot(model)
    with npr.prune_weights(model, p_prune=0.3):
        torch_prune.l1_unstructured(model[0], "weight", amount=0.5)
        torch_prune.ln_structured(model[3], "weight", amount=0.5, n=1, dim=0)
        model(networks.inputs()).sum().backward()
        for module in (model[0], model[3]):
            module.weight_orig.grad = None
        for module in model:
            for parameter in module.parameters():
                parameter.grad = None
        model[1].num_batches_tracked.zero_()
        model[1].running_mean.zero_()
        model[1].running_var.fill_(1)
    assert networks.snapshot(model) == before


def test_another_mask_of_the_users_own_on_the_bias_stays():
    model = networks.build("plain")
    pruned = npr.prune_weights(model, p_prune=0.3)
    torch_prune.random_unstructured(model[0], "bias", amount=0.5)
    pruned.restore()
    assert networks.masked_tensors(model) == [(model[0], "bias")]


def test_restore_keeps_what_was_trained_meanwhile():
    model = networks.build("plain")
    before = networks.snapshot(model)
    pruned = npr.prune_weights(model, p_prune=0.5)
    model[0].weight_orig.data.mul_(2)
    trained = model[0].weight_orig.detach().clone()
    pruned.restore()
    assert networks.same_bits(model[0].weight, trained)
    assert networks.snapshot(model)["named_parameters"] == before["named_parameters"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["plain", "frozen", "tied", "shared storage"])
def test_converting_a_pruned_network_converts_its_masked_weights(name, dtype):
    model, plain = networks.build(name).eval(), networks.build(name).eval().to(dtype)
    pruned = npr.prune_weights(model, p_prune=0.5)
    draw = pruned.draw
    model.to(dtype)
    if dtype is not torch.float16:
        model(networks.inputs(model))
        modules = dict(model.named_modules())
        for layer in draw.layers:
            assert modules[layer.name].weight.dtype is dtype
            zero = modules[layer.name].weight == 0
            assert torch.equal(zero, ~draw.mask(layer.name))
    pruned.restore()
    state, wanted = model.state_dict(), plain.state_dict()
    assert list(state) == list(wanted)
    assert all(networks.same_bits(state[key], wanted[key]) for key in wanted)


def test_gradients_and_optimizer_state_belong_to_the_same_parameters():
    model = networks.build("plain")
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    with npr.prune_weights(model, p_prune=0.5) as pruned:
        for _ in range(2):
            optimizer.zero_grad()
            model(networks.inputs()).square().sum().backward()
            optimizer.step()
        grads = {layer: model.get_submodule(layer).weight_orig.grad for layer in ("0", "3")}
        for layer, grad in grads.items():
            assert not grad[~pruned.draw.mask(layer)].any()
    for layer, grad in grads.items():
        weight = model.get_submodule(layer).weight
        assert weight.grad is grad
        assert "momentum_buffer" in optimizer.state[weight]


# --- copies -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in networks.AWKWARD if n != "half"])
def test_a_deep_copy_of_a_pruned_network_is_independent(name):
    model = networks.build(name).eval()
    before = networks.snapshot(model)
    plain = {key: value.clone() for key, value in model.state_dict().items()}
    pruned = npr.prune_weights(model, p_prune=0.5, p_bern=0.5)
    out = model(networks.inputs(model))
    twin = copy.deepcopy(model)
    masked = networks.snapshot(model)

    assert networks.same_bits(twin(networks.inputs(model)), out)
    if any(p.requires_grad for p in twin.parameters()):
        twin(networks.inputs(model, requires_grad=True)).square().sum().backward()
    npr.restore(twin)
    assert networks.snapshot(model) == masked
    state = twin.state_dict()
    assert list(state) == list(plain)
    assert all(networks.same_bits(state[key], plain[key]) for key in plain)
    pruned.restore()
    assert networks.snapshot(model) == before


def test_a_deep_copy_prunes_on_after_the_original_was_restored():
    model = networks.build("plain")
    pruned = npr.prune_weights(model, p_prune=0.5)
    twin = copy.deepcopy(model)
    pruned.restore()
    twin(networks.inputs()).sum().backward()
    assert not twin[0].weight[~pruned.draw.mask("0")].any()
    assert torch_prune.is_pruned(twin)
    npr.make_permanent(twin)
    assert bool(model[0].weight.all())


def test_the_handle_of_the_original_leaves_the_copy_alone():
    model = networks.build("plain")
    pruned = npr.prune_weights(model, p_prune=1.0, p_bern=0.5)
    twin = copy.deepcopy(model)
    masked = twin[0].weight_mask.clone()
    pruned.redraw()
    pruned.restore()
    twin(networks.inputs())
    assert torch.equal(twin[0].weight_mask, masked)


@pytest.mark.parametrize("name", ["plain", "frozen", "tied", "attention"])
def test_saving_and_loading_the_whole_module_keeps_the_masks(name, tmp_path):
    model = networks.build(name).eval()
    plain = {key: value.clone() for key, value in model.state_dict().items()}
    npr.prune_weights(model, p_prune=0.5, p_bern=0.5)
    out = model(networks.inputs())
    torch.save(model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    assert torch_prune.is_pruned(loaded)
    assert networks.same_bits(loaded(networks.inputs()), out)
    twin = copy.deepcopy(loaded)
    assert networks.same_bits(twin(networks.inputs()), out)
    for one in (loaded, twin):
        npr.restore(one)
        assert all(networks.same_bits(one.state_dict()[key], plain[key]) for key in plain)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated:UserWarning")
def test_a_loaded_module_can_be_copied_before_its_first_forward(tmp_path):
    model = networks.build("plain").eval()
    npr.prune_weights(model, p_prune=0.5)
    out = model(networks.inputs())
    torch.save(model, tmp_path / "model.pt")
    twin = copy.deepcopy(torch.load(tmp_path / "model.pt", weights_only=False))
    assert networks.same_bits(twin(networks.inputs()), out)


@pytest.mark.parametrize("name", ["plain", "frozen", "channels_last", "bfloat16"])
def test_a_state_dict_carries_weights_and_masks_to_another_pruned_network(name):
    one, other = networks.build(name).eval(), networks.build(name).eval()
    npr.prune_weights(one, p_prune=0.8, p_bern=0.5, seed=1)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    before = networks.snapshot(other)
    pruned = npr.prune_weights(other, p_prune=0.8, p_bern=0.5, seed=2)
    x = networks.inputs(one)
    with torch.no_grad():
        other(x)
        other.load_state_dict(one.state_dict())
        assert networks.same_bits(other(x), one(x))
    pruned.restore()
    assert networks.snapshot(other)["named_parameters"] == before["named_parameters"]
    npr.restore(one)
    with torch.no_grad():
        assert networks.same_bits(other(x), one(x))
