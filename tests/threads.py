"""Work in several threads at once."""

import threading
from collections.abc import Callable


def at_once(*works: Callable[[], object]) -> list[object]:
    """Run the works in threads that start together; return what each gave or raised."""
    barrier, results = threading.Barrier(len(works)), [None] * len(works)

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = works[number]()
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
