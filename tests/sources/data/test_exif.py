"""Pictures are turned by EXIF where their own library turns them, and on request."""

import io
import tarfile
from itertools import count

import numpy as np
import pytest
from photos import photo
from PIL import ExifTags, Image, ImageOps
from torchvision.datasets import ImageFolder

from network_prune.errors import ArgumentError
from network_prune.reports.tables import warning_lines
from network_prune.sources.data.listing import Request
from network_prune.sources.data.load import list_data, load_data
from network_prune.sources.orientation import is_turned, turned
from network_prune.study.sweep import sweep

datasets = pytest.importorskip("datasets", reason="the extra [datasets] isn't installed")

FORMS = ["folder", "list.csv", "shard.tar", "hf"]
# By Pillow's own account, bottom left of the picture as it is stored is top left upright.
LYING = 6


def with_exif(orientation, kind="jpeg", seed=0):
    exif = Image.Exif()
    if orientation:
        exif[ExifTags.Base.Orientation] = orientation
    file = io.BytesIO()
    photo(seed=seed).save(file, kind, exif=exif)
    return file.getvalue()


def load(spec, **options):
    """Load the data without a warning for each note on them."""
    return list_data(Request(spec=spec, **options)).bind()


def pixels(image):
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", [None, *range(1, 9), 0, 9, 77])
def test_turned_is_what_pillow_makes_of_it(orientation, kind):
    content = with_exif(orientation, kind)
    with Image.open(io.BytesIO(content)) as image:
        image.load()
    expected = pixels(ImageOps.exif_transpose(image))
    assert np.array_equal(pixels(turned(image)), expected)
    is_other = pixels(image).shape != expected.shape or bool((pixels(image) != expected).any())
    assert is_turned(io.BytesIO(content)) == is_other


def test_an_orientation_in_xmp_is_one_too():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    for kind in ("jpeg", "webp"):
        file = io.BytesIO()
        photo().save(file, kind, xmp=xmp)
        assert is_turned(io.BytesIO(file.getvalue()))
        with Image.open(io.BytesIO(file.getvalue())) as image:
            assert turned(image).size == image.size[::-1]


def test_damaged_exif_says_nothing_and_what_is_no_picture_is_told_later():
    content = with_exif(LYING).replace(b"Exif\0\0MM\0*", b"Exif\0\0XX\0*")
    assert not is_turned(io.BytesIO(content))
    with Image.open(io.BytesIO(content)) as image:
        assert np.array_equal(pixels(turned(image)), pixels(image))
    assert not is_turned(io.BytesIO(b"no picture"))
    assert not is_turned("/no/such")


@pytest.fixture
def save(tmp_path):
    """Return what writes two pictures of the orientations in a form, and gives its name."""

    numbers = count()

    def write(form, orientations):
        # Anew each time, since the datasets library holds on to the files that it has read.
        root = tmp_path / f"call-{next(numbers)}"
        root.mkdir()
        pictures = [with_exif(each, seed=seed) for seed, each in enumerate(orientations)]
        with tarfile.open(root / "shard.tar", "w") as shard:
            for number, picture in enumerate(pictures):
                folder = root / "folder" / "ab"[number]
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "x.jpg").write_bytes(picture)
                (root / f"{number}.cls").write_text(str(number))
                shard.add(folder / "x.jpg", f"{number}.jpg")
                shard.add(root / f"{number}.cls", f"{number}.cls")
        (root / "list.csv").write_text("image,label\nfolder/a/x.jpg,0\nfolder/b/x.jpg,1\n")
        if form != "hf":
            return str(root / form)
        rows = {"image": [{"bytes": picture} for picture in pictures], "label": [0, 1]}
        features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(2))
        data = datasets.Dataset.from_dict(rows, features=features)
        data.save_to_disk(str(root / "hf"))
        return f"hf:{root / 'hf'}"

    return write


def shown(spec, **options):
    dataset = load(spec, **options).dataset
    return [pixels(dataset[position][0]) for position in range(len(dataset))]


def alike(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def test_each_source_gives_the_pictures_that_its_own_library_gives(save):
    orientations = (LYING, 8)
    folder = save("folder", orientations)
    expected = [pixels(image) for image, _ in ImageFolder(folder)]
    assert alike(shown(folder), expected)
    assert alike(shown(save("list.csv", orientations)), expected)
    hub = save("hf", orientations)
    own = [pixels(row["image"]) for row in datasets.load_from_disk(hub.removeprefix("hf:"))]
    assert alike(shown(hub), own)
    assert own[0].shape == expected[0].transpose(1, 0, 2).shape

    decoding = pytest.importorskip("webdataset.autodecode", reason="webdataset isn't installed")
    decode = decoding.imagehandler("pilrgb")
    own = [pixels(decode("0.jpg", with_exif(each, seed=n))) for n, each in enumerate(orientations)]
    assert alike(shown(save("shard.tar", orientations)), own)


@pytest.mark.parametrize("form", FORMS)
def test_a_call_may_ask_for_either(save, form):
    spec = save(form, (LYING, 1))
    stored = [np.asarray(Image.open(io.BytesIO(with_exif(each)))) for each in (LYING, 1)]
    lying, upright = shown(spec, exif="ignore"), shown(spec, exif="turn")
    assert [image.shape for image in lying] == [image.shape for image in stored]
    assert np.array_equal(np.rot90(lying[0], -1), upright[0])
    assert np.array_equal(lying[1], upright[1])


@pytest.mark.parametrize("form", FORMS)
def test_identity_differs_where_a_picture_is_turned_and_nowhere_else(save, form):
    ways = ("ignore", "source", "turn")
    ignored, source, asked = (load(save(form, (1, LYING)), exif=way) for way in ways)
    assert (source.identity == asked.identity) == (form == "hf")
    assert (source.identity == ignored.identity) == (form != "hf")
    assert asked.identity != ignored.identity
    assert ignored.notes == ()
    note = "images turned as their EXIF orientation says: 1 of 2; exif='ignore' (--exif ignore)"
    assert asked.notes[0].startswith(note)
    assert len({load(save(form, (1, None)), exif=way).identity for way in ways}) == 1
    with pytest.warns(UserWarning, match="their EXIF orientation says: 1 of 2"):
        load_data(save(form, (1, LYING)), exif="turn")
    # Of the first picture alone, which is upright, nothing changes.
    some = [load(save(form, (1, LYING)), exif=way, limit=1) for way in ways]
    assert len({data.identity for data in some}) == 1
    assert some[2].notes == ()


def test_it_does_not_matter_which_formats_pillow_tries_first(save, monkeypatch):
    """Some read lines before they find that a picture isn't theirs."""
    Image.init()
    for first in Image.ID:
        others = [name for name in Image.ID if name not in (first, "JPEG")]
        monkeypatch.setattr(Image, "ID", [first, *others, "JPEG"])
        assert load(save("hf", (1, LYING))).notes


def test_files_in_a_data_set_of_the_hub_are_looked_at_too(tmp_path, monkeypatch):
    """As it keeps those that it downloaded one by one."""
    (tmp_path / "x.jpg").write_bytes(with_exif(LYING))
    rows = {"image": [{"path": str(tmp_path / "x.jpg"), "bytes": None}], "label": [0]}
    features = datasets.Features(image=datasets.Image(), label=datasets.Value("int64"))
    data = datasets.DatasetDict(test=datasets.Dataset.from_dict(rows, features=features))
    monkeypatch.setattr("network_prune.sources.data.from_hub._download", lambda *_: data)
    monkeypatch.setattr("network_prune.sources.data.from_hub.hub_cache", lambda: str(tmp_path))
    assert shown("hf:owner/name")[0].shape == (61, 47, 3)
    assert load("hf:owner/name").notes
    monkeypatch.setattr("network_prune.sources.data.from_hub.hub_cache", lambda: "elsewhere")
    assert not load("hf:owner/name").notes


def test_torchvisions_own_data_are_turned_on_request(tmp_path):
    for name in ("a", "b"):
        path = tmp_path / "eurosat" / "2750" / name / "x.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(with_exif(LYING))
    spec = f"torchvision:EuroSAT:{tmp_path}"
    assert [image.shape for image in shown(spec)] == [(47, 61, 3)] * 2
    assert [image.shape for image in shown(spec, exif="turn")] == [(61, 47, 3)] * 2
    assert load(spec, exif="turn").identity != load(spec).identity


@pytest.mark.parametrize("spec", ["digits", "fake:3"])
def test_exif_is_refused_where_it_has_no_meaning(spec):
    with pytest.raises(ArgumentError, match=rf"exif='turn' \(--exif\) has no meaning for {spec}"):
        load(spec, exif="turn")
    assert load(spec, exif="source").n


def test_an_unknown_way_is_refused():
    with pytest.raises(ArgumentError, match="unknown exif 'turned'; did you mean turn"):
        load("digits", exif="turned")


def test_records_tell_what_was_turned_and_have_keys_of_their_own(tmp_path):
    for number, orientation in enumerate((1, LYING)):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "x.jpg").write_bytes(with_exif(orientation))
    plan = {"data": str(tmp_path), "p_prune": 0.5, "workers": 0, "dense": False}
    ways = ("source", "ignore", "turn")
    found = {way: sweep({**plan, "exif": way}, told=lambda _: None)[0] for way in ways}
    assert found["source"]["key"] == found["ignore"]["key"] != found["turn"]["key"]
    assert found["source"]["metrics"]["loss"] != found["turn"]["metrics"]["loss"]
    assert [found[way]["asked"]["data"]["exif"] for way in found] == ["source", "ignore", "turn"]
    line = "warning: images turned as their EXIF orientation says: 1 of 2; exif='ignore' (--exif"
    assert line in "\n".join(warning_lines([found["turn"]]))
    assert line not in "\n".join(warning_lines([found["source"]]))
