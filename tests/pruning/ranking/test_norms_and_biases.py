"""Which norms and biases are ranked, what they are called, and which are refused."""

import importlib

import pytest
import timm.layers
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torchvision.ops import FrozenBatchNorm2d

import network_prune as npr

BOTH = ("weight", "bias")


def names(model, layers, tensors=BOTH, **options):
    prunable = npr.rank(model, p_prune=0.5, layers=layers, tensors=tensors, **options)
    return [layer.name for layer in prunable.layers]


def of_transformers(family, name):
    return getattr(importlib.import_module(f"transformers.models.{family}.modeling_{family}"), name)


# --- names and order ----------------------------------------------------------------------


def test_tensors_come_in_module_order_and_as_modules_register_them():
    class Backwards(nn.LayerNorm):
        def __init__(self, size):
            super().__init__(size)
            weight = self.weight
            del self.weight
            self.weight = weight

    model = nn.Sequential(nn.Linear(3, 4), Backwards(4), nn.Linear(4, 2, bias=False))
    layers = [nn.LayerNorm, nn.Linear]
    assert names(model, layers) == ["0", "0.bias", "1.bias", "1", "2"]
    assert names(model, layers, ["bias", "weight"]) == names(model, layers)
    assert names(model, layers, ["bias"]) == ["0.bias", "1.bias"]
    assert names(model, layers, ["weight"]) == ["0", "1", "2"]
    assert names(model, layers, include=["1*"]) == ["1.bias", "1"]


def test_a_network_that_is_the_layer():
    assert names(nn.Linear(3, 2), [nn.Linear]) == ["", "bias"]
    assert names(nn.MultiheadAttention(4, 2), [nn.Linear]) == [
        "in_proj_weight",
        "in_proj_bias",
        "out_proj",
        "out_proj.bias",
    ]
    model = nn.Linear(3, 2)
    with npr.prune(model, npr.rank(model, p_prune=1, layers=[nn.Linear], tensors=BOTH)):
        assert not model(torch.ones(1, 3)).any()


def test_a_norm_over_several_axes_divides_as_a_convolution_does():
    model = nn.LayerNorm([4, 3, 2])
    for granularity, count in (("weight", 24), ("connection", 12), ("neuron", 4)):
        prunable = npr.rank(model, granularity, p_prune=1, layers=[nn.LayerNorm])
        assert len(prunable) == count


def test_norms_without_tensors_are_passed_over():
    model = nn.Sequential(
        nn.BatchNorm2d(3, affine=False),
        nn.BatchNorm2d(3),
        nn.LayerNorm(3, bias=False),
        nn.InstanceNorm2d(3),
        nn.InstanceNorm2d(3, affine=True),
    )
    kinds = [nn.BatchNorm2d, nn.LayerNorm, nn.InstanceNorm2d]
    assert names(model, kinds) == ["1", "1.bias", "2", "4", "4.bias"]


# --- kin ----------------------------------------------------------------------------------

KIN = {
    "timm BatchNormAct2d": (lambda: timm.layers.BatchNormAct2d(8), nn.BatchNorm2d),
    "timm SyncBatchNormAct": (lambda: timm.layers.SyncBatchNormAct(8), nn.SyncBatchNorm),
    "timm GroupNormAct": (lambda: timm.layers.GroupNormAct(8, group_size=4), nn.GroupNorm),
    "timm GroupNorm1": (lambda: timm.layers.GroupNorm1(8), nn.GroupNorm),
    "timm LayerNorm": (lambda: timm.layers.LayerNorm(8), nn.LayerNorm),
    "timm LayerNorm2d": (lambda: timm.layers.LayerNorm2d(8), nn.LayerNorm),
    "timm LayerNormFp32": (lambda: timm.layers.LayerNormFp32(8), nn.LayerNorm),
    "timm LayerNormAct2d": (lambda: timm.layers.LayerNormAct2d(8), nn.LayerNorm),
    "timm RmsNorm": (lambda: timm.layers.RmsNorm(8), nn.RMSNorm),
    "timm RmsNorm2d": (lambda: timm.layers.RmsNorm2d(8), nn.RMSNorm),
    "timm RmsNormAct2d": (lambda: timm.layers.RmsNormAct2d(8), nn.RMSNorm),
    "LlamaRMSNorm": (lambda: of_transformers("llama", "LlamaRMSNorm")(8), nn.RMSNorm),
    "PixtralRMSNorm": (lambda: of_transformers("pixtral", "PixtralRMSNorm")(8), nn.RMSNorm),
    "T5LayerNorm": (lambda: of_transformers("t5", "T5LayerNorm")(8), nn.LayerNorm),
    "VitDetLayerNorm": (lambda: of_transformers("vitdet", "VitDetLayerNorm")(8), nn.LayerNorm),
    "ConvNextLayerNorm": (
        lambda: of_transformers("convnext", "ConvNextLayerNorm")(8, data_format="channels_first"),
        nn.LayerNorm,
    ),
}


@pytest.mark.parametrize("case", KIN)
def test_norms_of_timm_and_transformers_go_with_torchs(case):
    build, kind = KIN[case]
    model = nn.Sequential(build(), nn.ReLU())
    tensors = ["0", *(["0.bias"] if hasattr(model[0], "bias") else [])]
    assert names(model, [kind]) == tensors
    assert names(model, [type(model[0])]) == tensors


GEMMA = {
    "1 + w": lambda: of_transformers("gemma", "GemmaRMSNorm")(8),
    "another's": lambda: _subclass(nn.RMSNorm, lambda self, x: x * self.weight.softmax(0)),
    "of no use": lambda: _subclass(nn.LayerNorm, lambda self, x: x),
    "other arguments": lambda: _subclass(nn.BatchNorm2d, lambda self, x, y: x * y),
}


def _subclass(kind, forward):
    return type("Own", (kind,), {"forward": forward})(8)


@pytest.mark.parametrize("case", GEMMA)
def test_a_norm_that_transforms_its_weight_is_refused_by_name(case):
    model = nn.Sequential(nn.Linear(8, 8), GEMMA[case]())
    layers = [nn.Linear, nn.RMSNorm, nn.LayerNorm, nn.BatchNorm2d]
    with pytest.raises(npr.NetworkPruneError, match=r"layer '1' \(\w+\) transforms its weight"):
        npr.rank(model, p_prune=0.5, layers=layers)
    assert names(model, layers, exclude=["1*"]) == ["0", "0.bias"]


def test_a_class_that_is_only_called_so_is_none():
    """What holds a matrix, or no weight, isn't a norm, whatever it is called."""

    class LayerNormLinear(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 2))

    class LayerNormBlock(nn.Sequential):
        pass

    model = nn.Sequential(LayerNormLinear(), LayerNormBlock(nn.LayerNorm(2)))
    assert names(model, [nn.LayerNorm]) == ["1.0", "1.0.bias"]


# --- refusals -----------------------------------------------------------------------------

REFUSED = {
    "a word": ({"tensors": "bias"}, r"tensors='bias' isn't a list of some of weight, bias"),
    "none": ({"tensors": ()}, r"tensors=\(\) isn't a list of some of weight, bias"),
    "another": ({"tensors": ("weights",)}, r"tensors=\('weights',\) isn't a list of some of"),
    "no bias": (
        {"tensors": ("bias",), "layers": [nn.Conv2d]},
        "has no Conv2d layer to rank that has a bias; pass other tensors",
    ),
    "no norm": (
        {"layers": [nn.LayerNorm]},
        r"has no LayerNorm layer to rank; it has Conv2d, BatchNorm2d: pass layers=\[nn.Conv2d\]",
    ),
    "computed": (
        {"layers": [nn.BatchNorm2d], "tensors": ["bias"]},
        r"layer '1.bias' computes its bias from other tensors",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_ranked_is_told(case):
    options, message = REFUSED[case]
    model = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False), nn.BatchNorm2d(2))
    if case == "computed":
        nn.utils.parametrize.register_parametrization(model[1], "bias", nn.Softplus())
    with pytest.raises(npr.NetworkPruneError, match=message) as error:
        npr.rank(model, p_prune=0.5, **options)
    assert "\n" not in str(error.value)


def test_frozen_norms_hold_nothing_that_can_be_ranked():
    model = nn.Sequential(FrozenBatchNorm2d(3), nn.ReLU())
    with pytest.raises(npr.NetworkPruneError, match="its FrozenBatchNorm2d holds buffers, which "):
        npr.rank(model, p_prune=0.5, layers=[nn.BatchNorm2d])


def test_a_bias_beside_a_computed_weight_is_ranked():
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)))
    assert names(model, [nn.Linear], ["bias"]) == ["0.bias"]
