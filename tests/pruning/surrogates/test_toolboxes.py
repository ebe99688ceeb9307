"""Surrogates as the model of other people's loops: ART's attacks, Lightning's trainer."""

import copy
import importlib
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import network_prune as npr


def load(name):
    """Import a toolbox whose own imports warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@pytest.fixture(scope="module")
def digits():
    """Return the embedded network, and 16 of its images with labels."""
    network = npr.load_network("digits")
    data = npr.load_data("digits", transform=network.preprocessing.transform())
    images, labels = zip(*[data.dataset[i] for i in range(16)], strict=True)
    return network.model.eval(), torch.stack(images), torch.tensor(labels)


def pgd(surrogate, images, labels, *, eps, step, iterations, clip):
    """Raise the loss within eps of the images (maximum norm), one draw an iteration."""
    adversarial = images.clone()
    for index in range(iterations):
        x = adversarial.detach().requires_grad_()
        with surrogate.frozen(index):
            F.cross_entropy(surrogate(x), labels).backward()
        adversarial = (x + step * x.grad.sign()).clamp(*clip)
        adversarial = images + (adversarial - images).clamp(-eps, eps)
    return adversarial.detach()


@pytest.mark.parametrize("kind", [npr.Diversified, npr.BackwardOnly])
@pytest.mark.parametrize("granularity", ["weight", "neuron"])
def test_the_attack_of_the_robustness_toolbox_is_our_few_lines(digits, kind, granularity):
    model, images, labels = digits
    prunable = npr.rank(model, granularity, p_prune=0.3)
    surrogate = kind(model, prunable, p_bern=0.5, seed=2)
    clip = (images.min().item(), images.max().item())
    classifier = load("art.estimators.classification").PyTorchClassifier(
        surrogate,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=10,
        clip_values=clip,
        device_type="cpu",
    )
    attack = load("art.attacks.evasion").ProjectedGradientDescentPyTorch(
        classifier, eps=0.3, eps_step=0.1, max_iter=5, batch_size=16, verbose=False
    )
    found = attack.generate(images.numpy(), y=labels.numpy())
    ours = pgd(copy.deepcopy(surrogate), images, labels, eps=0.3, step=0.1, iterations=5, clip=clip)
    np.testing.assert_allclose(found, ours.numpy(), rtol=0, atol=1e-6)
    assert surrogate.index is not None
    assert surrogate.index >= 4
    assert np.abs(found - images.numpy()).max() == pytest.approx(0.3, abs=1e-5)
    with torch.no_grad():
        before, after = (
            F.cross_entropy(model(torch.as_tensor(x)), labels) for x in (images, found)
        )
    assert after > before + 0.1


@pytest.mark.filterwarnings("ignore")  # the trainer's advice about workers, loggers and devices
def test_lightning_trains_through_fresh_draws(digits, tmp_path):
    lightning = load("lightning.pytorch")
    model, images, labels = digits
    prunable = npr.rank(model, p_prune=0.5)

    class Task(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.surrogate = npr.Diversified(copy.deepcopy(model), prunable, p_bern=0.5)
            self.draws = []

        def training_step(self, batch, number):
            loss = F.cross_entropy(self.surrogate(batch[0]), batch[1])
            self.draws.append(self.surrogate.index)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01)

    task = Task()
    data = torch.utils.data.TensorDataset(images, labels)
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(task, torch.utils.data.DataLoader(data, batch_size=8))
    assert task.draws == [0, 1, 2, 3]

    twin = copy.deepcopy(model)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.01)
    by_hand = npr.Diversified(twin, prunable, p_bern=0.5)
    for _ in range(2):
        for batch in torch.utils.data.DataLoader(data, batch_size=8):
            optimizer.zero_grad()
            F.cross_entropy(by_hand(batch[0]), batch[1]).backward()
            optimizer.step()
    for one, other in zip(task.surrogate.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other)

    path = next(tmp_path.rglob("*.ckpt"))
    loaded = Task()
    loaded.load_state_dict(torch.load(path, weights_only=False)["state_dict"])
    for one, other in zip(loaded.parameters(), task.parameters(), strict=True):
        assert torch.equal(one, other)
