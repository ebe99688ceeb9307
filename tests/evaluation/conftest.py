"""A small network and images that the evaluation's tests share."""

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(6, 7)).eval()


@pytest.fixture
def data() -> TensorDataset:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 7, (23,), generator=generator)
    return TensorDataset(torch.randn(23, 3, 8, 8, generator=generator), labels)
