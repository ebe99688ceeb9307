"""The script that takes the documentation's pictures of the page."""

import io

from PIL import Image

from scripts.picture_page import PLAN, SCHEMES, WIDTH, make_page, picture_of


def test_a_page_is_pictured_light_and_dark(browser, tmp_path):
    page = make_page({**PLAN, "p_prune": [0.1, 0.2], "draws": 2, "limit": 40}, tmp_path)
    assert str(tmp_path) not in page.read_text("utf-8")
    grounds = []
    for scheme in SCHEMES:
        with Image.open(io.BytesIO(picture_of(page, browser, scheme))) as image:
            assert (image.mode, image.width) == ("P", WIDTH)
            grounds.append(image.convert("L").getpixel((2, 2)))
            # Down to the table's end: the rows that are picked are blue.
            assert image.convert("RGB").getpixel((WIDTH // 2, image.height - 100))[2] > 220
    assert grounds[0] > 240 > 40 > grounds[1]
