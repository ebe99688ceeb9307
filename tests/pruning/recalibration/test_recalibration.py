"""BatchNorms get the statistics of what they take under masks, and their own ones back."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, TensorDataset

import network_prune as npr
import networks
import oracle
from network_prune.errors import StateError

NORMS = ("1", "4")


def network(**options) -> nn.Module:
    """Return a network of five steps; ``options`` are its norms'."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = nn.Sequential(
            nn.Conv2d(4, 6, 3),
            nn.BatchNorm2d(6, **options),
            nn.ReLU(),
            nn.Conv2d(6, 5, 3, bias=False),
            nn.BatchNorm2d(5, **options),
        )
        for module in model:
            if isinstance(module, nn.BatchNorm2d) and module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return model


def images(*sizes: int, seed: int = 3) -> list[torch.Tensor]:
    """Return batches of these sizes, each of other brightness."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, 4, 7, 7, generator=generator) + i for i, n in enumerate(sizes)]


def statistics(model: nn.Module) -> list[list[float]]:
    return [
        [each.tolist() for each in (module.running_mean, module.running_var)]
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None
    ]


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    granularity=st.sampled_from(["weight", "connection", "neuron"]),
    p_prune=st.floats(0, 1),
    momentum=st.sampled_from([0.1, 1.0, None]),
    affine=st.booleans(),
    is_training=st.booleans(),
    seed=st.integers(0, 9),
)
def test_statistics_are_those_of_all_that_a_norm_takes_under_the_masks(
    sizes, granularity, p_prune, momentum, affine, is_training, seed
):
    model = network(momentum=momentum, affine=affine).double().train(is_training)
    before = networks.snapshot(model)
    batches = images(*sizes, seed=seed)
    with npr.prune(model, npr.rank(model, granularity, p_prune=p_prune), p_bern=0.7, seed=seed):
        expected = oracle.running_statistics(model, batches)
        assert npr.recalibrate(model, batches) == NORMS
        for place, (mean, variance) in expected.items():
            norm = model[place]
            assert norm.running_mean.tolist() == pytest.approx(mean, rel=1e-9, abs=1e-9)
            assert norm.running_var.tolist() == pytest.approx(variance, rel=1e-9, abs=1e-9)
            assert norm.num_batches_tracked == len(sizes)
        assert [m.training for m in model.modules()] == [is_training] * 6
        assert model[1].momentum == momentum
    assert networks.snapshot(model) == before


def test_of_one_batch_they_are_update_bns_to_the_last_bit():
    model, theirs = network(), network()
    (batch,) = images(8)
    update_bn([batch], theirs)
    npr.recalibrate(model, batch)
    assert statistics(model) == statistics(theirs)


def test_timms_norms_with_activations_are_as_torchs():
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model("test_efficientnet")
    theirs = copy.deepcopy(model)
    batch = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    update_bn([batch], theirs)
    assert len(npr.recalibrate(model, batch)) == len(statistics(model)) > 10
    assert statistics(model) == statistics(theirs)


def test_of_equal_batches_means_are_update_bns_and_variances_have_what_differs_between_them():
    model, theirs = network(), network()
    batches = images(6, 6)
    update_bn(batches, theirs)
    npr.recalibrate(model, batches)
    for own, other in zip(statistics(model), statistics(theirs), strict=True):
        assert own[0] == pytest.approx(other[0], rel=1e-5, abs=1e-6)
    assert all(a > b for a, b in zip(model[1].running_var, theirs[1].running_var, strict=True))


def test_dropout_and_everything_else_stays_in_eval_mode():
    model = nn.Sequential(nn.Dropout(0.9), *network())
    plain = network()
    batches = images(4, 4)
    npr.recalibrate(model.train(), batches)
    npr.recalibrate(plain, batches)
    assert statistics(model) == statistics(plain)


@pytest.mark.parametrize("sizes", [(6,), (4, 3)])
def test_images_come_with_labels_or_without(sizes):
    wanted = network()
    npr.recalibrate(wanted, images(*sizes))
    labelled = [(batch, torch.zeros(len(batch), dtype=torch.long)) for batch in images(*sizes)]
    forms = {
        "list": images(*sizes),
        "tuple": tuple(images(*sizes)),
        "iterator": iter(images(*sizes)),
        "labelled": labelled,
        "labelled iterator": iter(labelled),
    }
    if len(sizes) == 1:
        forms["tensor"] = images(*sizes)[0]
        forms["pair"] = labelled[0]
        forms["dataset"] = TensorDataset(*labelled[0])
        forms["loader"] = DataLoader(TensorDataset(*labelled[0]), batch_size=6)
        forms["loader of images"] = DataLoader(images(*sizes)[0], batch_size=6)
    for name, data in forms.items():
        model = network()
        npr.recalibrate(model, data)
        assert statistics(model) == statistics(wanted), name


def test_one_tensor_is_cut_into_batches():
    model, wanted = network(), network()
    (batch,) = images(7)
    npr.recalibrate(model, batch, batch_size=3)
    npr.recalibrate(wanted, batch.split(3))
    assert statistics(model) == statistics(wanted)
    assert model[1].num_batches_tracked == 3


# --- put back -----------------------------------------------------------------------------


def kinds_of_norms() -> dict[str, tuple[nn.Module, torch.Tensor]]:
    flat = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return {
        "1d": (nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), flat),
        "1d of lines": (nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3)), flat.view(6, 2, 2)),
        "2d": (network(), images(6)[0]),
        "3d": (nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2)), flat.view(6, 1, 2, 2, 1)),
        "synchronised": (
            nn.SyncBatchNorm.convert_sync_batchnorm(network()),
            images(6)[0],
        ),
        "shared": (nn.Sequential(norm := nn.BatchNorm1d(4), nn.Linear(4, 4), norm), flat),
        "untracked among others": (
            nn.Sequential(nn.BatchNorm2d(4, track_running_stats=False), *network()),
            images(6)[0],
        ),
        "no more tracked": (untracked(network()), images(6)[0]),
        "frozen": (network().requires_grad_(False).eval(), images(6)[0]),
        "bfloat16": (network().bfloat16(), images(6)[0]),
        "with hooks": (networks.with_hooks(), images(6)[0]),
    }


def untracked(model: nn.Module) -> nn.Module:
    """Let norms use statistics that they don't track any more."""
    for norm in (model[1], model[4]):
        norm.track_running_stats = False
    return model


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("name", kinds_of_norms())
def test_every_kind_of_norm_gets_others_and_then_its_own_back(name, is_training):
    model, batch = kinds_of_norms()[name]
    model.train(is_training)
    before, own = networks.snapshot(model), statistics(model)
    npr.recalibrate(model, batch)
    assert all(a != b for a, b in zip(statistics(model), own, strict=True))
    npr.recalibrate(model, batch * 2)
    npr.restore(model)
    assert networks.snapshot(model) == before
    with pytest.raises(StateError, match="nothing to restore"):
        npr.restore(model)


@pytest.mark.parametrize("name", ["1d", "2d", "3d", "synchronised", "untracked among others"])
def test_every_kind_of_norm_passes_the_batch_on_normalised(name):
    model, batch = kinds_of_norms()[name]
    trained = copy.deepcopy(model).train()
    with torch.no_grad():
        wanted = trained(batch)
        npr.recalibrate(model, batch)
        found = model.eval()(batch)
    # In training the variance that divides is the biased one.
    assert torch.allclose(found, wanted, atol=0.35)
    assert (found - wanted).abs().mean() < 0.15


def test_a_norm_that_is_called_twice_pools_both_calls():
    norm = nn.BatchNorm1d(4, affine=False).double()
    norm.eps = 1e-300
    model = nn.Sequential(norm, nn.Linear(4, 4, bias=False).double(), norm)
    nn.init.eye_(model[1].weight)
    batch = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    npr.recalibrate(model, batch)
    normalised = (batch - batch.mean(0)) / batch.std(0, correction=0)
    both = torch.cat([batch, normalised])
    assert norm.running_mean.tolist() == pytest.approx(both.mean(0).tolist())
    assert norm.running_var.tolist() == pytest.approx(both.var(0).tolist())
    assert norm.num_batches_tracked == 2


def test_the_end_of_a_block_puts_them_back():
    model = network()
    before = networks.snapshot(model)
    with npr.prune_neurons(model, p_prune=0.5, with_norm=True) as pruned:
        npr.recalibrate(model, images(4, 4))
        pruned.redraw(3)
        npr.recalibrate(model, images(4, 4))
    assert networks.snapshot(model) == before
    prunable = npr.rank(model, p_prune=0.5)
    with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
        redrawer.redraw()
        npr.recalibrate(model, images(4, 4))
        redrawer.redraw()
    assert networks.snapshot(model) == before


def test_under_masks_and_in_place_they_are_the_same():
    masked, written = network(), network()
    prunable = npr.rank(masked, "neuron", p_prune=0.5)
    npr.prune(masked, prunable, p_bern=0.5, index=2)
    redrawer = npr.Redrawer(written, prunable, p_bern=0.5)
    redrawer.redraw(2)
    for model in (masked, written):
        npr.recalibrate(model, images(5, 4))
    assert statistics(masked) == statistics(written)


def test_a_copy_is_put_back_too():
    model = network()
    own = statistics(model)
    npr.prune_weights(model, p_prune=0.5)
    npr.recalibrate(model, images(4))
    twin = copy.deepcopy(model).double()
    npr.restore(twin)
    assert statistics(twin) == own
    assert statistics(model) != own


def test_state_dicts_have_the_new_statistics_under_the_usual_names():
    model, other = network(), network()
    npr.recalibrate(model, images(4))
    assert model.state_dict().keys() == other.state_dict().keys()
    other.load_state_dict(model.state_dict())
    assert statistics(other) == statistics(model)


def test_what_was_taken_from_the_network_before_isnt_written():
    model = network()
    state = model.state_dict()
    mean = state["1.running_mean"].tolist()
    npr.recalibrate(model, images(4))
    model.train()(images(4)[0])
    assert state["1.running_mean"].tolist() == mean


@pytest.mark.parametrize("is_pruned", [True, False])
def test_make_permanent_keeps_them(is_pruned):
    model = network()
    if is_pruned:
        npr.prune_weights(model, p_prune=0.5)
    npr.recalibrate(model, images(4))
    new, keys = statistics(model), [name for name, _ in model[1].named_buffers()]
    npr.make_permanent(model)
    assert statistics(model) == new
    assert [name for name, _ in model[1].named_buffers()] == keys[:3]
    assert not model[1]._non_persistent_buffers_set
    npr.prune_weights(model, p_prune=0.2).restore()
    assert statistics(model) == new


def test_copies_that_are_faster_fold_the_new_statistics():
    model = network().append(nn.AdaptiveAvgPool2d(1)).append(nn.Flatten()).eval()
    data = (torch.cat(images(6, 6)), torch.arange(12) % 5)
    dense = npr.evaluate(model, data)
    with npr.prune_weights(model, p_prune=0.5):
        stale = npr.evaluate(model, data)
        npr.recalibrate(model, data)
        folded = npr.evaluate(model, data)
        itself = npr.evaluate(model, data, fold=False, channels_last=False)
    assert folded.loss == pytest.approx(itself.loss, rel=1e-5)
    assert folded.loss != pytest.approx(stale.loss, rel=1e-3)
    assert npr.evaluate(model, data).loss_sum == dense.loss_sum


@pytest.mark.parametrize(
    "around", [torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", torch.bfloat16)]
)
def test_whatever_is_around_they_are_the_same_and_may_be_trained(around):
    model, wanted = network(), network()
    npr.recalibrate(wanted, images(4, 4))
    with around:
        npr.recalibrate(model, images(4, 4))
    assert statistics(model) == statistics(wanted)
    model.train()(images(4)[0]).sum().backward()


def test_what_is_compiled_is_recalibrated():
    model, wanted = network(), network()
    npr.recalibrate(wanted, images(4, 4))
    compiled = torch.compile(model, backend="eager")
    compiled.eval()(images(4)[0])
    npr.recalibrate(compiled, images(4, 4))
    assert statistics(model) == statistics(wanted)
