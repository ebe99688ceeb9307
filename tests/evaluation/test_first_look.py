"""What a few images tell first: a faster copy that computes something else isn't used."""

import copy
import json
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import network_prune as npr
from network_prune.errors import StateError, UnsupportedNetworkError
from network_prune.evaluation.evaluate import evaluate
from network_prune.evaluation.metrics import measure
from network_prune.pruning.faster_copy import folding
from network_prune.pruning.faster_copy.prepare import Speed
from tests.networks import snapshot
from tests.studies import look_at, variant_of

# --- the layout and folding ---------------------------------------------------------------


class Strided(nn.Module):
    """It reads an activation's memory in the order that the usual layout has."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Linear(6 * 36, 7)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.first(x)).relu()
        return self.last(y.as_strided((y.size(0), 6 * 36), (6 * 36, 1)))


def made(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(5)
    return kind().eval()


def figures(metrics: npr.Metrics) -> tuple[int, int, int]:
    return metrics.hits1, metrics.hits5, metrics.loss_sum


def own(model: nn.Module, data: TensorDataset, dtype: torch.dtype | None = None) -> npr.Metrics:
    """The figures of plain loops."""
    with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype is not None):
        return sum((measure(model(x), y) for x, y in DataLoader(data, 5)), npr.Metrics())


def mistake(monkeypatch) -> None:
    """Let folding go wrong where nothing can see it beforehand."""
    scale_and_shift = folding._scale_and_shift

    def wrong(norm):
        scale, shift = scale_and_shift(norm)
        return scale, shift + 0.01

    monkeypatch.setattr(folding, "_scale_and_shift", wrong)


class Plain(Strided):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)).relu().flatten(1))


CASES = [
    (Strided, False, "--no-channels-last"),
    (Plain, True, "--no-fold"),
    (Strided, True, "--no-channels-last, --no-fold"),
]


@pytest.mark.parametrize(("kind", "is_wrong", "flags"), CASES)
def test_a_network_that_is_another_when_made_faster_runs_as_it_is_and_says_so(
    kind, is_wrong, flags, data, monkeypatch
):
    if is_wrong:
        mistake(monkeypatch)
    model = made(kind)
    with pytest.warns(UserWarning, match=f"something else or fails; it ran with {flags}$"):
        found = evaluate(model, data, batch_size=5)
    expected = own(model, data)
    assert figures(found)[:2] == figures(expected)[:2]
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)


@pytest.mark.parametrize(("kind", "is_wrong", "flags"), CASES)
def test_a_studys_draws_fall_back_along_with_it(kind, is_wrong, flags, data, monkeypatch):
    if is_wrong:
        mistake(monkeypatch)
    model, variants = made(kind), [variant_of(p_prune=0.5, index=i) for i in range(2)]
    found = look_at(model, data, variants, speed=Speed(), dense=False)
    for variant in variants:
        with npr.prune(model, variant.rank(model), index=variant.index):
            expected = own(model, data)
        assert found[variant].metrics.loss == pytest.approx(expected.loss, rel=1e-5)


def test_a_study_records_that_it_fell_back(run, tmp_path):
    (tmp_path / "nets.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Net(nn.Module):\n"
        "    default_cfg = {'input_size': (3, 12, 12)}\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.first, self.last = nn.Conv2d(3, 6, 3), nn.Linear(600, 7)\n"
        "        self.spare = nn.Conv2d(3, 6, 3)\n"
        "    def forward(self, x):\n"
        "        y = self.first(x)\n"
        "        return self.last(y.as_strided((len(y), 600), (600, 1)))\n"
    )
    some = ("--arch", f"{tmp_path}/nets.py:Net", "--data", "fake:8", "--p-prune", 0.5)
    shown = run("eval", *some)
    record = json.loads(run("eval", *some, "--json").out)[-1]
    assert record["used"]["channels_last"] is False
    fallen, idle = record["used"]["warnings"]
    assert fallen.endswith("it ran with --no-channels-last")
    assert "to take the weights of spare on the first images" in idle
    assert fallen in shown.out


def test_what_draws_at_random_is_compared_under_the_same_draw(data):
    class Noisy(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * torch.rand(7)

    torch.manual_seed(0)
    model = Noisy(nn.Conv2d(3, 7, 3), nn.BatchNorm2d(7), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    state = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate(model.eval(), TensorDataset(data.tensors[0][:5], data.tensors[1][:5]))
    torch.set_rng_state(state)


def test_the_first_look_leaves_a_network_that_counts_its_forwards_alone(data):
    class Counting(nn.Sequential):
        seen = 0

        def forward(self, x: Tensor) -> Tensor:
            self.seen += len(x)
            return super().forward(x)

    model = Counting(nn.Conv2d(3, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    evaluate(model, data)
    assert model.seen == 0
    evaluate(model, data, channels_last=False, fold=False)
    assert model.seen == 23


# --- mixed precision ----------------------------------------------------------------------


@pytest.mark.parametrize("fold", [True, False])
def test_amp_figures_are_those_of_autocast_around_the_network_to_the_last_bit(model, data, fold):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.1, 2)
    plain = evaluate(model, data, batch_size=5, amp=True, channels_last=False, fold=fold)
    assert figures(plain) == figures(own(model, data, torch.bfloat16))
    laid_out = copy.deepcopy(model).to(memory_format=torch.channels_last)
    images = data.tensors[0].contiguous(memory_format=torch.channels_last)
    last = evaluate(model, data, batch_size=5, amp=True, fold=fold)
    expected = own(laid_out, TensorDataset(images, data.tensors[1]), torch.bfloat16)
    assert last.hits1 == expected.hits1
    assert last.loss == pytest.approx(expected.loss, rel=1e-3)


def test_records_say_that_amp_folds_nothing(run):
    some = ("--limit", 20, "--p-prune", 0.2, "--json")
    amp, also = (
        json.loads(run("eval", *some, "--amp", *more).out) for more in ((), ("--no-fold",))
    )
    for one, other in zip(amp, also, strict=True):
        assert one["used"]["folded_norms"] == 0
        assert one["asked"]["running"]["fold"] is False
        assert (one["key"], one["metrics"]) == (other["key"], other["metrics"])


# --- weights that are others where they are computed with ---------------------------------


class Added(nn.Module):
    """Its convolution is computed with the weight and something added."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3)
        self.delta = nn.Parameter(torch.full_like(self.first.weight, 0.25))
        self.last = nn.Linear(6, 7)

    def weight(self) -> Tensor:
        return self.first.weight + self.delta

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.conv2d(x, self.weight(), self.first.bias).mean((2, 3)))


class Standardised(Added):
    def weight(self) -> Tensor:
        weight = self.first.weight
        return (weight - weight.mean((1, 2, 3), keepdim=True)) / weight.std()


class AddedInPlace(Added):
    def weight(self) -> Tensor:
        return self.first.weight.detach().clone().add_(self.delta)


class Scaled(Added):
    """Zeros stay zeros."""

    def weight(self) -> Tensor:
        return (self.first.weight * 2).flip(-1).contiguous()


class Merging(nn.Module):
    """As loralib's: merged in ``eval()``, unmerged in ``train()``, by exact numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 6, 3), nn.Linear(6, 7)
        with torch.no_grad():
            self.first.weight.mul_(64).round_().div_(64)
        self.delta = nn.Parameter(torch.full_like(self.first.weight, 0.25))
        self.merged = False

    def train(self, mode: bool = True) -> "Merging":
        super().train(mode)
        if self.merged is mode:
            self.first.weight.data += -self.delta.data if mode else self.delta.data
            self.merged = not mode
        return self

    def forward(self, x: Tensor) -> Tensor:
        weight = self.first.weight if self.merged else self.first.weight + self.delta
        return self.last(F.conv2d(x, weight, self.first.bias).mean((2, 3)))


ELSEWHERE = [Added, Standardised, AddedInPlace]
ANOTHER = "layer 'first' with another weight than the layer's own .*; exclude first"
AS_COPY_AND_ITSELF = [{}, {"channels_last": False, "fold": False}]


def hooked(model: nn.Module) -> nn.Module:
    model.last.register_forward_hook(lambda module, inputs, output: None)
    return model


@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize("change", [lambda model: model, hooked])
@pytest.mark.parametrize("options", AS_COPY_AND_ITSELF)
def test_a_pruned_network_whose_zeros_nothing_computes_with_is_refused(kind, change, options, data):
    model = change(made(kind))
    evaluate(model, data, **options)
    prunable = npr.rank(model, p_prune=0.5)
    with npr.prune(model, prunable), pytest.raises(UnsupportedNetworkError, match=ANOTHER):
        evaluate(model, data, **options)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with npr.prune(model, prunable), pytest.raises(UnsupportedNetworkError, match=ANOTHER):
        evaluate(model, data, **options)
    with npr.Redrawer(model, prunable, p_bern=1.0) as redrawer:
        redrawer.redraw()
        with pytest.raises(UnsupportedNetworkError, match=ANOTHER):
            evaluate(model, data, **options)


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_studies_and_scores_from_data_refuse_it_too(kind, data):
    model = made(kind)
    with pytest.raises(UnsupportedNetworkError, match=ANOTHER):
        look_at(model, data, [variant_of(p_prune=0.5)])
    with pytest.raises(UnsupportedNetworkError, match=ANOTHER):
        npr.rank(model, p_prune=0.5, score="taylor", data=DataLoader(data, 8))
    look_at(model, data, [variant_of(p_prune=0.5, layers="linear")])


@pytest.mark.parametrize("options", AS_COPY_AND_ITSELF)
def test_a_copy_that_has_the_zeros_is_the_weight(options, data):
    model = made(Scaled)
    npr.rank(model, p_prune=0.5, score="taylor", data=DataLoader(data, 8))
    look_at(model, data, [variant_of(p_prune=0.5)])
    with npr.prune_weights(model, p_prune=0.5):
        evaluate(model, data, **options)


@pytest.mark.parametrize("options", AS_COPY_AND_ITSELF)
@pytest.mark.parametrize("frozen", [False, True])
def test_weights_that_are_others_in_eval_mode_are_refused_where_pruned(options, frozen, data):
    model = made(Merging).train()
    for parameter in model.parameters():
        parameter.requires_grad_(not frozen)
    before = snapshot(model)
    text = "layer 'first' has another weight in eval mode than in training mode"
    with pytest.raises(StateError, match=text):
        npr.rank(model, p_prune=0.5, score="taylor", data=DataLoader(data, 8))
    assert snapshot(model) == before
    prunable = npr.rank(model, p_prune=0.5)
    with npr.prune(model, prunable), pytest.raises(StateError, match=text):
        evaluate(model, data, **options)
    with npr.Redrawer(model, prunable, p_bern=1.0) as redrawer:
        redrawer.redraw()
        with pytest.raises(StateError, match=text):
            evaluate(model, data, **options)
        assert model.training
    with npr.prune_weights(model.eval(), p_prune=0.5):
        evaluate(model, data, **options)


@pytest.mark.parametrize("options", AS_COPY_AND_ITSELF)
def test_modes_that_modules_switch_by_more_than_a_flag_are_put_back(options, data):
    model = made(Merging).train()
    before = snapshot(model)
    evaluate(model, data, **options)
    assert snapshot(model) == before
    rank = {"score": "taylor", "data": DataLoader(data, 8), "layers": [nn.Linear]}
    npr.rank(model, p_prune=0.5, **rank)
    assert snapshot(model) == before


def test_modes_are_put_back_from_the_outermost_module_inwards(data):
    model = nn.Sequential(made(Merging), nn.Sequential(nn.Identity(), nn.Dropout())).train()
    model[0].eval()
    model[1].eval()
    model[1][1].train()
    before = snapshot(model)
    evaluate(model, data, channels_last=False, fold=False)
    assert snapshot(model) == before
    assert model[0].merged


def test_layers_that_do_not_run_are_told(data):
    model = made(Scaled)
    model.spare = nn.Conv2d(3, 6, 3)
    told = "to take the weights of spare on the first images: zeros there may change nothing"
    with npr.prune_weights(model, p_prune=0.5), pytest.warns(UserWarning, match=told):
        evaluate(model, data)


class Normed(nn.Module):
    """Scales by vectors in every way that networks do, then computes with the result."""

    def __init__(self) -> None:
        # Importing it takes longer than most files of tests.
        from transformers.models.llama.modeling_llama import LlamaRMSNorm

        super().__init__()
        self.first = nn.Conv2d(3, 6, 3)
        self.batch = nn.BatchNorm2d(6)
        self.group = nn.GroupNorm(2, 6)
        self.layer = nn.LayerNorm(6)
        self.own = LlamaRMSNorm(6)
        self.last = nn.Linear(6, 7)
        for parameter in self.parameters():
            nn.init.normal_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        x = self.group(self.batch(self.first(images))).mean((2, 3))
        return self.last(torch.sigmoid(self.own(self.layer(x)) + self.first.bias))


class Shifted(Normed):
    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images).mean((2, 3))
        return self.last(F.layer_norm(x, (6,), 1 + self.layer.weight))


VECTORS = {
    "layers": [nn.Conv2d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.Linear],
    "tensors": ("weight", "bias"),
}


@pytest.mark.parametrize("options", AS_COPY_AND_ITSELF)
@pytest.mark.parametrize("batch_size", [1, 23])
def test_norms_and_biases_are_seen_to_be_used(options, batch_size, data):
    model = made(Normed)
    with npr.prune_weights(model, p_prune=0.5, **VECTORS):
        evaluate(model, data, batch_size=batch_size, **options)


@pytest.mark.parametrize("options", AS_COPY_AND_ITSELF)
def test_a_norm_whose_zeros_nothing_computes_with_is_refused(options, data):
    model = made(Shifted)
    message = "layer 'layer' with another weight than the layer's own .*; exclude layer"
    ranked = {**VECTORS, "layers": [nn.Conv2d, nn.LayerNorm]}
    with (
        npr.prune_weights(model, p_prune=0.5, **ranked),
        pytest.raises(npr.NetworkPruneError, match=message),
    ):
        evaluate(model, data, **options)


def test_norms_that_do_not_run_are_told(data):
    model = made(Normed)
    model.spare = nn.LayerNorm(6)
    told = "nothing was seen to take the weights of spare, spare.bias on the first images"
    with npr.prune_weights(model, p_prune=0.5, **VECTORS), pytest.warns(UserWarning, match=told):
        evaluate(model, data)


def test_a_compiled_network_is_looked_at_uncompiled():
    model = nn.Sequential(nn.Conv2d(3, 2, 4), nn.Flatten())
    npr.prune_weights(model, p_prune=0.5)
    traced = []

    def backend(graph, _):
        traced.append(graph.code)
        return graph.forward

    data = [(torch.ones(6, 3, 4, 4), torch.zeros(6, dtype=torch.int64))]
    found = npr.evaluate(torch.compile(model, backend=backend), data)
    assert found.loss == pytest.approx(npr.evaluate(model, data).loss)
    assert traced
    assert all("conv2d" in code for code in traced)
