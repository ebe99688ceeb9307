"""The process that sends a study's records: it takes messages on stdin, and answers on stdout."""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final

from network_prune.errors import one_line

# Seconds that are left to a request when the study's process has ended without a word.
_GRACE: Final = 3.0


def main() -> None:
    """Send until the end."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever libraries print is no answer

    def tell(answer: Mapping[str, Any]) -> None:
        with suppress(OSError):  # the study's process has ended
            answers.write(f"{json.dumps(answer)}\n")
            answers.flush()

    inbox: SimpleQueue[Mapping[str, Any]] = SimpleQueue()
    Thread(target=_read, args=(inbox,), daemon=True).start()
    study = inbox.get()
    if "end" in study:
        return
    try:
        # Importing MLflow takes seconds, in which messages are taken already.
        from network_prune.reports.tracking.sending import Sending
        from network_prune.reports.tracking.study_runs import StudyRuns

        Sending(StudyRuns(**study), inbox, tell).run()
    except Exception as error:
        tell({"trouble": one_line(error)})


def _read(inbox: SimpleQueue[Mapping[str, Any]]) -> None:
    with suppress(ValueError):  # of a line that was cut off
        for line in sys.stdin:
            inbox.put(json.loads(line))
    inbox.put({"end": "KILLED", "page": None})
    time.sleep(_GRACE)
    os._exit(1)


if __name__ == "__main__":
    main()
    os._exit(0)  # without waiting for the thread, which reads on
