import contextlib
import csv
import io
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from network_prune.errors import SourceError
from network_prune.sources.data.from_manifest import SEPARATORS, list_manifest
from network_prune.sources.data.listing import Request
from network_prune.sources.data.load import load_data
from network_prune.sources.outputs import Outputs
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
        SourceError,
        match=r"label 0 is outside 1 to 3.*0-based: pass first_label=0 \(--first-label 0\)",
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
        ("picture,label\na.png,1\n", r"no image column.*; columns found: picture, label\)"),
        ("image,kind\na.png,1\n", r"no label column; name it one of label, class.*image, kind"),
        ("", r"no image column.*; columns found: none\)"),
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


def test_labels_may_be_imagenets_synsets(manifest):
    text = "image,label\na.png,n01443537\ndeep/b.png,n01440764\n"
    assert labels_of(load_data(manifest(text), classes=1000)) == [1, 0]
    with pytest.raises(SourceError, match="line 2: label 'n01443537' is no whole number"):
        load_data(manifest(text), classes=10)


def test_columns_may_be_named_by_the_call(manifest):
    spec = manifest("label,image,Photo,kind\n9,none.png,a.png,2\n")
    data = load_data(spec, image_column="photo", label_column="kind", classes=3)
    assert labels_of(data) == [2]
    with pytest.raises(SourceError, match="has no column 'breed'; its columns are label, image"):
        load_data(spec, label_column="breed")


def test_a_root_moves_the_folder_that_paths_are_relative_to(manifest, tmp_path, save_photo):
    save_photo(tmp_path / "elsewhere" / "c.png")
    spec = manifest("image,label\nc.png,1\n")
    assert labels_of(load_data(spec, root=tmp_path / "elsewhere")) == [1]
    with pytest.raises(SourceError, match=r"no image c\.png in"):
        load_data(spec)


def test_absolute_paths_inside_the_folder_are_fine_and_others_are_not(manifest, tmp_path):
    relative = load_data(manifest("image,label\ndeep/b.png,1\na.png,2\n")).identity
    absolute = load_data(manifest(f"image,label\n{tmp_path}/deep/b.png,1\na.png,2\n"))
    assert absolute.identity == relative
    with pytest.raises(
        SourceError, match=r"isn't a path inside the folder .*pass root \(--data-root\)"
    ):
        load_data(manifest(f"image,label\n{tmp_path}/deep/b.png,1\n"), root=tmp_path / "images")
    assert load_data(manifest(f"image,label\n{tmp_path}/deep/b.png,1\n"), root="/").n == 1


def test_links_inside_the_folder_are_the_users_own(
    manifest, tmp_path, tmp_path_factory, save_photo
):
    outside = save_photo(tmp_path_factory.mktemp("outside") / "x.png")
    (tmp_path / "link.png").symlink_to(outside)
    assert load_data(manifest("image,label\nlink.png,0\n")).dataset[0][0].size == (61, 47)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\na,b.png,1\n", "label 'b.png' is no whole number|line 2 has 3 columns"),
        ("label,image\n1,a,b.png\n", "line 2 has 3 columns, but the header has 2; put quotes"),
        ("image;label\na.png;x\n", "line 2: label 'x' is no whole number"),
        ("image,label\na.png,99999999999999999999\n", "label '99999999999999999999' is no whole"),
    ],
)
def test_rows_that_the_header_does_not_explain_are_refused(manifest, text, message):
    with pytest.raises(SourceError, match=message):
        load_data(manifest(text))


def test_trailing_separators_are_fine(manifest):
    assert labels_of(load_data(manifest("image,label\na.png,1,\na.png,2\n"))) == [1, 2]


def test_lines_are_counted_in_the_file_also_after_blank_and_quoted_ones(manifest):
    with pytest.raises(SourceError, match="line 6: label 'x' is no whole number"):
        load_data(manifest('image,label,note\n\na.png,1,"two\nlines"\n\na.png,x,\n'))


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\:\0", exclude_categories=["Cs"]),
    min_size=1,
    max_size=12,
).filter(lambda name: ".." not in name and name.strip("."))


@settings(max_examples=75)
@given(
    rows=st.lists(st.tuples(NAMES, st.integers(-(2**40), 2**40)), min_size=1, max_size=20),
    separator=st.sampled_from(SEPARATORS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    ending=st.sampled_from(["\n", "\r\n"]),
    swapped=st.booleans(),
    mark=st.booleans(),
)
def test_what_csv_writes_is_read_back(rows, separator, quoting, ending, swapped, mark):
    # Between line ends of "\n", older versions of csv write "\r" without quotes: a line end to all.
    bare = ending == "\n" and quoting == csv.QUOTE_MINIMAL
    assume(not (bare and any("\r" in name for name, _ in rows)))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=ending)
    writer.writerow(["label", "image"] if swapped else ["image", "label"])
    writer.writerows(row[::-1] if swapped else row for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.csv"
        path.write_bytes(text.getvalue().encode("utf-8-sig" if mark else "utf-8"))
        listing = list_manifest(Request(spec=str(path)))(Outputs(), None)
    assert listing.source.paths == [name for name, _ in rows]
    assert listing.labels.tolist() == [label for _, label in rows]


@given(
    path=st.lists(
        st.sampled_from(["..", ".", "a", "b..c", "", "C:", "\\", "/", "/tmp"]), max_size=6
    ),
)
def test_no_path_leads_out_of_the_folder(path):
    picture = "/".join(path)
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "m.csv"
        with manifest.open("w", newline="") as file:
            csv.writer(file).writerows([["image", "label"], [picture, 0]])
        try:
            listing = list_manifest(Request(spec=str(manifest)))(Outputs(), None)
        except SourceError:
            return
        full = os.path.normpath(os.path.join(folder, listing.source.paths[0]))
        assert full.startswith(folder)


@given(st.lists(st.text(max_size=8), max_size=5).map(",".join), st.text(max_size=60))
def test_any_text_is_read_or_refused_in_one_line(header, body):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.csv"
        path.write_bytes(f"{header}\n{body}".encode(errors="replace"))
        with contextlib.suppress(SourceError):
            list_manifest(Request(spec=str(path)))(Outputs(), None)


def test_a_million_rows_are_read_in_seconds(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    row = "a.png,7\n"
    (tmp_path / "m.csv").write_text("image,label\n" + row * 1_000_000)
    start = time.process_time()
    assert load_data(str(tmp_path / "m.csv"), classes=10).n == 1_000_000
    assert time.process_time() - start < 30


@pytest.mark.parametrize("labels", [[3, 0], ["3", "0"], ["n01440764", "n01443537"]])
def test_parquet_is_read_as_csv_is(manifest, tmp_path, labels):
    pa = pytest.importorskip("pyarrow", reason="the extra [parquet] isn't installed")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(
        pa.table({"Label": labels, "Image": ["a.png", "deep/b.png"]}), tmp_path / "m.parquet"
    )
    rows = "".join(f"{n},{x}\n" for n, x in zip(["a.png", "deep/b.png"], labels, strict=True))
    text = load_data(manifest(f"image,label\n{rows}"), classes=1000)
    data = load_data(str(tmp_path / "m.parquet"), classes=1000)
    assert labels_of(data) == labels_of(text)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": ["a.png"], "kind": [1]}, "no label column.*columns found: image, kind"),
        ({"image": [b"x"], "label": [1]}, "column image holds binary; it must hold paths"),
        ({"image": ["a.png"], "label": [None]}, "row 1: label is empty"),
        ({"image": ["a.png", "../x"], "label": [1, 1]}, "row 2: image '../x' isn't a path inside"),
        ({"image": ["a.png"], "label": [1.5]}, "row 1: label '1.5' is no whole number"),
        ({"image": ["no.png"], "label": [1]}, r"row 1: no image no\.png"),
    ],
)
def test_parquet_refusals_name_the_row(manifest, tmp_path, columns, message):
    pa = pytest.importorskip("pyarrow", reason="the extra [parquet] isn't installed")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    with pytest.raises(SourceError, match=message):
        load_data(str(tmp_path / "m.parquet"))


def test_a_damaged_parquet_file_is_refused(tmp_path):
    pytest.importorskip("pyarrow", reason="the extra [parquet] isn't installed")
    (tmp_path / "m.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(SourceError, match="can't be read as parquet"):
        load_data(str(tmp_path / "m.parquet"))


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "m.parquet").write_bytes(b"")
    with pytest.raises(SourceError, match=r"pyarrow: pip install 'network-prune\[parquet\]'$"):
        load_data(str(tmp_path / "m.parquet"))
