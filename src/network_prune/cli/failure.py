"""What an exception says to the user, in one line."""

from network_prune.errors import NetworkPruneError, one_line

OUT_OF_MEMORY = "out of memory; pass a smaller --batch-size or another --device"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the machine's or the device's memory didn't suffice."""
    return type(error).__name__ in ("OutOfMemoryError", "MemoryError")


def failure_text(error: Exception) -> str:
    """Return what to tell of ``error``, which may be any, on one line."""
    if isinstance(error, NetworkPruneError):
        return " ".join(str(error).split())
    return OUT_OF_MEMORY if is_out_of_memory(error) else one_line(error)
