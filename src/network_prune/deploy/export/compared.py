"""Whether what was written computes what the network computes."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from network_prune.errors import RunError, UnsupportedNetworkError, one_line

# Of the greatest output; rounding in another order of addition is about a hundredth of it.
CLOSE = 1e-4
Compute = Callable[[Tensor], Tensor]


class OtherError(RunError):
    """What was written isn't the network."""


@torch.no_grad()
def compare(model: nn.Module, other: Compute, images: Tensor, *, one_by_one: bool) -> float:
    """Return the greatest difference of the outputs, as a share of the greatest.

    Args:
        model: the network.
        other: takes what it takes, and gives what it gives.
        images: ``[n, C, H, W]``.
        one_by_one: whether other batches than all images together are tried, too.

    Raises:
        OtherError: the outputs differ by more than rounding, or in shape or number.
    """
    worst, eps = 0.0, 0.0
    for batch in _batches(images, one_by_one):
        known, found = model(batch), other(batch)
        if known.shape != found.shape:
            raise OtherError(
                f"what was written gives {list(found.shape)} for {list(batch.shape)}, and the "
                f"network {list(known.shape)}, so it isn't kept"
            )
        worst, eps = max(worst, _apart(found, known)), torch.finfo(known.dtype).eps
    limit = max(CLOSE, 16 * eps)
    if not worst <= limit:
        raise OtherError(
            f"what was written gives outputs that differ by {worst:.1e} of the greatest, more than "
            f"{limit:.0e}, so it isn't kept"
        )
    return worst


def noise_for(shape: tuple[int, int, int], dtype: torch.dtype) -> Tensor:
    """Return two pictures of noise, the same each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, *shape, generator=generator).to(dtype)


def checked_outputs(model: nn.Module, images: Tensor) -> Tensor:
    """Return what the network gives for images.

    Raises:
        UnsupportedNetworkError: it fails, or doesn't give one tensor of finite numbers.
    """
    try:
        with torch.no_grad():
            found = model(images)
    except Exception as error:
        raise UnsupportedNetworkError(
            f"{type(model).__name__} can't take images {list(images.shape)} ({one_line(error)})"
        ) from error
    if not isinstance(found, Tensor) or not bool(found.isfinite().all()):
        raise UnsupportedNetworkError(
            f"{type(model).__name__} doesn't give one tensor of finite numbers, so that what is "
            "written can't be compared with it"
        )
    return found


def _batches(images: Tensor, one_by_one: bool) -> Iterator[Tensor]:
    yield images
    if one_by_one:
        yield images[:1]


def _apart(found: Tensor, known: Tensor) -> float:
    size = float(known.abs().max())
    apart = float((found.double() - known.double()).abs().max())
    return apart / size if size else apart
