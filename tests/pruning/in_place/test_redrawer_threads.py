"""Redrawers of one network in several threads: one has it at a time, and the others are told."""

import sys
from contextlib import suppress

import pytest
import torch

import network_prune as npr
import networks
from network_prune.errors import StateError
from tests.threads import at_once

TRIALS = [20, pytest.param(1000, marks=pytest.mark.slow)]


@pytest.fixture
def often():
    """Let threads take turns as often as can be."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_place(model, prunable, seed):
    redrawer = npr.Redrawer(model, prunable, p_bern=0.5, seed=seed)
    redrawer.redraw()
    return redrawer


@pytest.mark.parametrize("trials", TRIALS)
@pytest.mark.parametrize("inference", [False, True])
def test_of_two_made_at_once_one_draws_and_the_other_is_refused(often, inference, trials):
    with torch.inference_mode(inference):
        model = networks.build("plain")
    prunable = npr.rank(model, p_prune=0.6)
    before = networks.snapshot(model)
    for _ in range(trials):
        results = at_once(*(lambda s=s: in_place(model, prunable, s) for s in (0, 1)))
        made = [each for each in results if isinstance(each, npr.Redrawer)]
        assert len(made) == 1, results
        assert sum(isinstance(each, StateError) for each in results) == 1
        for layer in prunable.layers:
            weight = networks.weight_of(model, layer.name)
            assert not weight[~made[0].draw.mask(layer.name)].any()
        made[0].restore()
        assert networks.snapshot(model) == before


@pytest.mark.parametrize("trials", TRIALS)
def test_of_masks_and_a_redrawer_at_once_one_is_refused(often, trials):
    model = networks.build("plain")
    prunable = npr.rank(model, p_prune=0.6)
    before = networks.snapshot(model)
    for _ in range(trials):
        works = (lambda: npr.prune(model, prunable), lambda: in_place(model, prunable, 1))
        results = at_once(*works)
        assert sum(isinstance(each, StateError) for each in results) == 1, results
        for each in results:
            with suppress(AttributeError):
                each.restore()
        assert networks.snapshot(model) == before


@pytest.mark.parametrize("trials", TRIALS)
def test_redraws_and_restores_of_one_at_once_take_turns(often, trials):
    model = networks.build("plain")
    prunable = npr.rank(model, p_prune=0.6)
    before = networks.snapshot(model)
    with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
        for _ in range(trials):
            assert at_once(redrawer.redraw, redrawer.redraw, redrawer.restore) == [None] * 3
            redrawer.redraw()
            for layer in prunable.layers:
                zero = ~redrawer.draw.mask(layer.name)
                assert not networks.weight_of(model, layer.name)[zero].any()
    assert networks.snapshot(model) == before
