"""The name of a record: a hash of everything that decides its figures.

It is the same in all schemas, so that a folder that an earlier version began goes on.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

_KEY_SCHEMA: Final = 1


def record_key(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of everything that decides a record's figures."""
    return KeyBase(record).key(record["variant"])


class KeyBase:
    """What a record's key is made of beside the variant, ready for any variant.

    Args:
        record: holds network, preprocessing, data, options, versions and ``score_data``.

    Raises:
        KeyError, TypeError, ValueError: it isn't such a record.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        deciding = {
            "schema": _KEY_SCHEMA,
            "network": [record["network"]["name"], record["network"]["weights_sha256"]],
            "preprocessing": record["preprocessing"],
            "data": record["data"]["identity"],
            "running": record["asked"]["running"],
        }
        if (images := record["score_data"]) is not None:
            deciding["score_data"] = [images["identity"], images["n"]]
        # One JSON object with sorted names, of which "variant" and "versions" are the last.
        self._before = hashlib.sha256(canonical(deciding)[:-1] + b',"variant":')
        self._after = b',"versions":' + canonical(record["versions"]) + b"}"

    def key(self, variant: Mapping[str, Any] | None) -> str:
        """Return the key of a variant's record."""
        return self._key(canonical(variant))

    def fits(self, variant: Mapping[str, Any] | None, key: str) -> bool:
        """Return whether a variant's record has that key.

        A faster writer, which writes few numbers and texts otherwise, is asked first.

        Raises:
            ValueError: a text can't be written in UTF-8.
        """
        return self._key(msgspec.json.encode(variant, order="sorted")) == key or (
            self.key(variant) == key
        )

    def _key(self, variant: bytes) -> str:
        whole = self._before.copy()
        whole.update(variant + self._after)
        return whole.hexdigest()


def canonical(value: Any) -> bytes:
    """Return plain data as the JSON that is hashed.

    Raises:
        TypeError, ValueError: JSON has no word for it.
    """
    return _ENCODER.encode(value).encode()


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
