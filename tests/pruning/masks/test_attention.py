"""Weights that a module reads without calling their layer, as attention does."""

import copy

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune as torch_prune

import network_prune as npr
import networks


class Tokens(nn.Module):
    """Pictures [n, 4, 8, 8] as 16 tokens of 16 values, through ``inner``, to [n, 3]."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.head = nn.Linear(16, 3)

    def features(self, x: Tensor) -> Tensor:
        return self.inner(
            x.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 1, 4, 5).reshape(-1, 16, 16)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean(1))


class SelfAttention(nn.Module):
    def __init__(self, **options) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x)[0]


class OtherSizes(nn.Module):
    """Query, key and value of different sizes, with three projections."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, kdim=8, vdim=4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x[..., :8], x[..., 8:12])[0]


class Functional(nn.Module):
    """A weight used by a function, two modules above its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.holder = nn.ModuleDict({"qkv": nn.Linear(16, 16)})

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.holder.qkv.weight, self.holder.qkv.bias)


BUILD = {
    "attention": lambda: Tokens(SelfAttention(batch_first=True)),
    "attention, batch second": lambda: Tokens(SelfAttention(bias=False)),
    "attention, three projections": lambda: Tokens(OtherSizes()),
    "encoder": lambda: Tokens(nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True)),
    "functional": lambda: Tokens(Functional()),
}


def build(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return BUILD[name]()


def test_projections_are_ranked_in_module_order_by_their_tensors_names():
    layers = [
        layer.name for layer in npr.rank(build("attention"), p_prune=0, layers=[nn.Linear]).layers
    ]
    assert layers == ["inner.attention.in_proj_weight", "inner.attention.out_proj", "head"]
    split = npr.rank(build("attention, three projections"), "neuron", p_prune=0, layers=[nn.Linear])
    assert [(layer.name.rpartition(".")[2], layer.shape) for layer in split.layers] == [
        ("q_proj_weight", (16, 16)),
        ("k_proj_weight", (16, 8)),
        ("v_proj_weight", (16, 4)),
        ("out_proj", (16, 16)),
        ("head", (3, 16)),
    ]


def test_an_attention_by_itself_is_ranked_and_pruned():
    model = nn.MultiheadAttention(8, 2)
    before = networks.snapshot(model)
    with npr.prune_weights(model, p_prune=0.5, layers=[nn.Linear]) as pruned:
        assert [layer.name for layer in pruned.draw.layers] == ["in_proj_weight", "out_proj"]
        assert torch.equal(model.in_proj_weight != 0, pruned.draw.mask("in_proj_weight"))
    assert networks.snapshot(model) == before


@pytest.mark.parametrize("mode", ["eval", "train", "frozen"])
@pytest.mark.parametrize("name", BUILD)
def test_computes_what_the_network_with_zeros_written_by_hand_does(name, mode):
    def make() -> nn.Module:
        model = build(name).train(mode == "train")
        return model.requires_grad_(mode != "frozen")

    model, x = make(), networks.inputs(requires_grad=True)
    # Hooks keep torch from its fused encoder, which rounds otherwise.
    quick = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    before = networks.snapshot(model)
    try:
        with npr.prune_weights(model, p_prune=0.6, p_bern=0.7, layers=[nn.Linear]) as pruned:
            for _ in range(2):
                by_hand = networks.zeroed_by_hand(make, pruned.draw)
                assert networks.same_bits(model(x), by_hand(x))
                one, other = (torch.autograd.grad(m(x).sum(), x)[0] for m in (model, by_hand))
                assert networks.same_bits(one, other)
                pruned.redraw()
        assert networks.snapshot(model) == before
    finally:
        torch.backends.mha.set_fastpath_enabled(quick)


@pytest.mark.parametrize("part", ["whole", "features"])
@pytest.mark.parametrize("name", BUILD)
def test_trains_as_the_network_with_zeroed_gradients_does(name, part):
    """Each step must see the last one's weights, also where only an inner module is called."""
    model, by_hand = build(name), None
    with npr.prune_weights(model, p_prune=0.5, layers=[nn.Linear]) as pruned:
        by_hand = networks.zeroed_by_hand(lambda: build(name), pruned.draw)
        keep = {layer.name: pruned.draw.mask(layer.name) for layer in pruned.draw.layers}
        optimizers = [torch.optim.SGD(m.parameters(), lr=0.05) for m in (model, by_hand)]
        for _ in range(3):
            losses = []
            for m, optimizer in zip((model, by_hand), optimizers, strict=True):
                optimizer.zero_grad()
                out = m(networks.inputs()) if part == "whole" else m.features(networks.inputs())
                loss = out.square().mean()
                loss.backward()
                losses.append(loss)
                for layer in keep if m is by_hand else ():
                    weight = networks.weight_of(m, layer)
                    if weight.grad is not None:
                        weight.grad[~keep[layer]] = 0
                optimizer.step()
            assert torch.equal(*losses)


@pytest.mark.parametrize("name", BUILD)
def test_a_frozen_network_notices_loaded_weights(name):
    model, other = build(name).eval().requires_grad_(False), build(name)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    x = networks.inputs()
    with npr.prune_weights(model, p_prune=0.5, layers=[nn.Linear]) as pruned:
        model(x)
        state = model.state_dict()
        for key, value in other.state_dict().items():
            state[f"{key}_orig" if f"{key}_orig" in state else key].copy_(value)
        by_hand = networks.zeroed_by_hand(lambda: copy.deepcopy(other).eval(), pruned.draw)
        assert torch.allclose(model(x), by_hand(x), atol=1e-6)


def test_an_interrupted_forward_leaves_nothing_stale():
    model = build("functional")
    x = networks.inputs()

    def interrupt(module: nn.Module, inputs: object) -> None:
        raise KeyboardInterrupt

    with npr.prune_weights(model, p_prune=0.5, layers=[nn.Linear]) as pruned:
        handle = model.head.register_forward_pre_hook(interrupt)
        with pytest.raises(KeyboardInterrupt):
            model(x)
        handle.remove()
        with torch.no_grad():
            model.inner.holder.qkv.weight_orig.mul_(2)
        by_hand = build("functional")
        with torch.no_grad():
            by_hand.inner.holder.qkv.weight.mul_(2)
        by_hand = networks.zeroed_by_hand(lambda: by_hand, pruned.draw)
        assert networks.same_bits(model(x), by_hand(x))


def test_gradients_flow_where_a_forward_switches_them_on_inside():
    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        @torch.no_grad()
        def forward(self, x: Tensor) -> Tensor:
            with torch.enable_grad():
                return self.layer(x)

    model = Inside()
    with npr.prune_weights(model, p_prune=0.5, layers=[nn.Linear]):
        model(torch.ones(1, 4)).sum().backward()
        assert model.layer.weight_orig.grad is not None


@pytest.mark.parametrize("name", BUILD)
def test_copies_and_copies_of_parts_keep_their_own_masks(name):
    model, x = build(name), networks.inputs()
    with npr.prune_weights(model, p_prune=0.5, layers=[nn.Linear]) as pruned:
        twin, inner = copy.deepcopy(model), copy.deepcopy(model.inner)
        out = model(x)
        pruned.redraw(5)
        assert torch.equal(twin(x), out)
        npr.restore(inner)
    npr.restore(twin)
    assert torch.equal(twin(x), model(x))


def test_masks_that_torch_removes_or_stacks_stay_right():
    model, x = build("functional").requires_grad_(False), networks.inputs()
    dense = networks.snapshot(model)
    npr.prune_weights(model, p_prune=0.5, layers=[nn.Linear])
    out = model(x)
    torch_prune.remove(model.inner.holder.qkv, "weight")
    assert torch.equal(model(x), out)
    torch_prune.random_unstructured(model.head, "weight", amount=0.5)
    model(x)
    npr.restore(model)
    hooks = [module["hooks"] for module in networks.snapshot(model)["modules"].values()]
    assert hooks == [module["hooks"] for module in dense["modules"].values()]


def test_compiled_attention_computes_what_it_does_eagerly():
    model, x = build("attention").eval(), networks.inputs()
    with npr.prune_weights(model, p_prune=0.5, layers=[nn.Linear]) as pruned:
        compiled = torch.compile(model, backend="eager")
        for _ in range(2):
            assert torch.allclose(compiled(x), model(x), atol=1e-6)
            compiled(x).sum().backward()
            pruned.redraw()


def vit() -> nn.Module:
    model = torchvision.models.VisionTransformer(
        32, 16, num_layers=2, num_heads=4, hidden_dim=64, mlp_dim=128
    )
    nn.init.normal_(model.heads.head.weight)
    return model


PUBLIC = {
    "torchvision ViT": vit,
    "torchvision Swin": lambda: torchvision.models.SwinTransformer(
        [4, 4], 16, [2, 2], [2, 2], [4, 4], stochastic_depth_prob=0.0
    ),
    "timm BEiT": lambda: timm.create_model(
        "beit_base_patch16_224", img_size=32, embed_dim=32, depth=2, num_heads=2
    ),
    "timm ViT": lambda: timm.create_model(
        "vit_tiny_patch16_224", img_size=32, embed_dim=32, depth=2, num_heads=2
    ),
}


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
@pytest.mark.parametrize("name", PUBLIC)
def test_a_vision_transformer_computes_what_zeros_by_hand_do(name, granularity):
    def make() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return PUBLIC[name]().eval()

    model = make()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = networks.snapshot(model)
    prunable = npr.rank(model, granularity, p_prune=0.5, layers=[nn.Linear, nn.Conv2d])
    with npr.prune(model, prunable, p_bern=0.5) as pruned:
        by_hand = networks.zeroed_by_hand(make, pruned.draw)
        out = model(x)
        assert networks.same_bits(out, by_hand(x))
        out.sum().backward()
        by_hand(x).sum().backward()
        for layer in pruned.draw.layers:
            keep = pruned.draw.mask(layer.name)
            original = networks.weight_of(by_hand, layer.name).grad
            masked = networks.weight_of(model, layer.name)
            assert torch.equal(masked != 0, keep & (networks.weight_of(by_hand, layer.name) != 0))
            assert original is not None
    model.zero_grad()
    assert networks.snapshot(model) == before
