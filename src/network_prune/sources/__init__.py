"""Networks and data from anywhere, and the embedded default."""

from network_prune.sources.networks import LoadedNetwork, load_network
from network_prune.sources.preprocessing import Preprocessing

__all__ = ["LoadedNetwork", "Preprocessing", "load_network"]
