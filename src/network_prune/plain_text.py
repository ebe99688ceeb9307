"""Text from elsewhere as people may be shown it: names that a terminal would obey stay names."""

import re
from typing import Final

# What Unicode calls printable and yet nobody sees: fillers, selectors and joiners.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def plain(text: str) -> str:
    r"""Return ``text`` with what isn't printable as visible escapes.

    These are controls (``\x1b``, ``\n``), marks that turn the direction of writing
    (``\u202e``), what has no width (``\u200b``), line separators, bytes of file names that
    are no text (``\udcff``), and whatever else Unicode has nothing to print for.
    """
    if text.isascii() and text.isprintable():
        return text
    shown = "".join(each if each.isprintable() else _escape(each) for each in text)
    return _UNSEEN.sub(lambda found: _escape(found[0]), shown)


def counted(n: int, what: str) -> str:
    """Return a number and what there are so many of, in the plural unless it is one."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
