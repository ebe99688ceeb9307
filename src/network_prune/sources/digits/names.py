"""The names of the embedded networks, which can be asked for before PyTorch is imported."""

from typing import Final

RESIDUAL: Final = "digits"
PLAIN: Final = "digits-plain"
ATTENTION: Final = "digits-attention"
MIXER: Final = "digits-mixer"
# The pictures that these were tested on, and those that they were trained on.
DIGITS: Final = "digits"
TRAINING_DIGITS: Final = "digits:train"
NAMES: Final = (RESIDUAL, PLAIN, ATTENTION, MIXER)
