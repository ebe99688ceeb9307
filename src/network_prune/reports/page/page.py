"""Records as one HTML file."""

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from jinja2.utils import htmlsafe_json_dumps

from network_prune.plain_text import plain
from network_prune.reports.page.accuracy import accuracy_section
from network_prune.reports.page.assets import libraries, script, script_hash, style
from network_prune.reports.page.bars import diversity_section, importance_section
from network_prune.reports.page.classes import classes_section
from network_prune.reports.page.embedded import embedded_outcomes
from network_prune.reports.page.facts import badges, lead, run_facts
from network_prune.reports.page.groups import sets_by_images, ties_by_record
from network_prune.reports.page.heatmaps import landing_section, sensitivity_section
from network_prune.reports.page.reported import reported_section
from network_prune.reports.page.section import Section
from network_prune.reports.page.stages import stages_section
from network_prune.reports.page.table import records_table
from network_prune.results.comparing.sets import images_id
from network_prune.results.published.figures import PublishedRow
from network_prune.results.records import Record
from network_prune.results.study import Study
from network_prune.version import __version__

_SECTIONS: Final[Sequence[Callable[[Sequence[Record]], Section | None]]] = (
    accuracy_section,
    landing_section,
    sensitivity_section,
    diversity_section,
    importance_section,
)


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is made.

    Attributes:
        title: its title.
        refresh: after how many seconds it loads itself anew; None for never.
        published: published figures to show beside the measured ones.
    """

    title: str = "network-prune"
    refresh: int | None = None
    published: Sequence[PublishedRow] = ()


def page(studies: Sequence[Study], look: Look = Look()) -> str:
    """Return the page of the studies' records."""
    rows = [(study, record) for study in studies for record in study]
    records = [record for _, record in rows]
    groups = sets_by_images(studies)
    found = [
        reported_section(look.published, records),
        *(make(records) for make in _SECTIONS),
        stages_section(groups),
        classes_section(groups),
    ]
    sections = [section for section in found if section is not None]
    table = records_table(records, [study.source for study, _ in rows], ties_by_record(groups))
    images = list(dict.fromkeys(map(images_id, records)))
    return _template().render(
        look=look,
        badges=list(badges(records)),
        lead=lead(records),
        sections=sections,
        has_other_images=len(images) > 1,
        facts=run_facts(records, [study.source for study in studies]),
        common=table.common,
        version=__version__,
        style=style(),
        script=script(),
        script_hash=script_hash(),
        data={
            "figures": {section.name: section.to_dict() for section in sections},
            "records": {
                **table.to_dict(),
                "names": [_name(study, record) for study, record in rows],
                "images": [images.index(images_id(record)) for record in records],
            },
            "outcomes": embedded_outcomes(rows),
            "libraries": libraries(),
        },
    )


def _name(study: Study, record: Record) -> str:
    """Return what the command line calls a record."""
    return shlex.quote(f"{study.source}#{record['key'][:12]}")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("network_prune.reports.page", "files"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = _json
    return environment.get_template("page.html.j2")


def _shown(value: Any) -> Any:
    """Return what is put into the page, of text the printable form."""
    return plain(value) if type(value) is str else value


def _json(value: Any) -> str:
    dumps = partial(json.dumps, separators=(",", ":"), allow_nan=False)
    return htmlsafe_json_dumps(value, dumps=dumps)
