"""Small awkward networks, and a comparator that sees every change to a network."""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

import network_prune as npr

# --- what a network is, down to the bits --------------------------------------------------

_HOOKS = [
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
]


def bits(tensor: Tensor) -> str:
    """Return a hash of the values, bit for bit: NaN equals itself, -0.0 isn't 0.0."""
    values = tensor.detach().cpu().contiguous().flatten()
    return hashlib.sha256(bytes(values.view(torch.uint8).numpy())).hexdigest()


def same_bits(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and bits(one) == bits(other)


def _tensor(tensor: Tensor | None) -> Any:
    if tensor is None:
        return None
    place = (id(tensor), tensor.data_ptr(), tensor.stride(), tensor.device)
    return (*place, tensor.dtype, tensor.requires_grad, tensor.shape, bits(tensor))


def snapshot(model: nn.Module) -> dict[str, Any]:
    """Return everything that contract 4 names, to compare with ``==``.

    Order counts: tables are turned into lists of pairs.
    """
    modules = {}
    for name, module in model.named_modules(remove_duplicate=False):
        modules[name] = {
            "identity": id(module),
            "training": module.training,
            "attributes": list(vars(module)),
            "parameters": [
                (key, _tensor(p), None if p is None else _tensor(p.grad))
                for key, p in module._parameters.items()
            ],
            "buffers": [(key, _tensor(b)) for key, b in module._buffers.items()],
            "transient": sorted(module._non_persistent_buffers_set),
            "hooks": {
                table: [(key, id(hook)) for key, hook in vars(module)[table].items()]
                for table in _HOOKS
            },
        }
    state = [(key, value.data_ptr(), bits(value)) for key, value in model.state_dict().items()]
    names = [(name, id(p)) for name, p in model.named_parameters(remove_duplicate=False)]
    return {"modules": modules, "state_dict": state, "named_parameters": names}


# --- awkward networks ---------------------------------------------------------------------


class Tied(nn.Module):
    """The same Parameter in two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.between = nn.Conv2d(4, 4, 1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.between(self.first(x)))


class SharedStorage(Tied):
    """Two Parameters over the same memory."""

    def __init__(self) -> None:
        super().__init__()
        self.second.weight = nn.Parameter(self.first.weight.detach())


class TiedEmbedding(nn.Module):
    """A Linear that shares its weight with an Embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, 4)
        self.head = nn.Linear(4, 6)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        tokens = (x.detach().flatten(1)[:, :5] * 10).long().abs() % 6
        return self.head(self.embed(tokens)) + 0 * x.sum()


class Attention(nn.Module):
    """A patch embedding by convolution, then attention."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(4, 8, 2, stride=2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return self.head(mixed.mean(1))


class Shuffled(nn.Sequential):
    """Parameters in an order of their own: the bias stands before the weight."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(4, 5, 3), nn.Conv2d(5, 3, 1))
        for module in self:
            module._parameters = dict(reversed(module._parameters.items()))
            module.register_parameter("extra", nn.Parameter(torch.ones(2)))
            module.register_parameter("none", None)


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3, bias=False)
    )


def grouped() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.ConvTranspose2d(8, 6, 2, groups=2))


def depthwise() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU(), nn.Conv2d(4, 6, 1))


def frozen() -> nn.Module:
    return plain().requires_grad_(False).eval()


def half_frozen() -> nn.Module:
    model = plain()
    model[3].requires_grad_(False)
    return model


def sparse() -> nn.Module:
    model = plain()
    with torch.no_grad():
        for module in model:
            if isinstance(module, nn.Conv2d):
                module.weight[::2] = 0.0
                module.weight[1, :, 0] = -0.0
    return model


def with_grads() -> nn.Module:
    model = plain()
    with torch.enable_grad():
        model(inputs()).square().sum().backward()
    return model


def with_hooks() -> nn.Module:
    model = plain()
    for module in model:
        module.register_forward_pre_hook(lambda m, args: None)
        module.register_forward_hook(lambda m, args, out: out)
        module.register_full_backward_hook(lambda m, gin, gout: None)
    return model


def non_contiguous() -> nn.Module:
    model = plain()
    with torch.no_grad():
        wide = torch.randn(16, 4, 3, 3)
        model[0].weight = nn.Parameter(wide[::2])
        model[3].weight = nn.Parameter(torch.randn(3, 3, 8, 6).permute(3, 2, 0, 1))
    return model


def single() -> nn.Module:
    return nn.Conv2d(4, 3, 3)


AWKWARD: dict[str, Callable[[], nn.Module]] = {
    "plain": plain,
    "single layer": single,
    "grouped": grouped,
    "depthwise": depthwise,
    "tied": Tied,
    "shared storage": SharedStorage,
    "attention": Attention,
    "half": lambda: plain().half(),
    "bfloat16": lambda: plain().bfloat16(),
    "float64": lambda: plain().double(),
    "channels_last": lambda: plain().to(memory_format=torch.channels_last),
    "non contiguous": non_contiguous,
    "frozen": frozen,
    "half frozen": half_frozen,
    "already sparse": sparse,
    "with grads": with_grads,
    "with hooks": with_hooks,
    "parameters in another order": Shuffled,
}


def build(name: str) -> nn.Module:
    """Return an awkward network with weights that are the same in every run."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return AWKWARD[name]()


def inputs(model: nn.Module | None = None, *, requires_grad: bool = False) -> Tensor:
    """Return a small image batch, in the network's dtype."""
    image = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    dtype = torch.float32 if model is None else next(model.parameters()).dtype
    return image.to(dtype).requires_grad_(requires_grad)


def masked_tensors(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return the modules and names of the tensors under masks of any origin."""
    return [
        (module, hook._tensor_name)
        for module in model.modules()
        for hook in module._forward_pre_hooks.values()
        if isinstance(hook, torch_prune.BasePruningMethod)
    ]


def zeroed_by_hand(build: Callable[[], nn.Module], draw: npr.Draw) -> nn.Module:
    """Return another network whose pruned weights are overwritten with zeros."""
    model = build()
    with torch.no_grad():
        for layer in draw.layers:
            weight_of(model, layer.name)[~draw.mask(layer.name)] = 0.0
    return model


def weight_of(model: nn.Module, name: str) -> Tensor:
    """Return a ranked layer's weight; a bias or attention's projection is named by its tensor."""
    if name.endswith(("proj_weight", "bias")):
        path, _, tensor = name.rpartition(".")
        return getattr(model.get_submodule(path), tensor)
    return model.get_submodule(name).weight
