"""What interruptions and other people's writes leave of a network that is redrawn in place."""

import gc
import weakref

import pytest
import torch
from torch import Tensor, nn

import network_prune as npr
import networks

GRANULARITIES = ["weight", "connection", "neuron"]
PIECES = [
    ("plain", "weight"),
    ("plain", "connection"),
    ("channels_last", "weight"),
    ("channels_last", "connection"),
    ("non contiguous", "neuron"),
]


def redrawer_of(name: str, granularity: str = "weight") -> tuple[nn.Module, npr.Redrawer]:
    model = networks.build(name).eval()
    prunable = npr.rank(model, granularity, p_prune=0.7)
    return model, npr.Redrawer(model, prunable, p_bern=0.5, seed=2)


def originals_of(model: nn.Module, prunable: npr.PrunableSet) -> dict[str, Tensor]:
    names = [layer.name for layer in prunable.layers]
    return {name: networks.weight_of(model, name).detach().clone() for name in names}


def assert_pruned(model: nn.Module, originals: dict[str, Tensor], draw: npr.Draw | None) -> None:
    assert draw is not None
    for layer in draw.layers:
        wanted = torch.where(draw.mask(layer.name), originals[layer.name], 0.0)
        assert networks.same_bits(networks.weight_of(model, layer.name), wanted)


def fail_in(monkeypatch, redrawer: npr.Redrawer, method: str, *, call: int) -> None:
    """Let the pieces' method raise once, after its work, at the given call."""
    _, piece = redrawer._written._pieces[0]
    original, calls = getattr(type(piece), method), []

    def failing(self, *args):
        original(self, *args)
        calls.append(self)
        if len(calls) == call:
            raise KeyboardInterrupt

    monkeypatch.setattr(type(piece), method, failing)


@pytest.mark.parametrize(("name", "granularity"), PIECES)
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_an_interruption_in_mid_write_leaves_the_network_restored(
    monkeypatch, name, granularity, call
):
    model, redrawer = redrawer_of(name, granularity)
    before, originals = networks.snapshot(model), originals_of(model, redrawer.prunable)
    fail_in(monkeypatch, redrawer, "write", call=call)

    def redraw_often() -> None:
        for _ in range(4):
            redrawer.redraw()

    with pytest.raises(KeyboardInterrupt):
        redraw_often()
    assert redrawer.index is None
    assert networks.snapshot(model) == before
    npr.rank(model, p_prune=0.5)
    redrawer.redraw(7)
    assert_pruned(model, originals, redrawer.draw)
    redrawer.restore()
    assert networks.snapshot(model) == before


@pytest.mark.parametrize(("name", "granularity"), PIECES)
@pytest.mark.parametrize("then", ["restore", "redraw"])
def test_an_interrupted_restore_is_completed_by_the_next_call(monkeypatch, name, granularity, then):
    model, redrawer = redrawer_of(name, granularity)
    before, originals = networks.snapshot(model), originals_of(model, redrawer.prunable)
    redrawer.redraw()
    fail_in(monkeypatch, redrawer, "restore", call=1)
    with pytest.raises(KeyboardInterrupt):
        redrawer.restore()
    if then == "redraw":
        redrawer.redraw(3)
        assert_pruned(model, originals, redrawer.draw)
    redrawer.restore()
    assert networks.snapshot(model) == before
    npr.rank(model, p_prune=0.5)


@pytest.mark.parametrize(("name", "granularity"), PIECES)
def test_a_second_interruption_while_the_first_is_undone(monkeypatch, name, granularity):
    model, redrawer = redrawer_of(name, granularity)
    before = networks.snapshot(model)
    fail_in(monkeypatch, redrawer, "write", call=1)
    fail_in(monkeypatch, redrawer, "restore", call=1)

    def interrupted() -> None:
        with redrawer:
            redrawer.redraw()

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert networks.snapshot(model) == before
    npr.rank(model, p_prune=0.5)


def test_an_interruption_after_the_writing_leaves_the_network_restored(monkeypatch):
    model, redrawer = redrawer_of("plain")
    before = networks.snapshot(model)

    def failing(tensor):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.autograd.graph, "increment_version", failing)
    with pytest.raises(KeyboardInterrupt):
        redrawer.redraw()
    assert networks.snapshot(model) == before


def test_a_network_masked_after_the_redrawer_was_made_is_refused_with_its_remedy():
    model, redrawer = redrawer_of("plain")
    originals = originals_of(model, redrawer.prunable)
    with (
        npr.prune(model, redrawer.prunable),
        pytest.raises(npr.NetworkPruneError, match=r"'0' is pruned already; .*restore\(model\)"),
    ):
        redrawer.redraw()
    redrawer.redraw()
    assert_pruned(model, originals, redrawer.draw)


@torch.no_grad()
def doubled(model: nn.Module) -> None:
    model[0].weight.mul_(2)


def exchanged(model: nn.Module) -> None:
    model[0].weight = nn.Parameter(torch.ones(8, 4, 3, 3))


def removed(model: nn.Module) -> None:
    model[0].weight = None


def given_data(model: nn.Module) -> None:
    model[0].weight.data = torch.ones(8, 4, 3, 3)


def moved(model: nn.Module) -> None:
    model[0].double()


def laid_out_anew(model: nn.Module) -> None:
    model[0].to(memory_format=torch.channels_last)


def shared(model: nn.Module) -> None:
    """Its memory is given up; that of the others isn't."""
    model[0].share_memory()


CHANGES = [doubled, exchanged, removed, given_data, moved, laid_out_anew, shared]
CHANGED = r"the weight of layer '0' was changed, moved or exchanged since the Redrawer last wrote"


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_weight_is_named_and_kept_and_the_others_come_back(change, granularity):
    model, redrawer = redrawer_of("plain", granularity)
    untouched = networks.snapshot(model[3])
    redrawer.redraw()
    change(model)
    after, theirs = networks.snapshot(model), networks.snapshot(model[0])
    for _ in range(2):
        with pytest.raises(npr.NetworkPruneError, match=CHANGED):
            redrawer.redraw()
    assert networks.snapshot(model) == after
    with pytest.raises(npr.NetworkPruneError, match=CHANGED):
        redrawer.restore()
    assert networks.snapshot(model[3]) == untouched
    redrawer.restore()
    with pytest.raises(npr.NetworkPruneError, match=CHANGED):
        redrawer.redraw()
    assert networks.snapshot(model[0]) == theirs


@pytest.mark.parametrize("holder", ["first", "second"])
@pytest.mark.parametrize("name", ["tied", "shared storage"])
def test_a_shared_weight_comes_back_in_one_layer_when_another_exchanged_its_own(name, holder):
    model, redrawer = redrawer_of(name)
    original = model.first.weight.detach().clone()
    redrawer.redraw()
    getattr(model, holder).weight = nn.Parameter(torch.ones(4, 4, 3, 3))
    with pytest.raises(npr.NetworkPruneError, match="layer 'first' was changed, moved or exchan"):
        redrawer.restore()
    other = {"first": model.second, "second": model.first}[holder]
    assert networks.same_bits(other.weight, original)
    assert bool((getattr(model, holder).weight == 1).all())


@pytest.mark.parametrize("name", ["plain", "bfloat16", "float64", "half", "channels_last"])
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_zeros_are_positive_whatever_stood_there_and_all_bits_come_back(name, granularity):
    model = networks.build(name)
    prunable = npr.rank(model, granularity, p_prune=0.5)
    odd = torch.tensor([-0.0, torch.nan, -torch.nan, -torch.inf, 1e-45, -1.0, 2.0])
    with torch.no_grad():
        for layer in prunable.layers:
            weight = networks.weight_of(model, layer.name)
            places = torch.arange(weight.numel()).reshape(weight.shape)
            weight.copy_(odd.to(weight.dtype)[places % 7])
    before, originals = networks.snapshot(model), originals_of(model, prunable)
    with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
        for _ in range(3):
            redrawer.redraw()
            assert_pruned(model, originals, redrawer.draw)
    assert networks.snapshot(model) == before


@pytest.mark.parametrize("restored", [True, False])
def test_weights_and_redrawer_are_freed_without_the_collector(restored):
    model, redrawer = redrawer_of("plain")
    redrawer.redraw()
    if restored:
        redrawer.restore()
    gone = [weakref.ref(model[0].weight), weakref.ref(redrawer)]
    gc.disable()
    try:
        del redrawer, model
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()
