"""Build the documentation's site: ``python scripts/build_site.py [FOLDER]``, site/ by default.

Whatever the generator warns of, a broken link for example, ends it with 1 and changes nothing.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from site_pages.repository import ROOT
from site_pages.sources import write_sources

# What only a site has, by which one that was built before is known.
_MARK = "objects.inv"


def build(site: Path) -> int:
    """Build into a folder that is new, empty or an older site, and return the exit code.

    Side effects:
        1. An older site is replaced whole.
    """
    if site.exists() and not (
        site.is_dir() and ((site / _MARK).exists() or not any(site.iterdir()))
    ):
        print(f"{site} holds something else than a site; pass another folder", file=sys.stderr)
        return 2
    with TemporaryDirectory() as folder:
        settings = write_sources(Path(folder))
        call = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", settings]
        if subprocess.run(call, cwd=folder).returncode:
            return 1
        shutil.rmtree(site, ignore_errors=True)
        shutil.move(Path(folder) / "site", site)
    print(f"open {site / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site"))
