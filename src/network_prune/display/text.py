"""Text from elsewhere as people may be shown it: names that a terminal would obey stay names."""


def plain(text: str) -> str:
    r"""Return ``text`` with what isn't printable as visible escapes.

    These are controls (``\x1b``, ``\n``), marks that turn the direction of writing
    (``\u202e``), line separators, bytes of file names that are no text (``\udcff``), and
    whatever else Unicode has nothing to print for.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escape(each) for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def shortened(text: str, most: int) -> str:
    """Return printable ``text`` in at most so many characters, an ellipsis for its middle."""
    text = plain(text)
    if len(text) <= most:
        return text
    tail = max(0, (most - 1) // 2)
    return f"{text[: max(0, most - 1 - tail)]}…{text[len(text) - tail :]}"
