"""What a console and a notebook show of networks under masks, and of figures."""

import pytest
import torch
from matplotlib import pyplot
from matplotlib.figure import Figure
from torch import nn

import network_prune
from network_prune.evaluation.metrics import measure

HOSTILE = "<script>alert(1)<\\script>"


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3)).eval()


def named():
    model = nn.Module()
    model.add_module(HOSTILE, nn.Conv2d(1, 4, 3))
    return model


def test_reprs_are_one_short_line(model):
    prunable = network_prune.rank(model, p_prune=0.5)
    draw = prunable.draw(p_bern=1, seed=7)
    assert repr(prunable) == (
        "PrunableSet(162 of 324 weights in 2 layers, p_prune=0.5, score=l1, scope=global)"
    )
    assert repr(draw) == "Draw(162 of 324 weights in 2 layers, p_bern=1.0, seed=7, index=0)"
    pruned = network_prune.prune(model, prunable, seed=7)
    assert repr(pruned) == f"Pruned(Sequential, 162 prunable: {draw!r})"
    assert repr(pruned.summary()) == (
        "Summary(162 of 324 weights pruned (50.00%), 162 weights newly zeroed)"
    )
    pruned.restore()
    assert repr(pruned) == "Pruned(Sequential, restored)"


def test_metrics_show_their_figures():
    metrics = measure(torch.eye(4), torch.tensor([0, 1, 2, 0]))
    assert repr(metrics) == f"Metrics({metrics}, 4 images)"
    text = metrics._repr_html_()
    assert "Acc@1" in text
    assert "75.000" in text
    assert "nan" in network_prune.Metrics()._repr_html_()


def test_tables_have_a_row_for_each_layer(model):
    prunable = network_prune.rank(model, "neuron", p_prune=0.5)
    with network_prune.prune(model, prunable, p_bern=1, seed=7) as pruned:
        summary = pruned.summary()
        for shown in (prunable, prunable.draw(p_bern=1, seed=7), pruned, summary):
            rows = shown._repr_html_().count("<tr>") - 1
            assert rows == 2 + (shown is summary)  # and the total
        assert summary.layers[0].name == "0"
    assert "taken off" in pruned._repr_html_()


def test_masks_that_are_not_the_draws_any_more_are_no_error(model):
    pruned = network_prune.prune_weights(model, p_prune=0.5)
    model[0].weight_mask.fill_(1)
    assert "Pruned" in pruned._repr_html_()


def test_hostile_layers_are_text():
    model = named()
    prunable = network_prune.rank(model, p_prune=0.5)
    pruned = network_prune.prune(model, prunable)
    for shown in (prunable, pruned.draw, pruned, pruned.summary()):
        assert "<script" not in shown._repr_html_()
        assert "&lt;script&gt;" in shown._repr_html_()
    ax = pruned.summary().plot()
    assert ax.get_yticklabels()[0].get_text() == HOSTILE
    pyplot.close(ax.figure)


def test_a_summary_is_drawn_as_bars_of_its_layers(model):
    summary = network_prune.prune_weights(model, p_prune=0.5, p_bern=0.5).summary()
    ax = Figure().subplots()
    assert summary.plot(ax) is ax
    prunable, pruned = ax.containers
    widths = [bar.get_width() for bar in prunable]
    assert widths == [100 * row.prunable / row.elements for row in summary.layers]
    assert [bar.get_width() for bar in pruned] == [
        100 * row.pruning_ratio for row in summary.layers
    ]
    assert pyplot.get_fignums() == []
