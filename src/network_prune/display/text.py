"""Text as people are shown it, and warnings of it."""

import warnings
from collections.abc import Iterable

from network_prune.plain_text import plain


def shortened(text: str, most: int) -> str:
    """Return printable ``text`` in at most so many characters, an ellipsis for its middle."""
    text = plain(text)
    if len(text) <= most:
        return text
    tail = max(0, (most - 1) // 2)
    return f"{text[: max(0, most - 1 - tail)]}…{text[len(text) - tail :]}"


def warn(texts: Iterable[str], *, stacklevel: int) -> None:
    """Warn of each text, in printable characters; ``stacklevel`` is as for warnings.warn."""
    for text in texts:
        warnings.warn(plain(text), stacklevel=stacklevel + 1)
