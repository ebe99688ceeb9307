"""Records are parsed as Python's json does, and keys are compared as they are made."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.results.lines.checksum import DamageError, parse
from network_prune.results.record_key import KeyBase

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(), max_size=20)  # lone surrogates among them, as in names of files
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(PLAIN, lambda each: st.lists(each) | st.dictionaries(TEXTS, each))
WRITTEN = st.none() | st.booleans() | NUMBERS | st.text()
VARIANTS = st.dictionaries(st.text(), WRITTEN | st.lists(WRITTEN))
BASE = KeyBase(
    {
        "network": {"name": "a", "weights_sha256": "0"},
        "preprocessing": {},
        "data": {"identity": "1"},
        "asked": {"running": {}},
        "versions": {},
        "score_data": None,
    }
)


@given(VALUES, st.sampled_from([None, 2]))
def test_what_json_wrote_is_read_back(value, indent):
    text = json.dumps(value, indent=indent).encode()
    assert repr(parse(text)) == repr(json.loads(text))


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["{!r}", "{:.25e}"]))
def test_each_float_is_the_nearest(number, form):
    text = form.format(number)
    assert repr(parse(text.encode())) == repr(float(text))


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e400", '{"a": -1e400}', "", "{"]
)
def test_what_is_no_number_or_no_json_is_damage(text):
    with pytest.raises(DamageError, match="it is no JSON"):
        parse(text.encode())


@given(VARIANTS)
def test_a_key_fits_what_it_was_made_of(variant):
    assert BASE.fits(variant, BASE.key(variant))
    assert not BASE.fits({**variant, "another": 1}, BASE.key(variant))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_key_fits_no_other_number(number):
    other = math.nextafter(number, 0.0 if number else 1.0)
    assert not BASE.fits({"p_prune": other}, BASE.key({"p_prune": number}))
