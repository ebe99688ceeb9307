"""Measure a network's loss and accuracy on labelled images."""

import time

import torch
from torch import nn

from network_prune.errors import check_choice
from network_prune.study.computing import compute_logits, device_of, eval_mode, move_images
from network_prune.study.metrics import Metrics, measure
from network_prune.study.reading import Images, Reading, ReadOptions

AMP_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class EvaluateOptions(ReadOptions, total=False):
    """The options of `evaluate` that have a default there."""

    amp: bool
    amp_dtype: str


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
    check_choice("amp_dtype", amp_dtype, AMP_DTYPES)
    metrics, start = Metrics(), time.perf_counter()
    autocast = torch.autocast(device_of(model).type, AMP_DTYPES[amp_dtype], enabled=amp)
    with (
        eval_mode(model),
        torch.no_grad(),
        Reading(
            data,
            label=label,
            batch_size=batch_size,
            workers=workers,
            skip_unreadable=skip_unreadable,
            progress=progress,
        ) as reading,
    ):
        for batch in reading:
            with autocast:
                logits = compute_logits(model, move_images(batch.images, model), batch.labels)
            metrics += measure(logits, batch.labels)
            reading.advance(len(batch))
    return metrics + Metrics(unreadable=reading.unreadable, seconds=time.perf_counter() - start)
