"""What tells one network's weights from others'."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def hash_state(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a state dict: names, dtypes, shapes and bytes, in order."""
    digest = hashlib.sha256()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            continue
        digest.update(
            f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode(errors="surrogatepass")
        )
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
