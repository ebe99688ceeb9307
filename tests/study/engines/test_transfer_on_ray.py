"""A transfer run in tasks of Ray's records what one process does, whatever is lost meanwhile."""

import json

import pytest

from network_prune.errors import SourceError
from network_prune.study.engines.cluster import Cluster
from network_prune.transfer.engines.transfer_on_ray import transfer_on_ray
from network_prune.transfer.plan import make_transfer_plan
from network_prune.transfer.running import batch as running_batch
from network_prune.transfer.running.events import Advanced, Recorded, Started
from network_prune.transfer.transfer import transfer
from tests.grey_pictures import write_pictures
from tests.transfer.tiny import NETWORKS, plan, quiet

pytest.importorskip("ray", reason="the extra ray isn't installed")

# Its process ends in the midst of the first attack.
DIES = """
import os
from pathlib import Path

class Dies(type(first())):
    def forward(self, x):
        if "RAY_RAYLET_PID" in os.environ and x.requires_grad and not Path({died!r}).exists():
            Path({died!r}).touch()
            os._exit(1)
        return super().forward(x)

def dies():
    network = first()
    network.__class__ = Dies
    return network
"""


def on_ray(values, out, told=quiet, **options):
    return transfer_on_ray(
        make_transfer_plan(values),
        out=out,
        cluster=Cluster(),
        told=told,
        progress=False,
        **options,
    )


def recorded(folder):
    """Return all that a run records but for times, and the files of what belongs to it."""
    lines = (folder / "transfer.jsonl").read_text().splitlines()
    timeless = [
        {name: v for name, v in json.loads(line).items() if name[:7] not in ("seconds", "crc32")}
        for line in lines
    ]
    return timeless, (folder / "outcomes.jsonl").read_bytes()


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """Return the folder of a run of one process, with its images in another one."""
    folder = tmp_path_factory.mktemp("one")
    transfer(plan(), out=folder / "run", save_images=folder / "images", told=quiet)
    return folder


def test_rows_are_those_of_one_process_and_are_not_computed_again(nodes, tmp_path, one_process):
    images, events = tmp_path / "images", []
    found = on_ray(plan(), tmp_path / "run", events.append, save_images=images)
    assert recorded(tmp_path / "run") == recorded(one_process / "run")
    assert files(images) == files(one_process / "images")
    (started,) = [event for event in events if isinstance(event, Started)]
    assert (len(started.due), len(started.clean)) == (2, 2)
    assert [event.record for event in events if isinstance(event, Recorded)] == found
    events.clear()
    assert on_ray(plan(), tmp_path / "run", events.append, save_images=images) == found
    assert events == [Started((), 2, started.keys, 7, {}, started.notes)]


def test_a_sender_that_is_ended_goes_on_with_and_without_ray(
    nodes, tmp_path, one_process, monkeypatch
):
    def end(event):
        if isinstance(event, Advanced) and event.images == 6:
            raise KeyboardInterrupt

    for name in ("again", "alone"):
        with pytest.raises(KeyboardInterrupt):
            on_ray(plan(), tmp_path / name, end)
    on_ray(plan(), tmp_path / "again")
    attacked, attack = [], running_batch.run_attack

    def counted(*arguments, first, **options):
        attacked.append(first)
        return attack(*arguments, first=first, **options)

    monkeypatch.setattr(running_batch, "run_attack", counted)
    transfer(plan(), out=tmp_path / "alone", told=quiet, progress=False)
    assert attacked == [6, 0, 3, 6]
    for name in ("again", "alone"):
        assert recorded(tmp_path / name) == recorded(one_process / "run")
        assert not list((tmp_path / name).glob("partial-*"))


def test_a_batch_that_is_lost_with_its_process_is_attacked_again(nodes, tmp_path):
    died, file = tmp_path / "died", tmp_path / "nets.py"
    file.write_text(NETWORKS.read_text() + DIES.format(died=str(died)))
    values = plan(surrogate=[f"{file}:dies"], augmentation=["none"], seeds=1)
    transfer(values, out=tmp_path / "one", told=quiet, progress=False)
    assert not died.exists()
    on_ray(values, tmp_path / "ray")
    assert died.exists()
    assert recorded(tmp_path / "ray") == recorded(tmp_path / "one")


def test_an_image_that_cannot_be_read_is_told_as_without_ray(nodes, tmp_path):
    folder = write_pictures(tmp_path / "images", 4)
    sorted(folder.rglob("*.bmp"))[1].write_bytes(b"no picture")
    values = plan(data=str(folder), first_label=0, image_size=8)
    with pytest.raises(SourceError) as expected:
        transfer(values, out=tmp_path / "one", told=quiet, progress=False)
    with pytest.raises(SourceError) as found:
        on_ray(values, tmp_path / "ray")
    assert str(found.value) == str(expected.value)


def test_the_command_shows_what_it_does_without_ray(nodes, run, refused, tmp_path):
    words = ("transfer", "--surrogate", "digits", "--victim", "digits-plain", "--limit", 4)
    words += ("--passes", 2, "--augmentation", "none", "--augmentation", "dwp")
    one = run(*words, "--out", tmp_path / "one")
    ray = run(*words, "--out", tmp_path / "ray", "--engine", "ray")
    assert (ray.code, ray.err) == (0, "")
    assert one.out[one.out.index("Where an augmentation helps") :] in ray.out
    assert recorded(tmp_path / "ray") == recorded(tmp_path / "one")
    for more, why in [
        ((), "--engine ray needs a folder for what is finished; pass --out"),
        (("--out", tmp_path, "--adversarial", tmp_path), "--adversarial has attacked ones already"),
    ]:
        assert why in refused(*words, "--engine", "ray", *more)
