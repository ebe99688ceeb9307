"""Measure a network's loss and accuracy on labelled images."""

import math
import os
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, TypedDict, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from network_prune.errors import (
    ArgumentError,
    SourceError,
    UnsupportedNetworkError,
    check_choice,
)
from network_prune.sources.data import LoadedData
from network_prune.sources.images import Batch, Guarded, collate
from network_prune.study.metrics import Metrics, measure
from network_prune.study.prepared import DTYPES, Speed, prepare
from network_prune.study.runner import Runner


class RunOptions(TypedDict, total=False):
    """The options of `run` that have a default there."""

    batch_size: int
    workers: int | None
    amp: bool
    amp_dtype: str
    skip_unreadable: bool
    progress: bool | None


class SpeedOptions(TypedDict, total=False):
    """The options of `evaluate` that say how the network is prepared, those of `Speed`."""

    channels_last: bool
    fold: bool
    compile: bool
    dtype: str | None


class EvaluateOptions(RunOptions, SpeedOptions, total=False):
    """The options of `evaluate` that have a default there."""


def split_options(options: EvaluateOptions) -> tuple[Speed, RunOptions]:
    """Return how to prepare the network, and the options of `run`."""
    names = SpeedOptions.__annotations__
    speed = {name: value for name, value in options.items() if name in names}
    others = {name: value for name, value in options.items() if name not in names}
    return Speed(**cast(SpeedOptions, speed)), cast(RunOptions, others)


def evaluate(
    model: nn.Module,
    data: LoadedData | Dataset[Any] | Iterable[Any],
    *,
    batch_size: int = 64,
    workers: int | None = None,
    amp: bool = False,
    amp_dtype: str = "bfloat16",
    skip_unreadable: bool = False,
    progress: bool | None = None,
    label: str = "evaluate",
    channels_last: bool = True,
    fold: bool = True,
    compile: bool = False,
    dtype: str | None = None,
) -> Metrics:
    """Return loss, Acc@1 and Acc@5 of ``model`` over all of ``data``.

    The network runs on the device and in the dtype of its first parameter, in eval
    mode and without gradients. As a rule a copy runs that is laid out anew and has its
    BatchNorms folded, which is faster and changes the logits' rounding; with
    ``channels_last`` and ``fold`` off, or where no safe copy can be made, ``model``
    runs itself, and each module's training flag is put back afterwards.

    Args:
        model: maps images ``[n, C, H, W]`` to logits ``[n, classes]``.
        data: what `load_data` returned, a dataset of (image tensor, label), or an
            iterable of batches (images, labels) such as a DataLoader.
        batch_size: images a batch; unused for an iterable of batches.
        workers: processes that decode images; None takes one a core, at most one a
            batch, for images in files and none otherwise. Unused for an iterable of
            batches.
        amp: compute under torch.autocast.
        amp_dtype: ``bfloat16`` or ``float16``, for ``amp``.
        skip_unreadable: leave images out that can't be read, and count them, instead
            of raising. Unused for an iterable of batches.
        progress: show a bar on stderr; None shows it on a terminal only.
        label: what the bar says.
        channels_last: lay out images and convolutions' weights with the channels last.
        fold: fold each BatchNorm into the convolution before it.
        compile: compile the copy by torch.compile.
        dtype: ``bfloat16`` or ``float16`` to cast the copy to, not along with ``amp``.

    Raises:
        ArgumentError: a value is outside what is allowed.
        SourceError: there are no images, one can't be read, or a label has no output.
        UnsupportedNetworkError: the network fails, its output isn't a tensor
            ``[n, classes]``, or it can't be copied to compile or cast it.
    """
    options: RunOptions = {
        "batch_size": batch_size,
        "workers": workers,
        "amp": amp,
        "amp_dtype": amp_dtype,
        "skip_unreadable": skip_unreadable,
        "progress": progress,
    }
    check_options(batch_size=batch_size, workers=workers, amp=amp, amp_dtype=amp_dtype, dtype=dtype)
    speed = Speed(channels_last=channels_last, fold=fold, compile=compile, dtype=dtype)
    return run(Runner(prepare(model, speed)), data, label=label, **options)


def run(
    runner: Runner,
    data: LoadedData | Dataset[Any] | Iterable[Any],
    *,
    batch_size: int = 64,
    workers: int | None = None,
    amp: bool = False,
    amp_dtype: str = "bfloat16",
    skip_unreadable: bool = False,
    progress: bool | None = None,
    label: str = "evaluate",
) -> Metrics:
    """Return what `evaluate` does, of a prepared network; the options are those there."""
    model = runner.prepared.model
    device = next(model.parameters(), torch.empty(0)).device
    start = time.perf_counter()
    loader, total = _batches(data, batch_size, workers, pin_memory=device.type == "cuda")
    hide = not sys.stderr.isatty() if progress is None else not progress
    metrics = Metrics()
    autocast = torch.autocast(device.type, DTYPES[amp_dtype], enabled=amp)
    with (
        _eval_mode(model),
        torch.no_grad(),
        tqdm(total=total, desc=label, unit="img", disable=hide, leave=False) as bar,
    ):
        for entry in loader:
            batch = entry if isinstance(entry, Batch) else Batch(*entry)
            if batch.errors and not skip_unreadable:
                raise SourceError(
                    f"{batch.errors[0]}; remove it or pass skip_unreadable (--skip-unreadable)"
                )
            if len(batch):
                with autocast:
                    logits = runner(batch.images)
                metrics += measure(_check_logits(logits, batch.labels), batch.labels)
            metrics += Metrics(unreadable=batch.unreadable)
            bar.update(len(batch) + batch.unreadable)
    if not metrics.n:
        raise SourceError(f"no image could be evaluated ({metrics.unreadable} are unreadable)")
    return metrics + Metrics(seconds=time.perf_counter() - start)


def check_options(
    *, batch_size: int, workers: int | None, amp: bool, amp_dtype: str, dtype: str | None
) -> None:
    """Refuse options of `evaluate` that fit no network.

    Raises:
        ArgumentError: a value is outside what is allowed.
    """
    check_choice("amp_dtype", amp_dtype, DTYPES)
    Speed(dtype=dtype)
    if amp and dtype is not None:
        raise ArgumentError(
            f"dtype={dtype!r} and amp=True exclude each other; pass one of them (--dtype, --amp)"
        )
    if batch_size < 1:
        raise ArgumentError(f"batch_size={batch_size} is too small; pass 1 or more")
    if workers is not None and workers < 0:
        raise ArgumentError(f"workers={workers} is negative; pass 0 or more")


def _batches(
    data: LoadedData | Dataset[Any] | Iterable[Any],
    batch_size: int,
    workers: int | None,
    *,
    pin_memory: bool,
) -> tuple[Iterable[Any], int | None]:
    """Return an iterable of batches and the number of images, None if it isn't known."""
    in_files = isinstance(data, LoadedData) and data.in_files
    dataset = data.dataset if isinstance(data, LoadedData) else data
    if isinstance(dataset, DataLoader) or not isinstance(dataset, Dataset):
        size = getattr(getattr(dataset, "dataset", None), "__len__", lambda: None)()
        return dataset, size
    guarded = Guarded(dataset)
    if workers is None:
        batches = math.ceil(len(guarded) / batch_size)
        workers = min(_cores(), batches) if in_files else 0
    loader = DataLoader(
        guarded, batch_size, num_workers=workers, collate_fn=collate, pin_memory=pin_memory
    )
    return loader, len(guarded)


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _eval_mode(model: nn.Module) -> Generator[None]:
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _check_logits(logits: Any, labels: Tensor) -> Tensor:
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(labels):
        found = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UnsupportedNetworkError(
            f"the network's output is {found} for {len(labels)} images; "
            f"evaluate needs logits [n, classes]"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= logits.shape[1]:
        wrong = low if low < 0 else high
        raise SourceError(
            f"label {wrong} is outside the network's outputs 0 to {logits.shape[1] - 1}; "
            f"the labels may belong to other classes or start at 1"
        )
    return logits
