"""Records in which something is exchanged or missing."""

import copy
import zlib

MISSING = object()


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


VALUES = {
    "missing": MISSING,
    "none": None,
    "text": "x",
    "a lone surrogate": "\ud800",
    "markup": "<script>\x1b[31m\0",
    "negative": -5,
    "zero": 0,
    "huge": 10**400,
    "large": 1e308,
    "infinite": float("1e999"),
    "flag": True,
    "list": [],
    "list of none": [None],
    "mapping": {},
    "levels": nested(100),
    "mapping of levels": {"a": nested(3)},
}


def places(value, place=()):
    """The way to everything in a record, of lists to the first alone."""
    if place:
        yield place
    inner = enumerate(value[:1]) if isinstance(value, list) else ()
    for name, each in value.items() if isinstance(value, dict) else inner:
        yield from places(each, (*place, name))


def exchanged(record, place, value):
    """A copy of a record with a value in a place, or without what is there."""
    record = copy.deepcopy(record)
    *way, last = place
    inner = record
    for name in way:
        inner = inner[name]
    if value is MISSING:
        del inner[last]
    else:
        inner[last] = value
    return record


def forged_line(text):
    """A JSON object, as bytes, with the checksum that a stranger would make for it."""
    body = text[:-1]
    return body + b',"crc32":"%08x"}' % zlib.crc32(body)
