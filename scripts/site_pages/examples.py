"""The examples, with what each of them says it is."""

import ast
import json
from pathlib import Path

from site_pages.repository import ROOT, place_of


def example_files() -> list[str]:
    """Return the files of the folder of examples, from the repository's root."""
    files = (path.relative_to(ROOT) for path in sorted((ROOT / "examples").rglob("*")))
    shown = (path for path in files if not any(p[0] in "._" for p in path.parts))
    return [path.as_posix() for path in shown if (ROOT / path).is_file()]


def examples_page() -> str:
    """Return the page's text."""
    lines = [f"* [{Path(path).name}]({place_of(path)}): {_said(path)}" for path in example_files()]
    return "# Examples\n\nThey lie in the folder `examples/`.\n\n" + "\n".join(lines) + "\n"


def _said(path: str) -> str:
    """Return the first line of what an example says of itself."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".py"):
        said = ast.get_docstring(ast.parse(text)) or ""
    elif path.endswith(".ipynb"):
        said = "".join(json.loads(text)["cells"][0]["source"]).lstrip("# ")
    else:
        comments = (line.lstrip("# ") for line in text.splitlines() if line.startswith("# "))
        said = next(comments, "")
    return said.strip().partition("\n")[0]
