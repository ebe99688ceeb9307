"""A loaded network as bytes, for processes that may lack the user's code that made it."""

import io
import pickle
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

from network_prune.errors import SourceError, one_line
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.sources.networks.user_code import user_modules


def pack(network: LoadedNetwork, cloudpickle: Any) -> bytes:
    """Return a network, with the code of a user's that is in it.

    Args:
        network: which one.
        cloudpickle: the module of that name, Ray's own.

    Raises:
        SourceError: it can't be packed.
    """
    file = io.BytesIO()
    try:
        with _by_value(user_modules(), cloudpickle):
            torch.save(network, file, pickle_module=cloudpickle, pickle_protocol=5)
    except Exception as error:
        raise SourceError(
            f"{network.name} can't be sent to other processes ({one_line(error)}); leave out "
            "--engine ray, or evaluate it with --shard"
        ) from error
    return file.getvalue()


def unpack(content: bytes) -> LoadedNetwork:
    """Return what `pack` made bytes of; only for those of our own."""
    return torch.load(io.BytesIO(content), weights_only=False, pickle_module=pickle)


@contextmanager
def _by_value(modules: Iterable[ModuleType], cloudpickle: Any) -> Generator[None]:
    """Let what is in modules be packed whole, not as names that are imported elsewhere."""
    modules = list(modules)
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
