import csv
import os
from pathlib import Path

import pytest
import torch
from torch import nn

import network_prune as npr
import oracle
from network_prune.sources.data.load import load_data
from network_prune.sources.networks.load import load_network
from network_prune.sources.preprocessing import Preprocessing

FOLDER = os.environ.get("NETWORK_PRUNE_TEST_DATA")

pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="NETWORK_PRUNE_TEST_DATA names no folder with real inputs"
)


def test_squeezenet_loads_with_the_imagenet_compatible_pictures():
    folder = Path(FOLDER)
    weights = folder / "squeezenet1_0-deep-compression.safetensors"
    network = load_network("squeezenet1_0", weights=str(weights))
    manifest = folder / "imagenet-compatible" / "images.csv"
    data = load_data(
        str(manifest), transform=network.preprocessing.transform(), classes=network.classes
    )
    with manifest.open(encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    image, label = data.dataset[0]
    assert data.n == 250
    assert label == int(first["TrueLabel"]) - 1
    assert image.shape == (3, 224, 224)


def kernels(model):
    """Return each convolution with its kernels' L1 norms."""
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    return [(module, module.weight.detach().abs().sum(dim=(2, 3))) for module in convolutions]


@pytest.mark.parametrize(("p_prune", "ties"), [(0.7, 1103), (0.75, 291)])
def test_connections_at_the_boundarys_score_are_those_that_the_readme_counts(
    squeezenet, p_prune, ties
):
    scores = torch.cat([norms.flatten() for _, norms in kernels(squeezenet)]).tolist()
    k = int(p_prune * len(scores))
    assert k - sum(oracle.strictly_below(scores, k)) == ties
    prunable = npr.rank(squeezenet, "connection", p_prune=p_prune)
    assert npr.prune(squeezenet, prunable).summary().to_dict()["pruned"] == k


@pytest.mark.slow
@pytest.mark.parametrize(("p_prune", "loss"), [(0.7, 3.524), (0.75, 5.460)])
def test_without_them_the_loss_is_the_readmes(squeezenet, p_prune, loss):
    found = kernels(squeezenet)
    scores = torch.cat([norms.flatten() for _, norms in found])
    boundary = scores.sort().values[int(p_prune * len(scores))]
    with torch.no_grad():
        for module, norms in found:
            module.weight[norms < boundary] = 0
    transform = Preprocessing(256, 224).transform()
    manifest = Path(FOLDER) / "imagenet-compatible" / "images.csv"
    metrics = npr.evaluate(squeezenet, load_data(str(manifest), transform=transform, classes=1000))
    assert round(metrics.loss, 3) == loss
