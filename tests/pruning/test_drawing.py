"""Drawing where it is needed: the same elements on the host and on a device."""

import copy

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import network_prune as npr
from network_prune.core.elements import ElementSet, word_count
from network_prune.core.layers import Granularity, Layer
from network_prune.pruning.drawing import Drawer
from tests.networks import build

CPU = torch.device("cpu")


@pytest.fixture
def prunable():
    return npr.rank(build("plain"), "connection", p_prune=0.5)


@pytest.mark.parametrize("p_bern", [0.0, 0.3, 0.5, 1.0])
def test_what_is_drawn_is_what_the_prunable_set_draws(prunable, p_bern):
    drawn = Drawer(prunable.elements, p_bern=p_bern, seed=4).draw(9)
    draw = prunable.draw(p_bern=p_bern, seed=4, index=9)
    assert drawn.draw == draw
    for place, layer in enumerate(prunable.layers):
        assert torch.equal(~drawn.zeroed(place, CPU), draw.mask(layer.name))


# The second is computed with as any other device is.
@pytest.mark.parametrize("device", [CPU, torch.device("cpu", 0)])
@pytest.mark.parametrize("order", [1, -1])
def test_short_and_long_layers_are_unpacked_alike(device, order):
    """Short ones together, and those of a million elements alone."""
    sizes = [(3, 5), (1100, 1000), (64,), (1, 1), (1000, 1000), (7, 90), (130,)]
    layers = tuple(Layer(str(n), size) for n, size in enumerate(sizes))
    words = [np.zeros(word_count(layer.weights), np.uint64) for layer in layers]
    elements = ElementSet(Granularity.WEIGHT, layers, np.concatenate(words)).all()
    drawn = Drawer(elements, p_bern=0.3, seed=4).draw(9)
    for place in range(len(sizes))[::order]:
        assert torch.equal(~drawn.zeroed(place, device), drawn.draw.mask(str(place)))


class Started(TorchDispatchMode):
    """Counts the operations that a GPU would be given: all but those that only look elsewhere."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        self.count += not operation.is_view
        return result


@pytest.mark.parametrize(("p_bern", "most"), [(0.3, 140), (0.5, 40)])
def test_a_draw_on_a_device_starts_few_operations(p_bern, most):
    with torch.device("meta"):
        shapes = [each.shape for each in torchvision.models.resnet50().parameters()]
    layers = tuple(Layer(str(n), shape) for n, shape in enumerate(shapes) if len(shape) == 4)
    words = [np.zeros(word_count(layer.weights), np.uint64) for layer in layers]
    elements = ElementSet(Granularity.WEIGHT, layers, np.concatenate(words)).all()
    device = torch.device("cpu", 0)
    drawn = Drawer(elements, p_bern=p_bern, seed=4).draw(9)
    with Started() as started:
        pruned = sum(int(drawn.zeroed(n, device).sum()) for n in range(len(layers)))
    assert pruned == len(drawn.draw.elements)
    assert started.count - 2 * len(layers) <= most  # one sum a layer, and its number


@pytest.mark.parametrize("p_bern", [0.0, 0.3, 0.5, 1.0])
def test_torch_draws_what_numpy_draws(prunable, p_bern):
    drawn = Drawer(prunable.elements, p_bern=p_bern, seed=4).draw(2**64 - 1)
    assert np.array_equal(drawn._words_on(CPU).numpy().view(np.uint64), drawn.draw.elements.words)


def test_a_copy_leaves_what_lies_on_devices_behind(prunable):
    drawer = Drawer(prunable.elements, p_bern=0.5, seed=4)
    drawer.words_on(CPU)
    twin = copy.deepcopy(drawer)
    assert not twin._words
    assert twin.draw(3).draw == drawer.draw(3).draw


@pytest.mark.parametrize(
    ("channels", "granularity"), [(8, "weight"), (5, "connection"), (64, "neuron")]
)
def test_all_elements_are_all_and_no_more(channels, granularity):
    model = nn.Sequential(nn.Conv2d(3, channels, 3), nn.Conv2d(channels, channels, 1))
    few = npr.rank(model, granularity, p_prune=0.1).elements
    assert few.all() == npr.rank(model, granularity, p_prune=1.0).elements


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_device_draws_what_the_host_does(prunable):
    device = torch.device("cuda")
    for index in range(3):
        drawn = Drawer(prunable.elements, p_bern=0.3, seed=4).draw(index)
        for place in range(len(prunable.layers)):
            assert torch.equal(drawn.zeroed(place, device).cpu(), drawn.zeroed(place, CPU))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events")
@pytest.mark.parametrize(("p_bern", "most"), [(0.3, 200), (0.5, 100)])
def test_a_draw_in_place_starts_few_kernels(p_bern, most):
    model = torchvision.models.resnet50().cuda()
    prunable = npr.rank(model, p_prune=0.2)
    with npr.Redrawer(model, prunable, p_bern=p_bern) as redrawer:
        redrawer.redraw()
        with torch.profiler.profile() as profile:
            redrawer.redraw()
            torch.cuda.synchronize()
    on_gpu = torch.autograd.DeviceType.CUDA
    started = [event for event in profile.events() if event.device_type == on_gpu]
    assert len(prunable.layers) < len(started) <= most
