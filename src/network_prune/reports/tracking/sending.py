"""Sending records to a server that may be slow, gone, or back again."""

import queue
import re
from collections.abc import Callable, Iterator, Mapping
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Final

from mlflow.exceptions import RestException

from network_prune.errors import one_line
from network_prune.reports.tracking.study_runs import StudyRuns

Message = Mapping[str, Any]

# Seconds until a server that couldn't be sent to is tried again, and at the end for the last time.
_PAUSE: Final = 30.0
_LAST_PAUSE: Final = 5.0
_SERVER_ERROR: Final = 500
# How MLflow tells of answers that aren't its server's.
_STATUS: Final = re.compile(r"failed with error code (\d{3})\b")


class Sending:
    """Sends what comes in, until it is told to end.

    Args:
        runs: the study's runs.
        inbox: messages: ``{"record": …}`` as `nested_run` gives them, and at the last ``{"end":
            status, "page": path}``, where the status KILLED leaves what isn't sent.
        tell: takes the answers: ``{"sent": how many of the records}``, ``{"trouble": text}``, and
            at the last ``{"end": address}``, None where the study's run isn't known.
    """

    def __init__(
        self, runs: StudyRuns, inbox: "queue.SimpleQueue[Message]", tell: Callable[[Message], None]
    ) -> None:
        self._runs = runs
        self._inbox = inbox
        self._tell = tell
        self._given: set[str] = set()
        self._due: dict[str, Message] = {}
        self._failed_at = -inf
        self._end: Message | None = None

    def run(self) -> None:
        """Send until the end."""
        while not self._is_over:
            if not self._is_idle and not self._pause:
                self._try(self._send_one)
            self._take_in()
        if self._runs.is_open:
            self._try(self._close)
        self._tell({"end": self._runs.address if self._runs.is_open else None})

    @property
    def _is_over(self) -> bool:
        if self._end is None:
            return False
        return self._end["end"] == "KILLED" or self._is_idle or self._pause > 0

    @property
    def _is_idle(self) -> bool:
        return self._runs.is_open and not self._due

    @property
    def _pause(self) -> float:
        """Seconds until the server may be tried again."""
        pause = _PAUSE if self._end is None else _LAST_PAUSE
        return max(0.0, self._failed_at + pause - monotonic())

    def _take_in(self) -> None:
        """Take what has come in; where nothing else is to be done, wait for it."""
        pause = self._pause
        must_wait = self._end is None and (self._is_idle or pause > 0)
        try:
            self._take(self._inbox.get(must_wait, pause or None))
            while True:
                self._take(self._inbox.get_nowait())
        except queue.Empty:
            pass

    def _take(self, message: Message) -> None:
        if "end" in message:
            self._end = message
        else:
            record = message["record"]
            self._given.add(record["key"])
            self._due[record["key"]] = record

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self._runs.forget()
            self._failed_at = monotonic()
            self._tell({"trouble": reason(error)})

    def _send_one(self) -> None:
        if not self._runs.is_open:
            self._runs.open()
        elif self._due:
            key, record = next(iter(self._due.items()))
            if key not in self._runs.sent:
                self._send(record)
            del self._due[key]
        self._tell({"sent": len(self._given & self._runs.sent)})

    def _send(self, record: Message) -> None:
        """Send a record; one that the server refuses is left out for now."""
        try:
            self._runs.send(record)
        except RestException as error:
            if error.get_http_status_code() >= _SERVER_ERROR:
                raise
            self._tell({"trouble": reason(error)})

    def _close(self) -> None:
        assert self._end is not None
        if self._end["page"] is not None:
            try:
                self._runs.attach(Path(self._end["page"]))
            except Exception as error:
                self._tell({"trouble": f"the page can't be sent: {reason(error)}"})
        self._runs.close(self._end["end"])


def reason(error: BaseException) -> str:
    """Return why something can't be sent: what the network says of it, or the server."""
    found = one_line(error).removeprefix("RestException: ")
    if (status := _STATUS.search(str(error))) is not None:
        found = f"it answers with HTTP status {status[1]}"
    for cause in _causes(error):
        if isinstance(cause, TimeoutError):
            found = "no answer in time"
        elif isinstance(cause, OSError) and cause.strerror:
            found = cause.strerror
        elif isinstance(cause, ConnectionError):
            found = str(cause)
    return found


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it, which libraries may have as an argument of it."""
    while error is not None:
        yield error
        within = (each for each in error.args if isinstance(each, BaseException))
        error = error.__cause__ or next(within, None) or error.__context__
