"""Measure a network's loss and accuracy on labelled images."""

import time
from typing import TypedDict, cast

import torch
from torch import nn

from network_prune.errors import ArgumentError, check_choice
from network_prune.evaluation.faster_copy.prepare import DTYPES, Speed, prepare
from network_prune.evaluation.memory import running
from network_prune.evaluation.metrics import Metrics, measure
from network_prune.evaluation.reading import Images, Reading, ReadOptions
from network_prune.evaluation.runner import Runner
from network_prune.pruning.forward import compute_logits, device_of
from network_prune.sources.data.pictures import check_loading


class RunOptions(ReadOptions, total=False):
    """The options of `run` that have a default there."""

    amp: bool
    amp_dtype: str


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
    data: Images,
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
    runs itself, and each module's training flag is put back afterwards. On the CPU and
    under glibc the process keeps freed memory meanwhile.

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
    check_options(amp=amp, amp_dtype=amp_dtype, dtype=dtype)
    check_loading(batch_size=batch_size, workers=workers)
    speed = Speed(channels_last=channels_last, fold=fold, compile=compile, dtype=dtype)
    return run(Runner(prepare(model, speed)), data, label=label, **options)


def run(
    runner: Runner,
    data: Images,
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
    device = device_of(model)
    metrics, start = Metrics(), time.perf_counter()
    autocast = torch.autocast(device.type, DTYPES[amp_dtype], enabled=amp)
    with (
        running(model),
        Reading(
            data,
            label=label,
            batch_size=batch_size,
            workers=workers,
            skip_unreadable=skip_unreadable,
            progress=progress,
            pin_memory=device.type == "cuda",
        ) as reading,
    ):
        for batch in reading:
            with autocast:
                logits = compute_logits(runner, batch.images, batch.labels)
            metrics += measure(logits, batch.labels)
            reading.advance(len(batch))
    return metrics + Metrics(unreadable=reading.unreadable, seconds=time.perf_counter() - start)


def check_options(*, amp: bool, amp_dtype: str, dtype: str | None) -> None:
    """Refuse precisions of `evaluate` that don't exist or exclude each other.

    Raises:
        ArgumentError: a value is outside what is allowed.
    """
    check_choice("amp_dtype", amp_dtype, DTYPES)
    Speed(dtype=dtype)
    if amp and dtype is not None:
        raise ArgumentError(
            f"dtype={dtype!r} and amp=True exclude each other; pass one of them (--dtype, --amp)"
        )
