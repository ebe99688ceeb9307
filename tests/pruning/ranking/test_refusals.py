"""Bad input: one clear line that names the value and the remedy, and nothing is changed."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils import prune as torch_prune

import network_prune as npr
import networks
from network_prune.core.scores import RandomScore

ARGUMENTS = {
    "p_prune above": ({"p_prune": 1.3}, r"p_prune=1\.3 is outside \[0, 1\]; pass a fraction, e\.g"),
    "p_prune below": ({"p_prune": -0.1}, r"p_prune=-0\.1 is outside \[0, 1\]"),
    "p_prune NaN": ({"p_prune": math.nan}, r"p_prune=nan is outside \[0, 1\]"),
    "p_prune infinite": ({"p_prune": math.inf}, r"p_prune=inf is outside \[0, 1\]"),
    "p_prune word": ({"p_prune": "most"}, r"p_prune='most' is not a number; pass a fraction"),
    "p_prune none": ({"p_prune": None}, "p_prune=None is not a number"),
    "p_bern above": ({"p_bern": 70}, r"p_bern=70 is outside \[0, 1\]"),
    "p_bern NaN": ({"p_bern": np.float32("nan")}, r"p_bern=nan is outside \[0, 1\]"),
    "seed below": ({"seed": -1}, r"seed=-1 is outside \[0, 2\*\*64 - 1\]"),
    "seed above": ({"seed": 2**64}, r"seed=18446744073709551616 is outside"),
    "seed fraction": ({"seed": 0.5}, r"seed=0\.5 is not an integer; pass one from 0"),
    "seed truth": ({"seed": True}, "seed=True is not an integer"),
    "index below": ({"index": -1}, "index=-1 is outside"),
    "index word": ({"index": "1"}, "index='1' is not an integer"),
    "score": ({"score": "l11"}, r"unknown score 'l11'; did you mean l1"),
    "score far off": (
        {"score": "hessian"},
        r"unknown score 'hessian'; pass one of l1, l2, mean-l1, lamp, taylor, gradient, random, r",
    ),
    "score seed": ({"score": f"random:{2**64}"}, "random score's seed=18446744073709551616 is"),
    "score none": ({"score": None}, "score=None is neither the name of a score nor a mapping"),
    "score function": ({"score": abs}, "score=<built-in function abs> is neither"),
    "scope": ({"scope": "globl"}, "unknown scope 'globl'; did you mean global"),
    "layers empty": ({"layers": ()}, "layers is empty; pass some of Conv1d, Conv2d"),
    "layers type": ({"layers": nn.Conv2d}, r"pass layers=\[Conv2d\]"),
    "layers other": ({"layers": (nn.ReLU,)}, "ReLU.* can't be ranked; pass some of Conv1d"),
    "layers word": ({"layers": ("conv",)}, "layers='conv' can't be ranked"),
    "include string": ({"include": "0"}, "include and exclude take a list of patterns"),
    "exclude string": ({"exclude": "0"}, "include and exclude take a list of patterns"),
    "include unknown": ({"include": ["00"]}, "unknown layer or pattern '00'; did you mean 0"),
    "exclude unknown": ({"exclude": ["x*"]}, r"unknown layer or pattern 'x\*'; pass one of 0, 3"),
    "exclude all": ({"exclude": ["*"]}, r"exclude=\['\*'\] leaves none of 2 layers"),
    "score missing": ({"score": {"0": torch.ones(8, 4, 3, 3)}}, r"score lacks the layers \['3'\]"),
    "score of others": (
        {"score": {"0": torch.ones(8, 4, 3, 3), "3": torch.ones(6, 8, 3, 3), "9": 1}},
        r"has \['9'\], which are not ranked",
    ),
    "score shape": (
        {"score": {"0": torch.ones(8, 4), "3": torch.ones(6, 8, 3, 3)}},
        r"score of layer '0' has shape \[8, 4\]; pass \[8, 4, 3, 3\], one for each weight",
    ),
    "score NaN": (
        {"score": {"0": torch.full((8, 4, 3, 3), torch.nan), "3": torch.ones(6, 8, 3, 3)}},
        "score of layer '0' has complex, NaN or infinite values",
    ),
    "score complex": (
        {"score": {"0": torch.ones(8, 4, 3, 3) * 1j, "3": torch.ones(6, 8, 3, 3)}},
        "score of layer '0' has complex, NaN or infinite values",
    ),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_a_wrong_argument_is_named_and_nothing_changed(case):
    arguments, message = ARGUMENTS[case]
    model = networks.build("plain")
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match=message) as error:
        npr.prune_weights(model, **{"p_prune": 0.5, **arguments})
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2
    assert networks.snapshot(model) == before


def test_an_unknown_granularity_offers_the_nearest():
    with pytest.raises(
        npr.NetworkPruneError, match=r"unknown granularity 'weigths'; .*mean weight"
    ):
        npr.rank(networks.build("plain"), "weigths", p_prune=0.5)


def test_an_unknown_layer_of_a_set_or_draw_offers_the_nearest():
    prunable = npr.rank(networks.build("tied"), p_prune=0.5)
    with pytest.raises(npr.NetworkPruneError, match=r"unknown ranked layer 'frist'; .*mean first"):
        prunable.prunable("frist")
    for ask in [prunable.draw(p_bern=0.5, seed=0).mask, prunable.draw(p_bern=1, seed=0).pruned]:
        with pytest.raises(npr.NetworkPruneError, match="unknown ranked layer 'second'"):
            ask("second")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p_bern": -0.5, "seed": 0}, r"p_bern=-0\.5 is outside"),
        ({"p_bern": 0.5, "seed": 2.0}, r"seed=2\.0 is not an integer"),
        ({"p_bern": 0.5, "seed": 0, "index": -3}, "index=-3 is outside"),
    ],
)
def test_a_draw_checks_its_name(arguments, message):
    prunable = npr.rank(networks.build("plain"), p_prune=0.5)
    with pytest.raises(npr.NetworkPruneError, match=message):
        prunable.draw(**arguments)


def test_a_score_object_is_taken_as_its_name():
    model = networks.build("plain")
    assert npr.rank(model, p_prune=0.5, score=RandomScore(3)) == npr.rank(
        model, p_prune=0.5, score="random:3"
    )


# --- networks that can't be ranked --------------------------------------------------------


def poisoned(value: float) -> nn.Module:
    model = networks.build("plain")
    with torch.no_grad():
        model[3].weight[0, 0, 0, 0] = value
    return model


def std_conv() -> nn.Module:
    from timm.layers import StdConv2d

    return nn.Sequential(nn.Conv2d(4, 4, 1), StdConv2d(4, 4, 3))


def zero_std_conv() -> nn.Module:
    model = std_conv()
    nn.init.zeros_(model[1].weight)
    return model


def scaled_std_conv() -> nn.Module:
    from timm.layers import ScaledStdConv2d

    return nn.Sequential(nn.Conv2d(4, 4, 1), ScaledStdConv2d(4, 4, 3))


def wrapped(change: Callable[[nn.Module], Any]) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3))
        change(model[1])
        return model

    return build


class TwoInputs(nn.Conv2d):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return super().forward(x + y)


def old_spectral_norm(module: nn.Module) -> None:
    from torch.nn.utils import spectral_norm

    spectral_norm(module)


def plain_tensor_weight(module: nn.Module) -> None:
    weight = module.weight.detach()
    del module.weight
    module.weight = weight


class OwnWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))


def quantized(*, dynamic: bool = False) -> nn.Module:
    if dynamic:
        linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        return torch.ao.quantization.quantize_dynamic(linear, {nn.Linear})
    model = nn.Sequential(
        torch.ao.quantization.QuantStub(), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    model.qconfig = torch.ao.quantization.default_qconfig
    torch.ao.quantization.prepare(model, inplace=True)
    model(torch.zeros(1, 4, 1, 1))
    return torch.ao.quantization.convert(model)


def scripted() -> nn.Module:
    return torch.jit.trace(nn.Sequential(nn.Conv2d(4, 4, 1)), torch.zeros(1, 4, 1, 1))


def with_lazy() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, 1), nn.LazyConv2d(4, 3))


NETWORKS = {
    "no conv": (
        lambda: nn.Sequential(nn.Linear(3, 2)),
        r"no Conv2d layer to rank; it has Linear: pass layers=\[nn\.Linear\] \(--layers linear\)",
    ),
    "sound": (
        lambda: nn.Sequential(nn.Conv1d(3, 2, 1), nn.Flatten(), nn.Linear(3, 2)),
        r"it has Conv1d, Linear: pass layers=\[nn\.Conv1d\] \(--layers conv1d\) to rank these$",
    ),
    "nothing": (lambda: nn.Sequential(nn.ReLU()), "it has no weights at all$"),
    "recurrent": (
        lambda: nn.Sequential(nn.GRU(3, 2)),
        "its weights are those of GRU, and only Conv1d, Conv2d, .* can be ranked$",
    ),
    "own": (lambda: OwnWeights(), "its weights are those of OwnWeights, and only Conv1d"),
    "int8": (
        quantized,
        r"quantized to integers \(its Conv2d, Linear, LinearPackedParams, Quantize\), and only "
        "floating weights can be ranked; pass the network before quantization$",
    ),
    "int8 on the fly": (
        lambda: quantized(dynamic=True),
        r"it is quantized to integers \(its Linear, LinearPackedParams\)",
    ),
    "TorchScript": (
        scripted,
        "it is compiled by TorchScript, which hides them; pass the network it",
    ),
    "NaN": (lambda: poisoned(math.nan), "layer '3' has NaN or infinite weights; load sound"),
    "infinite": (lambda: poisoned(-math.inf), "layer '3' has NaN or infinite weights"),
    "beyond float32": (
        lambda: networks.build("float64").apply(
            lambda m: nn.init.constant_(m.weight, 1e300) if isinstance(m, nn.Conv2d) else None
        ),
        "layer '0' has weights whose score is beyond float32",
    ),
    "StdConv2d": (std_conv, r"layer '1' \(StdConv2d\) transforms its weight before using it"),
    "StdConv2d of zeros": (zero_std_conv, r"layer '1' \(StdConv2d\) transforms its weight"),
    "ScaledStdConv2d": (scaled_std_conv, r"layer '1' \(ScaledStdConv2d\) transforms its wei"),
    "other arguments": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 1), TwoInputs(4, 4, 1)),
        r"layer '1' \(TwoInputs\) transforms its weight",
    ),
    "weight norm": (wrapped(parametrizations.weight_norm), "layer '1' computes its weight from"),
    "spectral norm": (wrapped(parametrizations.spectral_norm), "layer '1' computes its weight"),
    "orthogonal": (wrapped(parametrizations.orthogonal), "layer '1' computes its weight from"),
    "old spectral norm": (wrapped(old_spectral_norm), "layer '1' computes its weight from"),
    "plain tensor": (wrapped(plain_tensor_weight), "layer '1' computes its weight from other"),
    "complex": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, dtype=torch.complex64)),
        r"layer '1' has a torch\.strided torch\.complex64 weight on cpu; only dense",
    ),
    "meta": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1, device="meta")), "layer '0' .* on meta"),
}


# Networks whose weights are nothing that a snapshot holds.
UNSEEN = ("meta", "int8", "int8 on the fly", "TorchScript")


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.(ao|jit)")
@pytest.mark.filterwarnings("ignore:::torch.ao")
@pytest.mark.parametrize("case", NETWORKS)
def test_a_network_that_cannot_be_ranked_is_named_and_not_changed(case):
    build, message = NETWORKS[case]
    model = build()
    before = None if case in UNSEEN else networks.snapshot(model)
    for shortcut in [npr.prune_weights, npr.prune_connections, npr.prune_neurons]:
        with pytest.raises(npr.NetworkPruneError, match=message) as error:
            shortcut(model, p_prune=0.5)
        assert "\n" not in str(error.value)
    assert before is None or networks.snapshot(model) == before


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors:UserWarning")
def test_a_layer_without_weights_is_refused():
    model = nn.Sequential(nn.Linear(0, 3), nn.Linear(3, 3))
    with pytest.raises(npr.NetworkPruneError, match="layer '0' has no weights at all; exclude"):
        npr.rank(model, p_prune=0.5, layers=(nn.Linear,))
    assert len(npr.rank(model, p_prune=1, layers=(nn.Linear,), exclude=["0"])) == 9


def test_a_lazy_layer_is_refused():
    with pytest.raises(npr.NetworkPruneError, match="layer '1' is lazy and not built yet; run"):
        npr.rank(with_lazy(), p_prune=0.5)


@pytest.mark.parametrize("case", ["StdConv2d", "ScaledStdConv2d", "weight norm", "NaN"])
def test_excluding_the_layer_is_the_remedy(case):
    model = NETWORKS[case][0]()
    npr.prune_weights(model, p_prune=0.5, exclude=["1" if len(model) == 2 else "3"]).restore()


def test_a_convolution_that_only_pads_is_accepted():
    from timm.layers.conv2d_same import Conv2dSame

    model = nn.Sequential(Conv2dSame(4, 4, 3, stride=2))
    with npr.prune_weights(model, p_prune=0.5):
        model(networks.inputs())
        assert int((model[0].weight == 0).sum()) == 72


class OtherAttention(nn.MultiheadAttention):
    def forward(self, query, key, value, **kwargs):
        return super().forward(2 * query, key, value, **kwargs)


def test_an_attention_with_a_forward_of_its_own_is_refused():
    model = nn.Sequential(OtherAttention(8, 2))
    with pytest.raises(npr.NetworkPruneError, match=r"'0\.in_proj_weight' \(OtherAtt.* transforms"):
        npr.rank(model, p_prune=0.5, layers=(nn.Linear,))


def test_an_attention_with_a_parametrized_projection_is_refused():
    model = nn.Sequential(nn.MultiheadAttention(8, 2))
    parametrizations.weight_norm(model[0], "in_proj_weight")
    with pytest.raises(npr.NetworkPruneError, match=r"'0\.in_proj_weight' computes its weight"):
        npr.rank(model, p_prune=0.5, layers=(nn.Linear,))


def test_projections_that_share_a_bias_are_not_pruned_with_it():
    model = nn.Sequential(nn.MultiheadAttention(8, 2, kdim=4))
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match=r"'0\.q_proj_weight' shares one bias"):
        npr.prune_neurons(model, p_prune=0.5, layers=(nn.Linear,), with_norm=True)
    assert networks.snapshot(model) == before


def test_a_tied_weight_that_its_second_holder_standardises_is_refused():
    from timm.layers import StdConv2d

    model = nn.Sequential(nn.Conv2d(4, 4, 3), StdConv2d(4, 4, 3))
    model[1].weight = model[0].weight
    prunable = npr.rank(nn.Sequential(nn.Conv2d(4, 4, 3)), p_prune=0.5)
    with pytest.raises(npr.NetworkPruneError, match=r"layer '0' \(StdConv2d\) transforms"):
        npr.prune(model, prunable)


# --- networks in the wrong state ----------------------------------------------------------


def test_pruning_a_pruned_network_is_refused_and_says_how_to_restore():
    model = networks.build("plain")
    prunable = npr.rank(model, p_prune=0.5)
    npr.prune(model, prunable)
    before = networks.snapshot(model)
    for again in [
        lambda: npr.prune(model, prunable),
        lambda: npr.rank(model, p_prune=0.5),
        lambda: npr.prune_weights(model, p_prune=0.5),
    ]:
        with pytest.raises(
            npr.NetworkPruneError, match=r"'0' is pruned already; .*restore\(model\)"
        ):
            again()
    assert networks.snapshot(model) == before


def test_a_network_pruned_by_torch_is_refused():
    model = networks.build("plain")
    prunable = npr.rank(model, p_prune=0.5)
    torch_prune.random_unstructured(model[3], "weight", 0.5)
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match="layer '3' is pruned already"):
        npr.prune(model, prunable)
    with pytest.raises(npr.NetworkPruneError, match="carries no mask of network-prune; there is"):
        npr.restore(model)
    assert networks.snapshot(model) == before


def test_restoring_what_is_not_pruned_is_refused():
    model = networks.build("plain")
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match="carries no mask of network-prune; there is"):
        npr.restore(model)
    assert networks.snapshot(model) == before


def test_a_restored_network_has_no_masks_to_redraw_or_count():
    model = networks.build("plain")
    pruned = npr.prune_weights(model, p_prune=0.5)
    pruned.restore()
    pruned.restore()
    before = networks.snapshot(model)
    for use in [pruned.redraw, pruned.summary]:
        with pytest.raises(npr.NetworkPruneError, match="the masks were taken off; prune the"):
            use()
    assert networks.snapshot(model) == before


@pytest.mark.parametrize(
    "tamper",
    [
        lambda model: torch_prune.remove(model[0], "weight"),
        lambda model: torch_prune.l1_unstructured(model[0], "weight", amount=0.5),
    ],
)
def test_redraw_after_torch_changed_the_masks_is_refused(tamper):
    model = networks.build("plain")
    pruned = npr.prune_weights(model, p_prune=0.5)
    tamper(model)
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match=r"'0' was changed by torch\.nn\.utils\.prune"):
        pruned.redraw()
    assert networks.snapshot(model) == before


def test_redraw_of_a_wrong_index_changes_nothing():
    model = networks.build("plain")
    pruned = npr.prune_weights(model, p_prune=0.5, index=2**64 - 1)
    before, draw = networks.snapshot(model), pruned.draw
    for index in [-1, 1.5, None]:
        with pytest.raises(npr.NetworkPruneError, match="index="):
            pruned.redraw(index)
    assert networks.snapshot(model) == before
    assert pruned.draw is draw


# --- prunable sets of other networks ------------------------------------------------------


def plain_pair() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3))


FOREIGN = {
    "fewer layers": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1)), "'1' of the prunable set is no su"),
    "another kind": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.Embedding(4, 4)),
        "layer '1' of the prunable set is a Embedding in this network",
    ),
    "another shape": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 5, 3)),
        r"'1' of the prunable set has a weight of shape \[4, 4, 3, 3\], .* has \[5, 4, 3, 3\]",
    ),
    "transposed": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.ConvTranspose2d(4, 4, 3)),
        "layer '1' of the prunable set has a weight of shape",
    ),
    "StdConv2d": (std_conv, r"layer '1' \(StdConv2d\) transforms its weight"),
    "weight norm": (wrapped(parametrizations.weight_norm), "layer '1' computes its weight from"),
    "name taken": (
        wrapped(lambda module: module.register_buffer("weight_mask", torch.ones(1))),
        "layer '1' has an attribute weight_mask of its own",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_prunable_set_of_another_network_is_refused(case):
    build, message = FOREIGN[case]
    prunable = npr.rank(plain_pair(), p_prune=0.5)
    model = build()
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match=message):
        npr.prune(model, prunable)
    assert networks.snapshot(model) == before


def test_a_prunable_set_is_refused_where_the_network_is_lazy():
    prunable = npr.rank(nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3)), p_prune=0.5)
    with pytest.raises(npr.NetworkPruneError, match="layer '1' is lazy"):
        npr.prune(with_lazy(), prunable)


def test_a_prunable_set_with_two_layers_for_one_weight_is_refused():
    prunable = npr.rank(networks.Tied().apply(untie), p_prune=0.5)
    model = networks.build("tied")
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match=r"'first' and 'second' of .* share one weight"):
        npr.prune(model, prunable)
    assert networks.snapshot(model) == before


def untie(module: nn.Module) -> None:
    if isinstance(module, networks.Tied):
        module.second.weight = nn.Parameter(module.first.weight.detach().clone())
