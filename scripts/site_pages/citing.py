"""How to cite: CITATION.cff, and as BibTeX."""

from typing import Any

import yaml

from site_pages.repository import ROOT


def citing_page() -> str:
    """Return the page's text."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    cited = yaml.safe_load(text)
    entries = [_entry("software", "network-prune", cited)]
    for place, each in enumerate(cited.get("references", [])):
        year = each.get("year", place)
        key = f"{each['authors'][0].get('family-names', 'reference')}{year}".lower()
        entries.append(_entry("article", key, each))
    return (
        f"# How to cite\n\n{cited['message']}\n\n```bibtex\n" + "\n\n".join(entries) + "\n```\n\n"
        "The same as `CITATION.cff`, which lies in the repository:\n\n"
        f"```yaml\n{text.rstrip()}\n```\n"
    )


def _entry(kind: str, key: str, cited: dict[str, Any]) -> str:
    names = ("title", "version", "year", "doi", "url", "license")
    fields = {"author": " and ".join(map(_author, cited["authors"]))}
    fields |= {name: str(cited[name]) for name in names if name in cited}
    if "notes" in cited:
        fields["note" if kind == "software" else "journal"] = cited["notes"]
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _author(author: dict[str, str]) -> str:
    if "name" in author:
        return f"{{{author['name']}}}"
    return f"{author['family-names']}, {author['given-names']}"
