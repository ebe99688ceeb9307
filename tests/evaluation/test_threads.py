"""Threads side by side: each finds what it finds alone, and PyTorch is whole afterwards."""

import math
import sys
import threading

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import network_prune as npr
import networks
from tests.threads import at_once

ROUNDS = [1, pytest.param(30, marks=pytest.mark.slow)]
PATCHED = (
    (nn.Module, "__call__"),
    (nn.Module, "__getattr__"),
    (math, "sqrt"),
    (torch, "get_default_dtype"),
)


@pytest.fixture(autouse=True)
def whole():
    """PyTorch before and after; threads take turns often."""
    before = [getattr(holder, name) for holder, name in PATCHED]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)
    assert [getattr(holder, name) for holder, name in PATCHED] == before


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.norm(self.conv(x)).relu() * self.scale


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        blocks = [Block(4) for _ in range(6)]
        return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 7))


DATA = TensorDataset(
    torch.randn(6, 4, 5, 5, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 7
)


def evaluated(model: nn.Module) -> tuple[object, ...]:
    found = [npr.evaluate(model, DATA, batch_size=4)]
    with npr.prune_neurons(model, p_prune=0.4, p_bern=0.5, seed=3, with_norm=True):
        found.append(npr.evaluate(model, DATA, batch_size=4))
    prunable = npr.rank(model, p_prune=0.5)
    with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
        redrawer.redraw()
        found.append(npr.evaluate(model, DATA, batch_size=4))
    return tuple((m.n, m.hits1, m.hits5, m.loss_sum) for m in found)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_networks_in_threads_of_their_own_have_the_figures_that_they_have_alone(rounds):
    models = [network(seed) for seed in range(3)]
    alone = [evaluated(model) for model in models]
    assert len(set(alone)) == 3
    for _ in range(rounds):
        assert at_once(*[lambda model=model: evaluated(model) for model in models]) == alone


@pytest.mark.parametrize("rounds", ROUNDS)
def test_plain_pytorch_beside_gets_no_error_and_right_outputs(rounds):
    other, x = networks.build("plain").eval(), networks.inputs()
    wanted, ended, outputs = networks.bits(other(x)), threading.Event(), []

    def plainly() -> int:
        while not ended.is_set():
            outputs.append(networks.bits(other(x)))
        return len(outputs)

    def ours() -> object:
        try:
            return [evaluated(model) for _ in range(rounds)]
        finally:
            ended.set()

    model = network(0)
    found, count = at_once(ours, plainly)
    assert len(set(found)) == 1, found
    assert isinstance(count, int), count
    assert set(outputs) == {wanted}


# --- settings of the whole process --------------------------------------------------------


def test_the_default_dtype_comes_back_whatever_threads_did():
    torch.set_default_dtype(torch.float64)
    try:
        model = networks.build("plain")
        at_once(*[lambda: npr.rank(model, p_prune=0.5)] * 4)
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
