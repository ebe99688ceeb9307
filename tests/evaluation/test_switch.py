"""Under each variant the network computes what it does when it is pruned alone."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import network_prune
from network_prune.errors import StateError
from network_prune.evaluation.evaluate import evaluate
from network_prune.evaluation.switch import Switcher
from network_prune.pruning.faster_copy.prepare import Speed
from network_prune.pruning.forward import eval_mode
from network_prune.sources.data.pictures import Batch
from tests.networks import snapshot
from tests.studies import ITSELF, look_at, variant_of

SPEEDS = [Speed(), ITSELF, Speed(dtype="bfloat16")]


def draws(count=3, **values):
    return [variant_of(p_bern=0.5, seed=3, index=4 + i, **values) for i in range(count)]


def speed_options(speed):
    return {name: getattr(speed, name) for name in ("channels_last", "fold", "dtype")}


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize(
    "values",
    [{"p_prune": 0.8}, {"p_prune": 0.6, "method": "connections"},
     {"p_prune": 0.5, "method": "neurons", "with_norm": True}],
)  # fmt: skip
def test_each_draw_is_evaluated_as_if_it_were_alone(model, data, speed, values, dense):
    found = look_at(model, data, draws(**values), speed=speed, dense=dense)
    for variant in draws(**values):
        prunable = variant.rank(model)
        norm = {"with_norm": variant.with_norm}
        with network_prune.prune(
            model, prunable, p_bern=0.5, seed=3, index=variant.index, **norm
        ) as alone:
            metrics = evaluate(model, data, **speed_options(speed))
            summary = alone.summary()
        with Switcher(model, speed) as switcher:
            assert switcher.draw(variant).sha256 == alone.draw.sha256
            assert switcher.summary(variant) == summary
        assert found[variant].metrics.loss_sum == metrics.loss_sum
        assert found[variant].metrics.hits5 == metrics.hits5


def test_the_users_network_is_untouched_to_the_last_bit(model, data):
    model.train()
    before = snapshot(model)
    for speed in SPEEDS:
        look_at(model, data, draws(method="neurons", p_prune=0.5), speed=speed)
        look_at(model, data, draws(method="neurons", p_prune=0.5, with_norm=True), speed=speed)
    assert snapshot(model) == before


@pytest.mark.parametrize("with_norm", [False, True])
def test_an_interruption_leaves_the_network_as_it_was(model, data, with_norm):
    model.train()
    before, calls = snapshot(model), []

    class Interrupting(TensorDataset):
        def __getitem__(self, index):
            calls.append(index)
            if len(calls) == 12:
                raise KeyboardInterrupt
            return super().__getitem__(index)

    variants = draws(method="neurons", p_prune=0.9, with_norm=with_norm)
    with pytest.raises(KeyboardInterrupt):
        look_at(model, Interrupting(*data.tensors), variants, batch_size=5)
    assert snapshot(model) == before


class Viewing(nn.Module):
    """It flattens by ``view``, which takes no images with the channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 36, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.bn(self.conv(x)).view(-1, 4 * 36))


@pytest.mark.parametrize("dense", [True, False])
def test_a_network_that_takes_no_channels_last_gets_none(data, dense):
    torch.manual_seed(3)
    model = Viewing().eval()
    plain = look_at(model, data, draws(p_prune=0.5), speed=Speed(channels_last=False))
    found = look_at(model, data, draws(p_prune=0.5), speed=Speed(), dense=dense)
    for variant, sums in found.items():
        assert sums.metrics.loss_sum == plain[variant].metrics.loss_sum
    with pytest.warns(UserWarning, match="it ran with --no-channels-last"):
        assert evaluate(model, data).n == 23


def test_a_pruned_network_is_refused(model, data):
    with (
        network_prune.prune_weights(model, p_prune=0.5),
        pytest.raises(StateError, match="layer '0' is pruned already"),
    ):
        look_at(model, data, draws(p_prune=0.5))


def test_each_ranking_is_done_once(model, data, monkeypatch):
    from network_prune.evaluation.variant import Variant

    ranked, rank = [], Variant.rank
    monkeypatch.setattr(
        Variant, "rank", lambda self, *rest: (ranked.append(self), rank(self, *rest))[1]
    )
    variants = [*draws(p_prune=0.5), *draws(p_prune=0.7), variant_of(p_prune=0.5)]
    look_at(model, data, variants, batch_size=4)
    assert len(ranked) == 2


def ranked(values, count=1):
    return draws(count, p_prune=0.6, **values)


@pytest.mark.parametrize("speed", [Speed(), Speed(channels_last=False)])
@pytest.mark.parametrize(
    "values",
    [
        {"layers": "batchnorm2d"},
        {"layers": "batchnorm2d", "tensors": "bias"},
        {"layers": "conv2d", "tensors": "weight,bias"},
        {"layers": "conv,norm,linear", "tensors": "weight,bias"},
    ],
)
def test_norms_and_biases_that_are_ranked_are_pruned_unfolded(model, data, speed, values):
    before = snapshot(model)
    variants = ranked(values, count=2)
    found = look_at(model, data, variants, speed=speed)
    for variant in variants:
        prunable = variant.rank(model)
        with network_prune.prune(model, prunable, p_bern=0.5, seed=3, index=variant.index) as alone:
            metrics = evaluate(model, data, fold=False, channels_last=speed.channels_last)
            summary = alone.summary()
        assert found[variant].metrics.loss_sum == metrics.loss_sum
        with Switcher(model, speed) as switcher:
            switcher.switch(variant)
            assert switcher.summary(variant) == summary
            assert switcher.runner(variant).prepared.folded == 0
            assert switcher.runner(None).prepared.folded == 1
    assert (
        found[None].metrics.loss_sum == look_at(model, data, [], speed=speed)[None].metrics.loss_sum
    )
    assert snapshot(model) == before


def test_all_other_norms_are_folded():
    pair = (nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    model = nn.Sequential(*pair, nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)).eval()
    (variant,) = ranked({"layers": "conv2d,batchnorm2d", "include": ("0", "2", "3")})
    with Switcher(model, Speed()) as switcher:
        folded = switcher.runner(variant).prepared
        assert folded.folded == 1
        assert isinstance(folded.model[1], nn.Identity)
        (variant,) = ranked({"layers": "conv2d"})
        assert switcher.runner(variant) is switcher.dense


@pytest.mark.parametrize("has_hooks", [False, True])
def test_a_recalibrated_network_goes_from_draw_to_draw_and_back(model, data, has_hooks):
    if has_hooks:  # it can't be copied, and runs itself
        model.register_forward_hook(lambda *_: None)
    before = snapshot(model)
    images, labels = data.tensors
    batch = Batch(images, labels)
    variants = draws(p_prune=0.6) + draws(p_prune=0.6, recalibrate=23)
    with (
        Switcher(model, Speed(), recalibration=lambda count: [images[:count]]) as switcher,
        eval_mode(model),
        torch.no_grad(),
    ):
        found = {v: switcher.switch(v)(batch) for v in [*variants, None, *variants[::-1], None]}
        dense = switcher.switch(None)(batch)
    assert snapshot(model) == before
    for variant, logits in found.items():
        with torch.no_grad():
            if variant is None:
                assert torch.equal(logits, dense)
                continue
            norm = {"p_bern": 0.5, "seed": 3, "index": variant.index}
            with network_prune.prune(model, variant.rank(model), **norm):
                if variant.recalibrate:
                    network_prune.recalibrate(model, images)
                assert torch.allclose(logits, model(images), atol=1e-5)
