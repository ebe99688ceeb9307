"""An attack is what a slow one gives that knows its network's gradient by heart."""

import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.sources.preprocessing import Preprocessing
from network_prune.transfer.attack.iteration import run_attack
from network_prune.transfer.attack.parts import aim, bounds, diversify, normalised, smooth
from network_prune.transfer.attack.settings import PRESETS, Attack, Goal, Loss
from network_prune.transfer.augmentations.augmentation import Augmentation
from network_prune.transfer.augmentations.surrogates import make_surrogate
from network_prune.transfer.pixel_network import PixelNetwork
from tests import oracle

SIZE, CLASSES = 6, 5
PLAIN = {"momentum": 0.0, "normalise": False}


class Alone:
    """A source of one network, as it is."""

    def __init__(self, compute):
        self.compute = compute

    def draws(self, number, aim_of):
        yield self.compute


@pytest.fixture
def linear():
    """A network whose logits are W · tanh(pixels) + b."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(CLASSES, 3 * SIZE * SIZE, generator=generator)
    bias = torch.randn(CLASSES, generator=generator)
    return weight, bias


def pictures(n=3, seed=0):
    return torch.rand(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def computes(linear):
    weight, bias = linear
    return lambda pixels: torch.tanh(pixels).flatten(1) @ weight.T + bias


def slow_gradient(linear, klass, *, targeted, loss):
    """The gradient of what an attack increases, written out for `linear`."""
    weight, bias = (each.double().numpy() for each in linear)

    def gradient_at(image):
        hidden = np.tanh(image).reshape(-1)
        logits = weight @ hidden + bias
        up = weight[klass]
        if loss == "cross-entropy":
            chances = np.exp(logits - logits.max())
            up = up - (chances / chances.sum()) @ weight
        slope = up * (1 - hidden**2)
        return (slope if targeted else -slope).reshape(image.shape)

    return gradient_at


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("goal", list(Goal))
@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"momentum": 1.0},
        {"momentum": 0.5, "normalise": True},
        {"translation": 3},
        {"scales": 3},
        {"momentum": 1.0, "normalise": True, "translation": 5, "scales": 2},
    ],
)
def test_an_attack_is_the_slow_one(linear, goal, loss, parts):
    images, classes = pictures(), torch.tensor([4, 0, 2])
    attack = Attack(goal=goal, loss=loss, epsilon=0.1, step=0.03, **{**PLAIN, **parts})
    *_, last = run_attack(Alone(computes(linear)), images, classes, attack, iterations=6)
    for image, klass, found in zip(images, classes.tolist(), last.images, strict=True):
        gradient = slow_gradient(linear, klass, targeted=attack.is_targeted, loss=loss)
        slow = oracle.attack(
            image.double().numpy(),
            gradient,
            epsilon=0.1,
            step=0.03,
            iterations=6,
            **{**PLAIN, **parts},
        )
        np.testing.assert_allclose(found.numpy(), slow, atol=1e-6)


def test_points_are_those_of_a_shorter_attack(linear):
    images, classes = pictures(), torch.tensor([4, 0, 2])
    attack = Attack(diversity=0.7, diversity_scale=1.4)
    source = Alone(computes(linear))
    points = list(run_attack(source, images, classes, attack, iterations=7, at=[2, 5], seed=1))
    assert [point.iteration for point in points] == [2, 5, 7]
    for point in points:
        *_, alone = run_attack(source, images, classes, attack, iterations=point.iteration, seed=1)
        assert torch.equal(alone.images, point.images)


def test_what_is_random_depends_on_seed_and_place_alone(linear):
    images, classes = pictures(), torch.tensor([4, 0, 2])
    attack = Attack(diversity=0.9, diversity_scale=1.6, epsilon=0.3, step=0.05)

    def end(**names):
        torch.rand(3)  # what the global generator did doesn't matter
        source = Alone(computes(linear))
        *_, last = run_attack(source, images, classes, attack, iterations=5, **names)
        return last.images

    state = torch.random.get_rng_state()
    assert torch.equal(end(seed=1, first=10), end(seed=1, first=10))
    torch.random.set_rng_state(state)
    assert not torch.equal(end(seed=1, first=10), end(seed=2, first=10))
    assert not torch.equal(end(seed=1, first=10), end(seed=1, first=20))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    epsilon=st.floats(1e-6, 1.0),
    step=st.floats(1e-6, 1.0),
    goal=st.sampled_from(list(Goal)),
    edge=st.booleans(),
)
def test_every_image_stays_in_range_and_within_the_bound(seed, epsilon, step, goal, edge):
    images = pictures(seed=seed)
    if edge:  # 8-bit pixels, many of them at the ends of the range
        images = (images * 600 - 150).clamp(0, 255).round() / 255
    weight = torch.randn(CLASSES, 3 * SIZE * SIZE, generator=torch.Generator().manual_seed(seed))
    source = Alone(lambda pixels: pixels.flatten(1) @ weight.T)
    attack = Attack(goal=goal, epsilon=epsilon, step=step)
    for point in run_attack(source, images, torch.tensor([0, 1, 2]), attack, iterations=4, at=[1]):
        assert point.images.dtype == torch.float32
        assert float(point.images.min()) >= 0
        assert float(point.images.max()) <= 1
        assert float((point.images - images).abs().max()) <= epsilon


@given(values=st.lists(st.floats(0, 1, width=32), min_size=1), epsilon=st.floats(1e-9, 1))
def test_bounds_reach_as_far_as_they_may(values, epsilon):
    images = torch.tensor(values).reshape(1, 1, 1, -1)
    low, high = bounds(images, epsilon)
    assert float((images - low).max()) <= epsilon
    assert float((high - images).max()) <= epsilon
    # One step of float32 further would be outside.
    for end, away in ((low, -1.0), (high, 2.0)):
        further = torch.nextafter(end, torch.tensor(away))
        is_outside = (further < 0) | (further > 1) | ((further - images).abs() > epsilon)
        close = (further - images).abs() >= epsilon * (1 - 1e-6) - 1e-7
        assert bool((is_outside | close).all())


def test_an_image_without_a_finite_gradient_stays(linear):
    def breaks(pixels):
        logits = computes(linear)(pixels)
        return torch.stack([logits[0], logits[1] * math.inf, logits[2]])

    images, classes = pictures(), torch.tensor([4, 0, 2])
    attack = Attack(epsilon=0.1, step=0.05)
    *_, last = run_attack(Alone(breaks), images, classes, attack, iterations=3)
    assert torch.equal(last.images[1], images[1])
    assert not torch.equal(last.images[0], images[0])
    assert bool(torch.isfinite(last.images).all())


def test_a_network_without_gradient_is_refused():
    source = Alone(lambda pixels: torch.zeros(len(pixels), CLASSES))
    with pytest.raises(UnsupportedNetworkError, match="no gradient to the images"):
        next(run_attack(source, pictures(), torch.tensor([0, 1, 2]), Attack(), iterations=1))


def test_an_image_that_nothing_depends_on_stays():
    """A zero gradient is normalised to zero, and has no sign."""
    source = Alone(lambda pixels: pixels.flatten(1)[:, :CLASSES] * 0)
    images = pictures()
    *_, last = run_attack(source, images, torch.tensor([0, 1, 2]), Attack(), iterations=2)
    assert torch.equal(last.images, images)


# --- parts ------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, 3, 5])
def test_smoothing_adds_up_what_is_around(side):
    gradient = torch.randn(2, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    found = smooth(gradient, side)
    for one, slow in zip(found, gradient, strict=True):
        slow = slow.double().numpy()
        slow = oracle.smoothed(slow, side) if side > 1 else slow
        np.testing.assert_allclose(one.numpy(), slow, atol=1e-6)


class Chance:
    """Says what it is told to, one after the other."""

    def __init__(self, *values):
        self.values = list(values)

    def random(self):
        return self.values.pop(0)


def test_diversity_puts_the_images_into_a_larger_frame():
    images = torch.ones(2, 3, 10, 10)
    # The frame has 15 pixels a side; 0.5 of the way from 10 to 15 are 12, which leaves 3.
    found = diversify(images, 1.0, 1.5, Chance(0.0, 0.5, 0.0, 0.99))
    framed = torch.zeros(2, 3, 15, 15)
    framed[:, :, 0:12, 3:15] = 1.0
    expected = F.interpolate(framed, (10, 10), mode="bilinear", align_corners=False)
    assert torch.allclose(found, expected)


@pytest.mark.parametrize(("happens", "probability"), [(0.3, 0.3), (0.0, 0.0), (0.99, 0.5)])
def test_diversity_leaves_images_alone_otherwise(happens, probability):
    images = torch.rand(1, 1, 8, 8)
    chance = Chance(happens, 0.5, 0.5, 0.5, "next")
    assert diversify(images, probability, 1.5, chance) is images
    assert chance.values == ["next"]


def test_diversity_happens_as_often_as_it_is_told():
    images, chance = torch.rand(1, 1, 8, 8), random.Random(0)
    count = sum(diversify(images, 0.7, 1.5, chance) is not images for _ in range(1000))
    assert abs(count - 700) < 4 * math.sqrt(1000 * 0.7 * 0.3)


def test_normalising_divides_by_the_mean_size():
    gradient = torch.tensor([1.0, -3.0, 0.0, 4.0]).reshape(1, 1, 2, 2)
    assert normalised(gradient).flatten().tolist() == [0.5, -1.5, 0.0, 2.0]


def test_the_aim_of_a_target_is_its_log_probability_or_logit():
    logits = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]])
    classes = torch.tensor([1, 2])
    log_chances = logits.log_softmax(1)
    summed = float(log_chances[0, 1] + log_chances[1, 2])
    found = float(aim(logits, classes, Loss.CROSS_ENTROPY, targeted=True))
    assert found == pytest.approx(summed)
    assert float(aim(logits, classes, Loss.CROSS_ENTROPY, targeted=False)) == pytest.approx(-summed)
    assert float(aim(logits, classes, Loss.LOGIT, targeted=True)) == 2.0
    assert float(aim(logits, classes, Loss.LOGIT, targeted=False)) == -2.0


# --- settings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epsilon": 0}, r"epsilon=0 is outside \(0, 1\]"),
        ({"epsilon": math.nan}, "epsilon=nan is outside"),
        ({"step": 0.0}, "step=0.0 is outside"),
        ({"step": "2/0"}, "step=2/0 is outside"),
        ({"epsilon": 16}, "epsilon=16 is outside.*16/255"),
        ({"epsilon": "much"}, "epsilon=much is outside"),
        ({"momentum": -1}, "momentum=-1 is no decay"),
        ({"momentum": math.inf}, "momentum=inf is no decay"),
        ({"diversity": 1.2}, r"diversity=1.2 is outside \[0, 1\]"),
        ({"diversity_scale": 0.9}, r"diversity_scale=0\.9 is outside \[1, 4\]; pass the frame's"),
        ({"diversity_scale": 1000000}, r"diversity_scale=1000000 is outside \[1, 4\]"),
        ({"translation": 101}, "translation=101 is no kernel's side; pass an odd number up to 99"),
        ({"translation": 4}, "translation=4 is no kernel's side"),
        ({"scales": 0}, "scales=0 is too small; pass 1 or more"),
        ({"goal": "all"}, "unknown goal 'all'"),
        ({"loss": "logits"}, "unknown loss 'logits'; did you mean logit"),
    ],
)
def test_settings_outside_what_is_allowed_are_refused(values, message):
    with pytest.raises(ArgumentError, match=message):
        Attack(**values)


def test_shares_may_be_fractions():
    assert Attack(epsilon="16/255", step="1.6/255").epsilon == 16 / 255


def test_presets_are_settings():
    for preset in PRESETS.values():
        for goal, said in preset.items():
            Attack(goal=goal, **{k: v for k, v in said.items() if k not in ("steps", "passes")})


# --- networks that take pixels ----------------------------------------------------------


class Seen(nn.Module):
    """Keeps what it is given."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def forward(self, x):
        self.seen.append(x)
        return x.flatten(1)


def test_pixels_of_the_networks_size_are_the_evaluations_input():
    preprocessing = Preprocessing(resize=8, crop=8)
    pixels = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    seen = []
    network = PixelNetwork(Seen(seen), preprocessing)
    network(pixels.float() / 255)
    assert torch.equal(seen[0], preprocessing.normalise(pixels))


@pytest.mark.parametrize("size", [5, 12])
def test_pixels_of_another_size_are_resized_and_gradients_go_back(size):
    preprocessing = Preprocessing(resize=8, crop=8)
    network = PixelNetwork(nn.Flatten(), preprocessing)
    pixels = torch.rand(2, 3, size, size, requires_grad=True)
    out = network(pixels)
    assert out.shape == (2, 3 * 8 * 8)
    (gradient,) = torch.autograd.grad(out.sum(), pixels)
    assert gradient.shape == pixels.shape
    assert float(gradient.abs().min()) > 0


def test_an_output_that_is_no_logits_is_refused():
    network = PixelNetwork(nn.Identity(), Preprocessing(resize=8, crop=8))
    with pytest.raises(UnsupportedNetworkError, match=r"output is \[2, 3, 8, 8\] for 2 images"):
        network(torch.rand(2, 3, 8, 8))


def test_several_networks_answer_with_their_mean():
    one, other = (
        PixelNetwork(nn.Sequential(nn.Flatten(), nn.Linear(27, 4)), Preprocessing(resize=3, crop=3))
        for _ in range(2)
    )
    source = make_surrogate(Augmentation.parse("none"), [one, other], seed=0)
    (compute,) = source.draws(0, lambda _: None)
    pixels = torch.rand(2, 3, 3, 3)
    assert torch.allclose(compute(pixels), (one(pixels) + other(pixels)) / 2)
