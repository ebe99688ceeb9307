"""Time networks side by side."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from network_prune.core.foreign_code import no_exits
from network_prune.deploy.bench.benched import Bench, BenchRow
from network_prune.deploy.bench.ready import Ready, times_of
from network_prune.deploy.costs.cost import cost_of
from network_prune.deploy.costs.peak_memory import peak_bytes
from network_prune.errors import ArgumentError, brief
from network_prune.evaluation.evaluate import check_precision
from network_prune.option_checks import whole
from network_prune.options import check_options
from network_prune.pruning.faster_copy.prepare import Speed
from network_prune.pruning.forward import device_of
from network_prune.pruning.given import AnyNetwork, module_of


@no_exits()
def bench(
    networks: Mapping[str, AnyNetwork],
    images: Tensor,
    *,
    repeats: int = 100,
    channels_last: bool = True,
    fold: bool = True,
    compile: bool = False,
    dtype: str | None = None,
    amp: bool = False,
    amp_dtype: str = "bfloat16",
    progress: bool | None = None,
) -> Bench:
    """Time networks in turn on one batch, and tell their memory and size.

    Each is a copy in eval mode, made faster as `evaluate` does, with its masks as zeros; the
    networks are left alone. What else the machine does meets all alike, as they take turns.

    Args:
        networks: by name; the first is what the others are compared with.
        images: ``[n, C, H, W]``, a batch for all.
        repeats: how often each is timed, after three times that aren't.
        channels_last: lay out images and convolutions' weights with the channels last.
        fold: fold each BatchNorm into the convolution before it.
        compile: compile the copies by torch.compile.
        dtype: ``bfloat16`` or ``float16`` to cast the copies to, not along with ``amp``.
        amp: compute under torch.autocast; nothing is folded then.
        amp_dtype: ``bfloat16`` or ``float16``, for ``amp``.
        progress: show a bar on stderr; None shows it on a terminal and in a notebook only.

    Raises:
        ArgumentError: a value isn't allowed, or the networks are on different devices.
        UnsupportedNetworkError: a network can't be copied, or fails on the batch.
    """
    repeats = whole(1, 1_000_000)("repeats", repeats)
    check_options(amp_dtype=amp_dtype, dtype=dtype)
    check_precision({"amp": amp, "dtype": dtype})
    _check(networks, images)
    speed = Speed(
        channels_last=channels_last,
        fold=fold,
        compile=compile,
        dtype=dtype,
        amp_dtype=amp_dtype if amp else None,
    )
    ready = [Ready.of(name, network, speed, images) for name, network in networks.items()]
    times = times_of(ready, repeats, progress=progress)
    with torch.no_grad():
        rows = [_row(*each) for each in zip(ready, times, strict=True)]
    return Bench(tuple(rows), _where(ready[0].device, images, speed, repeats))


def _row(ready: Ready, seconds: list[float]) -> BenchRow:
    """Return what a network needs; multiply-adds and size are those before it was folded."""
    inputs = ready.runner.inputs(ready.batch).to(next(ready.plain.parameters()).dtype)
    return BenchRow(
        ready.name,
        tuple(ready.batch.images.shape),
        cost_of(ready.plain, lambda net: net(inputs)),
        tuple(seconds),
        peak_bytes(ready.run, ready.device),
        ready.prepared.folded,
    )


def _check(networks: Any, images: Any) -> None:
    if not isinstance(networks, Mapping) or not networks:
        raise ArgumentError(
            f"networks={brief(networks)} names no network; pass e.g. {{'dense': model}}"
        )
    if not isinstance(images, Tensor) or images.dim() != 4 or not len(images):
        raise ArgumentError(
            f"images={brief(images)} is no batch; pass a tensor [n, C, H, W], "
            "e.g. torch.randn(1, 3, 224, 224)"
        )
    devices = {name: device_of(module_of(network)) for name, network in networks.items()}
    if len(set(devices.values())) > 1:
        said = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise ArgumentError(f"the networks are on different devices ({said}); move them to one")


def _where(device: torch.device, images: Tensor, speed: Speed, repeats: int) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    threads = f", {torch.get_num_threads()} threads" if device.type == "cpu" else ""
    ways = {
        "channels last": speed.channels_last,
        "folded": speed.fold and speed.amp_dtype is None,
        "compiled": speed.compile,
        speed.dtype or "": speed.dtype is not None,
        f"autocast {speed.amp_dtype}": speed.amp_dtype is not None,
    }
    how = "".join(f", {way}" for way, done in ways.items() if done)
    size = " × ".join(map(str, images.shape))
    where = f"{name}{threads}, torch {torch.__version__}"
    return f"{where}, batches of {size}{how}; {repeats} times in turn"
