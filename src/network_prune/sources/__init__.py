"""Networks and data from anywhere, and the embedded default."""

from network_prune.sources.data import LoadedData, load_data
from network_prune.sources.images import Batch, Guarded, Unreadable, collate
from network_prune.sources.networks import LoadedNetwork, load_network
from network_prune.sources.preprocessing import Preprocessing

__all__ = [
    "Batch",
    "Guarded",
    "LoadedData",
    "LoadedNetwork",
    "Preprocessing",
    "Unreadable",
    "collate",
    "load_data",
    "load_network",
]
