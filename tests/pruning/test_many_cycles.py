"""Pruning and restoring, again and again, leaves nothing behind."""

import gc

import pytest
import torch
from torch import nn

import network_prune as npr
from benchmarks.memory import status
from tests.networks import build, inputs


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


@pytest.mark.parametrize("times", [20, pytest.param(2000, marks=pytest.mark.slow)])
def test_cycles_leave_no_tensor_no_module_and_no_memory(times):
    model, images = nn.Sequential(build("plain"), nn.Flatten()).eval(), inputs()
    for _ in range(times // 10):
        cycle(model, images)
    tensors, memory = alive(), status("VmRSS")
    for _ in range(times):
        cycle(model, images)
    assert alive() == tensors
    assert status("VmRSS") - memory < 4e6
