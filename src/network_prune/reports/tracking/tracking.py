"""A study that is sent to an MLflow server while it runs, and goes on whatever becomes of that."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

from network_prune.display.text import shortened
from network_prune.errors import SourceError, failure_text
from network_prune.plain_text import plain
from network_prune.reports.page.assets import check_page
from network_prune.reports.report import write_page
from network_prune.reports.tracking.nested_run import LONGEST_NAME, nested_run
from network_prune.reports.tracking.sender import Answer, Sender
from network_prune.reports.tracking.server_address import ServerAddress
from network_prune.reports.tracking.study_id import study_id
from network_prune.results.lines.uncollected import uncollected
from network_prune.results.records import FILE, Record
from network_prune.results.streamed import stream
from network_prune.results.study import Study, read_study
from network_prune.study.events import Event, Recorded, Started, Told
from network_prune.version import __version__

_EXPERIMENT: Final = "network-prune"
# Seconds without an answer after which the sender counts as hanging; for one request it has its
# own, shorter limit. And seconds that it has to say that a study was interrupted.
_PATIENCE: Final = 60.0
_MOMENT: Final = 1.0
# Seconds after which people are told what the end waits for.
_LONG: Final = 10.0


@contextmanager
def tracked(
    address: ServerAddress, *, out: Path | None, told: Callable[[str], None]
) -> Generator[Told]:
    """Send a study's records to an MLflow server; yields what takes the study's events.

    At the end what isn't sent yet is waited for, as long as the server answers; after Ctrl-C
    nothing is. Nothing that goes wrong reaches the study: it is told.

    Args:
        address: the server's.
        out: the study's folder, what is recorded in it is sent first; None if it keeps none.
        told: takes lines for people.
    """
    tracking = _Tracking(address, out, told)
    try:
        yield tracking.take
    except Exception:
        tracking.finish("FAILED")
        raise
    else:
        tracking.finish("FINISHED")
    finally:
        tracking.end()


class _Tracking:
    def __init__(
        self, address: ServerAddress, out: Path | None, told: Callable[[str], None]
    ) -> None:
        self._address = address
        self._out = out
        self._told = told
        self._sender: Sender | None = None
        self._keys: set[str] = set()
        self._records: list[Record] = []
        self._sent = 0
        self._is_in_trouble = self._is_warned = False

    def take(self, event: Event) -> None:
        """Send what an event brings, and tell of trouble."""
        try:
            if isinstance(event, Started) and self._sender is None:
                self._begin()
            if isinstance(event, Recorded):
                self._give(event.record)
            if self._sender is not None:
                for answer in self._sender.answers():
                    self._hear(answer)
        except Exception as error:
            self._warn(failure_text(error))

    def finish(self, status: str) -> None:
        """Send the rest, with the page, and tell what is there."""
        if self._sender is None:
            return
        url = None
        try:
            with TemporaryDirectory() as folder:
                self._sender.give({"end": status, "page": self._page(Path(folder))})
                url = self._last_answers()
        except Exception as error:
            self._warn(failure_text(error))
        self._told(self._outcome(url))

    def end(self) -> None:
        """Leave no process behind."""
        if self._sender is not None:
            self._sender.end(patience=_MOMENT)

    def _last_answers(self) -> str | None:
        """Hear the rest, and return where the study's run is, if it is complete."""
        assert self._sender is not None
        url, is_told, began = None, False, monotonic()
        for answer in self._sender.last_answers(patience=_PATIENCE):
            self._hear(answer)
            url = answer.get("end", url)
            is_long = monotonic() - began > _LONG
            if is_long and not is_told and 0 < self._sent < len(self._keys):
                is_told = True
                self._told(f"{self._state()} so far; Ctrl-C leaves the rest")
        return url

    def _begin(self) -> None:
        name = "network-prune" if self._out is None else self._out.resolve().name
        where = "kept in no folder" if self._out is None else f"in {self._out.resolve()}"
        self._sender = Sender(
            self._address,
            {
                "experiment": os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT,
                "study": study_id(self._out),
                "name": shortened(name, LONGEST_NAME),
                "note": plain(f"A study of network-prune {__version__}, {where}"),
            },
        )
        if self._out is not None and (self._out / FILE).is_file():
            with uncollected():
                for record in stream(self._out):
                    self._give(record)

    def _give(self, record: Record) -> None:
        if self._sender is not None:
            self._keys.add(record["key"])
            self._sender.give({"record": nested_run(record)})
        if self._out is None:
            self._records.append(record)

    def _hear(self, answer: Answer) -> None:
        self._is_in_trouble = "trouble" in answer
        if "trouble" in answer:
            self._warn(answer["trouble"])
        self._sent = answer.get("sent", self._sent)

    def _warn(self, text: str) -> None:
        """Tell of trouble once; the end says what came of it."""
        if not self._is_warned:
            self._is_warned = True
            self._told(f"warning: MLflow at {self._address.uri}: {text}; the study goes on")

    def _page(self, folder: Path) -> str | None:
        """Return where the study's page is, made for a server that answers."""
        try:
            check_page()
        except SourceError:
            return None
        if self._is_in_trouble or not self._keys:
            return None
        study = Study(self._records) if self._out is None else read_study(self._out)
        path = folder / "report.html"
        write_page([study], path)
        return str(path)

    def _state(self) -> str:
        return f"MLflow at {self._address.uri} has {self._sent} of {len(self._keys)} variants"

    def _outcome(self, url: str | None) -> str:
        if url is not None and self._sent == len(self._keys):
            return f"MLflow has {self._sent} of {len(self._keys)} variants: {url}"
        rest = (
            "the study keeps no folder, so the rest can't be sent later"
            if self._out is None
            else "the same command sends the rest"
        )
        return f"{self._state()}; {rest}"
