"""Write what a network computes, for torch.export and for ONNX."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from network_prune.deploy.export.compared import Compute
from network_prune.errors import ArgumentError, RunError, UnsupportedNetworkError, one_line
from network_prune.extras import require

INPUT: Final = "images"


def write_torch(model: nn.Module, path: Path, images: Tensor, *, any_batch: bool) -> Compute:
    """Write a program of torch.export, and return what the file computes.

    Args:
        model: the network, on the CPU and in eval mode.
        path: the file.
        images: two ``[2, C, H, W]`` to follow through the network; the file may hold them.
        any_batch: whether it takes any number of images, or as many as these.

    Raises:
        UnsupportedNetworkError: torch.export can't follow the network.
    """
    with _told("torch", any_batch), torch.no_grad():
        program = torch.export.export(model, (images,), dynamic_shapes=_shapes(any_batch))
        torch.export.save(program, path)
        return torch.export.load(path).module()


def check_onnx() -> None:
    """Refuse ONNX unless what writes and runs it is installed.

    Raises:
        SourceError: it isn't.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package, extra="onnx", what="--to onnx")


def write_onnx(
    model: nn.Module, path: Path, images: Tensor, *, any_batch: bool, opset: int | None
) -> Compute:
    """Write an ONNX file by torch's exporter, and return what onnxruntime computes of it.

    Args:
        model: the network, on the CPU and in eval mode.
        path: the file.
        images: two ``[2, C, H, W]`` to follow through the network; the file may hold them.
        any_batch: whether it takes any number of images, or as many as these.
        opset: the version of ONNX's operators; None for the exporter's own.

    Raises:
        SourceError: what it needs isn't installed.
        UnsupportedNetworkError: the network can't be written so.
        RunError: onnxruntime refuses what was written.
    """
    check_onnx()
    with _told("onnx", any_batch), torch.no_grad():
        torch.onnx.export(
            model,
            (images,),
            path,
            dynamo=True,
            external_data=False,
            dynamic_shapes=_shapes(any_batch),
            opset_version=opset,
            verbose=False,
            input_names=[INPUT],
            output_names=["logits"],
        )
    try:
        compute = _by_onnxruntime(path)
    except Exception as error:
        raise RunError(
            f"onnxruntime refuses what was written ({one_line(error)}); pass another --opset"
        ) from None
    _check_opset(path, opset)
    return compute


def _check_opset(path: Path, wanted: int | None) -> None:
    """Refuse a file of other operators than were asked for, which the exporter writes silently."""
    import onnx

    entries = onnx.load(path, load_external_data=False).opset_import
    (found,) = [int(entry.version) for entry in entries if entry.domain in ("", "ai.onnx")]
    if wanted not in (None, found):
        raise ArgumentError(
            f"opset={wanted} can't be written: the exporter gives {found} for this network; pass "
            f"--opset {found}, or leave it out"
        )


def _by_onnxruntime(path: Path) -> Compute:
    import onnx
    import onnxruntime

    onnx.checker.check_model(str(path), full_check=True)
    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )

    def compute(images: Tensor) -> Tensor:
        (found,) = session.run(None, {INPUT: images.numpy()})
        return torch.from_numpy(found)

    return compute


def _shapes(any_batch: bool) -> Any:
    return ({0: torch.export.Dim("batch")},) if any_batch else None


@contextmanager
def _told(to: str, any_batch: bool) -> Generator[None]:
    """Say in one line why a network can't be written, and nothing else."""
    hint = "; pass --no-dynamic (dynamic=False) for one size of batch" if any_batch else ""
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        cause = error.__cause__ or error
        raise UnsupportedNetworkError(
            f"the network can't be written for {to} ({one_line(cause)}){hint}"
        ) from None
