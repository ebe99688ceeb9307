"""Plans and fractions that blow up, nest or hang are refused in one line, at once."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from network_prune.errors import NetworkPruneError
from network_prune.options import MOST_VARIANTS
from network_prune.plain_file import check_plain
from network_prune.sources.fractions_file import with_files
from network_prune.sources.yaml_text import MOST_BYTES
from network_prune.study.plan import check_count, make_plan
from network_prune.study.plan_file import read_plan_file
from network_prune.transfer.plan import make_transfer_plan

LAUGHS = "\n".join(
    [
        "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)),
    ]
)
CONTENTS = {
    "laughs": (LAUGHS.encode(), "values, its aliases written out; it takes at most 100000"),
    "an alias of itself": (b"p_prune: &a [*a]", "an alias stands for what it is a part of"),
    "brackets": (b"p_prune: " + b"[" * 5000, "brackets lie in each other 50 times and more"),
    "brackets of mappings": (b"{a: " * 5000, "brackets lie in each other 50 times and more"),
    "levels": (b"- " * 5000, "is nested too deeply"),
    "levels of mappings": (b"\n".join(b" " * n + b"a:" for n in range(600)), "too deeply"),
    "digits": (b"p_prune: " + b"9" * 5000, "Exceeds the limit"),
    "digits in hexadecimal": (b"p_prune: 0x" + b"f" * 5000, "bits> is not a number|bits>"),
    "a date that isn't": (b"p_prune: 2020-13-45", "a value can't be read"),
    "a wrong tag": (b"p_prune: !!bool 7", "a value can't be read"),
    "an empty number": (b"p_prune: !!int ''", "a value can't be read"),
    "a key of lists": (b"? [[a]]\n: 1", "has to be text"),
    "NUL": (b"p_prune: 0.1\0", "it is no YAML|unacceptable character"),
    "no text": (b"\xff\xfe\x00", "it is no UTF-8 text"),
    "two documents": (b"a: 1\n---\nb: 1", "but found another document"),
    "size": (b"# " + b"x" * MOST_BYTES, f"is too large; it has at most {MOST_BYTES} bytes"),
}


def quick(call, *arguments):
    """The one line that a call is refused in, long before it could make what was asked for."""
    start = time.perf_counter()
    with pytest.raises(NetworkPruneError) as raised:
        call(*arguments)
    assert time.perf_counter() - start < 30
    assert len(str(raised.value)) < 1000
    assert "\n" not in str(raised.value)
    return str(raised.value)


def read_plan(path):
    make_plan(read_plan_file(path))


def read_fractions(path):
    with_files({"p_prune_file": str(path)})


READERS = pytest.mark.parametrize("read", [read_plan, read_fractions])


@READERS
@pytest.mark.parametrize("name", CONTENTS)
def test_contents_that_blow_up_are_told_in_one_line(tmp_path, read, name):
    content, told = CONTENTS[name]
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    line = quick(read, path)
    assert "a.yaml" in line
    if read is read_plan:
        assert any(each in line for each in told.split("|")), line


@READERS
def test_what_is_no_file_isnt_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("none")
    with socket.socket(socket.AF_UNIX) as listener:
        # A socket's path has to be short.
        os.chdir(tmp_path)
        listener.bind("socket")
        for name, told in (
            ("fifo", "is a pipe; pass a plain file"),
            ("socket", "is a socket; pass a plain file"),
            (".", "is a folder; pass a plain file"),
            ("loop", "Too many levels of symbolic links"),
            ("nowhere", "No such file"),
        ):
            assert told in quick(read, tmp_path / name)
    for device in ("/dev/zero", "/dev/urandom", "/dev/null"):
        assert f"{device} is a device; pass a plain file" in quick(read, device)


@pytest.fixture(autouse=True)
def _back():
    here = os.getcwd()
    yield
    os.chdir(here)


def test_a_plan_may_come_from_a_shells_pipe_up_to_its_size(tmp_path):
    def piped(content):
        out, into = os.pipe()
        writer = threading.Thread(target=_write, args=(into, content))
        writer.start()
        try:
            return make_plan(read_plan_file(f"/dev/fd/{out}"))
        finally:
            os.close(out)
            writer.join()

    assert piped(b"p_prune: 0.3") == make_plan({"p_prune": 0.3})
    assert f"is too large; it has at most {MOST_BYTES}" in quick(piped, b"#" * 4 * MOST_BYTES)


def _write(into, content):
    with os.fdopen(into, "wb") as file:
        try:
            file.write(content)
            file.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), into)


def test_aliases_of_a_usual_size_stand_for_what_they_name(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("p_prune: &few [0.1, 0.2]\ngrids:\n- {p_bern: *few}\n- {p_bern: 1}")
    fewer = {"p_prune": [0.1, 0.2], "grids": [{"p_bern": [0.1, 0.2]}, {"p_bern": 1}]}
    assert make_plan(read_plan_file(path)) == make_plan(fewer)


def test_files_may_start_with_a_byte_order_mark_and_end_lines_in_two_characters(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"\xef\xbb\xbfp_prune: 0.3\r\nseed: 4\r\n")
    assert read_plan_file(path) == {"p_prune": (0.3,), "seed": 4}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"draws": 10**12, "p_bern": 0.5}, f"draws={10**12} is too large; pass at most 100000"),
        ({"workers": 100_000}, "workers=100000 is too large; pass at most 1024"),
        (
            {"p_prune": [n / 1000 for n in range(1, 1000)], "draws": 1000, "p_bern": [0.5, 0.6]},
            "the plan stands for 1998000 variants; a study has at most 100000: pass fewer values",
        ),
        (
            {"p_bern": 0.5, "grids": [{"seed": seed, "draws": 10**5} for seed in range(1000)]},
            "the plan stands for 100000000 variants",
        ),
    ],
)
def test_plans_that_stand_for_too_much_are_counted_before_they_are_made(values, told):
    assert told in quick(make_plan, values)


def test_layers_are_counted_too():
    check_count(MOST_VARIANTS)
    with pytest.raises(NetworkPruneError, match="stands for 100001 variants"):
        check_count(MOST_VARIANTS + 1)


def test_rows_of_a_transfer_run_are_counted_before_they_are_made():
    told = quick(make_transfer_plan, {"seeds": 10**12})
    assert "the plan stands for more than 100000 rows" in told


def test_a_dry_run_counts_before_it_makes(refused):
    line = refused("sweep", "--dry-run", "--draws", "100000", "--p-bern", "0.5", "--p-bern", "0.6")
    assert "the plan stands for 200000 variants; a study has at most 100000" in line


def test_what_isnt_there_is_left_to_whoever_opens_it(tmp_path):
    check_plain(tmp_path / "none")
    check_plain("a\0b")


MEASURED = """
import resource, sys, time
from network_prune.cli.main import main
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
for arguments in {calls!r}:
    start = time.perf_counter()
    try:
        main(arguments)
    except SystemExit as stop:
        assert stop.code == 2, stop.code
    assert time.perf_counter() - start < 5, arguments
used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
assert used < 100, used
"""


def test_refusing_takes_little_memory(tmp_path):
    (tmp_path / "laughs.yaml").write_text(LAUGHS)
    (tmp_path / "levels.yaml").write_bytes(b"[" * 200_000)
    calls = [
        ["sweep", str(tmp_path / "laughs.yaml"), "--dry-run"],
        ["sweep", str(tmp_path / "levels.yaml")],
        ["sweep", "--p-prune-file", str(tmp_path / "laughs.yaml")],
        ["sweep", "/dev/zero"],
        ["sweep", "--draws", str(10**12), "--p-bern", "0.5"],
        ["sweep", "--draws", "100000", "--p-bern", "0.5", "--p-bern", "0.6", "--dry-run"],
        ["eval", "--workers", "100000"],
    ]
    code = MEASURED.format(calls=calls)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(calls)
    assert all(line.startswith("network-prune: error: ") for line in lines)
