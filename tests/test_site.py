"""The site of the documentation: whole, from nowhere else, and read as people read it."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from posixpath import dirname, join, normpath
from urllib.parse import unquote

import pytest

import network_prune
from build_site import build
from site_pages.names import public_names
from site_pages.records import study_members, transfer_members
from tests.shown_commands import ROOT, commands

PHONE = {"width": 390, "height": 844}
NOTEBOOK = "files/examples/story.ipynb.html"
NARROW = ("index.html", "published.html", "reference/commands/sweep.html", NOTEBOOK)
# What a browser fetches by itself.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    call = [sys.executable, ROOT / "scripts" / "build_site.py", folder]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.fetched, self.links, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        said = dict(attributes)
        self.ids.add(said.get("id"))
        if tag == "link" and said.get("rel") not in ("next", "prev", "canonical"):
            self.fetched.append(said.get("href"))
        if tag == "a" and said.get("href"):
            self.links.append(said["href"])
        if tag in FETCHED:
            self.fetched.append(said.get(FETCHED[tag]))


@pytest.fixture(scope="module")
def pages(site):
    found = {path.relative_to(site).as_posix(): path for path in site.rglob("*.html")}
    return {name: _Page(path.read_text("utf-8")) for name, path in found.items()}


def test_nothing_comes_from_elsewhere(site, pages):
    links = [link for page in pages.values() for link in page.fetched if link]
    assert [link for link in links if re.match(r"(\w+:)?//", link)] == []
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"url\([\"']?(?:\w+:)?//|@import", styles) == []


def test_every_link_leads_to_a_page_and_a_place_that_is_there(site, pages):
    """The strict build looks at links to pages alone."""
    broken = []
    for name, page in pages.items():
        if name == "404.html":
            continue
        for link in [*page.links, *filter(None, page.fetched)]:
            path, _, place = unquote(link).partition("#")
            if re.match(r"\w+:", link):
                continue
            target = normpath(join(dirname(name), path.partition("?")[0])) if path else name
            is_there = (site / target).exists() and (
                not place or target not in pages or place in pages[target].ids
            )
            if not is_there:
                broken.append(f"{name}: {link}")
    assert broken == []
    assert sum(len(page.links) for page in pages.values()) > 2000


def test_no_markdown_is_left_in_the_text(site, pages):
    """A list without an empty line before it, for example, is none in every generator."""
    left = []
    for name in pages:
        _, _, text = (site / name).read_text("utf-8").partition("<article")
        text = re.sub(r"<(pre|code|script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
        for _, held in re.findall(r"<(p|li|td|dd)>(.*?)</\1>", text, re.DOTALL):
            if re.search(r"\n\s*([*-]|\d+\.) |\]\(|\|:|```", re.sub(r"<.*?>", "", held)):
                left.append(f"{name}: {held[:80]}")
    assert left == []


def test_every_page_of_the_folder_is_there_and_found(pages):
    names = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    assert {f"{name}.html" for name in names} <= pages.keys()
    listed = re.findall(r"\]\((\S+)\.md\)", (ROOT / "docs" / "index.md").read_text("utf-8"))
    assert sorted(listed) == sorted(names)
    navigation = (ROOT / "scripts" / "site.yml").read_text("utf-8")
    assert [name for name in names if f": {name}.md\n" not in navigation] == []


def test_a_notebook_is_a_page_with_what_its_code_gave(site, pages):
    cells = json.loads((ROOT / "examples" / "story.ipynb").read_text("utf-8"))["cells"]
    given = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    pictures = sum("image/png" in data for data in given)
    tables = sum("text/html" in data and "image/png" not in data for data in given)
    text = (site / NOTEBOOK).read_text("utf-8")
    assert (
        sum(str(link).startswith("data:image/png") for link in pages[NOTEBOOK].fetched) == pictures
    )
    assert (pictures > 0, text.count("<table>")) == (True, tables)
    assert (site / NOTEBOOK.removesuffix(".html")).exists()


def test_defaults_are_values_and_no_private_names(site):
    pages = sorted((site / "reference" / "python").glob("*.html"))
    shown = "\n".join(re.sub("<[^>]*>", "", page.read_text(encoding="utf-8")) for page in pages)
    assert "batch_size: int = 64" in shown
    assert not re.findall(r"= (?:_[A-Z]|OPTIONS).*", shown)


def test_every_public_name_is_described(pages):
    found = set().union(
        *(page.ids for name, page in pages.items() if name.startswith("reference/python/"))
    )
    assert public_names().keys() == set(network_prune.__all__)
    assert {f"network_prune.{name}" for name in network_prune.__all__} <= found


@pytest.mark.parametrize("name", commands())
def test_every_option_of_every_command_is_described(site, pages, name):
    page = f"reference/commands/{name}.html"
    text = (site / page).read_text("utf-8")
    shown = [each for each in commands()[name].params if not getattr(each, "hidden", False)]
    for parameter in shown:
        for written in (*parameter.opts, *parameter.secondary_opts):
            if written.startswith("--"):
                assert f"option-{parameter.name.replace('_', '-')}" in pages[page].ids
                assert written in text, written


def undescribed(value, members, place=""):
    """Yield the paths of what a record holds and its declaration doesn't describe."""
    for name, inner in value.items():
        if name not in members:
            yield f"{place}{name}"
        elif members[name].part is not None:
            for each in inner if isinstance(inner, list) else [inner]:
                if isinstance(each, dict):
                    yield from undescribed(each, members[name].part, f"{place}{name}.")


def test_all_that_a_record_of_a_study_holds_is_described(pages):
    plan = {"limit": 8, "method": "neurons", "recalibrate": 8, "floor": 0.1}
    _, record = network_prune.sweep(plan)
    _, compared = network_prune.sweep({"limit": 8}, measure=network_prune.DrawsCompared(2))
    assert not {*undescribed(record, study_members()), *undescribed(compared, study_members())} - {
        "schema",
        "key",
    }
    assert {f"study-{name}" for name in ("network", "metrics")} <= pages[
        "reference/records.html"
    ].ids


def test_all_that_a_record_of_a_transfer_run_holds_is_described():
    run = network_prune.transfer(
        {
            "surrogate": ["digits"],
            "victim": ["digits-plain"],
            "goal": ["untargeted"],
            "augmentation": ["none", "dwp"],
            "passes": 1,
            "seeds": 1,
            "limit": 2,
        }
    )
    for record in run:
        assert not {*undescribed(record, transfer_members())} - {"schema", "key"}


def test_what_a_part_doesnt_say_is_refused():
    import msgspec

    from site_pages.records import members

    class Part(msgspec.Struct):
        """A part.

        Attributes:
            said: a name.
        """

        said: str
        unsaid: int

    with pytest.raises(ValueError, match="Part doesn't say what unsaid mean"):
        members(Part)


@pytest.fixture
def opened(browser, site):
    """Open a page from the folder, without a network; what it asks for is kept."""
    contexts = []

    def open_page(name, scheme="light"):
        contexts.append(browser.new_context(viewport=PHONE, color_scheme=scheme))
        contexts[-1].set_offline(True)
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto((site / name).as_uri())
        page.wait_for_selector("article")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NARROW)
def test_nothing_is_wider_than_a_phone(opened, name, scheme):
    page = opened(name, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    # Of what lies in the text, only what is in a box that scrolls may reach out.
    reaching = page.evaluate(
        """width => [...document.querySelectorAll("article *")].filter(
            each => each.getBoundingClientRect().right > width + 1
                && !each.closest(".md-typeset__scrollwrap, pre, code, .md-code__nav")
        ).map(each => each.outerHTML.slice(0, 80))""",
        PHONE["width"],
    )
    assert reaching == []
    dark = page.evaluate("document.body.getAttribute('data-md-color-scheme')")
    assert dark == {"light": "default", "dark": "slate"}[scheme]


def test_a_wide_table_scrolls_in_its_own_box(opened):
    page = opened("published.html")
    widths = page.evaluate(
        "(box => [box.scrollWidth, box.clientWidth])"
        "(document.querySelector('.md-typeset__scrollwrap'))"
    )
    assert widths[0] > widths[1]


def test_search_finds_an_option_without_a_server(opened):
    page = opened("index.html")
    page.locator("label[for=__search]").first.click()
    page.locator("input[aria-label=Search]").fill("recalibrate")
    page.wait_for_selector("a[href*='commands/eval.html'][href$='#option-recalibrate']")
    assert page.locator("a[href*='recalibration.html']").count()
    assert [url for url in page.asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    assert build(tmp_path) == 2
    assert "holds something else than a site; pass another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
