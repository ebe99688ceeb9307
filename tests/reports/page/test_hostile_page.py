"""Names from records are shown as they are, by the text, the table and the plots."""

import csv
import io

import pytest

from network_prune.plain_text import plain
from network_prune.reports.report import report
from tests.made_studies import images, random_study, variant
from tests.reports.page.conftest import Seen

NAMES = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<a href=javascript:alert(1)>link</a>",
    "<img src=x onerror=alert(1)>",
    "<b>bold</b>&lt;i&gt;<br>",
    "$x^2$",
    "\"quoted\" 'names' {{ 7 * 7 }} %{text}",
    "\x1b[31mred\x1b[0m\u202e",
    "=cmd|' /C calc'!A0",
    "a|b\\|c_d*e*",
)


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    shown = images(40, classes=len(NAMES), names=[NAMES[i % len(NAMES)] for i in range(40)])
    hostile = type(shown)(shown.labels, shown.names, dict(enumerate(NAMES)))
    variants = [variant(p_prune=p_prune, index=i) for p_prune in (0.2, 0.9) for i in range(2)]
    return [
        random_study(
            tmp_path_factory.mktemp("study"), variants, n=40, network=name, data=name, shown=hostile
        )
        for name in NAMES
    ]


@pytest.fixture(scope="module")
def opened(browser, studies, tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "page.html"
    report(studies, out=path, title=NAMES[1])
    seen = Seen.open(browser, path, viewport={"width": 1200, "height": 900})
    seen.page.evaluate(
        "() => { for (const each of document.querySelectorAll('details')) each.open = true; }"
    )
    return seen


def test_nothing_of_them_is_run(opened):
    assert opened.told == []
    assert opened.from_elsewhere == []
    page = opened.page
    assert page.locator("a[href^=javascript]").count() == 0
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == page.locator("script[type]").count() + 2


def test_the_title_is_text(opened):
    assert opened.page.title() == NAMES[1]
    assert opened.page.locator("h1").inner_text() == NAMES[1]


def test_the_table_shows_them_as_they_are(opened):
    found = opened.page.evaluate(
        "() => $('#records').DataTable().page.len(-1).draw().column('network:title').nodes()"
        ".toArray().map((cell) => cell.textContent)"
    )
    assert list(dict.fromkeys(found)) == [plain(name) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_the_table_finds_them(opened, name):
    opened.page.evaluate(
        "(name) => $('#records').DataTable().search(name, {smart: false}).draw()", plain(name)
    )
    rows = opened.page.locator("#records tbody tr").all_inner_texts()
    opened.page.evaluate("() => $('#records').DataTable().search('').draw()")
    assert rows
    assert all(plain(name) in row for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_plots_show_them_as_they_are(opened, name):
    page = opened.page
    options = page.locator("#accuracy select").first
    options.select_option(plain(name))
    page.wait_for_function(
        "(name) => document.querySelector('#accuracy .plot').data.some((each) => each.text)",
        arg=name,
    )
    shown = page.locator("#classes .ytick text").all_text_contents()
    assert any(
        plain(name).replace(" ", "") in text.replace("\xa0", " ").replace(" ", "") for text in shown
    )


def test_they_are_copied_as_text(opened):
    page = opened.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy as CSV").click()
    page.wait_for_selector(".dt-button-info")
    rows = list(csv.DictReader(io.StringIO(page.evaluate("() => navigator.clipboard.readText()"))))
    networks = list(dict.fromkeys(row["network"] for row in rows))
    expected = [f"'{name}" if name.startswith("=") else plain(name) for name in NAMES]
    assert networks == expected


def test_markdown_is_escaped_as_in_text(opened):
    from network_prune.reports.markdown import markdown_row

    for name in NAMES:
        found = opened.page.evaluate(
            "(name) => markdown([name], [], [true]).split('\\n')[0]", plain(name)
        )
        assert found == markdown_row([name])
