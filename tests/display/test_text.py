"""Names are shown so that a terminal shows them and does nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.display.text import shortened
from network_prune.plain_text import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ResNet-50, 20 % – ±", "ResNet-50, 20 % – ±"),
        ("Käfer 猫", "Käfer 猫"),
        ("\x1b[31m\x07", r"\x1b[31m\x07"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x9b\x7f", r"\x9b\x7f"),
        ("\u202e\u2028\u2066", r"\u202e\u2028\u2066"),
        ("caf\udce9", r"caf\udce9"),
        ("\u200b\u3164\ufe0f\u2800", r"\u200b\u3164\ufe0f\u2800"),
    ],
)
def test_unprintable_characters_are_visible_escapes(text, shown):
    assert plain(text) == shown


@given(st.text())
def test_what_is_shown_is_printable_and_can_be_encoded(text):
    assert plain(text).isprintable()
    plain(text).encode()
    assert plain(plain(text)) == plain(text)


def test_long_text_loses_its_middle():
    assert [shortened("abcdefgh", most) for most in (8, 7, 4, 1)] == [
        "abcdefgh",
        "abc…fgh",
        "ab…h",
        "…",
    ]
    assert shortened("\x1b" + "a" * 9, 6) == r"\x1…aa"
