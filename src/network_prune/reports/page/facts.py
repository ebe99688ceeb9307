"""What the page says of the run: badges, and what all records have in common."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from network_prune.options import OPTIONS
from network_prune.plain_text import counted
from network_prune.reports.tables import warning_lines
from network_prune.results.command import commands
from network_prune.results.naming import network_text
from network_prune.results.records import Record
from network_prune.sources.preprocessing import Preprocessing

_FEW: Final = 12


@dataclass(frozen=True, slots=True)
class Badge:
    """A word beside the title.

    Attributes:
        word: what it says.
        why: what it means here.
    """

    word: str
    why: str


def badges(records: Sequence[Record]) -> Iterator[Badge]:
    """Yield what is to be known before any figure is read."""
    limited = [record for record in records if record["asked"]["data"].get("limit") is not None]
    if limited:
        count = "" if len(limited) == len(records) else f"{len(limited)} of {len(records)} records "
        images = _values(f"{record['metrics']['n']:,}" for record in limited)
        yield Badge("partial", f"{count}measured on {images} images spread over the data (--limit)")


def lead(records: Sequence[Record]) -> str:
    """Return in one sentence what was measured."""
    networks = {network_text(record): None for record in records}
    data = {record["data"]["name"]: None for record in records}
    images = {f"{record['metrics']['n']:,}": None for record in records}
    pruned = sum(record["variant"] is not None for record in records)
    return (
        f"{counted(len(records), 'record')}, {pruned:,} of them pruned, of "
        f"{_few(networks, 'networks')} on {_few(images, 'sizes')} images of {_few(data, 'sets')}."
    )


def run_facts(records: Sequence[Record], sources: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Return titles with what holds under them, each value once."""
    facts: dict[str, Iterable[str]] = {
        "records": sources,
        "command": _some(commands(records)),
        "networks": map(_network, records),
        "data": map(_data, records),
        "preprocessing": (str(Preprocessing(**record["preprocessing"])) for record in records),
        "scores of images": map(_score_data, records),
        "seeds": (str(r["variant"]["seed"]) for r in records if r["variant"]),
        "computed with": map(_running, records),
        "versions": (_pairs(record["versions"]) for record in records),
        "warnings": (line.removeprefix("warning: ") for line in warning_lines(records)),
    }
    found = ((title, list(dict.fromkeys(filter(None, texts)))) for title, texts in facts.items())
    return [(title, texts) for title, texts in found if texts]


def _some(texts: Sequence[str]) -> Iterator[str]:
    yield from texts[:_FEW]
    if len(texts) > _FEW:
        yield f"and {len(texts) - _FEW} more"


def _network(record: Record) -> str:
    sha256 = record["network"]["weights_sha256"][:12]
    return f"{network_text(record)}, weights {record['network']['weights']} (sha256 {sha256})"


def _data(record: Record) -> str:
    data, metrics = record["data"], record["metrics"]
    asked = {
        name: value
        for name, value in record["asked"]["data"].items()
        if name in OPTIONS and value != OPTIONS[name].default
    }
    return f"{data['name']}, {metrics['n']:,} images, identity {data['identity'][:12]}" + (
        f"; asked: {_pairs(asked)}" if asked else ""
    )


def _score_data(record: Record) -> str:
    found = record["score_data"]
    return f"{found['n']} images of {found['name']}" if found else ""


def _running(record: Record) -> str:
    asked = record["asked"]["running"]
    return _pairs({name: value for name, value in asked.items() if value is not None})


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _values(values: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(values))


def _few(names: Mapping[str, None], many: str) -> str:
    found = list(names)
    return " and ".join(found) if len(found) <= 2 else f"{len(found)} {many}"
