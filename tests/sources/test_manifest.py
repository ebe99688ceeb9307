import pytest

from network_prune.errors import SourceError
from network_prune.sources.data import load_data
from network_prune.sources.preprocessing import Preprocessing


@pytest.fixture
def manifest(tmp_path, save_photo):
    """Write a csv file beside the pictures a.png, deep/b.png and images/id1.png, id2.jpg."""
    for name in ("a.png", "deep/b.png", "images/id1.png", "images/id2.jpg"):
        save_photo(tmp_path / name)

    def write(text, encoding="utf-8"):
        path = tmp_path / "list.csv"
        path.write_bytes(text.encode(encoding))
        return str(path)

    return write


def labels_of(data):
    return [data.dataset[index][1] for index in range(data.n)]


@pytest.mark.parametrize("image", ["image", "Filename", "FILE", "path", "image_id", "ImageId"])
@pytest.mark.parametrize("label", ["label", "Class", "target", "true_label"])
def test_columns_are_found_by_name(manifest, image, label):
    data = load_data(manifest(f"author,{label},{image}\nx,3,a.png\ny,0,deep/b.png\n"), classes=4)
    assert labels_of(data) == [3, 0]


def test_imagenet_compatible_labels_count_from_one(manifest):
    data = load_data(manifest("ImageId,TrueLabel\nid1,1\nid2,1000\n"), classes=1000)
    assert labels_of(data) == [0, 999]
    assert load_data(manifest("ImageId,TrueLabel\nid1,0\n"), first_label=0).dataset[0][1] == 0


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_fine(manifest):
    data = load_data(manifest("\ufeffimage,label\r\na.png,1\r\n\r\na.png, 2 \r\n"), classes=3)
    assert labels_of(data) == [1, 2]


def test_labels_from_one_are_recognised_and_can_be_shifted(manifest):
    spec = manifest("image,label\na.png,1\na.png,3\n")
    with pytest.raises(SourceError, match=r"line 3: label 3 is outside 0 to 2.*--first-label 1"):
        load_data(spec, classes=3)
    assert labels_of(load_data(spec, classes=3, first_label=1)) == [0, 2]


def test_imagenet_compatible_labels_from_zero_are_recognised(manifest):
    with pytest.raises(
        SourceError, match=r"label 0 is outside 1 to 3.*0-based: pass --first-label 0"
    ):
        load_data(manifest("ImageId,TrueLabel\nid1,0\nid2,2\n"), classes=3)


def test_labels_beyond_the_network_are_refused(manifest):
    with pytest.raises(SourceError, match="line 2: label 7 is outside 0 to 2; pass data of the"):
        load_data(manifest("image,label\na.png,7\n"), classes=3)
    with pytest.raises(SourceError, match="line 2: label -1 is outside 0 and above"):
        load_data(manifest("image,label\na.png,-1\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,label\na.png,1\n", r"no image column.*\(columns found: picture, label\)"),
        ("image,kind\na.png,1\n", r"no label column; name it one of label, class.*image, kind"),
        ("", r"no image column.*\(columns found: none\)"),
        ("image,label\n", "lists no pictures"),
        ("image,label\na.png,cat\n", "line 2: label 'cat' is no whole number"),
        ("image,label\na.png,1.5\n", "line 2: label '1.5' is no whole number"),
        ("image,label\na.png,1\na.png\n", "line 3 has only 1 columns"),
        ("image,label\nc.png,1\n", r"line 2: no image c\.png in .*--skip-unreadable"),
        ("image,label\n../a.png,1\n", r"line 2: image '\.\./a\.png' isn't a path inside"),
        ("image,label\ndeep/../../a.png,1\n", "isn't a path inside"),
        ("image,label\n..\\a.png,1\n", "isn't a path inside"),
        ("image,label\n/etc/a.png,1\n", "isn't a path inside"),
        ("image,label\nC:\\a.png,1\n", "isn't a path inside"),
        ("image,label\n,1\n", "line 2: image '' isn't a path inside"),
        ("ImageId,TrueLabel\nid1,1\nid9,1\n", "line 3: no picture for ImageId 'id9' in .*images"),
        ("ImageId,TrueLabel\n../a,1\n", "isn't a path inside"),
    ],
)
def test_refusals_name_the_line_and_the_value(manifest, text, message):
    with pytest.raises(SourceError, match=message):
        load_data(manifest(text), classes=1000)


def test_a_name_with_two_dots_in_it_is_fine(manifest, tmp_path, save_photo):
    save_photo(tmp_path / "a..b.png")
    assert load_data(manifest("image,label\na..b.png,0\n")).n == 1


def test_other_encodings_are_refused(manifest):
    with pytest.raises(SourceError, match=r"isn't UTF-8 text \(byte 12\)"):
        load_data(manifest("image,label\nä.png,1\n", encoding="latin-1"))


def test_fields_without_end_are_refused(manifest):
    with pytest.raises(SourceError, match="can't be read as csv: field larger"):
        load_data(manifest('image,label\n"' + "x" * 200_000))


def test_a_missing_manifest_and_missing_images_folder_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"no file .*none\.csv"):
        load_data(str(tmp_path / "none.csv"))
    (tmp_path / "list.csv").write_text("ImageId,TrueLabel\nid1,1\n")
    with pytest.raises(SourceError, match=r"no folder .*images; the pictures that"):
        load_data(str(tmp_path / "list.csv"))


@pytest.mark.parametrize("text", ["image,label\nc.png,1\n", "ImageId,TrueLabel\nid9,1\n"])
def test_missing_files_can_be_left_to_reading(manifest, text):
    data = load_data(
        manifest(text), skip_unreadable=True, transform=Preprocessing(8, 8).transform()
    )
    with pytest.raises(SourceError, match="no such file"):
        data.dataset[0]
