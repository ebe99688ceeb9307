"""Figures of transfer runs in words."""

import math
from collections.abc import Mapping
from typing import Any


def points_text(value: float) -> str:
    """Return a difference in percentage points."""
    return "–" if math.isnan(value) else f"{value:+.1f}"


def p_text(p: float) -> str:
    """Return a p-value."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def count_text(value: float) -> str:
    """Return a number of images, or a dash where there is none."""
    return f"{value:,.0f}" if math.isfinite(value) else "–"


def share_text(value: float) -> str:
    """Return a share of the pixels' range as the usual fraction of 255, where it is one."""
    levels = 255 * value
    is_whole = abs(levels - round(levels)) < 1e-3
    return f"{round(levels)}/255" if is_whole else f"{levels:.2f}/255"


def attack_text(attack: Mapping[str, Any]) -> str:
    """Return an attack's settings, those that are off or unknown left out."""
    loss, momentum, diversity = (attack[name] for name in ("loss", "momentum", "diversity"))
    parts = [
        "" if attack["by"] == "own" else attack["by"],
        f"L∞ {share_text(attack['epsilon'])}",
        f"step {share_text(attack['step'])}" if attack["step"] else "",
        loss or "",
        f"momentum {momentum:g}" if momentum else "",
        f"DI {diversity:g}" if diversity else "",
        f"TI {attack['translation']}" if (attack["translation"] or 0) > 1 else "",
        f"SI {attack['scales']}" if (attack["scales"] or 0) > 1 else "",
    ]
    return ", ".join(filter(None, parts))
