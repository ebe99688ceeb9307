"""``retrain``: zeros stay zeros, the dense network comes back, and the same call gives the same."""

import contextlib
import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune
from torch.utils.data import DataLoader, Dataset, TensorDataset

import network_prune as npr
import networks
import oracle
from tests.deploy.retraining.small_retraining import (
    DATA,
    IMAGES,
    LABELS,
    network,
    retrain,
    weights,
)

OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
    "rmsprop": {"optimizer": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9)},
}


def zeros_of(draw, model):
    """Return the effective weights under a draw's masks, which should all be +0.0."""
    return torch.cat([networks.weight_of(model, n.name)[~draw.mask(n.name)] for n in draw.layers])


@pytest.mark.parametrize("options", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
@pytest.mark.parametrize("schedule", ["oneshot", "cubic"])
def test_zeros_stay_zeros_through_momentum_and_decay(options, schedule):
    model = network()
    result = retrain(model, schedule=schedule, **options)
    assert torch_prune.is_pruned(model)
    zeros = zeros_of(result.draw, model)
    assert len(zeros) == len(result.draw) == int(0.5 * 432)
    assert networks.same_bits(zeros, torch.zeros_like(zeros))
    originals = [getattr(m, f"{n}_orig") for m, n in networks.masked_tensors(model)]
    masks = [getattr(m, f"{n}_mask") for m, n in networks.masked_tensors(model)]
    for original, mask in zip(originals, masks, strict=True):
        under = original.detach()[mask == 0]
        assert networks.same_bits(under, torch.zeros_like(under))


@pytest.mark.parametrize("p_bern", [1.0, 0.5])
def test_masked_steps_are_those_of_the_slow_loop(p_bern):
    model, other = network(), network()
    batches = [(IMAGES[i : i + 6], LABELS[i : i + 6]) for i in (0, 6, 12)]
    draw = npr.rank(other, p_prune=0.6).draw(p_bern=p_bern, seed=4)
    keep = {f"{layer.name}.weight": draw.mask(layer.name) for layer in draw.layers}
    oracle.masked_sgd(other.train(), keep, batches * 2, lr=0.05, momentum=0.9, weight_decay=0.01)
    options = {"momentum": 0.9, "weight_decay": 0.01, "decay": "none"}
    result = retrain(model, batches, p_prune=0.6, p_bern=p_bern, seed=4, **options)
    assert result.draw == draw
    npr.make_permanent(model)
    for (name, found), wanted in zip(
        model.state_dict().items(), other.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.parametrize("name", sorted(set(networks.AWKWARD) - {"shared storage", "with hooks"}))
def test_the_network_comes_back_to_the_last_bit(name):
    model = networks.build(name)
    if not any(p.requires_grad for p in model.parameters()):
        model[1].requires_grad_(True)
    flat = nn.Sequential(model, Pooled())
    before = networks.snapshot(flat)
    images = torch.cat([networks.inputs(model)] * 2)
    data = (images, torch.tensor([0, 1, 1, 0]))
    with retrain(flat, data, epochs=1, lr=1e-3) as result:
        assert networks.snapshot(flat) != before
        assert result.history[0].pruning_ratio > 0.4
    assert networks.snapshot(flat) == before
    result.restore()
    assert networks.snapshot(flat) == before


class Pooled(nn.Module):
    def forward(self, x):
        return (x if x.dim() == 2 else x.flatten(2).mean(2)).float()


class Pictures(Dataset):
    """Images without labels, asked for by number."""

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, index):
        return IMAGES[index]


def test_it_comes_back_whatever_was_done_to_it_meanwhile():
    changes = (
        npr.restore,
        npr.make_permanent,
        lambda model: npr.recalibrate(model, IMAGES),
        lambda model: model.requires_grad_(False),
    )
    for change in changes:
        model = network()
        before = networks.snapshot(model)
        result = retrain(model)
        change(model)
        result.restore()
        assert networks.snapshot(model) == before


def test_restore_alone_takes_masks_off_and_leaves_what_was_trained():
    model = network()
    result = retrain(model)
    npr.restore(model)
    zeros = zeros_of(result.draw, model)
    assert len(zeros) == len(result.draw)
    assert not zeros.any()
    assert weights(model) != weights(network())


def test_the_same_call_gives_the_same_bits_and_disturbs_no_generator():
    torch.manual_seed(11)
    wanted = torch.random.get_rng_state()
    found = []
    for _ in range(2):
        model = network(dropout=0.3)
        retrain(model, schedule="linear", rounds=2)
        found.append(weights(model))
        torch.testing.assert_close(torch.random.get_rng_state(), wanted)
        torch.random.set_rng_state(wanted)
    assert found[0] == found[1]
    model = network(dropout=0.3)
    retrain(model, schedule="linear", rounds=2, seed=1)
    assert weights(model) != found[0]


def test_images_are_shuffled_in_each_epoch_but_for_batches():
    class Noted(TensorDataset):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index)

    seen = []
    retrain(network(), Noted(*DATA), batch_size=5)
    first, second = seen[:18], seen[18:]
    assert sorted(first) == sorted(second) == list(range(18))
    assert list(range(18)) != first != second
    seen.clear()
    retrain(network(), DataLoader(Noted(*DATA), batch_size=5), epochs=1)
    assert seen == list(range(18))


def test_a_dataset_and_the_same_images_in_memory_give_the_same():
    models = [network(), network()]
    for model, data in zip(models, (DATA, TensorDataset(*DATA)), strict=True):
        retrain(model, data)
    assert weights(models[0]) == weights(models[1])


def test_one_image_alone_at_the_end_is_left_out():
    result = retrain(network(), (IMAGES[:9], LABELS[:9]), epochs=1)
    assert result.history[0].loss > 0
    alone = retrain(network(), (IMAGES[:8], LABELS[:8]), epochs=1, batch_size=16)
    assert alone.history[0].loss > 0


def test_each_round_contains_the_one_before_and_spares_what_was_spared():
    pruned = []

    class Kept(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            pruned.append(model_of(self))

    def model_of(optimizer):
        return optimizer.param_groups[0]["params"][0].detach().clone()

    result = retrain(
        network(),
        schedule="linear",
        rounds=3,
        epochs=1,
        p_prune=0.9,
        p_bern=0.5,
        optimizer=lambda parameters: Kept(parameters, lr=0.01, momentum=0.9),
    )
    rows = result.history
    assert [row.p_prune for row in rows] == pytest.approx([0.3, 0.6, 0.9])
    assert [row.round for row in rows] == [1, 2, 3]
    assert rows[0].pruning_ratio < rows[1].pruning_ratio < rows[2].pruning_ratio < 0.6
    # The first convolution's weights: what is zero at the end of a round stays so.
    zero = [weight == 0 for weight in pruned[5::5]]
    for before, after in itertools.pairwise(zero):
        assert (after | ~before).all()
    assert result.draw == result.prunable.draw(p_bern=0.5, seed=0)


def test_an_already_sparse_network_keeps_what_was_pruned():
    model = network()
    with torch.no_grad():
        model[0].weight[:4] = 0.0
        model[4].weight[0] = 0.0
    result = retrain(model, schedule="linear", rounds=3, p_prune=0.3, lr=1e-30)
    zeros = zeros_of(result.draw, model)
    assert len(zeros) == int(0.3 * 432)
    assert not zeros.any()


def test_frozen_parameters_stay_as_they_are():
    model = network()
    model[4].requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    result = retrain(model, include=["0"], schedule="cubic")
    state = model.state_dict()
    assert all(torch.equal(state[name], before[name]) for name in before if name.startswith("4."))
    assert not torch.equal(state["1.weight"], before["1.weight"])
    assert not any(p.requires_grad for p in model[4].parameters())
    assert [layer.name for layer in result.draw.layers] == ["0"]


def test_modes_are_as_before_and_norms_learn_statistics():
    model = network().eval()
    before = copy.deepcopy(model[1].running_mean)
    retrain(model)
    assert not any(module.training for module in model.modules())
    assert not torch.equal(model[1].running_mean, before)


@pytest.mark.parametrize(
    "data",
    [IMAGES, list(IMAGES.split(6)), DataLoader(IMAGES, batch_size=6), Pictures()],
    ids=["tensor", "batches", "loader", "dataset"],
)
def test_the_dense_network_teaches_without_labels(data):
    model = network().eval()
    dense = copy.deepcopy(model)
    with npr.prune_weights(copy.deepcopy(model), p_prune=0.5) as pruned, torch.no_grad():
        untrained = (pruned.model(IMAGES) - dense(IMAGES)).square().mean()
    result = retrain(model, data, distill=True, epochs=60)
    with torch.no_grad():
        trained = (model(IMAGES) - dense(IMAGES)).square().mean()
    assert trained < untrained / 2
    assert result.history[-1].loss < result.history[0].loss
    assert not any(module.training for module in model.modules())


def test_distillation_looks_at_no_label():
    models = [network(), network()]
    retrain(models[0], (IMAGES, LABELS), distill=True)
    retrain(models[1], (IMAGES, LABELS.flip(0)), distill=True)
    assert weights(models[0]) == weights(models[1])


@pytest.mark.parametrize("amp_dtype", ["bfloat16", "float16"])
def test_mixed_precision_trains_float32_weights(amp_dtype):
    model, plain = network(), network()
    result = retrain(model, amp=True, amp_dtype=amp_dtype)
    retrain(plain)
    npr.make_permanent(model)
    npr.make_permanent(plain)
    for name, value in model.state_dict().items():
        assert value.dtype == plain.state_dict()[name].dtype
    torch.testing.assert_close(model[0].weight, plain[0].weight, rtol=0.2, atol=0.1)
    assert weights(model) != weights(plain)
    assert result.history[-1].loss > 0


def test_the_best_epoch_of_the_last_round_is_kept():
    model = network()
    test = (IMAGES[:7], LABELS[:7])
    options = {"validation": DATA, "test": test, "schedule": "linear", "rounds": 2}
    seen = []
    result = retrain(model, epochs=4, lr=0.4, decay="none", told=seen.append, **options)
    assert result.history == tuple(seen)
    last = [row for row in seen if row.round == 2]
    assert result.best == max(last, key=lambda row: (row.metrics.acc1, -row.metrics.loss))
    assert npr.evaluate(model, DATA, progress=False).hits1 == result.best.metrics.hits1
    retrained = result.figures["retrained"]
    assert npr.evaluate(model, test, progress=False).hits1 == retrained.metrics.hits1
    again = npr.evaluate(network(), test, progress=False)
    assert result.figures["dense"].metrics.hits1 == again.hits1
    with npr.prune_weights(network(), p_prune=0.5) as pruned:
        found = npr.evaluate(pruned.model, test, progress=False)
    assert result.figures["pruned"].metrics.hits1 == found.hits1
    gained = retrained.paired.gained1 - retrained.paired.lost1
    assert gained == retrained.metrics.hits1 - again.hits1
    assert "best: epoch" in str(result)
    assert "pruned, not retrained: Loss" in str(result)
    assert "<table>" in result._repr_html_()
    assert result.to_dict()["best_epoch"] == result.best.epoch
    assert "Retrained(Sequential, Draw(" in repr(result)
    result.restore()
    assert repr(result) == "Retrained(Sequential, restored)"


def test_neurons_go_with_their_norms():
    model = network()
    result = retrain(
        model, granularity="neuron", with_norm=True, exclude=["4"], schedule="linear", rounds=2
    )
    pruned = result.draw.pruned("0")
    assert int(pruned.sum()) == 3
    for tensor in (model[0].weight, model[1].weight, model[1].bias, model[0].bias):
        assert not tensor[pruned].any()
    with torch.no_grad():
        assert not model[:2](IMAGES)[:, pruned].any()


def test_fractions_by_layer_rise_together():
    result = retrain(network(), p_prune={"0": 0.8, "*": 0.4}, schedule="linear", rounds=2, epochs=1)
    assert result.draw.elements.counts == {"0": int(0.8 * 162), "4": int(0.4 * 270)}
    assert result.history[0].p_prune == pytest.approx(result.history[1].p_prune / 2)


def test_what_is_saved_is_the_retrained_network(tmp_path):
    model = npr.load_network("digits")
    data = npr.load_data("digits", transform=model.preprocessing.transform(), limit=64)
    result = retrain(model, data, epochs=1, lr=0.01, batch_size=32, test=data)
    result.save(tmp_path / "saved")
    again = npr.load_network("digits", weights=tmp_path / "saved" / "weights.safetensors")
    assert npr.evaluate(again, data).hits1 == result.figures["retrained"].metrics.hits1
    assert npr.Draw.load(tmp_path / "saved" / "draw.safetensors") == result.draw
    npr.make_permanent(model)
    assert weights(again.model) == weights(model.model)
    result.restore()
    with pytest.raises(npr.NetworkPruneError, match="the network was restored; retrain it again"):
        result.save(tmp_path / "saved")


def test_no_packed_file_is_kept_that_would_be_another_network(tmp_path):
    network = npr.load_network("digits")
    norm = next(m for m in network.model.modules() if isinstance(m, nn.BatchNorm2d))
    norm.eps = 1.0  # which its name doesn't say
    data = npr.load_data("digits:train", transform=network.preprocessing.transform(), limit=64)
    retrain(network, data, epochs=1, lr=0.01, batch_size=32).save(tmp_path / "saved")
    assert not (tmp_path / "saved" / "network.safetensors").exists()
    assert (tmp_path / "saved" / "weights.safetensors").exists()


def test_mixed_precision_computes_with_the_weights_of_each_step():
    """Casts of weights that PyTorch keeps for a forward must not serve the next one."""
    model = network()
    result = retrain(model, amp=True, epochs=30, lr=0.1)
    plain = retrain(network(), epochs=30, lr=0.1)
    assert result.history[-1].loss == pytest.approx(plain.history[-1].loss, rel=0.05)


@contextlib.contextmanager
def networks_in_float64():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def photographs():
    images = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    return images, torch.tensor([3, 1, 4, 1])


def test_resnet18_comes_back_and_keeps_its_zeros():
    from torchvision.models import resnet18

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = resnet18(num_classes=5)
    before = networks.snapshot(model)
    options = {"granularity": "connection", "schedule": "linear", "rounds": 2, "epochs": 1}
    result = retrain(model, photographs(), **options)
    zeros = zeros_of(result.draw, model)
    assert len(result.draw) == int(0.5 * result.draw.elements.all_count)
    assert networks.same_bits(zeros, torch.zeros_like(zeros))
    result.restore()
    assert networks.snapshot(model) == before


def test_a_network_of_two_thirds_zeros_grows_but_for_what_is_pruned(squeezenet):
    before = networks.snapshot(squeezenet)
    images, _ = photographs()
    result = retrain(squeezenet, images, distill=True, epochs=1, p_prune=0.3, lr=1e-4)
    zeros = zeros_of(result.draw, squeezenet)
    assert networks.same_bits(zeros, torch.zeros_like(zeros))
    # Zeros that aren't pruned are weights as any other.
    total = result.summary().total
    assert total.zero_before < 0.6 * total.weights
    result.restore()
    assert networks.snapshot(squeezenet) == before


@pytest.mark.parametrize(
    "mode",
    [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu"), networks_in_float64],
    ids=["no_grad", "inference", "autocast", "float64"],
)
def test_modes_around_it_change_nothing(mode):
    wanted, model = network(), network()
    retrain(wanted, validation=DATA)
    before = networks.snapshot(model)
    with mode():
        result = retrain(model, validation=DATA)
    assert weights(model) == weights(wanted)
    model(IMAGES).sum().backward()
    result.restore()
    assert networks.snapshot(model) == before
