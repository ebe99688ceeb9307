"""Packed files that are damaged or hostile are refused in one line, whatever is in them."""

import hashlib
import json
import random

import pytest
import safetensors.torch
import torch

import network_prune as npr
from network_prune.sources.networks.load import load_network
from network_prune.sources.networks.packed.packed_file import PackedFile, packed_bytes


def told(path, spec=None, **options):
    """The line that a file is refused in."""
    with pytest.raises(npr.NetworkPruneError) as raised:
        load_network(spec or f"packed:{path}", **options)
    line = str(raised.value)
    assert "\n" not in line
    assert len(line) < 3000
    assert str(path) in line
    return line


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    network = npr.load_network("digits")
    image = torch.randn(1, *network.preprocessing.shape)
    with npr.prune_neurons(network, p_prune=0.5, scope="layer"):
        removed = npr.remove_neurons(network, image, repeats=0)
    npr.prune_weights(removed.model, p_prune=0.6)
    path = tmp_path_factory.mktemp("packed") / "net.safetensors"
    npr.save_packed(removed, path, network=network, made={"stage": "removed"})
    return path.read_bytes()


def parts(content):
    """The safetensors header as JSON, what the head of the file says, and the bytes behind."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["content"]), content[8 + length :]


def put_together(header, head, rest):
    """The file again, with hashes that are right."""
    text = json.dumps(head)
    digest = hashlib.sha256(text.encode()).hexdigest()
    header["__metadata__"] |= {"content": text, "sha256": digest}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + rest


def changed(content, change):
    header, head, rest = parts(content)
    change(head)
    return put_together(header, head, rest)


def test_it_is_read_when_nothing_is_changed(content, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(changed(content, lambda head: None))
    assert load_network(f"packed:{path}").arch == "digits"


@pytest.mark.parametrize("where", ["head", "anywhere"])
def test_no_changed_bit_is_believed(content, tmp_path, where):
    path = tmp_path / "net.safetensors"
    chance = random.Random(where)
    end = int.from_bytes(content[:8], "little") + 8 if where == "head" else len(content)
    for _ in range(40):
        place, bit = chance.randrange(end), 1 << chance.randrange(8)
        path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        try:
            found = load_network(f"packed:{path}")
        except npr.NetworkPruneError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:  # a space at the end of the header became another, say
            assert found.weights_sha256 == parts(content)[1]["state_sha256"]


def test_what_is_cut_off_anywhere_is_told(content, tmp_path):
    path = tmp_path / "net.safetensors"
    chance = random.Random(1)
    for end in [0, 1, 7, 8, 9, *(chance.randrange(len(content)) for _ in range(40))]:
        path.write_bytes(content[:end])
        told(path)
        told(path, "digits", weights=path)


def set_in(*keys, to):
    def change(head):
        for key in keys[:-1]:
            head = head[key]
        head[keys[-1]] = to

    return change


def first_packed(head):
    return next(name for name, entry in head["tensors"].items() if isinstance(entry, dict))


def reshape(*shape):
    def change(head):
        head["tensors"][first_packed(head)]["shape"] = list(shape)

    return change


def block_of(n):
    def change(head):
        head["tensors"][first_packed(head)]["block"] = n

    return change


def narrowed(head):
    return next(iter(head["network"]["structure"]["sizes"]))


def resize(**sizes):
    def change(head):
        own = head["network"]["structure"]["sizes"]
        own[narrowed(head)] = own[narrowed(head)] | sizes

    return change


def drop_a_tensor(head):
    head["tensors"].popitem()


CHANGES = {
    "no tensors": (set_in("tensors", to={}), "other tensors than its head says"),
    "a tensor less": (drop_a_tensor, "other tensors than its head says"),
    "tensors that are no dict": (set_in("tensors", to=[1]), "isn't that of a network"),
    "a tied one of none": (set_in("tensors", "more", to="nothing"), "what its head says of 'more'"),
    "a tied one of itself": (set_in("tensors", "more", to="more"), "what its head says of 'more'"),
    "one more": (set_in("tensors", "more", to=None), "what its head says of 'more'"),
    "an enormous shape": (reshape(10**15, 10**9), "hasn't what its head says"),
    "a negative shape": (reshape(-1, -5), "hasn't what its head says"),
    "an empty shape": (reshape(0, 10**30), "hasn't what its head says"),
    "another shape": (reshape(1, 7), "hasn't what its head says"),
    "blocks that are no share": (block_of(7), "hasn't what its head says"),
    "blocks of nothing": (block_of(0), "hasn't what its head says"),
    "negative blocks": (block_of(-1), "hasn't what its head says"),
    "large blocks": (block_of(2), "hasn't what its head says"),
    "a shape of text": (reshape("a"), "isn't that of a network"),
    "another hash": (set_in("state_sha256", to="0" * 64), "SHA-256 of its tensors doesn't match"),
    "no network": (set_in("network", to=None), "doesn't say which network"),
    "another network": (set_in("network", "arch", to="digits-plain"), "can't be built"),
    "an unknown network": (set_in("network", "arch", to="nothing18"), None),
    "an unknown kind": (set_in("network", "arch", to="x:y:z"), None),
    "a file": (set_in("network", "arch", to="packed:net.safetensors"), "may not choose"),
    "no name": (set_in("network", "arch", to=""), None),
    "code": (set_in("network", "arch", to="os:getcwd"), "may run code"),
    "a hub's code": (set_in("network", "arch", to="hub:a/b:c"), "may run code"),
    "a file's code": (set_in("network", "arch", to="x.py:net"), "may run code"),
    "wrong sizes": (resize(out_channels=10**12), "aren't of its numbers of channels"),
    "no groups": (resize(groups=0), "aren't of its numbers of channels"),
    "other sizes": (resize(out_features=3), "aren't of its numbers of channels"),
    "sizes of text": (resize(groups="1"), "isn't that of a network"),
    "sizes of nothing": (
        set_in("network", "structure", "sizes", to={"gone": {"in_features": 1}}),
        "there is no layer 'gone'",
    ),
    "narrow nothing": (
        set_in("network", "structure", "narrowed", to={"gone": [-3, -3]}),
        "there is no layer 'gone'",
    ),
    "narrow at no axis": (
        set_in("network", "structure", "narrowed", to={"": [3, -99]}),
        "with channels at",
    ),
    "many classes": (set_in("network", "classes", to=10**9), None),
    "preprocessing": (set_in("network", "preprocessing", to={"crop": 0}), "preprocessing can't be"),
    "fields": (set_in("network", "preprocessing", to={"made": 0}), "preprocessing can't be used"),
    "a stage of many lines": (set_in("made", to={"stage": "a\n" * 9000}), None),
}
HARMLESS = ("many classes", "a stage of many lines")


@pytest.mark.parametrize("name", CHANGES)
def test_a_head_that_someone_wrote_is_not_believed(content, tmp_path, name):
    path = tmp_path / "net.safetensors"
    change, line = CHANGES[name]
    path.write_bytes(changed(content, change))
    if name in HARMLESS:
        assert "\n" not in load_network(f"packed:{path}").weights
        return
    with pytest.raises(npr.NetworkPruneError) as raised:
        load_network(f"packed:{path}")
    assert "\n" not in str(raised.value)
    if line is not None:
        assert line in told(path)


def test_a_head_that_grows_is_not_made(tmp_path):
    path = tmp_path / "net.safetensors"
    network = npr.load_network("digits")
    npr.save_packed(network, path)
    header, head, _ = parts(path.read_bytes())
    heads = [n for n, v in network.model.state_dict().items() if v.shape[:1] == (10,)]
    state = network.model.state_dict() | {
        name: torch.zeros(40_000_000, 1, dtype=torch.uint8) for name in heads[:1]
    }
    assert heads
    head["network"]["classes"] = 40_000_000
    head["tensors"] = dict.fromkeys(state)
    metadata = dict(header["__metadata__"])
    metadata["content"] = json.dumps(head)
    metadata["sha256"] = hashlib.sha256(metadata["content"].encode()).hexdigest()
    path.write_bytes(safetensors.torch.save(state, metadata))
    assert "40000000 classes are too many" in told(path)


def test_a_bit_that_would_become_very_much_is_not_unpacked(tmp_path):
    path = tmp_path / "net.safetensors"
    npr.save_packed(npr.load_network("digits"), path)
    header, head, _ = parts(path.read_bytes())
    head["tensors"] = {"a": {"shape": [10**6, 10**6], "block": 10**12}}
    metadata = dict(header["__metadata__"])
    metadata["content"] = json.dumps(head)
    metadata["sha256"] = hashlib.sha256(metadata["content"].encode()).hexdigest()
    state = {"a:mask": torch.zeros(1, dtype=torch.uint8), "a:kept": torch.zeros(0)}
    path.write_bytes(safetensors.torch.save(state, metadata))
    assert "would unpack to 4000000000000 bytes" in told(path)


def test_bits_that_do_not_fit_their_values(content, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    header, head, _ = parts(content)
    name = first_packed(head)
    state = safetensors.torch.load(content)
    metadata = header["__metadata__"]
    for byte in (0, -1):
        bits = state[f"{name}:mask"].clone()
        bits[byte] ^= 0xFF
        path.write_bytes(safetensors.torch.save({**state, f"{name}:mask": bits}, metadata))
        assert "is damaged" in told(path)
        assert "is damaged" in told(path, "digits", weights=path)


def test_other_files_are_told(tmp_path):
    path = tmp_path / "net.safetensors"
    assert "does not exist" in told(path)
    path.mkdir()
    assert "is a folder" in told(path)
    path.rmdir()
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(2)}))
    assert "isn't a packed network" in told(path)
    npr.rank(npr.load_network("digits").model, p_prune=0.5).save(path)
    assert "isn't a packed network" in told(path)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool])
def test_weights_of_whole_numbers_are_refused(content, tmp_path, dtype):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    packed = PackedFile(path)
    state = packed.state()
    state["fc.weight"] = state["fc.weight"].to(dtype)
    path.write_bytes(packed_bytes(state, network=packed.head.network, made=packed.head.made))
    assert f"its fc.weight is of {dtype}, where torch.float32 is needed" in told(path)


def test_no_random_weights_are_made_for_a_file(content, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    for none in ("none", None):
        assert "has weights of its own" in told(path, weights=none)


def test_a_file_names_the_network_and_its_weights(content, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    once, twice = load_network(f"packed:{path}"), load_network(f"packed:{path}", weights=path)
    assert once.weights_sha256 == twice.weights_sha256
