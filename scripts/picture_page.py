"""Take pictures of a report page: docs/report-light.png and docs/report-dark.png.

Run ``python scripts/picture_page.py`` from the repository root whenever the page looks otherwise.
It needs the extras ``report`` and ``dev`` and Chromium, and takes a minute on a CPU.

The page is of the embedded network, as ``network-prune sweep`` and ``network-prune report`` make
it; its table is filtered and two rows are picked, so that their comparison is seen, too.
"""

import argparse
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

import network_prune
from network_prune.whole_file import write_whole

PLAN = {
    "method": ["weights", "connections", "neurons"],
    "p_prune": [0.05, 0.1, 0.2, 0.3, 0.4],
    "p_bern": 0.5,
    "draws": 5,
    "device": "cpu",
}
TITLE = "The embedded network, pruned in three ways"
SCHEMES = ("light", "dark")
WIDTH, HEIGHT = 1200, 900  # pixels of the window
COLOURS = 128
# The columns that the table is filtered by, and the rows that are compared of those that are left.
FILTERS = {"p_prune": "0.2", "index": "0"}
PICKED = (1, 2)


def make_page(plan: dict[str, Any], folder: Path) -> Path:
    """Return the page of a sweep of ``plan``, made in a folder."""
    with chdir(folder):  # the page names the study as it was named
        study = network_prune.sweep(plan, out="study")
        return network_prune.report(study, out="page.html", title=TITLE).resolve()


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium, and end it afterwards.

    Raises:
        SystemExit: it isn't installed.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("there is no chromium; install it, e.g. by apt-get install chromium")
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()


def picture_of(page: Path, chromium: Any, scheme: str) -> bytes:
    """Return a page down to the end of its table as a PNG file of few colours.

    Args:
        page: the HTML file, an absolute path.
        chromium: what `browser` gives.
        scheme: ``light`` or ``dark``, as people set it.
    """
    window = {"width": WIDTH, "height": HEIGHT}
    context = chromium.new_context(viewport=window, color_scheme=scheme, offline=True)
    shown = context.new_page()
    shown.goto(page.as_uri())
    shown.wait_for_selector("html[data-ready]", state="attached")
    for title, value in FILTERS.items():
        shown.get_by_role("textbox", name=f"Filter {title}", exact=True).fill(value)
    for place in PICKED:
        shown.locator("#records tbody tr").nth(place).locator("td").first.click()
    shown.wait_for_selector("#pair .verdict")
    shown.mouse.move(0, 0)
    table = shown.locator("#table-box").bounding_box()
    end = shown.evaluate("() => scrollY") + table["y"] + table["height"]
    part = {"x": 0, "y": 0, "width": WIDTH, "height": end + 16}
    taken = shown.screenshot(full_page=True, clip=part, animations="disabled")
    context.close()
    return few_colours(taken)


def few_colours(picture: bytes) -> bytes:
    """Return a picture as a PNG file with a palette."""
    with Image.open(io.BytesIO(picture)) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    content = io.BytesIO()
    small.save(content, "PNG", optimize=True)
    return content.getvalue()


def main() -> None:
    """Make the page and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs")
    folder = parser.parse_args().out
    with tempfile.TemporaryDirectory() as made, browser() as chromium:
        page = make_page(PLAN, Path(made))
        for scheme in SCHEMES:
            path = folder / f"report-{scheme}.png"
            write_whole(path, picture_of(page, chromium, scheme))
            print(f"wrote {path}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
