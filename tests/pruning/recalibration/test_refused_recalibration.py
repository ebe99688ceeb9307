"""What can't be recalibrated is refused by name, and left as it was."""

import pytest
import torch
import torch.distributed
from torch import nn

import network_prune as npr
import networks
from network_prune.errors import ArgumentError, StateError, UnsupportedNetworkError

X = networks.inputs()


def check_refused(model, data, error, match, **options):
    before = networks.snapshot(model)
    with pytest.raises(error, match=match):
        npr.recalibrate(model, data, **options)
    assert networks.snapshot(model) == before


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(4, 3, 1)),
        nn.Sequential(nn.Conv2d(4, 3, 1), nn.GroupNorm(1, 3)),
        nn.Sequential(nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)),
    ],
)
def test_a_network_without_statistics_says_so(model):
    match = r"the network \(Sequential\) has no BatchNorm with running statistics, so there is noth"
    check_refused(model, X, UnsupportedNetworkError, match)


def test_squeezenet_says_so():
    network = npr.load_network("squeezenet1_0", weights="none")
    with pytest.raises(UnsupportedNetworkError, match=r"\(SqueezeNet\) has no BatchNorm"):
        npr.recalibrate(network, torch.zeros(2, 3, 224, 224))


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 3, 1)
        self.head = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.head(self.conv(x)) if self.training else self.conv(x)


def test_norms_that_dont_run_are_left_and_a_network_of_them_is_refused():
    match = r"the network runs none of its BatchNorms \(head\)"
    check_refused(Unused(), X, UnsupportedNetworkError, match)
    model = nn.Sequential(nn.BatchNorm2d(4), Unused())
    own = networks.bits(model[1].head.running_mean)
    assert npr.recalibrate(model, X) == ("0",)
    assert networks.bits(model[1].head.running_mean) == own


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: npr.Diversified(model, npr.rank(model, p_prune=0.5), p_bern=0.5),
        lambda model: npr.BackwardOnly(model, npr.rank(model, p_prune=0.5), p_bern=0.5),
        lambda model: npr.Ensemble([model]),
    ],
)
def test_what_draws_in_each_forward_is_refused(wrap):
    model = networks.build("plain")
    surrogate = wrap(model)
    kind = type(surrogate).__name__
    with pytest.raises(UnsupportedNetworkError, match=rf"the model is a {kind}, which computes"):
        npr.recalibrate(surrogate, X)
    around = nn.Sequential(surrogate)
    with pytest.raises(UnsupportedNetworkError, match=rf"layer '0' is a {kind}, which computes"):
        npr.recalibrate(around, X)
    assert npr.recalibrate(model, X) == ("1",)


def test_a_norm_without_a_size_is_refused():
    model = nn.Sequential(nn.Conv2d(4, 3, 1), nn.LazyBatchNorm2d())
    with pytest.raises(UnsupportedNetworkError, match="layer '1' has no size before its first"):
        npr.recalibrate(model, X)


def test_norms_that_compute_with_other_processes_are_refused(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group=None: 2)
    model = nn.Sequential(nn.Conv2d(4, 3, 1), nn.SyncBatchNorm(3))
    check_refused(model, X, UnsupportedNetworkError, "layer '1' is a SyncBatchNorm, which computes")


@pytest.mark.parametrize("data", [X[:1], [X, X[:1]]])
def test_a_batch_with_one_value_a_channel_is_refused(data):
    model = nn.Sequential(nn.Conv2d(4, 3, 8), nn.BatchNorm2d(3))
    check_refused(model, data, ArgumentError, "layer '1' gets one value a channel from a batch of")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_isnt_finite_is_refused(value):
    batch = X.clone()
    batch[0, 0, 0, 0] = value
    match = "layer '1' gets NaN or infinite values from these images"
    check_refused(networks.build("plain"), batch, UnsupportedNetworkError, match)


@pytest.mark.parametrize("data", [[], iter([]), torch.zeros(0, 4, 8, 8)])
def test_no_images_are_refused(data):
    check_refused(networks.build("plain"), data, ArgumentError, "data gives no images; pass at")


@pytest.mark.parametrize("data", [None, 3, "digits", object()])
def test_what_gives_no_batches_is_refused(data):
    check_refused(networks.build("plain"), data, ArgumentError, "gives no batches; pass batches")


def test_a_batch_size_below_one_is_refused():
    match = "batch_size=0 is too small; pass 1 or more"
    check_refused(networks.build("plain"), X, ArgumentError, match, batch_size=0)


def test_other_images_than_the_network_takes_fail_in_one_line():
    match = r"the network failed on a batch of \[2, 3, 8, 8\]"
    check_refused(networks.build("plain"), [X, X[:, :3]], UnsupportedNetworkError, match)


def test_a_failure_of_the_data_leaves_the_network_as_it_was():
    def failing():
        yield X
        raise OSError("the disk is gone")

    check_refused(networks.build("plain"), failing(), OSError, "the disk is gone")


@pytest.mark.parametrize(
    "call",
    [
        lambda model: npr.rank(model, p_prune=0.5),
        lambda model: npr.prune_weights(model, p_prune=0.5),
        lambda model: npr.Redrawer(model, npr.rank(networks.build("plain"), p_prune=0.5), p_bern=1),
    ],
)
def test_a_recalibrated_network_is_restored_or_made_permanent_before_it_is_pruned(call):
    model = networks.build("plain")
    npr.recalibrate(model, X)
    with pytest.raises(StateError, match=r"layer '1' is recalibrated; call network_prune.restore"):
        call(model)
    npr.restore(model)
    call(model)


def test_inside_a_transform_it_is_refused():
    model = networks.build("plain")

    def inside(x):
        npr.recalibrate(model, x)
        return x.sum()

    with pytest.raises(StateError, match=r"inside a torch.func transform"):
        torch.func.grad(inside)(X)
