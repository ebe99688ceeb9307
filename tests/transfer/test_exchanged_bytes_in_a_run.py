"""Images of a transfer run are what their bytes say."""

import json

import pytest

from network_prune.errors import SourceError
from network_prune.transfer.running.events import Advanced
from network_prune.transfer.transfer import transfer
from network_prune.transfer.transferred import load_transfer
from tests.grey_pictures import exchange, write_picture, write_pictures
from tests.transfer.tiny import plan, quiet

N = 6


@pytest.fixture
def folder(tmp_path):
    return write_pictures(tmp_path / "images", N)


def run(folder, told=quiet, **options):
    changes = {"augmentation": ["none"], **options.pop("changes", {})}
    values = plan(data=str(folder), limit=None, first_label=0, **changes)
    return transfer(values, told=told, progress=False, **options)


def stop(event):
    if isinstance(event, Advanced):
        raise KeyboardInterrupt


@pytest.mark.parametrize("killed", [False, True])
def test_a_row_more_or_the_rest_of_one_names_the_image_that_was_exchanged(folder, tmp_path, killed):
    out = tmp_path / "out"
    if killed:
        with pytest.raises(KeyboardInterrupt):
            run(folder, stop, out=out)
    else:
        run(folder, out=out)
    before = (out / "transfer.jsonl").read_bytes()
    exchange(folder, "1/03.bmp")
    with pytest.raises(SourceError, match=r"^the images of .* aren't those .*: 03\.png has other"):
        run(folder, out=out, changes={"augmentation": ["none", "dwp"]})
    assert (out / "transfer.jsonl").read_bytes() == before


def test_an_image_exchanged_while_rows_run_is_named(folder):
    def told(event):
        if isinstance(event, Advanced):
            exchange(folder, "1/05.bmp")

    with pytest.raises(SourceError, match=r"image 05\.png has other bytes than when it was read"):
        run(folder, told)


def test_an_adversarial_image_exchanged_meanwhile_is_named(folder, tmp_path):
    saved = tmp_path / "saved"
    run(folder, save_images=saved)

    def told(event):
        if isinstance(event, Advanced):
            write_picture(saved / "images" / "05.png", 255)

    with pytest.raises(SourceError, match=r"saved: 05\.png has other bytes than when it was read"):
        run(folder, told, adversarial=saved)


def test_records_on_exchanged_images_in_one_folder_are_not_compared(folder, tmp_path):
    for name, augmentations in (("one", ["none"]), ("two", ["none", "dwp"])):
        run(folder, out=tmp_path / name, changes={"augmentation": augmentations})
        exchange(folder, "0/02.bmp")
    for file, rows in (("transfer.jsonl", slice(1, None)), ("outcomes.jsonl", slice(None))):
        lines = (tmp_path / "two" / file).read_bytes().splitlines(keepends=True)
        with (tmp_path / "one" / file).open("ab") as joined:
            joined.writelines(lines[rows])
    with pytest.raises(SourceError, match=r"equal names and sizes, but 0/02\.bmp has other bytes;"):
        _ = load_transfer(tmp_path / "one").sets


def test_records_of_before_have_no_digests_and_stand_beside_later_ones(folder, tmp_path):
    out = tmp_path / "out"
    run(folder, out=out)
    (record,) = map(json.loads, (out / "transfer.jsonl").read_text().splitlines())
    del record["read"]
    (out / "transfer.jsonl").write_text(json.dumps(record) + "\n")
    found = run(folder, out=out, changes={"augmentation": ["none", "dwp"]})
    assert len(found.compare().comparisons) == 1
