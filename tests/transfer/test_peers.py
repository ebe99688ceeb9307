"""Ours and other libraries' attacks agree, and torchattack's drive a surrogate of ours."""

import random
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import network_prune
from network_prune.errors import ArgumentError, SourceError
from network_prune.transfer.attack.iteration import run_attack
from network_prune.transfer.attack.settings import Attack, Goal
from network_prune.transfer.peers import COLOUR_ALONE, NAMES, torchattack_attack

needs_torchattack = pytest.mark.skipif(
    find_spec("torchattack") is None, reason="needs the extra [torchattack]"
)
SIZE, CLASSES, STEPS = 12, 5, 6


class Alone:
    """A source of one network, as it is."""

    passes = 1

    def __init__(self, compute):
        self.compute = compute

    def draws(self, number, aim_of):
        yield self.compute


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Conv2d(8, 8, 3, 2), nn.Tanh(),
            nn.Flatten(), nn.Linear(128, CLASSES),
        )  # fmt: skip
    return model.eval()


@pytest.fixture
def images():
    return torch.rand(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


LABELS = torch.tensor([0, 3, 1, 4])


def settings(goal, **changes):
    return Attack(goal=goal, epsilon=8 / 255, step=3 / 255, **changes)


def ours(network, images, attack):
    (last,) = run_attack(Alone(network), images, LABELS, attack, iterations=STEPS)
    return last.images


def check_same(found, expected, *, share=0.002):
    """Signs of what is next to nothing may differ by rounding, of a pixel in five hundred."""
    apart = (found - expected).abs() > 1e-6
    assert apart.double().mean() <= share
    assert (found - expected).abs().max() > 0 or torch.equal(found, expected)


def slow_mifgsm(network, images, attack):
    """MI-FGSM as torchattack's and TransferAttack's authors write it, image by image."""
    sign = -1 if attack.is_targeted else 1
    found = []
    for image, label in zip(images.split(1), LABELS.split(1), strict=True):
        delta, momentum = torch.zeros_like(image), torch.zeros_like(image)
        for _ in range(STEPS):
            delta.requires_grad_()
            loss = sign * F.cross_entropy(network(image + delta), label)
            (gradient,) = torch.autograd.grad(loss, delta)
            momentum = attack.momentum * momentum + gradient / gradient.abs().mean()
            delta = delta.detach() + attack.step * momentum.sign()
            delta = delta.clamp(-attack.epsilon, attack.epsilon)
            delta = (image + delta).clamp(0, 1) - image
        found.append(image + delta)
    return torch.cat(found)


@pytest.mark.parametrize("goal", list(Goal))
@pytest.mark.parametrize("momentum", [0.0, 0.6, 1.0])
def test_ours_is_mifgsm_written_out(network, images, goal, momentum):
    attack = settings(goal, momentum=momentum)
    check_same(ours(network, images, attack), slow_mifgsm(network, images, attack))


@needs_torchattack
@pytest.mark.parametrize("goal", list(Goal))
@pytest.mark.parametrize(("name", "momentum"), [("MIFGSM", 0.6), ("MIFGSM", 1.0), ("IFGSM", 0.0)])
def test_ours_is_torchattacks(network, images, goal, name, momentum):
    attack = settings(goal, momentum=momentum)
    theirs = torchattack_attack(name, network, attack, steps=STEPS, classes=CLASSES)
    check_same(ours(network, images, attack), theirs(images, LABELS, 0))


@pytest.mark.parametrize("goal", list(Goal))
@pytest.mark.parametrize("momentum", [0.0, 0.6, 1.0])
def test_ours_is_arts_pgd(network, images, goal, momentum):
    # Not at the top: processes that import it for the first time at once break each other's start.
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    attack = settings(goal, momentum=momentum)
    estimator = PyTorchClassifier(
        network, nn.CrossEntropyLoss(), (3, SIZE, SIZE), CLASSES, clip_values=(0.0, 1.0),
        device_type="cpu",
    )  # fmt: skip
    theirs = ProjectedGradientDescentPyTorch(
        estimator,
        eps=attack.epsilon,
        eps_step=attack.step,
        decay=momentum or None,
        max_iter=STEPS,
        targeted=attack.is_targeted,
        verbose=False,
    ).generate(images.numpy(), np.eye(CLASSES, dtype=np.float32)[LABELS])
    check_same(ours(network, images, attack), torch.from_numpy(theirs))


@needs_torchattack
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (name, shape)
        for name in NAMES
        for shape in ((3, 40, 40), (1, 33, 33))
        if shape[0] == 3 or name not in COLOUR_ALONE
    ],
)
@pytest.mark.parametrize("goal", list(Goal))
def test_each_attack_drives_a_diversified_surrogate(name, goal, shape):
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(shape[0], 6, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(),
        nn.Linear(54, CLASSES),
    ).eval()  # fmt: skip
    prunable = network_prune.rank(model, "weight", p_prune=0.7)
    images = torch.rand(3, *shape)
    before = images.clone()
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()

    def made(seed):
        surrogate = network_prune.Diversified(model, prunable, p_bern=0.5, seed=2)
        attack = settings(goal)
        peer = torchattack_attack(name, surrogate, attack, steps=2, classes=CLASSES)
        return peer(images, LABELS[:3], seed)

    found = made(5)
    assert (found.dtype, found.shape, found.requires_grad) == (torch.float32, images.shape, False)
    assert (found - images).abs().max() <= 8 / 255
    assert (found - images).abs().max() > 0
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal(found, made(5))
    assert torch.equal(images, before)
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), states[2], strict=True))


@needs_torchattack
@pytest.mark.parametrize("name", COLOUR_ALONE)
def test_attacks_of_colour_alone_refuse_grey_images(name, network):
    peer = torchattack_attack(name, network, Attack(), steps=1, classes=CLASSES)
    with pytest.raises(ArgumentError, match=f"^torchattack:{name} takes images of three channels"):
        peer(torch.rand(1, 1, SIZE, SIZE), LABELS[:1], 0)


@needs_torchattack
def test_the_seed_names_what_is_random(network, images):
    peer = torchattack_attack("PGD", network, settings("targeted"), steps=1, classes=CLASSES)
    assert not torch.equal(peer(images, LABELS, 0), peer(images, LABELS, 1))


@needs_torchattack
def test_an_image_that_comes_out_as_no_number_stays_as_it_is(images):
    """Where a gradient is all zero, MI-FGSM divides it by zero."""
    flat = nn.Sequential(nn.Flatten(), nn.Hardtanh(0.0, 0.5), nn.Linear(3 * SIZE**2, CLASSES))
    images[1] = 0.75
    peer = torchattack_attack("MIFGSM", flat, settings("targeted"), steps=2, classes=CLASSES)
    found = peer(images, LABELS, 0)
    assert torch.equal(found[1], images[1])
    assert not torch.equal(found[0], images[0])


def test_without_the_extra_it_says_what_to_install(network, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    message = (
        r"^--attack torchattack:MIFGSM needs the package torchattack: "
        r"pip install 'network-prune\[torchattack\]'$"
    )
    with pytest.raises(SourceError, match=message):
        torchattack_attack("MIFGSM", network, Attack(), steps=1, classes=CLASSES)


@needs_torchattack
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MIFGMS", "^unknown attack of torchattack 'MIFGMS'; did you mean MIFGSM"),
        ("FIA", "^torchattack:FIA needs more than the logits .*; pass one of Admix, BSR, DIFGSM"),
        ("PGDL2", "^torchattack:PGDL2 needs more than the logits"),
    ],
)
def test_other_attacks_are_refused_by_name(network, name, message):
    with pytest.raises(ArgumentError, match=message):
        torchattack_attack(name, network, Attack(), steps=1, classes=CLASSES)
