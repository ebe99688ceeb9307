"""The names of the embedded networks, which can be asked for before PyTorch is imported."""

from typing import Final

RESIDUAL: Final = "digits"
PLAIN: Final = "digits-plain"
ATTENTION: Final = "digits-attention"
MIXER: Final = "digits-mixer"
NAMES: Final = (RESIDUAL, PLAIN, ATTENTION, MIXER)
