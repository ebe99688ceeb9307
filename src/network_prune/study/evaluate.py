"""Measure a network's loss and accuracy on labelled images."""

import sys
import time
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from network_prune.errors import SourceError, check_choice
from network_prune.pruning.forward import check_logits, eval_mode, forward, to_device
from network_prune.sources.data import LoadedData
from network_prune.sources.images import Batch, check_loading, make_loader
from network_prune.study.metrics import Metrics, measure

AMP_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


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
) -> Metrics:
    """Return loss, Acc@1 and Acc@5 of ``model`` over all of ``data``.

    The network runs on the device and in the dtype of its first parameter, in eval
    mode and without gradients; each module's training flag is put back afterwards.

    Args:
        model: maps images ``[n, C, H, W]`` to logits ``[n, classes]``.
        data: what `load_data` returned, a dataset of (image tensor, label), or an
            iterable of batches (images, labels) such as a DataLoader.
        batch_size: images a batch; unused for an iterable of batches.
        workers: processes that decode images; None takes one a core for images in
            files and none otherwise. Unused for an iterable of batches.
        amp: compute under torch.autocast.
        amp_dtype: ``bfloat16`` or ``float16``, for ``amp``.
        skip_unreadable: leave images out that can't be read, and count them, instead
            of raising. Unused for an iterable of batches.
        progress: show a bar on stderr; None shows it on a terminal only.
        label: what the bar says.

    Raises:
        ArgumentError: a value is outside what is allowed.
        SourceError: there are no images, one can't be read, or a label has no output.
        UnsupportedNetworkError: the network fails, or its output isn't a tensor
            ``[n, classes]``.
    """
    check_options(batch_size=batch_size, workers=workers, amp_dtype=amp_dtype)
    loader, total = _batches(data, batch_size, workers)
    weight = next(model.parameters(), torch.empty(0))
    hide = not sys.stderr.isatty() if progress is None else not progress
    metrics, start = Metrics(), time.perf_counter()
    autocast = torch.autocast(weight.device.type, AMP_DTYPES[amp_dtype], enabled=amp)
    with (
        eval_mode(model),
        torch.no_grad(),
        tqdm(total=total, desc=label, unit="img", disable=hide, leave=False) as bar,
    ):
        for entry in loader:
            batch = entry if isinstance(entry, Batch) else Batch(*entry)
            batch.check_readable(skip_unreadable=skip_unreadable)
            if len(batch):
                with autocast:
                    logits = forward(model, to_device(batch.images, weight))
                metrics += measure(check_logits(logits, batch.labels), batch.labels)
            metrics += Metrics(unreadable=batch.unreadable)
            bar.update(len(batch) + batch.unreadable)
    if not metrics.n:
        raise SourceError(f"no image could be evaluated ({metrics.unreadable} are unreadable)")
    return metrics + Metrics(seconds=time.perf_counter() - start)


def check_options(*, batch_size: int, workers: int | None, amp_dtype: str) -> None:
    """Refuse options of `evaluate` that fit no network.

    Raises:
        ArgumentError: a value is outside what is allowed.
    """
    check_choice("amp_dtype", amp_dtype, AMP_DTYPES)
    check_loading(batch_size=batch_size, workers=workers)


def _batches(
    data: LoadedData | Dataset[Any] | Iterable[Any], batch_size: int, workers: int | None
) -> tuple[Iterable[Any], int | None]:
    """Return an iterable of batches and the number of images, None if it isn't known."""
    in_files = isinstance(data, LoadedData) and data.in_files
    dataset = data.dataset if isinstance(data, LoadedData) else data
    if isinstance(dataset, DataLoader) or not isinstance(dataset, Dataset):
        size = getattr(getattr(dataset, "dataset", None), "__len__", lambda: None)()
        return dataset, size
    loader = make_loader(dataset, batch_size=batch_size, workers=workers, in_files=in_files)
    return loader, len(loader.dataset)  # pyright: ignore[reportArgumentType]
