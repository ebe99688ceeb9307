"""Progress bars: text on a terminal, a widget in a notebook."""

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from network_prune.plain_text import plain


def progress_bar(*, total: int | None, label: str, unit: str, shown: bool | None) -> Any:
    """Return a bar of tqdm's, which goes away at the end.

    In a notebook without ipywidgets it is text.

    Args:
        total: how many units there are, None if it isn't known.
        label: what stands before it.
        unit: what is counted.
        shown: whether it is; None shows it on a terminal and in a notebook only.
    """
    with warnings.catch_warnings():
        from tqdm import TqdmWarning

        warnings.simplefilter("ignore", TqdmWarning)  # that ipywidgets is missing
        from tqdm.auto import tqdm

    if shown is None:
        shown = sys.stderr.isatty() or "ipykernel.zmqshell" in sys.modules
    return tqdm(total=total, desc=plain(label), unit=unit, disable=not shown, leave=False)


@contextmanager
def above_bars() -> Generator[None]:
    """Let lines be printed meanwhile, above the bars that are shown."""
    from tqdm import tqdm

    with tqdm.external_write_mode():
        yield
