"""Tables in HTML, as notebooks show them; whatever the cells hold is text."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from network_prune.plain_text import plain

if TYPE_CHECKING:
    from jinja2 import Template

_TABLE = """\
<table>
{%- if caption %}<caption>{{ caption }}</caption>{% endif %}
<thead><tr>
{%- for title in titles %}<th scope="col" style="{{ align(loop.index0) }}">{{ title }}</th>
{%- endfor %}</tr></thead>
<tbody>
{%- for row in rows %}
<tr>
{%- for cell in row %}<td style="{{ align(loop.index0) }}">{{ cell }}</td>
{%- endfor %}</tr>
{%- endfor %}
</tbody></table>
{%- for line in foot %}
<p>{{ line }}</p>
{%- endfor %}"""


def html_table(
    titles: Sequence[str],
    rows: Iterable[Iterable[Any]],
    *,
    words: int = 1,
    caption: str = "",
    foot: Iterable[str] = (),
) -> str:
    """Return a table in HTML.

    Args:
        titles: of the columns.
        rows: cells, shown as ``str`` gives them.
        words: how many columns, the first ones, hold words and not numbers.
        caption: stands above it.
        foot: lines below it.
    """

    def align(column: int) -> str:
        return f"text-align: {'left' if column < words else 'right'}"

    return _template().render(
        titles=list(map(plain, titles)),
        rows=[[plain(str(cell)) for cell in row] for row in rows],
        caption=plain(caption),
        foot=map(plain, foot),
        align=align,
    )


@cache
def _template() -> "Template":
    # Not at the top: a table in a notebook isn't what most imports are for.
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(_TABLE)
