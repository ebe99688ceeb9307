"""Taylor and gradient scores: what they are, and that ranking by them leaves no trace."""

import contextlib
import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import network_prune as npr
import networks
import oracle
from network_prune.core.layers import Granularity
from network_prune.core.scores import DataScore
from network_prune.pruning.ranking.find_layers import find_layers
from network_prune.pruning.ranking.learned_scores import data_scores
from network_prune.pruning.ranking.loss_gradient import loss_gradient

KINDS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
SCORES = ["taylor", "gradient"]
GRANULARITIES = ["weight", "connection", "neuron"]


def classifier(model: nn.Module) -> nn.Module:
    return nn.Sequential(model, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class TwoPaths(nn.Module):
    """One convolution that is reached under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.again = self.first

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.first(x).relu())


def conv_and_linear() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3)),
    )


BUILD = {
    "conv and linear": conv_and_linear,
    "grouped and transposed": lambda: classifier(networks.grouped()),
    "depthwise": lambda: classifier(networks.depthwise()),
    "tied": lambda: classifier(networks.Tied()),
    "shared storage": lambda: classifier(networks.SharedStorage()),
    "two paths": lambda: classifier(TwoPaths()),
    "tied embedding": lambda: nn.Sequential(networks.TiedEmbedding(), nn.Flatten()),
    "attention": networks.Attention,
    "single layer": lambda: classifier(networks.single()),
    "float64": lambda: conv_and_linear().double(),
    "frozen": lambda: conv_and_linear().requires_grad_(False),
    "channels_last": lambda: conv_and_linear().to(memory_format=torch.channels_last),
    "with grads": lambda: classifier(networks.with_grads()),
    "with hooks": lambda: classifier(networks.with_hooks()),
}


def build(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return BUILD[name]()


def samples(n: int = 7) -> TensorDataset:
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(n, 4, 8, 8, generator=generator)
    return TensorDataset(images, torch.randint(0, 3, (n,), generator=generator))


def batches(size: int = 3, n: int = 7) -> DataLoader:
    return DataLoader(samples(n), size)


def scores(model, granularity, score, data, layers=KINDS) -> dict[str, Tensor]:
    found = find_layers(model, layers=layers, tensors=("weight",), include=(), exclude=())
    gradient = loss_gradient(model, found, data)
    return {
        item.layer.name: data_scores(item, slopes, Granularity(granularity), DataScore(score))
        for item, slopes in zip(found, gradient.layers, strict=True)
    }


def mean_loss(model: nn.Module, data: TensorDataset) -> Tensor:
    images, labels = data.tensors
    return F.cross_entropy(model(images.to(next(model.parameters()).dtype)), labels)


# --- what they are ----------------------------------------------------------------------


@pytest.mark.parametrize("granularity", ["connection", "neuron"])
def test_by_hand(granularity):
    """At x = [1, 2] the logits are [1, 2]; with label 0 dL/dlogits is [-p, p], p = e / (1 + e)."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    model[0].weight = nn.Parameter(torch.eye(2))
    data = [(torch.tensor([[1.0, 2.0]]), torch.tensor([0]))]
    p = math.e / (1 + math.e)
    expected = {
        ("connection", "taylor"): [[p, 0], [0, 2 * p]],
        ("connection", "gradient"): [[p, 2 * p], [p, 2 * p]],
        ("neuron", "taylor"): [p, 2 * p],
        ("neuron", "gradient"): [3 * p, 3 * p],
    }
    for score in SCORES:
        found = scores(model, granularity, score, data)["0"]
        assert found.dtype is torch.float32
        torch.testing.assert_close(found, torch.tensor(expected[granularity, score]))


def test_terms_of_two_signs_cancel_in_taylor_and_add_up_in_gradient():
    """A difference of two inputs that are always equal may be pruned for nothing."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    model[0].weight = nn.Parameter(torch.tensor([[5.0, -5.0], [0.1, 0.0]]))
    data = [(torch.tensor([[1.0, 1.0]]), torch.tensor([0]))]
    assert scores(model, "neuron", "taylor", data)["0"].tolist()[0] == 0.0
    assert scores(model, "neuron", "gradient", data)["0"].tolist()[0] > 0.5
    found = npr.rank(model, "neuron", p_prune=0.5, score="taylor", data=data, layers=(nn.Linear,))
    assert found.prunable("0").tolist() == [True, False]


def slow_scores(model: nn.Module, granularity: str, score: str) -> dict[str, list[float]]:
    """Score by an ordinary backward and plain loops in float64."""
    model.requires_grad_(True).eval()
    model.zero_grad()
    mean_loss(model, samples()).backward()
    found: dict[str, list[float]] = {}
    gradients: dict[int, Tensor] = {}
    for parameter in model.parameters():
        place = parameter.data_ptr()
        gradients[place] = gradients.get(place, 0) + parameter.grad
    for name, layer in npr_layers(model):
        weight = networks.weight_of(model, name)
        if weight.data_ptr() not in gradients:
            continue
        slopes = gradients.pop(weight.data_ptr())
        part = oracle.Part(weight, layer.transposed, layer.groups)
        found[name] = []
        for element in oracle.elements(part, granularity):
            terms = [(weight[place].item(), slopes[place].item()) for place in element]
            taylor = abs(sum(w * g for w, g in terms))
            found[name].append(taylor if score == "taylor" else sum(abs(g) for _, g in terms))
    return found


def npr_layers(model: nn.Module):
    prunable = npr.rank(model, p_prune=0, layers=KINDS)
    return [(layer.name, layer) for layer in prunable.layers]


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("name", BUILD)
def test_equal_an_ordinary_backward(name, score, granularity):
    model = build(name)
    expected = slow_scores(build(name), granularity, score)
    found = scores(model, granularity, score, batches())
    assert list(found) == list(expected)
    for layer, values in expected.items():
        assert max(values) > 0
        torch.testing.assert_close(
            found[layer].flatten(), torch.tensor(values), rtol=1e-3, atol=1e-6
        )


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("score", SCORES)
def test_rank_takes_the_lowest_and_records_the_data(score, granularity, tmp_path):
    model = build("grouped and transposed")
    options = {"p_prune": 0.4, "layers": KINDS}
    given = scores(model, granularity, score, batches())
    found = npr.rank(model, granularity, score=score, data=batches(), **options)
    assert found.elements == npr.rank(model, granularity, score=given, **options).elements
    assert found.score.partition(":")[0] == score
    assert len(found.score.partition(":")[2]) == 64
    found.save(tmp_path / "set.safetensors")
    assert npr.PrunableSet.load(tmp_path / "set.safetensors") == found


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_taylor_foretells_what_zeroing_a_small_element_does_to_the_loss(granularity):
    model = build("conv and linear").double().eval()
    with torch.no_grad():
        model[0].weight *= 1e-4
        before = mean_loss(model, samples())
    foretold = scores(model, granularity, "taylor", batches(), layers=(nn.Conv2d,))["0"].flatten()
    part = oracle.Part(model[0].weight)
    elements = oracle.elements(part, granularity)
    assert len(elements) == len(foretold)
    for place in foretold.argsort(descending=True)[:5].tolist():
        with torch.no_grad():
            weight = model[0].weight.clone()
            for index in elements[place]:
                model[0].weight[index] = 0.0
            change = abs(mean_loss(model, samples()) - before).item()
            model[0].weight.copy_(weight)
        assert change == pytest.approx(foretold[place].item(), rel=0.01)


def test_a_layer_that_is_never_used_scores_zero():
    model = build("conv and linear")
    model.register_module("idle", nn.Conv2d(4, 6, 3))
    model.forward = lambda x: nn.Sequential.forward(model[:7], x)
    assert not bool(scores(model, "neuron", "gradient", batches())["idle"].any())


# --- what they depend on ----------------------------------------------------------------


@pytest.mark.parametrize("score", SCORES)
def test_the_cut_into_batches_says_nothing(score):
    model = build("conv and linear")
    whole = scores(model, "weight", score, batches(7))
    names = {npr.rank(model, p_prune=0.5, score=score, data=batches(7)).score}
    for size in (1, 2, 3):
        found = scores(model, "weight", score, batches(size))
        names.add(npr.rank(model, p_prune=0.5, score=score, data=list(batches(size))).score)
        for layer, values in whole.items():
            torch.testing.assert_close(found[layer], values, rtol=1e-4, atol=1e-7)
    assert len(names) == 1


def test_a_batch_without_images_is_nothing():
    empty = (torch.empty(0, 4, 8, 8), torch.empty(0, dtype=torch.long))
    model = build("conv and linear")
    found = npr.rank(model, p_prune=0.5, score="taylor", data=[empty, *batches(), empty])
    assert found == npr.rank(model, p_prune=0.5, score="taylor", data=batches())


def test_every_bit_of_the_data_is_in_the_name():
    model = build("conv and linear")
    images, labels = samples().tensors
    moved = images.clone()
    moved[6, 3, 7, 7] = torch.nextafter(moved[6, 3, 7, 7], torch.tensor(9.0))
    variants = [
        [(images, labels)],
        [(moved, labels)],
        [(images, labels.roll(1))],
        [(images.flip(0), labels.flip(0))],
        [(images.double(), labels)],
        [(images[:6], labels[:6])],
    ]
    found = [npr.rank(model, p_prune=0.5, score="taylor", data=data).score for data in variants]
    assert len(set(found)) == len(variants)
    alike = [(images.to(memory_format=torch.channels_last), labels.to(torch.uint8))]
    assert npr.rank(model, p_prune=0.5, score="taylor", data=alike).score == found[0]


MODES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["conv and linear", "attention", "frozen"])
def test_what_the_caller_has_switched_does_not_matter(mode, name):
    model = build(name)
    expected = scores(model, "neuron", "taylor", list(batches()))
    with MODES[mode]():
        data = [(images.clone(), labels.clone()) for images, labels in batches()]
        found = scores(model, "neuron", "taylor", data)
    assert all(torch.equal(found[layer], expected[layer]) for layer in expected)


def test_a_half_precision_network_gets_images_of_its_dtype():
    model = build("conv and linear")
    exact = scores(model, "neuron", "gradient", batches())
    rough = scores(model.bfloat16(), "neuron", "gradient", batches())
    for layer, values in exact.items():
        assert rough[layer].dtype is torch.float32
        torch.testing.assert_close(rough[layer], values, rtol=0.2, atol=0.02)


@pytest.mark.parametrize("score", SCORES)
def test_a_real_network_is_ranked_on_photographs(squeezenet, test_data, score):
    """Zeros, two thirds of its weights, are worthless to Taylor but not to the gradient."""
    network = npr.load_network(
        "squeezenet1_0", weights=str(test_data / "squeezenet1_0-deep-compression.safetensors")
    )
    manifest = test_data / "imagenet-compatible" / "images.csv"
    data = npr.load_data(
        str(manifest), transform=network.preprocessing.transform(), classes=1000, limit=6
    )
    before = networks.snapshot(squeezenet)
    batches = data.batches(4, workers=0)
    found = npr.rank(squeezenet, p_prune=0.5, score=score, data=batches)
    assert networks.snapshot(squeezenet) == before
    zeros = {layer.name: networks.weight_of(squeezenet, layer.name) == 0 for layer in found.layers}
    on_zeros = sum(int((found.prunable(name) & zero).sum()) for name, zero in zeros.items())
    # Weights into neurons that none of the photographs excites score zero as well.
    assert (on_zeros > 0.95 * len(found)) == (score == "taylor")
    again = npr.rank(squeezenet, p_prune=0.5, score=score, data=data.batches(3, workers=0))
    assert again.score == found.score


# --- no trace ---------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("mode", [contextlib.nullcontext, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", BUILD)
def test_the_network_is_left_as_it_was(name, mode):
    model = build(name)
    model[0].eval() if isinstance(model, nn.Sequential) else model.eval()
    before = networks.snapshot(model)
    with mode():
        npr.rank(model, p_prune=0.5, score="taylor", data=batches(), layers=KINDS)
    assert networks.snapshot(model) == before


@pytest.mark.parametrize("name", ["conv and linear", "tied", "two paths"])
def test_the_network_is_left_as_it_was_by_an_error_on_the_way(name):
    model = build(name)
    before = networks.snapshot(model)
    data = [*batches(), (torch.zeros(1, 4, 8, 8), torch.tensor([50]))]
    with pytest.raises(npr.NetworkPruneError, match="label 50 is outside"):
        npr.rank(model, p_prune=0.5, score="taylor", data=data)
    assert networks.snapshot(model) == before


def test_shortcuts_pass_the_data_on():
    model = build("conv and linear")
    with npr.prune_neurons(model, p_prune=0.5, score="taylor", data=batches()) as pruned:
        expected = pruned.draw
    prunable = npr.rank(model, "neuron", p_prune=0.5, score="taylor", data=batches())
    assert prunable.draw(p_bern=1.0, seed=0) == expected


# --- refusals ---------------------------------------------------------------------------

ONE = torch.zeros(1, 4, 8, 8)
ZERO = torch.tensor([0])
DATA = {
    "missing": (None, r"score='taylor' learns from images; pass data=, batches \(images, labels\)"),
    "none": ([], "data gives no images; pass at least one batch"),
    "no batches": ([ONE], "data gives a Tensor, not pairs; pass batches"),
    "label": ([(ONE, torch.tensor([3]))], "label 3 is outside the network's outputs 0 to 2"),
    "shape": ([(ONE[:, :2], ZERO)], r"the network failed on a batch of \[1, 2, 8, 8\]"),
    "NaN image": (
        [(ONE, ZERO), (ONE / 0, ZERO)],
        "the loss over images 1 to 1 is nan; check these images, or run the network in float32",
    ),
}


@pytest.mark.parametrize("case", DATA)
def test_wrong_data_is_told_in_one_line(case):
    data, message = DATA[case]
    with pytest.raises(npr.NetworkPruneError, match=message) as error:
        npr.rank(build("conv and linear"), p_prune=0.5, score="taylor", data=data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("score", ["l1", "lamp", "random"])
def test_data_without_meaning_is_refused(score):
    with pytest.raises(npr.NetworkPruneError, match="data has no meaning for this score; leave it"):
        npr.rank(build("conv and linear"), p_prune=0.5, score=score, data=batches())


class Step(torch.autograd.Function):
    """Passes values on, and a NaN or an error back."""

    @staticmethod
    def forward(ctx, x, fails):
        ctx.fails = fails
        return x.clone()

    @staticmethod
    def backward(ctx, slopes):
        if ctx.fails:
            raise RuntimeError("no way back")
        return slopes * torch.nan, None


class Backwards(nn.Module):
    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 3, 8)
        self.fails = fails

    def forward(self, x: Tensor) -> Tensor:
        return Step.apply(self.layer(x).flatten(1), self.fails)


class Cut(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach().flatten(1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Conv2d(4, 3, 3), r"the network's output is \[1, 3, 6, 6\] for 1 images"),
        (Backwards(fails=False), "layer 'layer' has a NaN or infinite gradient; run the network"),
        (Backwards(fails=True), r"the network failed on a batch .*no way back"),
        (Cut(4, 3, 8), r"the network's output carries no gradient \(a no_grad"),
    ],
)
def test_networks_without_a_gradient_are_refused(model, message):
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match=message):
        npr.rank(model, p_prune=0.5, score="taylor", data=[(ONE, ZERO)])
    assert networks.snapshot(model) == before


def test_weights_that_are_not_finite_are_named_before_anything_runs():
    model = build("conv and linear")
    with torch.no_grad():
        model[0].weight[0] = torch.nan
    with pytest.raises(npr.NetworkPruneError, match="layer '0' has NaN or infinite weights"):
        npr.rank(model, p_prune=0.5, score="taylor", data=batches())


def test_a_network_made_in_inference_mode_is_refused_and_its_copy_is_not():
    with torch.inference_mode():
        model = build("conv and linear")
    with pytest.raises(npr.NetworkPruneError, match=r"0\.weight was made inside torch\.inference"):
        npr.rank(model, p_prune=0.5, score="taylor", data=batches())
    npr.rank(copy.deepcopy(model), p_prune=0.5, score="taylor", data=batches())
