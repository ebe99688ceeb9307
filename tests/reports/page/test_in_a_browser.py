"""The page as people use it, in headless Chromium without a network."""

import csv
import io
import itertools
import math
import re

import pytest

from network_prune.evaluation.outcomes import Outcomes
from network_prune.reports.page.embedded import embedded_outcomes
from network_prune.results.comparing.comparison import compare_sets
from network_prune.results.comparing.sets import RecordSet
from network_prune.results.outcome_store import OutcomeStore
from network_prune.results.series.curves import curves
from network_prune.results.study import Study
from tests.reports.page.conftest import Seen

WIDE = {"width": 1200, "height": 900}


@pytest.fixture(scope="module")
def opened(browser, path):
    return Seen.open(browser, path, viewport=WIDE)


@pytest.fixture
def page(opened):
    """The page as it was when it was opened."""
    page = opened.page
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light", media="screen")
    page.evaluate(
        "() => { const t = $('#records').DataTable(); t.rows().deselect(); t.search('');"
        " t.columns().columnControl.searchClear(); t.order([]).draw(); }"
    )
    return page


def column(page, title):
    """The shown cells of a column."""
    titles = page.locator("#records thead tr").first.locator("th").all_inner_texts()
    place = [each.strip() for each in titles].index(title)
    rows = page.locator("#records tbody tr")
    return rows.locator(f"td:nth-child({place + 1})").all_inner_texts()


def head(page, title):
    return page.locator("#records thead tr").first.locator("th", has_text=title).first


def pick(page, *places):
    for place in places:
        page.locator("#records tbody tr").nth(place).locator("td").first.click()
    page.wait_for_selector("#pair .verdict")


def test_nothing_is_said_and_nothing_leaves_the_file(opened):
    assert opened.told == []
    assert opened.from_elsewhere == []


def test_the_first_tab_leads_past_the_navigation(opened):
    page = opened.page
    page.keyboard.press("Tab")
    assert (
        page.evaluate("() => document.activeElement.textContent") == "Skip to the table of records"
    )


def test_rows_show_the_records(page, study):
    assert column(page, "Acc@1") == [f"{record['metrics']['acc1']:.3f}" for record in study]
    assert column(page, "loss") == [f"{record['metrics']['loss']:.3f}" for record in study]
    ratios = [(record["realised"] or {}).get("pruning_ratio", 0) for record in study]
    assert column(page, "ratio") == [f"{ratio:.2%}" for ratio in ratios]
    assert column(page, "tie group")[0] == "a"


def test_the_curves_are_those_of_the_records(page, study):
    drawn = page.evaluate(
        "() => document.querySelector('#accuracy .plot').data.filter((each) => each.name)"
        ".map(({name, x, y, error_y}) => ({name, x, y, up: error_y.array}))"
    )
    found = curves(study)
    assert [each["name"] for each in drawn] == [curve.label for curve in found]
    for each, curve in zip(drawn, found, strict=True):
        assert each["x"] == [point.ratio for point in curve.points]
        assert each["y"] == [point.acc1.mean for point in curve.points]
        above = [point.acc1.interval[1] - point.acc1.mean for point in curve.points]
        assert each["up"] == pytest.approx(above)


def test_the_figure_switches_to_loss(page):
    choice = page.locator("#accuracy select")
    choice.select_option("loss")
    page.wait_for_function(
        "() => document.querySelector('#accuracy .ytitle').textContent == 'loss, nats'"
    )
    choice.select_option("Acc@1")


def test_numbers_open_below_a_figure(page, study):
    page.locator("#accuracy details summary").click()
    rows = page.locator("#accuracy details tbody tr")
    count = sum(len(curve.points) for curve in curves(study))
    rows.nth(count - 1).wait_for()
    assert rows.count() == count
    assert "73" in rows.first.inner_text() or "dense" in rows.first.inner_text()


def test_a_click_on_a_head_sorts(page, study):
    values = sorted(record["metrics"]["acc1"] for record in study)
    head(page, "Acc@1").click()
    assert column(page, "Acc@1") == [f"{value:.3f}" for value in values]
    head(page, "Acc@1").click()
    assert column(page, "Acc@1") == [f"{value:.3f}" for value in reversed(values)]


def test_a_column_and_the_whole_table_filter(page):
    filters = page.locator("#records thead tr").nth(1).locator("input")
    filters.first.fill("neur")
    page.wait_for_function("() => $('#records').DataTable().page.info().recordsDisplay == 9")
    assert set(column(page, "method")) == {"neurons"}
    filters.nth(1).fill("0.9")
    page.wait_for_function("() => $('#records').DataTable().page.info().recordsDisplay == 3")
    assert set(column(page, "p_prune")) == {"0.9"}
    page.evaluate("() => $('#records').DataTable().columns().columnControl.searchClear()")
    page.locator(".dt-search input").fill("weights")
    page.wait_for_function("() => $('#records').DataTable().page.info().recordsDisplay == 9")
    assert set(column(page, "method")) == {"weights"}


def filtered(page, title, logic, asked):
    """The cells of a column, the dense network's first, that a filter of it lets pass."""
    page.evaluate("() => $('#records').DataTable().columns().columnControl.searchClear()")
    titles = page.locator("#records thead tr").first.locator("th").all_inner_texts()
    place = [each.strip() for each in titles].index(title)
    cell = page.locator("#records thead tr").nth(1).locator("th, td").nth(place)
    cell.locator("select").select_option(logic)
    cell.locator("input").fill(asked)
    return column(page, title)


@pytest.mark.parametrize(
    "logic", ["equal", "notEqual", "greater", "greaterOrEqual", "less", "lessOrEqual"]
)
def test_no_filter_of_numbers_lets_a_missing_value_pass(page, logic):
    # The dense network has no difference to itself.
    title = "Acc@1 to dense"
    every = column(page, title)
    assert every.count("–") == 1
    found = filtered(page, title, logic, "-10")
    fits = {
        "equal": float.__eq__,
        "notEqual": float.__ne__,
        "greater": float.__gt__,
        "greaterOrEqual": float.__ge__,
        "less": float.__lt__,
        "lessOrEqual": float.__le__,
    }[logic]
    assert found == [text for text in every if text != "–" and fits(float(text), -10.0)] or (
        found == ["No matching records found"]
    )
    assert filtered(page, title, "empty", "") == ["–"]
    assert filtered(page, title, "notEmpty", "") == every[1:]


@pytest.mark.parametrize(
    ("title", "asked"), [("ratio", "10"), ("ratio", "10%"), ("loss", "{}"), ("p_prune", "0.2")]
)
def test_filters_of_numbers_take_them_as_they_are_shown(page, title, asked):
    every = column(page, title)
    asked = asked.format(every[3])
    wanted = float(asked.rstrip("%"))
    numbers = {text: float(text.rstrip("%")) for text in every}
    less = filtered(page, title, "less", asked)
    assert less == [text for text in every if numbers[text] < wanted]
    assert 0 < len(less) < len(every)
    same = filtered(page, title, "equal", asked)
    assert same == [text for text in every if numbers[text] == wanted]
    assert same


def test_hidden_columns_can_be_shown(page):
    before = page.locator("#records thead tr").first.locator("th").count()
    page.locator(".columns summary").click()
    page.get_by_label("acc1_low", exact=True).check()
    assert page.locator("#records thead tr").first.locator("th").count() == before + 1
    assert len(column(page, "acc1_low")) == 19
    page.get_by_label("acc1_low", exact=True).uncheck()


def test_hovering_over_a_point_says_what_it_is(page):
    page.locator("#accuracy .plot").scroll_into_view_if_needed()
    # Chromium's mouse goes where the second point of the first curve is drawn.
    box = page.locator("#accuracy .scatterlayer .trace .points path").nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#accuracy .hoverlayer .hovertext")
    text = page.locator("#accuracy .hoverlayer .hovertext").text_content()
    assert "Acc@1" in text
    assert "203 images" in text
    page.mouse.move(0, 0)


def test_two_picked_rows_are_compared(page, study):
    pick(page, 0, 9)
    found = compare_sets(RecordSet(study, [study[9]]), RecordSet(study, [study[0]]))
    texts = page.locator("#pair .verdict dd").all_inner_texts()
    low, high = found.interval
    assert texts[0] == f"{found.difference:+.3f} points"
    assert texts[1] == f"[{low:+.3f}, {high:+.3f}]"
    assert texts[3] == f"203: {found.gained:.0f} won, {found.lost:.0f} lost"
    summary = page.locator("#pair summary", has_text="Images lost")
    assert summary.inner_text() == f"Images lost: {found.lost:.0f}"
    summary.click()
    names = page.locator("#pair details[open] li").all_inner_texts()
    right = [study.outcomes(study[place]).right1 for place in (0, 9)]
    lost = [f"photos/{i:03d}.png" for i in range(203) if right[0][i] and not right[1][i]]
    assert names == lost
    settings = page.locator("#pair .scroll tbody th").all_inner_texts()
    assert {"method", "p_prune", "p_bern"} <= set(settings)
    assert not {"scope", "score", "weights"} & set(settings)
    command = page.locator("#pair pre").inner_text()
    assert command.startswith("network-prune compare ")
    assert all(f"#{study[place]['key'][:12]}" in command for place in (0, 9))


def test_a_third_pick_lets_go_of_the_first(page):
    pick(page, 1, 2)
    pick(page, 4)
    assert page.locator("#records tbody tr.selected").count() == 2
    assert page.evaluate(
        "() => $('#records').DataTable().rows({selected: true}).indexes().toArray()"
    ) == [2, 4]


def test_rows_are_picked_by_keyboard(page):
    page.locator("#records tbody tr").first.focus()
    for key in ("Enter", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector("#pair .verdict")
    assert page.evaluate(
        "() => $('#records').DataTable().rows({selected: true}).indexes().toArray()"
    ) == [0, 2]
    shown = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert shown == "solid"


def test_everything_of_the_table_has_a_name_of_its_own(page):
    box = page.locator("#table-box")
    for title in ("method", "loss", "Acc@1 to dense"):
        assert box.get_by_role("button", name=f"Sort by {title}", exact=True).count() == 1
        assert box.get_by_role("textbox", name=f"Filter {title}", exact=True).count() == 1
        assert box.get_by_role("combobox", name=f"How to filter {title}", exact=True).count() == 1
    for role in ("button", "textbox", "combobox", "searchbox", "checkbox"):
        every = box.get_by_role(role, include_hidden=True)
        assert (
            every.count()
            == box.get_by_role(role, name=re.compile("."), include_hidden=True).count()
        )
    assert box.get_by_role("button", name="Toggle ordering").count() == 0
    hidden = "(shown) => $('#records').DataTable().column('acc1_low:title').visible(shown)"
    page.evaluate(hidden, True)
    assert box.get_by_role("textbox", name="Filter acc1_low").count() == 1
    page.evaluate(hidden, False)


def test_rows_say_whether_they_are_picked(page, study):
    assert page.get_by_role("row", selected=True).count() == 0
    pick(page, 0, 3)
    assert page.get_by_role("row", selected=True).count() == 2
    head(page, "loss").click()
    assert page.get_by_role("row", selected=True).count() == 2
    assert page.locator("#records tbody tr[aria-selected=false]").count() == len(study) - 2


def test_comparisons_in_the_page_are_those_of_compare(page, study):
    pairs = list(itertools.permutations(range(0, len(study), 2), 2))
    found = page.evaluate(
        "(pairs) => { const pieces = carried('outcomes');"
        " return Promise.all(pairs.map(([one, other]) => paired(pieces, one, other))); }",
        pairs,
    )
    for (one, other), ours in zip(pairs, found, strict=True):
        theirs = compare_sets(RecordSet(study, [study[other]]), RecordSet(study, [study[one]]))
        assert ours["n"] == theirs.n
        assert ours["difference"] == pytest.approx(theirs.difference)
        assert ours["interval"] == pytest.approx(theirs.interval, rel=1e-12)
        assert ours["p"] == pytest.approx(theirs.p, rel=1e-9)
        assert (len(ours["gained"]), len(ours["lost"])) == (theirs.gained, theirs.lost)


def test_images_that_couldnt_be_read_are_left_out_of_comparisons(page, study):
    store = OutcomeStore()
    # Image 4 couldn't be read by the first, image 7 by the second.
    codes = [bytes([3, 0, 3, 1, 2, 3, 0, 3, 0]), bytes([0, 0, 3, 3, 3, 3, 3, 2, 0])]
    records = []
    for record, each in zip(study[:2], codes, strict=True):
        hits = {
            "n": 8,
            "unreadable": 1,
            "hits1": each.count(3),
            "hits5": each.count(3) + each.count(1),
        }
        outcomes = {"sha256": store.put(Outcomes(each).pack()), "images": None}
        metrics = {**record["metrics"], **hits}
        records.append({**record, "metrics": metrics, "outcomes": outcomes})
    both = Study(records, store)
    pieces = embedded_outcomes([(both, record) for record in both])
    ours = page.evaluate("(pieces) => paired(pieces, 0, 1)", pieces)
    theirs = compare_sets(RecordSet(both, [both[1]]), RecordSet(both, [both[0]]))
    assert (ours["n"], theirs.n) == (7, 7)
    assert (ours["gained"], ours["lost"]) == (["image 3", "image 6"], ["image 0"])
    assert ours["interval"] == pytest.approx(theirs.interval)


@pytest.mark.parametrize("split", [(0, 0), (1, 0), (5, 5), (3, 40), (2_500, 2_600), (0, 1_000)])
def test_mcnemar_is_exact(page, split):
    from network_prune.results.comparing.statistics import mcnemar

    ours = page.evaluate("([gained, lost]) => mcnemar(gained, lost)", split)
    assert ours == pytest.approx(float(mcnemar(*split)), rel=1e-9)
    assert not math.isnan(ours)


def copied(page, button):
    page.wait_for_function("() => $('#records').DataTable().page.info().recordsDisplay == 9")
    page.locator(".dt-button-info").wait_for(state="detached")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name=button).click()
    page.wait_for_selector(".dt-button-info")
    return page.evaluate("() => navigator.clipboard.readText()")


def test_the_filtered_table_copies_as_csv(page, study):
    page.locator(".dt-search input").fill("neurons")
    rows = list(csv.DictReader(io.StringIO(copied(page, "Copy as CSV"))))
    records = [record for record in study if (record["variant"] or {}).get("method") == "neurons"]
    assert [float(row["Acc@1"]) for row in rows] == [r["metrics"]["acc1"] for r in records]
    assert [int(row["index"]) for row in rows] == [r["variant"]["index"] for r in records]


def test_the_filtered_table_copies_as_markdown(page):
    page.locator(".dt-search input").fill("neurons")
    lines = copied(page, "Copy as Markdown").splitlines()
    assert lines[0].startswith("| method | p_prune |")
    assert lines[1].startswith("|:--|--:|")
    assert len(lines) == 2 + 9
    assert all(line.startswith("| neurons | 0.") for line in lines[2:])


def test_dark_mode_is_followed_by_page_and_plots(page):
    def colours():
        return page.evaluate(
            "() => [getComputedStyle(document.body).backgroundColor,"
            " document.querySelector('#accuracy .plot').layout.font.color]"
        )

    light = colours()
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "() => document.querySelector('#accuracy .plot').layout.font.color != '#1a1a1a'"
    )
    dark = colours()
    assert light == ["rgb(255, 255, 255)", "#1a1a1a"]
    assert dark == ["rgb(20, 23, 27)", "#ececec"]


def test_the_table_lies_on_the_pages_ground(page):
    ground = "(name) => getComputedStyle(document.querySelector(name)).backgroundColor"
    for scheme, there in (("light", ""), ("dark", ".dark")):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_selector(f"html{there}", state="attached")
        assert page.evaluate(ground, ".dt-container") in (
            page.evaluate(ground, "body"),
            "rgba(0, 0, 0, 0)",
        )


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_it_without_scrolling_sideways(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_function(
        "(width) => document.querySelector('#accuracy .main-svg').clientWidth < width",
        arg=width,
    )
    pick(page, 0, 3)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_paper_gets_no_buttons(page):
    page.emulate_media(media="print")
    assert not page.locator(".dt-buttons").is_visible()
    assert not page.get_by_label("Sections").is_visible()
    assert page.locator("#accuracy .plot").is_visible()


@pytest.fixture
def on_paper(page):
    """The page between `beforeprint` and `afterprint`, as wide as A4 within its margins."""
    page.evaluate("() => $('#records').DataTable().page.len(10).draw()")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    page.set_viewport_size({"width": 718, "height": 1000})
    page.emulate_media(media="print")
    yield page
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    page.evaluate("() => $('#records').DataTable().page.len(25).draw()")


def test_paper_shows_all_rows_and_columns(on_paper, study):
    assert on_paper.locator("#records tbody tr").count() == len(study)
    assert on_paper.evaluate("() => document.documentElement.scrollWidth") <= 718
    right = "() => document.getElementById('records').getBoundingClientRect().right"
    assert on_paper.evaluate(right) <= 718
    on_paper.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert on_paper.locator("#records tbody tr").count() == 10


@pytest.mark.parametrize(("rows", "printed"), [(500, 500), (501, 25)])
def test_paper_shows_at_most_500_rows_and_says_of_how_many(page, rows, printed):
    found = page.evaluate(
        """(rows) => {
          const t = $('#records').DataTable();
          const before = t.rows().count();
          const row = t.row(0).data();
          t.rows.add(Array.from({length: rows - before}, () => row)).draw();
          dispatchEvent(new Event('beforeprint'));
          const shown = document.querySelectorAll('#records tbody tr').length;
          const said = document.querySelector('#table-box .dt-info').textContent;
          dispatchEvent(new Event('afterprint'));
          t.rows((place) => place >= before).remove().draw();
          return [shown, said];
        }""",
        rows,
    )
    assert found == [printed, f"Showing 1 to {printed} of {rows} entries"]


@pytest.mark.parametrize("says_so", ["print", "beforeprint"])
def test_paper_is_light_even_where_the_screen_is_dark(page, says_so):
    looks = (
        "[document.documentElement.classList.contains('dark'),"
        " document.querySelector('#accuracy .plot').layout.font.color].join(' ')"
    )
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"() => {looks} == 'true #ececec'")
    if says_so == "print":
        page.emulate_media(media="print", color_scheme="dark")
    else:
        page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(f"() => {looks} == 'false #1a1a1a'")
    if says_so == "print":
        scheme = "() => getComputedStyle(document.documentElement).colorScheme"
        assert page.evaluate(scheme) == "light"
    page.emulate_media(media="screen", color_scheme="dark")
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    page.wait_for_function(f"() => {looks} == 'true #ececec'")


def test_nothing_was_said_and_nothing_left_the_file_meanwhile(opened):
    assert opened.told == []
    assert opened.from_elsewhere == []
