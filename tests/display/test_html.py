"""Tables in HTML: whatever is in them is text."""

from html.parser import HTMLParser

from network_prune.display.html import html_table

HOSTILE = "<script>alert(1)</script>\x1b[2J&amp;\"'"


class Parsed(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_hostile_names_are_text_everywhere():
    page = Parsed(html_table([HOSTILE], [[HOSTILE]], caption=HOSTILE, foot=[HOSTILE]))
    assert set(page.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
    shown = [text for text in page.texts if text.strip()]
    assert shown == ["<script>alert(1)</script>\\x1b[2J&amp;\"'"] * 4


def test_words_stand_left_and_numbers_right():
    text = html_table(["layer", "n"], [("conv1", 3)])
    assert '<td style="text-align: left">conv1</td>' in text
    assert '<td style="text-align: right">3</td>' in text
    assert "<caption>" not in text
