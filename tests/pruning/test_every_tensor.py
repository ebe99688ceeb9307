"""Norms' weights and biases are elements like all others, in everything that meets a mask."""

import copy

import pytest
import timm
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune
from torchvision import models
from transformers import ConvNextConfig, ConvNextForImageClassification, ViTConfig
from transformers import ViTForImageClassification as ViT

import network_prune as npr
import oracle
from network_prune.pruning.ranking.find_layers import find_layers
from network_prune.pruning.ranking.loss_gradient import loss_gradient
from tests.networks import snapshot, weight_of, zeroed_by_hand

NORMS_AND_LINEAR = (nn.BatchNorm2d, nn.LayerNorm, nn.Linear)
BOTH = ("weight", "bias")


class Logits(nn.Module):
    """A network of transformers that returns its logits alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images).logits


def _vit():
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    return Logits(ViT(ViTConfig(**sizes, num_attention_heads=2, image_size=32, patch_size=8)))


def _convnext():
    sizes = ConvNextConfig(hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1])
    return Logits(ConvNextForImageClassification(sizes))


NETWORKS = {
    "resnet18": lambda: models.resnet18(num_classes=10),
    "densenet121": lambda: models.densenet121(num_classes=10),
    "vit_tiny": lambda: timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=10),
    "convnext_atto": lambda: timm.create_model("convnext_atto", num_classes=10),
    "tf_efficientnet_lite0": lambda: timm.create_model("tf_efficientnet_lite0", num_classes=10),
    "transformers ViT": _vit,
    "transformers ConvNeXt": _convnext,
}


def build(name):
    """Return a network whose norms and biases differ from what they start with."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = NETWORKS[name]()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 1:
                    parameter.uniform_(0.2, 1.5)
    return model.eval().requires_grad_(False)


def images():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def rapa(model):
    return npr.rank(model, p_prune=1, layers=NORMS_AND_LINEAR, tensors=BOTH)


# --- real networks ------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_rapa_prunes_what_zeros_by_hand_do_and_restores_exactly(name):
    model = build(name)
    before = snapshot(model)
    prunable = rapa(model)
    surrogate = npr.Diversified(model, prunable, p_bern=0.05, seed=3)
    found = surrogate(images())
    expected = zeroed_by_hand(lambda: copy.deepcopy(model), surrogate.draw)(images())
    assert not torch.equal(found, model(images()))
    assert torch.equal(found, expected)
    with npr.prune(model, prunable, p_bern=0.05, seed=3) as pruned:
        assert torch.equal(model(images()), expected)
        assert pruned.summary().total.pruned == len(surrogate.draw)
    with npr.Redrawer(model, prunable, p_bern=0.05, seed=3) as redrawer:
        redrawer.redraw()
        assert torch.equal(model(images()), expected)
    assert snapshot(model) == before


@pytest.mark.parametrize("name", NETWORKS)
def test_rapa_draws_what_the_oracle_does(name):
    """Every tensor of the norms and linear maps, in module order, as they are registered."""
    model = build(name)
    tensors = {}
    for path, module in model.named_modules():
        if isinstance(module, NORMS_AND_LINEAR):
            for own, tensor in module.named_parameters(recurse=False):
                tensors[path if own == "weight" else f"{path}.{own}"] = tensor
    prunable = rapa(model)
    assert [layer.name for layer in prunable.layers] == list(tensors)
    assert len(prunable) == sum(tensor.numel() for tensor in tensors.values())
    draw = prunable.draw(p_bern=0.05, seed=3, index=4)
    runs = oracle.positions([tensor.numel() for tensor in tensors.values()])
    for layer, run in zip(tensors, runs, strict=True):
        found = draw.pruned(layer).flatten()
        for place in range(0, len(run), 1 + len(run) // 40):
            is_pruned = oracle.bernoulli(0.05, seed=3, index=4, position=run[place])
            assert bool(found[place]) is is_pruned


def test_a_set_is_saved_and_fits_another_such_network_only(tmp_path):
    model = build("resnet18")
    prunable = rapa(model)
    prunable.save(tmp_path / "set.safetensors")
    loaded = npr.PrunableSet.load(tmp_path / "set.safetensors")
    assert loaded == prunable
    npr.prune(build("resnet18"), loaded).restore()
    bare = build("resnet18")
    bare.fc.bias = None
    with pytest.raises(npr.NetworkPruneError, match=r"'fc.bias' of .* is no such layer in this"):
        npr.prune(bare, loaded)
    bare.bn1 = nn.BatchNorm2d(64, affine=False)
    with pytest.raises(npr.NetworkPruneError, match=r"'bn1' of .* is a BatchNorm2d in this netw"):
        npr.prune(bare, loaded)


# --- torch's own attention ----------------------------------------------------------------


def encoder():
    torch.manual_seed(5)
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, dropout=0.0)
    return nn.Sequential(layer, nn.Linear(8, 3)).eval()


def test_attention_and_what_reads_norms_without_calling_them():
    """torch's encoder layer has a fast path that takes the tensors of all its layers."""
    model = encoder().requires_grad_(False)
    prunable = npr.rank(model, p_prune=0.5, layers=[nn.LayerNorm, nn.Linear], tensors=BOTH)
    names = [layer.name for layer in prunable.layers]
    assert names[:5] == [
        "0.self_attn.in_proj_weight",
        "0.self_attn.in_proj_bias",
        "0.self_attn.out_proj",
        "0.self_attn.out_proj.bias",
        "0.linear1",
    ]
    x = torch.randn(2, 5, 8)
    before = snapshot(model)
    for index in range(2):
        draw = prunable.draw(p_bern=0.5, seed=0, index=index)
        expected = zeroed_by_hand(lambda: copy.deepcopy(model), draw)(x)
        surrogate = npr.Diversified(model, prunable, p_bern=0.5, start=index)
        torch.testing.assert_close(surrogate(x), expected)
        with npr.prune(model, prunable, p_bern=0.5, index=index):
            torch.testing.assert_close(model(x), expected)
        with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
            redrawer.redraw(index)
            torch.testing.assert_close(model(x), expected)
    assert snapshot(model) == before


# --- masks --------------------------------------------------------------------------------


def small():
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=True),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 4, 10),
        nn.LayerNorm(10),
        nn.Linear(10, 4),
    )
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    nn.init.normal_(model[1].running_mean)
    return model.eval()


def pixels(requires_grad=False):
    image = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    return image.requires_grad_(requires_grad)


EVERYTHING = {"layers": (nn.Conv2d, *NORMS_AND_LINEAR), "tensors": BOTH}


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
@pytest.mark.parametrize("score", ["l1", "lamp", "taylor", "gradient", "random"])
def test_every_score_ranks_every_tensor_at_every_granularity(granularity, score):
    model = small()
    data = [(pixels(), torch.tensor([0, 1, 2]))] if score in ("taylor", "gradient") else None
    before = snapshot(model)
    prunable = npr.rank(model, granularity, p_prune=0.4, score=score, data=data, **EVERYTHING)
    assert len(prunable) == int(0.4 * prunable.elements.all_count)
    for name in ("1", "1.bias", "0.bias", "5.bias"):
        assert prunable.prunable(name).shape == weight_of(model, name).shape
    surrogate = npr.Diversified(model, prunable, p_bern=0.5)
    x, twin = pixels(requires_grad=True), pixels(requires_grad=True)
    surrogate(x).square().sum().backward(inputs=[x])
    zeroed_by_hand(small, surrogate.draw)(twin).square().sum().backward(inputs=[twin])
    assert torch.equal(x.grad, twin.grad)
    assert snapshot(model) == before


def test_taylor_and_gradient_by_hand():
    """loss = log(1 + exp(w2 w1 x)) with a norm's weight w1: its slope is s w2 x."""
    model = nn.Sequential(nn.RMSNorm(1, eps=0.0), nn.Linear(1, 2))
    with torch.no_grad():
        model[0].weight.fill_(0.5)
        model[1].weight.copy_(torch.tensor([[0.0], [2.0]]))
        model[1].bias.copy_(torch.tensor([0.0, 3.0]))
    data = [(torch.tensor([[7.0]]), torch.tensor([0]))]
    slope = torch.sigmoid(torch.tensor(2 * 0.5 + 3.0)).item()
    wanted = {"0": 0.5 * 2 * slope, "1.bias": 3 * slope}
    found = find_layers(model, layers=[nn.RMSNorm, nn.Linear], tensors=BOTH, include=(), exclude=())
    gradients = loss_gradient(model, found, data).layers
    products = {
        item.layer.name: item.weight.detach() * gradient
        for item, gradient in zip(found, gradients, strict=True)
    }
    assert products["0"].item() == pytest.approx(wanted["0"])
    assert products["1.bias"].tolist() == [0.0, pytest.approx(wanted["1.bias"])]


def test_masks_are_torchs_own_and_can_be_made_permanent():
    model = small()
    prunable = npr.rank(model, p_prune=0.5, **EVERYTHING)
    draw = npr.prune(model, prunable, p_bern=0.5).draw
    assert torch_prune.is_pruned(model)
    assert list(model[1]._parameters) == ["weight_orig", "bias_orig"]
    assert torch.equal(model[1].bias_mask.bool(), draw.mask("1.bias"))
    expected = model(pixels())
    npr.make_permanent(model)
    assert list(model[1]._parameters) == ["weight", "bias"]
    assert torch.equal(model(pixels()), expected)
    assert torch.equal(zeroed_by_hand(small, draw)(pixels()), expected)


def test_gradients_flow_into_masked_norms_and_biases():
    model = small()
    prunable = npr.rank(model, p_prune=0.5, **EVERYTHING)
    with npr.prune(model, prunable) as pruned:
        for _ in range(2):
            model(pixels()).square().sum().backward()
        keep = pruned.draw.mask("1.bias")
        grad = model[1].bias_orig.grad
        assert not grad[~keep].any()
        assert grad[keep].any()


def test_a_tensor_in_two_norms_counts_once_and_is_masked_in_both():
    model = small()
    model[5].bias = model[4].bias
    prunable = npr.rank(model, p_prune=1.0, **EVERYTHING)
    assert "4.bias" in prunable.elements.counts
    assert "5.bias" not in prunable.elements.counts
    with npr.prune(model, prunable):
        assert not model[5].bias.any()
        assert not model[4].bias.any()


def test_each_tensor_is_a_layer_of_scope_layer():
    prunable = npr.rank(small(), p_prune=0.5, scope="layer", **EVERYTHING)
    counts = prunable.elements.counts
    assert (counts["1"], counts["1.bias"], counts["6.bias"]) == (3, 3, 2)


def test_what_prunes_norms_with_neurons_ranks_no_norms():
    model = small()
    for options in ({"layers": [nn.BatchNorm2d]}, {"tensors": BOTH}):
        prunable = npr.rank(model, "neuron", p_prune=0.5, **options)
        with pytest.raises(npr.NetworkPruneError, match="is ranked itself; pass with_norm=False"):
            npr.prune(model, prunable, with_norm=True)


# --- the gradient alone -------------------------------------------------------------------


def backward_by_hand(model, draw, x):
    """Compute each ranked module fully, and let gradients pass through its masked twin."""
    masked = zeroed_by_hand(small, draw)
    for full, twin in zip(model, masked, strict=True):
        y = twin(x)
        x = full(x).detach() + y - y.detach()
    return x


@pytest.mark.parametrize("layers", [(nn.BatchNorm2d,), (nn.LayerNorm,), EVERYTHING["layers"]])
def test_a_norms_weight_is_masked_in_the_gradient_and_a_bias_takes_no_part(layers):
    model = small()
    surrogate = npr.BackwardOnly(
        model, npr.rank(model, p_prune=0.6, layers=layers, tensors=BOTH), p_bern=0.7
    )
    x, twin = pixels(requires_grad=True), pixels(requires_grad=True)
    y = surrogate(x)
    assert torch.equal(y, model(pixels()))
    y.square().sum().backward(inputs=[x])
    backward_by_hand(model, surrogate.draw, twin).square().sum().backward(inputs=[twin])
    torch.testing.assert_close(x.grad, twin.grad, atol=1e-4, rtol=1e-3)
    plain = pixels(requires_grad=True)
    model(plain).square().sum().backward(inputs=[plain])
    assert not torch.equal(x.grad, plain.grad)


def test_biases_alone_leave_the_gradient_as_it_is():
    model = small()
    prunable = npr.rank(model, p_prune=1.0, layers=EVERYTHING["layers"], tensors=("bias",))
    x, twin = pixels(requires_grad=True), pixels(requires_grad=True)
    npr.BackwardOnly(model, prunable, p_bern=1.0)(x).square().sum().backward(inputs=[x])
    model(twin).square().sum().backward(inputs=[twin])
    assert torch.equal(x.grad, twin.grad)
