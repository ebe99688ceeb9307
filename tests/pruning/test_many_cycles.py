"""Pruning and restoring, again and again, leaves nothing behind."""

import gc

import pytest
import torch
from torch import nn

import network_prune as npr
from benchmarks.memory import status


def cycle(model, images):
    """Do once all that changes a network and gives it back."""
    prunable = npr.rank(model, "connection", p_prune=0.5)
    with npr.prune(model, prunable, p_bern=0.5) as pruned:
        pruned.redraw()
        model(images)
    with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
        redrawer.redraw()
        model(images)
    for kind in (npr.Diversified, npr.BackwardOnly):
        kind(model, prunable, p_bern=0.5)(images.clone().requires_grad_()).sum().backward()
    npr.evaluate(model, [(images, torch.zeros(len(images), dtype=torch.int64))])


def alive():
    gc.collect()
    return sum(issubclass(type(each), torch.Tensor | nn.Module) for each in gc.get_objects())


@pytest.mark.parametrize("times", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_cycles_leave_no_tensor_no_module_and_no_memory(times):
    # One set of these weights is 150 kB.
    model = nn.Sequential(nn.Conv2d(4, 64, 3), nn.BatchNorm2d(64), nn.Conv2d(64, 64, 3)).eval()
    model.append(nn.Flatten())
    images = torch.randn(2, 4, 8, 8)
    for _ in range(times // 10):
        cycle(model, images)
    tensors, memory = alive(), status("VmRSS")
    for _ in range(times):
        cycle(model, images)
    assert alive() == tensors
    assert status("VmRSS") - memory < 16e6
