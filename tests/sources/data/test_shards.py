import io
import json
import tarfile

import pytest
import torch
from photos import photo
from torch.utils.data import DataLoader

from network_prune.errors import SourceError
from network_prune.sources.data.from_shards import expand
from network_prune.sources.data.load import load_data
from network_prune.sources.data.pictures import Guarded, collate
from network_prune.sources.preprocessing import Preprocessing

TRANSFORM = Preprocessing(16, 16).transform()


def png(seed=0):
    file = io.BytesIO()
    photo(seed=seed).save(file, "png")
    return file.getvalue()


def write(path, members):
    with tarfile.open(path, "w") as shard:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
    return str(path)


def labels_of(data):
    return [data.dataset[index][1] for index in range(data.n)]


@pytest.fixture
def shards(tmp_path):
    for shard in range(3):
        samples = [
            (f"{shard}{n}.{end}", content)
            for n in range(2)
            for end, content in (("cls", f"{2 * shard + n}\n".encode()), ("png", png(shard)))
        ]
        write(tmp_path / f"part-{shard:03}.tar", samples)
    return str(tmp_path / "part-{000..002}.tar")


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_are_read_in_order(shards, workers):
    data = load_data(f"wds:{shards}", transform=TRANSFORM, classes=6)
    loader = DataLoader(Guarded(data.dataset), 6, num_workers=workers, collate_fn=collate)
    batch = next(iter(loader))
    assert (data.n, data.in_files) == (6, True)
    assert batch.labels.tolist() == list(range(6))
    assert torch.equal(batch.images[5], TRANSFORM(photo(seed=2)))


def test_one_tar_file_needs_no_prefix(tmp_path):
    path = write(tmp_path / "x.tar", [("a.png", png()), ("a.cls", b"3")])
    assert labels_of(load_data(path)) == labels_of(load_data(f"wds:{path}")) == [3]


def test_what_webdataset_writes_is_read(tmp_path):
    webdataset = pytest.importorskip("webdataset", reason="the extra [webdataset] isn't installed")
    with webdataset.TarWriter(str(tmp_path / "x.tar")) as writer:
        for number in range(3):
            picture = photo(seed=number)
            writer.write({"__key__": f"dir/{number:06}", "png": picture, "cls": number})
    data = load_data(str(tmp_path / "x.tar"), transform=TRANSFORM)
    assert labels_of(data) == [0, 1, 2]
    assert torch.equal(data.dataset[2][0], TRANSFORM(photo(seed=2)))


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("a.tar", ["a.tar"]),
        ("{0..2}.tar", ["0.tar", "1.tar", "2.tar"]),
        ("{08..10}", ["08", "09", "10"]),
        ("{2..1}", ["2", "1"]),
        ("{a,b}-{0..1}", ["a-0", "a-1", "b-0", "b-1"]),
        ("{0..1}{x,}", ["0x", "0", "1x", "1"]),
        ("{a}", ["{a}"]),
        ("a{1.tar", ["a{1.tar"]),
        ("{a..c}{1..5..2}", [f"{letter}{number}" for letter in "abc" for number in (1, 3, 5)]),
        ("{train-{0..1},val}", ["train-0", "train-1", "val"]),
    ],
)
def test_braces_are_expanded_as_a_shell_does(pattern, paths):
    assert expand(pattern) == paths


@pytest.mark.parametrize("pattern", ["{0..999999999}{0..9}", "{1..1000}{1..101}", "{a,b}" * 17])
def test_braces_without_end_are_refused(pattern):
    with pytest.raises(SourceError, match="stands for more than 100000 files"):
        expand(pattern)


def test_names_that_lead_out_and_links_are_harmless(tmp_path):
    target = tmp_path / "safe" / "x.tar"
    target.parent.mkdir()
    with tarfile.open(target, "w") as shard:
        for name, kind in (("link.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/hostname"
            shard.addfile(member)
        for name, content in (
            ("../../evil.png", png()),
            ("../../evil.cls", b"1"),
            ("/etc/evil.txt", b"x"),
            ("README", b"x"),
            ("only.cls", b"7"),
            (".hidden.png", b"x"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
    data = load_data(str(target))
    assert labels_of(data) == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["safe"]
    assert [path.name for path in target.parent.iterdir()] == ["x.tar"]


def test_labels_may_be_in_json_or_imagenets_synsets(tmp_path):
    record = json.dumps({"label": 5, "other": [1]}).encode()
    path = write(tmp_path / "x.tar", [("a.png", png()), ("a.json", record)])
    assert labels_of(load_data(path)) == [5]
    path = write(tmp_path / "y.tar", [("a.png", png()), ("a.cls", b"n01443537")])
    assert labels_of(load_data(path, classes=1000)) == [1]


def test_fields_may_be_named_by_the_call(tmp_path):
    members = [("a.png", png()), ("a.seg.png", png(1)), ("a.cls", b"1"), ("a.fine.txt", b"2")]
    path = write(tmp_path / "x.tar", members)
    data = load_data(path, image_column="png", label_column="fine.txt", transform=TRANSFORM)
    assert labels_of(data) == [2]
    assert torch.equal(data.dataset[0][0], TRANSFORM(photo()))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.png", png())], r"'a' has a picture, but no label in \.cls .*it has png \(pass label"),
        ([("a.png", png()), ("a.cls", b"cat")], r"x\.tar: a\.png: label 'cat' is no whole number"),
        ([("a.png", png()), ("a.jpg", png()), ("a.cls", b"1")], "more than one picture.*image_col"),
        ([("a.cls", b"1"), ("a.cls", b"2")], r"has 'a\.cls' twice"),
        ([("a.png", png()), ("a.json", b"[1")], r"a\.json has no whole number under 'label'"),
        ([("a.png", png()), ("a.cls", b"1" * 2_000_000)], "2000000 bytes, so it is no label"),
        ([("a.png", png()), ("a.cls", b"9")], "label 9 is outside 0 to 4"),
        ([("a.txt", b"x")], "lists no pictures"),
    ],
)
def test_refusals_name_the_file_in_the_shard(tmp_path, members, message):
    path = write(tmp_path / "x.tar", members)
    with pytest.raises(SourceError, match=message):
        load_data(path, classes=5)


def test_damaged_compressed_and_missing_shards_are_named(tmp_path):
    path = write(tmp_path / "x.tar", [("a.cls", b"1"), ("a.png", png())])
    content = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(content[:2000])
    with pytest.raises(SourceError, match="cut off"):
        load_data(path)
    (tmp_path / "x.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(SourceError, match="can't be read as an uncompressed tar file"):
        load_data(path)
    with tarfile.open(path, "w:gz"):
        pass
    with pytest.raises(SourceError, match="unpack it with gunzip"):
        load_data(path)
    with pytest.raises(SourceError, match=r"no file .*none-1\.tar"):
        load_data(f"wds:{tmp_path}/none-{{1..3}}.tar")


def test_a_picture_that_is_none_is_named(tmp_path):
    path = write(tmp_path / "x.tar", [("a.png", b"text"), ("a.cls", b"1")])
    with pytest.raises(SourceError, match=r"cannot read image a\.png in .*x\.tar: empty or no pic"):
        load_data(path).dataset[0]


def test_identity_follows_names_sizes_and_labels(tmp_path):
    specs = [
        write(tmp_path / f"{number}.tar", [(f"{name}.png", png(seed)), (f"{name}.cls", label)])
        for number, (name, seed, label) in enumerate(
            [("a", 0, b"1"), ("a", 0, b"1"), ("b", 0, b"1"), ("a", 1, b"1"), ("a", 0, b"2")]
        )
    ]
    first, *others = [load_data(spec).identity for spec in specs]
    assert first == others[0]
    assert len({first, *others}) == 4


def test_labelled_samples_without_a_known_picture_are_counted_and_told(tmp_path):
    members = [("0.png", png()), ("0.cls", b"0"), ("1.jfif", png()), ("1.cls", b"1")]
    spec = write(tmp_path / "x.tar", [*members, ("2.cls", b"2"), ("3.txt", b"a note")])
    with pytest.warns(UserWarning, match="passed over by their names"):
        (note,) = load_data(spec).notes
    assert note.startswith(f"files of {spec} that are passed over by their names: 1 (1 .jfif); ")
    with pytest.warns(UserWarning, match=r"names: 1 \(1 \.png\)"):
        assert load_data(spec, image_column="jfif").n == 1
    with pytest.raises(SourceError, match=r"lists no pictures; files of .* by their names: 1 \("):
        load_data(write(tmp_path / "y.tar", members[2:]))
