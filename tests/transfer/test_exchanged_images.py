"""Images go out as TransferAttack's data, and come in from anybody's attack."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from network_prune.errors import ArgumentError, RunError, SourceError
from network_prune.transfer.running.events import Advanced
from network_prune.transfer.transfer import transfer
from tests.transfer.tiny import FIRST, SECOND, net, plan, quiet

N = 7


def run(values, **options):
    return transfer(values, told=options.pop("told", quiet), progress=False, **options)


def one(**changes):
    return plan(augmentation=["none"], **changes)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of images, and the run that made them."""
    folder = tmp_path_factory.mktemp("made") / "images of a row"
    return folder, run(one(), save_images=folder)


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "copied")


def rows(folder):
    with (folder / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def write_rows(folder, changed):
    with (folder / "labels.csv").open("w", newline="") as file:
        lines = csv.DictWriter(file, ["filename", "label", "targeted_label"])
        lines.writeheader()
        lines.writerows(changed)


def pictures(folder):
    return sorted((folder / "images").iterdir())


def test_a_row_is_written_as_transferattack_reads_it(made):
    folder, found = made
    predictions = found.predictions(found[0])
    assert (folder / "labels.csv").read_text().startswith("filename,label,targeted_label\n")
    written = rows(folder)
    assert [int(row["label"]) for row in written] == predictions.labels.tolist()
    assert [int(row["targeted_label"]) for row in written] == predictions.targets.tolist()
    assert sorted(row["filename"] for row in written) == [p.name for p in pictures(folder)]
    with Image.open(pictures(folder)[0]) as picture:
        assert (picture.mode, picture.size) == ("L", (8, 8))


def test_figures_on_a_written_folder_are_the_rounded_ones(made):
    folder, found = made
    again = run(one(), adversarial=folder)
    (record,) = again
    ours, theirs = again.predictions(record), found.predictions(found[0])
    for name in (FIRST, SECOND):
        for kind in (ours.at(-1, name), ours.rounded(name), ours.truncated(name)):
            assert kind.tolist() == theirs.rounded(name).tolist()
        assert ours.clean(name).tolist() == theirs.clean(name).tolist()
    assert ours.targets.tolist() == theirs.targets.tolist()
    assert record["augmentation"]["name"] == "folder"
    assert record["attack"]["by"] == f"folder {folder}"
    assert record["attack"]["epsilon"] == pytest.approx(0.2)
    assert record["points"] == [{"iteration": None, "passes": None}]
    assert abs(record["distance"]["linf"] - found[0]["distance"]["linf"]) <= 0.5 / 255 + 1e-6


def test_pictures_may_lie_in_the_folder_itself_without_labels(made, tmp_path):
    folder, found = made
    flat = shutil.copytree(folder / "images", tmp_path / "flat")
    again = run(one(), adversarial=flat)
    ours, theirs = again.predictions(again[0]), found.predictions(found[0])
    assert np.array_equal(ours.classes[:, 1], theirs.classes[:, -2])
    assert ours.targets.tolist() == theirs.targets.tolist()


def test_targets_are_those_of_the_folder(folder):
    changed = [
        {**row, "targeted_label": (int(row["label"]) + 1) % 10} for row in reversed(rows(folder))
    ]
    write_rows(folder, changed)
    found = run(one(), adversarial=folder)
    predictions = found.predictions(found[0])
    assert predictions.targets.tolist() == ((predictions.labels + 1) % 10).tolist()
    assert found[0]["images"]["targets"] == "labels.csv of the folder"


def test_clean_pictures_are_resized_to_the_folders_size(tmp_path):
    folder = tmp_path / "larger"
    run(one(image_size=16), save_images=folder)
    (record,) = run(one(), adversarial=folder)
    assert record["images"]["size"] == 16


def test_several_rows_are_written_each_to_a_folder_of_its_own(tmp_path):
    run(plan(goal=["targeted", "untargeted"], limit=3), save_images=tmp_path)
    found = sorted(path.relative_to(tmp_path).parts[1:4] for path in tmp_path.rglob("labels.csv"))
    assert found == [
        ("targeted", "dwp", "seed-0"),
        ("targeted", "none", "seed-0"),
        ("untargeted", "dwp", "seed-0"),
        ("untargeted", "none", "seed-0"),
    ]
    assert len(list(tmp_path.rglob("*.png"))) == 4 * 3


def test_a_written_folder_is_data_of_its_own(made):
    folder, found = made
    values = one(data=str(folder / "labels.csv"), limit=None)
    again = run(values)
    ours, theirs = again.predictions(again[0]), found.predictions(found[0])
    assert ours.targets.tolist() == theirs.targets.tolist()
    assert again[0]["images"]["targets"] == "column targeted_label"
    for name in (FIRST, SECOND):
        assert ours.clean(name).tolist() == theirs.rounded(name).tolist()


def test_images_that_are_gone_are_made_again_and_the_record_stays(tmp_path):
    folder, out = tmp_path / "images", tmp_path / "out"
    run(one(), out=out, save_images=folder)
    lines = (out / "transfer.jsonl").read_bytes()
    before = {path.name: path.read_bytes() for path in pictures(folder)}
    pictures(folder)[2].unlink()
    run(one(), out=out, save_images=folder)
    assert {path.name: path.read_bytes() for path in pictures(folder)} == before
    assert (out / "transfer.jsonl").read_bytes() == lines


def test_a_run_that_was_killed_still_writes_all_images(tmp_path):
    folder, out = tmp_path / "images", tmp_path / "out"

    def told(event):
        if isinstance(event, Advanced) and event.images == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(one(), out=out, save_images=folder, told=told)
    assert not (folder / "labels.csv").exists()
    pictures(folder)[0].unlink()
    run(one(), out=out, save_images=folder)
    assert len(pictures(folder)) == len(rows(folder)) == N


def test_pictures_of_three_channels_are_in_colour(tmp_path):
    values = one(surrogate=[net("coloured")], victim=[net("coloured")], data="fake:3", limit=None)
    run(values, save_images=tmp_path)
    with Image.open(pictures(tmp_path)[0]) as picture:
        assert picture.mode == "RGB"


def test_a_folder_that_lacks_images_is_refused(folder):
    pictures(folder)[3].unlink()
    with pytest.raises(SourceError, match=r"copied lacks \d+\.png; it must hold one PNG for each"):
        run(one(), adversarial=folder)


def test_a_folder_that_has_other_images_is_refused(folder):
    for name in ("other.png", "another.png"):
        shutil.copy(pictures(folder)[0], folder / "images" / name)
    with pytest.raises(SourceError, match=r"has besides another\.png and 1 more"):
        run(one(), adversarial=folder)


def test_a_folder_beyond_the_bound_is_refused(folder):
    with pytest.raises(SourceError, match=r"is \d+/255 away from the clean image, beyond eps"):
        run(one(epsilon=0.1), adversarial=folder)


def test_pictures_that_were_cut_to_8_bits_are_within_the_bound(folder):
    for path in pictures(folder):
        with Image.open(path) as picture:
            pixels = np.array(picture)
        Image.fromarray(np.where(pixels > 0, pixels - 1, 0).astype(np.uint8)).save(path)
    assert len(run(one(), adversarial=folder)) == 1


def test_labels_that_differ_from_the_data_are_refused(folder):
    changed = rows(folder)
    changed[2]["label"] = (int(changed[2]["label"]) + 1) % 10
    changed[2]["targeted_label"] = (int(changed[2]["label"]) + 2) % 10
    write_rows(folder, changed)
    with pytest.raises(SourceError, match=r"labels\.csv: the label of \d+\.png is \d, but \d in"):
        run(one(), adversarial=folder)


def test_labels_that_lack_an_image_are_refused(folder):
    write_rows(folder, rows(folder)[:-1])
    with pytest.raises(SourceError, match=r"labels\.csv has no row of \d+\.png; add it"):
        run(one(), adversarial=folder)


def test_pictures_of_two_sizes_are_refused(folder):
    Image.new("L", (9, 8)).save(pictures(folder)[-1])
    with pytest.raises(SourceError, match=r"\d+\.png is 9 x 8, not 8 x 8 as the first one"):
        run(one(), adversarial=folder)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(SourceError, match="holds no PNG; pass the folder that --save-images"):
        run(one(), adversarial=tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"cannot read .*nowhere: No such file"):
        run(one(), adversarial=tmp_path / "nowhere")


def test_making_images_and_having_some_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="has some already; pass one of them"):
        run(one(), adversarial=tmp_path, save_images=tmp_path)


def test_a_file_in_the_folders_place_is_told(tmp_path):
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(RunError, match=r"cannot write .*file: Not a directory"):
        run(one(), save_images=place)


def fail(event):
    raise AssertionError(f"{event} was told")


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "changes",
    [
        {"epsilon": 0.05},
        {"limit": 4},
        {"goal": "untargeted"},
        {"augmentation": ["scale"], "against": "scale"},
    ],
)
def test_images_of_another_row_are_refused_and_stay(tmp_path, changes):
    folder = tmp_path / "images"
    run(one(), out=tmp_path / "first", save_images=folder)
    before = snapshot(folder)
    with pytest.raises(RunError, match=r"holds images or labels other than.*; pass another folder"):
        run({**one(), **changes}, out=tmp_path / "second", save_images=folder, told=fail)
    assert snapshot(folder) == before


def test_labels_with_other_targets_are_refused_though_nothing_follows_them(tmp_path):
    values = one(goal="untargeted", limit=3)
    run(values, save_images=tmp_path)
    with pytest.raises(RunError, match="holds images or labels other than those of"):
        run({**values, "target_seed": 1}, save_images=tmp_path)


def test_one_row_of_several_in_anothers_folder_is_refused(tmp_path):
    run(plan(limit=3), save_images=tmp_path)
    with pytest.raises(RunError, match=r"seed-0 holds images or labels other than those of"):
        run(plan(limit=3, passes=2), save_images=tmp_path)


@pytest.mark.parametrize("foreign", ["images/0.png", "labels.csv"])
def test_files_of_somebody_else_are_refused_and_stay(tmp_path, foreign):
    path = tmp_path / foreign
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"foreign")
    with pytest.raises(RunError, match="holds images or labels other than those of"):
        run(one(limit=3), save_images=tmp_path)
    assert snapshot(tmp_path) == {path: b"foreign"}


def test_images_that_another_run_puts_there_meanwhile_are_not_overwritten(tmp_path):
    def told(event):
        if isinstance(event, Advanced) and event.images == 3:
            run(one(epsilon=0.05, limit=3), save_images=tmp_path / "b")
            shutil.rmtree(tmp_path / "a")
            shutil.copytree(tmp_path / "b", tmp_path / "a")

    with pytest.raises(RunError, match="holds images or labels other than those of"):
        run(one(), save_images=tmp_path / "a", told=told)
    assert len(pictures(tmp_path / "a")) == 3


def test_files_other_than_pngs_among_the_pictures_are_refused(folder):
    (folder / "images" / ".hidden").touch()
    (folder / "images" / "x.jpg").touch()
    with pytest.raises(SourceError, match=r"copied has besides x\.jpg; it must hold one PNG"):
        run(one(), adversarial=folder)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_pictures_with_an_alpha_channel_are_refused(folder, mode):
    path = pictures(folder)[-1]
    with Image.open(path) as picture:
        changed = picture.convert(mode)
    changed.save(path)
    with pytest.raises(SourceError, match=r"\d+\.png has an alpha channel, which no network is"):
        run(one(), adversarial=folder)


def test_a_colour_that_stands_for_transparency_is_refused(folder):
    path = pictures(folder)[-1]
    with Image.open(path) as picture:
        picture.load()
    picture.save(path, transparency=0)
    with pytest.raises(SourceError, match="has an alpha channel"):
        run(one(), adversarial=folder)
