"""Augmentations give the networks that a slow loop makes by hand, and leave the originals alone."""

import pytest
import torch
from torch import nn

import network_prune as npr
from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.sources.preprocessing import Preprocessing
from network_prune.transfer.attack.iteration import run_attack
from network_prune.transfer.attack.parts import aim
from network_prune.transfer.attack.settings import Attack, Loss
from network_prune.transfer.augmentations.augmentation import DEFAULTS, Augmentation
from network_prune.transfer.augmentations.surrogates import make_surrogate
from network_prune.transfer.pixel_network import PixelNetwork
from tests.networks import snapshot

PREPROCESSING = Preprocessing(resize=8, crop=8)


@pytest.fixture
def model():
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Tanh(), nn.Conv2d(8, 6, 3), nn.Tanh())
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4))
    network[1].running_mean.normal_()
    return network.eval().requires_grad_(False)


@pytest.fixture
def pixels():
    return torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(5))


def logits_of(model, text, pixels, *, number=0, seed=7, aim_of=None):
    source = make_surrogate(
        Augmentation.parse(text), [PixelNetwork(model, PREPROCESSING)], seed=seed
    )
    return [compute(pixels) for compute in source.draws(number, aim_of)]


def with_weights(model, pixels, change):
    """The logits with every convolution's weight changed by hand."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, nn.Conv2d):
                module.weight.copy_(change(name, module.weight))
        logits = PixelNetwork(model, PREPROCESSING)(pixels)
    model.load_state_dict(before)
    return logits


def masks(draw):
    return lambda name, weight: torch.where(draw.mask(name), weight, 0.0)


def test_none_is_the_network(model, pixels):
    (found,) = logits_of(model, "none", pixels)
    assert torch.equal(found, PixelNetwork(model, PREPROCESSING)(pixels))


@pytest.mark.parametrize("number", [0, 3, (7 << 32) + 2])
def test_dwp_prunes_afresh_in_each_iteration(model, pixels, number):
    found = logits_of(model, "dwp:draws=2,p_prune=0.6,p_bern=0.4", pixels, number=number)
    prunable = npr.rank(model, "weight", p_prune=0.6)
    for place, logits in enumerate(found):
        draw = prunable.draw(p_bern=0.4, seed=7, index=2 * number + place)
        assert torch.allclose(logits, with_weights(model, pixels, masks(draw)))
    assert len(found) == 2
    assert not torch.equal(*found)


def test_dropout_drops_any_weight_and_scales_the_others(model, pixels):
    (found,) = logits_of(model, "dropout:p_bern=0.3", pixels, number=4)
    draw = npr.rank(model, "weight", p_prune=1.0).draw(p_bern=0.3, seed=7, index=4)
    dropped = with_weights(model, pixels, lambda name, w: masks(draw)(name, w) / 0.7)
    assert torch.allclose(found, dropped, atol=1e-6)


def test_scale_multiplies_every_weight(model, pixels):
    (found,) = logits_of(model, "scale:factor=0.8", pixels)
    scaled = with_weights(model, pixels, lambda _, weight: weight * 0.8)
    assert torch.allclose(found, scaled, atol=1e-6)


def test_mup_prunes_what_matters_least_for_these_images(model, pixels):
    classes = torch.tensor([0, 1, 3])

    def aim_of(compute):
        return aim(compute(pixels), classes, Loss.CROSS_ENTROPY, targeted=True)

    (found,) = logits_of(model, "mup:p_prune=0.25", pixels, aim_of=aim_of)
    twin = PixelNetwork(model.requires_grad_(True), PREPROCESSING)
    aim_of(twin).backward()
    slopes = {name: w.grad for name, w in model.named_parameters()}
    model.requires_grad_(False)

    def without_least(name, weight):
        scores = (weight * slopes[f"{name}.weight"]).abs().flatten().tolist()
        lowest = sorted(range(len(scores)), key=lambda i: (scores[i], i))[: len(scores) // 4]
        kept = weight.flatten().clone()
        kept[lowest] = 0.0
        return kept.reshape(weight.shape)

    assert torch.allclose(found, with_weights(model, pixels, without_least), atol=1e-6)


def test_mup_looks_again_in_each_iteration(model, pixels):
    def looks_at(klass):
        return lambda compute: compute(pixels)[:, klass].sum()

    (one,), (other,) = (
        logits_of(model, "mup:p_prune=0.5", pixels, aim_of=looks_at(klass)) for klass in (0, 1)
    )
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    "text", [*DEFAULTS, "dwp:method=connections", "dwp:score=lamp,scope=layer"]
)
def test_gradients_reach_the_pixels_and_the_network_stays(model, pixels, text):
    before = snapshot(model)
    images = pixels.clone().requires_grad_()

    def aim_of(compute):
        return compute(images).square().sum()

    source = make_surrogate(Augmentation.parse(text), [PixelNetwork(model, PREPROCESSING)], seed=0)
    for compute in source.draws(1, aim_of):
        (gradient,) = torch.autograd.grad(aim_of(compute), images)
        assert float(gradient.abs().max()) > 0
    assert snapshot(model) == before


def test_several_networks_have_a_draw_each(model, pixels):
    other = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
    )
    networks = [PixelNetwork(each, PREPROCESSING) for each in (model, other)]
    source = make_surrogate(Augmentation.parse("dwp"), networks, seed=7)
    (found,) = (compute(pixels) for compute in source.draws(2, None))
    alone = [logits_of(each, "dwp", pixels, number=2)[0] for each in (model, other)]
    assert torch.allclose(found, (alone[0] + alone[1]) / 2, atol=1e-6)
    assert len(source.ratios) == 2


class Counting(nn.Module):
    """Counts the images that it computes."""

    def __init__(self, model):
        super().__init__()
        self.model, self.count = model, 0

    def forward(self, pixels):
        self.count += len(pixels)
        return self.model(pixels)


@pytest.mark.parametrize("text", ["none", "dwp", "dwp:draws=3", "rapa", "scale", "mup"])
@pytest.mark.parametrize("copies", [1, 3])
def test_an_iterations_passes_are_those_that_it_takes(model, pixels, text, copies):
    counting = Counting(model)
    augmentation = Augmentation.parse(text)
    source = make_surrogate(augmentation, [PixelNetwork(counting, PREPROCESSING)], seed=0)
    counting.count = 0
    attack = Attack(scales=copies)
    list(run_attack(source, pixels, torch.tensor([0, 1, 2]), attack, iterations=2))
    assert counting.count == 2 * 3 * augmentation.passes(copies)


def test_ratios_are_those_of_the_first_draw(model):
    source = make_surrogate(Augmentation.parse("dwp"), [PixelNetwork(model, PREPROCESSING)], seed=3)
    draw = npr.rank(model, "weight", p_prune=0.7).draw(p_bern=0.5, seed=3)
    ranked = 8 * 3 * 9 + 6 * 8 * 9
    every = sum(parameter.numel() for parameter in model.parameters())
    assert source.ratios == [
        {"pruning_ratio": len(draw) / ranked, "of_all_parameters": len(draw) / every}
    ]


def test_drawing_takes_time(model, pixels):
    source = make_surrogate(Augmentation.parse("dwp"), [PixelNetwork(model, PREPROCESSING)], seed=3)
    assert source.seconds_drawing == 0
    for compute in source.draws(0, None):
        compute(pixels)
    assert 0 < source.seconds_drawing < 60


def test_a_network_without_convolutions_is_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    with pytest.raises(UnsupportedNetworkError, match="no Conv2d layer to rank"):
        make_surrogate(Augmentation.parse("dwp"), [PixelNetwork(model, PREPROCESSING)], seed=0)


# --- their names ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shortest"),
    [
        ("dwp", "dwp"),
        ("dwp:p_prune=0.7", "dwp"),
        ("dwp:p_bern=0.25,p_prune=0.5", "dwp:p_prune=0.5,p_bern=0.25"),
        ("dwp:layers=conv2d+linear", "dwp:layers=conv2d+linear"),
        ("rapa:p_bern=0.01,draws=1", "rapa:p_bern=0.01,draws=1"),
        ("scale:factor=0.9", "scale:factor=0.9"),
    ],
)
def test_names_are_read_and_written(text, shortest):
    augmentation = Augmentation.parse(text)
    assert str(augmentation) == shortest
    assert Augmentation.parse(shortest) == augmentation


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dwq", "unknown augmentation 'dwq'; did you mean dwp"),
        ("dwp:p_bern", "'p_bern' is no SETTING=VALUE of its own"),
        ("dwp:p_bern=0.1,p_bern=0.2", "'p_bern=0.2' is no SETTING=VALUE of its own"),
        ("dwp:p_bern=2", r"p_bern=2 is outside \[0, 1\]"),
        ("dwp:factor=0.9", "unknown setting of dwp 'factor'"),
        ("none:draws=2", "unknown setting of none 'draws'"),
        ("rapa:draws=0", "draws=0 is too small"),
        ("scale:factor=x", "factor=x is no number"),
        ("dwp:layers=conv9d", "unknown layer type 'conv9d'"),
    ],
)
def test_names_outside_what_is_allowed_are_refused(text, message):
    with pytest.raises(ArgumentError, match=message):
        Augmentation.parse(text)


@pytest.mark.parametrize(
    ("text", "is_random"),
    [("none", False), ("scale", False), ("mup", False), ("dwp", True), ("dwp:p_bern=1", False)],
)
def test_it_is_known_whether_another_seed_changes_anything(text, is_random):
    assert Augmentation.parse(text).is_random is is_random
