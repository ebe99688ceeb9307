"""The running statistics of BatchNorms: exchanged for others, and put back as they were.

The tensors that were there before move to buffers of another name, which no state_dict has, so
that they go along in copies and to other devices. Nothing is ever written into them.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from network_prune.pruning.unfinished import Change

NAMES = ("running_mean", "running_var", "num_batches_tracked")
# By norm, some of these buffers.
Statistics = Mapping[_BatchNorm, Mapping[str, Tensor]]


def put_on(statistics: Statistics) -> None:
    """Let norms have other statistics until `put_back`, or until yet others are put on."""

    def exchange() -> None:
        for norm, values in statistics.items():
            for name, value in values.items():
                _keep_aside(norm, name)
                norm._buffers[name] = value

    Change(exchange, exchange).complete()


def put_back(model: nn.Module) -> None:
    """Give norms the statistics that they had before the first `put_on`; harmless twice."""
    for module, name in _kept_aside(model):
        module._buffers[name] = module._buffers[_aside(name)]
    forget(model)


def forget(model: nn.Module) -> None:
    """Let the statistics that were put on stay for good; harmless twice."""
    for module, name in _kept_aside(model):
        module._non_persistent_buffers_set.discard(_aside(name))
        del module._buffers[_aside(name)]


def are_exchanged(module: nn.Module) -> bool:
    """Return whether ``module`` itself is a norm that other statistics were put on."""
    return any(_aside(name) in module._buffers for name in NAMES)


def _keep_aside(norm: _BatchNorm, name: str) -> None:
    if _aside(name) not in norm._buffers:
        norm._non_persistent_buffers_set.add(_aside(name))
        norm._buffers[_aside(name)] = norm._buffers[name]


def _kept_aside(model: nn.Module) -> list[tuple[nn.Module, str]]:
    return [
        (module, name)
        for module in model.modules()
        for name in NAMES
        if _aside(name) in module._buffers
    ]


def _aside(name: str) -> str:
    return f"{name}_orig"
