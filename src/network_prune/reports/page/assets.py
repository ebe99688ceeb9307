"""What the page brings along: our own style and script, Plotly and DataTables."""

import hashlib
import zlib
from base64 import b64encode
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from markupsafe import Markup

from network_prune.extras import require

_SCRIPTS: Final = (
    "start.js",
    "plots.js",
    "filters.js",
    "names.js",
    "paper.js",
    "table.js",
    "pair.js",
    "main.js",
)


def check_page() -> None:
    """Refuse to make a page without what it brings along.

    Raises:
        SourceError: a package of the extra ``report`` isn't installed.
    """
    for package in ("plotly", "itables"):
        require(package, extra="report", what="the page")


@cache
def libraries() -> dict[str, str]:
    """Return the scripts of Plotly and DataTables by name, compressed, as text in base64."""
    from plotly.offline import get_plotlyjs

    return {"plotly": _packed(get_plotlyjs()), "datatables": _packed(_of_itables("dt_bundle.js"))}


@cache
def style() -> Markup:
    """Return the style sheets."""
    return Markup(f"{_of_itables('dt_bundle.css')}\n{_own('page.css')}")


@cache
def script() -> Markup:
    """Return our own script, which goes into the page as it is."""
    return Markup("\n".join(map(_own, _SCRIPTS)))


def script_hash() -> str:
    """Return by what the page's policy knows the one script that may run."""
    return f"sha256-{b64encode(hashlib.sha256(script().encode()).digest()).decode()}"


def _own(name: str) -> str:
    return files("network_prune.reports.page").joinpath("files", name).read_text("utf-8")


def _of_itables(name: str) -> str:
    # Importing itables would import pandas.
    spec = find_spec("itables")
    assert spec is not None, "check_page looks for it"
    assert spec.origin is not None
    return Path(spec.origin).with_name("html").joinpath(name).read_text("utf-8")


def _packed(text: str) -> str:
    return b64encode(zlib.compress(text.encode(), 9)).decode()
