"""A study of two methods on named images, its page, and that page in a browser."""

from dataclasses import dataclass, field

import pytest

from network_prune.reports.report import report
from tests.made_studies import images, random_study, variant

READY = "html[data-ready]"


@dataclass
class Seen:
    """A page in the browser, and what it said and asked for meanwhile."""

    page: object
    told: list = field(default_factory=list)
    asked: list = field(default_factory=list)

    @classmethod
    def open(cls, browser, path, **options):
        context = browser.new_context(**options)
        context.set_offline(True)
        seen = cls(context.new_page())
        seen.page.set_default_timeout(20_000)
        seen.page.on("console", lambda message: seen.told.append(message.text))
        seen.page.on("pageerror", lambda error: seen.told.append(str(error)))
        seen.page.on("dialog", lambda dialog: seen.told.append(dialog.message) or dialog.dismiss())
        seen.page.on("request", lambda request: seen.asked.append(request.url))
        seen.page.goto(path.resolve().as_uri())
        seen.page.wait_for_selector(READY, state="attached")
        return seen

    @property
    def from_elsewhere(self):
        inside = ("blob:null/", "data:")
        return [url for url in self.asked[1:] if not url.startswith(inside)]


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    variants = [
        variant(method=method, p_prune=p_prune, index=index)
        for method in ("weights", "neurons")
        for p_prune in (0.2, 0.5, 0.9)
        for index in range(3)
    ]
    shown = images(203, names=[f"photos/{place:03d}.png" for place in range(203)])
    return random_study(tmp_path_factory.mktemp("a study"), variants, n=203, shown=shown)


@pytest.fixture(scope="session")
def path(study, tmp_path_factory):
    return report(study, out=tmp_path_factory.mktemp("page") / "page.html", title="Two methods")
