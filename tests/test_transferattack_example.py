"""The example's attack on TransferAttack's interface, or in a checkout of it.

``NETWORK_PRUNE_TRANSFERATTACK`` names a checkout's folder; without it a stand-in takes its place.
"""

import importlib
import importlib.util
import os
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn

import network_prune

EXAMPLE = Path(__file__).parents[1] / "examples" / "transferattack_dwp.py"
CHECKOUT = os.environ.get("NETWORK_PRUNE_TRANSFERATTACK")


class EnsembleModel(nn.Module):
    """As TransferAttack's: networks in a list, their outputs averaged."""

    def __init__(self, models):
        super().__init__()
        self.device, self.models = torch.device("cpu"), models

    def forward(self, x):
        return torch.stack([model(x) for model in self.models]).mean(0)


class MIFGSM:
    """As TransferAttack's: what an attack of its kind may override and is called with."""

    def __init__(
        self, model_name, epsilon=16 / 255, alpha=1.6 / 255, epoch=10, decay=1.0,
        targeted=False, attack="MI-FGSM", **_,
    ):  # fmt: skip
        self.model = self.load_model(model_name)
        self.epsilon, self.alpha, self.epoch, self.decay = epsilon, alpha, epoch, decay
        self.targeted, self.attack = targeted, attack

    def load_model(self, model_name):
        if isinstance(model_name, list):
            return EnsembleModel([small(name) for name in model_name])
        return small(model_name)

    def __call__(self, data, label):
        self.model.eval()
        label = label[1] if self.targeted else label
        delta, momentum = torch.zeros_like(data, requires_grad=True), 0
        for _ in range(self.epoch):
            loss = nn.functional.cross_entropy(self.model(data + delta), label)
            (grad,) = torch.autograd.grad(-loss if self.targeted else loss, delta)
            momentum = momentum * self.decay + grad / grad.abs().mean(dim=(1, 2, 3), keepdim=True)
            delta = (delta + self.alpha * momentum.sign()).clamp(-self.epsilon, self.epsilon)
            delta = ((data + delta).clamp(0, 1) - data).detach().requires_grad_()
        return delta.detach()


def small(name):
    torch.manual_seed(len(name))
    body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3, 2), nn.ReLU())
    return nn.Sequential(
        nn.Identity(), nn.Sequential(body, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10))
    )


@pytest.fixture
def attack_class(monkeypatch):
    """The example's class, on the stand-in or on the checkout, whose networks are made small."""
    if CHECKOUT is None:
        names = ("transferattack", "transferattack.gradient", "transferattack.gradient.mifgsm")
        for name in names:
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules[names[-1]].MIFGSM = MIFGSM
    else:
        monkeypatch.syspath_prepend(CHECKOUT)
        attack = importlib.import_module("transferattack.attack")
        # Without a graphics card its calls for one have nothing to do.
        monkeypatch.setattr(nn.Module, "cuda", lambda self: self)
        monkeypatch.setattr(attack, "wrap_model", lambda model: model)
        monkeypatch.setattr(attack.models, "resnet18", lambda weights: small(weights))
        monkeypatch.setattr(attack.models, "resnet34", lambda weights: small("other"))
    plan = importlib.util.spec_from_file_location("transferattack_dwp", EXAMPLE)
    module = importlib.util.module_from_spec(plan)
    plan.loader.exec_module(module)
    return module.DWP


@pytest.fixture
def images():
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


LABELS = torch.tensor([0, 1, 2, 3])


def test_the_class_is_short():
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text[text.index("class DWP") :].splitlines()) <= 60


def test_the_surrogate_is_pruned_afresh_in_every_forward(attack_class, images):
    attack = attack_class("resnet18", epoch=3)
    assert isinstance(attack.model, network_prune.Diversified)
    assert not torch.equal(attack.model(images), attack.model(images))
    delta = attack(images, LABELS)
    assert 0 < delta.abs().max() <= 16 / 255 + 1e-6
    assert (images + delta).min() >= 0
    assert (images + delta).max() <= 1
    assert attack.attack == "DWP"


def test_each_network_of_an_ensemble_has_draws_of_its_own(attack_class, images):
    attack = attack_class(["resnet18", "resnet34"], targeted=True, epoch=2)
    assert all(isinstance(model, network_prune.Diversified) for model in attack.model.models)
    assert attack(images, torch.stack([LABELS, LABELS + 1])).abs().max() > 0
    assert [model.seed for model in attack.model.models] == [0, 1]


def test_without_pruning_it_is_the_attack_that_it_is_built_on(attack_class, images):
    plain = attack_class.__base__("resnet18", epoch=4)(images, LABELS)
    assert torch.equal(attack_class("resnet18", epoch=4, p_prune=0.0)(images, LABELS), plain)
    assert not torch.equal(attack_class("resnet18", epoch=4)(images, LABELS), plain)


def test_the_seed_names_the_draws(attack_class, images):
    once, again, other = (
        attack_class("resnet18", epoch=3, seed=seed)(images, LABELS) for seed in (1, 1, 2)
    )
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
