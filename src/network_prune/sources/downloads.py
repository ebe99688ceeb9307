"""Published weights: found in the local caches, else downloaded, else one clear line."""

import http.client
import logging
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from network_prune.errors import RunError, SourceError, brief
from network_prune.sources.published_files import digits_in

TIMEOUT_SECONDS = 10.0
_LOG = logging.getLogger(__name__)
_cache_dir: ContextVar[Path | None] = ContextVar("cache_dir", default=None)


@contextmanager
def cache_in(folder: str | os.PathLike[str] | None) -> Generator[None]:
    """Look for downloads and put them into ``folder`` meanwhile; None changes nothing.

    Weights from torch's host go to ``torch/checkpoints`` in it, under their own names,
    those from the hub to ``huggingface/hub`` in the hub's own layout, data sets to
    ``huggingface/datasets``. Other threads feel nothing of it; see `libraries_told`.

    Raises:
        RunError: the folder can't be made.
    """
    if folder is None:
        yield
        return
    path = Path(folder).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cache_dir={folder} (--cache-dir) can't be made ({error.strerror}); pass a "
            f"folder that is yours"
        ) from error
    token = _cache_dir.set(path)
    try:
        yield
    finally:
        _cache_dir.reset(token)


@contextmanager
def libraries_told() -> Generator[None]:
    """Have torch and the hub's client look themselves into the folder of `cache_in` meanwhile.

    Code that isn't ours asks them, not us. Their settings are the process's: another thread
    that downloads meanwhile is sent there too.
    """
    if _cache_dir.get() is None:
        yield
        return
    import huggingface_hub.constants as hub

    before = torch.hub.get_dir(), hub.HF_HUB_CACHE
    torch.hub.set_dir(str(torch_cache()))
    hub.HF_HUB_CACHE = hub_cache()  # pyright: ignore[reportConstantRedefinition]
    try:
        yield
    finally:
        torch.hub.set_dir(before[0])
        hub.HF_HUB_CACHE = before[1]  # pyright: ignore[reportConstantRedefinition]


def torch_cache() -> Path:
    """Return the folder that torch.hub keeps what it downloads in."""
    folder = _cache_dir.get()
    return Path(torch.hub.get_dir()) if folder is None else folder / "torch"


def datasets_cache() -> Path:
    """Return the folder that the datasets library keeps what it downloads in."""
    folder = _cache_dir.get()
    if folder is not None:
        return folder / "huggingface" / "datasets"
    from datasets.config import HF_DATASETS_CACHE

    return Path(HF_DATASETS_CACHE)


def hub_cache() -> str:
    """Return the folder that the hub's client keeps what it downloads in."""
    folder = _cache_dir.get()
    if folder is not None:
        return str(folder / "huggingface" / "hub")
    import huggingface_hub.constants

    return huggingface_hub.constants.HF_HUB_CACHE


def cache_folders(folder: Path | None = None) -> dict[str, Path]:
    """Return by what they hold the folders of downloads, in ``folder`` or the libraries' own.

    Nothing is made, and no library imported for it.
    """
    token = None if folder is None else _cache_dir.set(folder.absolute())
    try:
        import huggingface_hub.constants as hub

        own = os.environ.get("HF_DATASETS_CACHE") or Path(hub.HF_HOME, "datasets")
        inside = _cache_dir.get()
        return {
            "published weights": torch_cache() / "checkpoints",
            "networks of the hub": Path(hub_cache()),
            "data sets of the hub": Path(own) if inside is None else datasets_cache(),
        }
    finally:
        if token is not None:
            _cache_dir.reset(token)


def fetch_url(url: str) -> Path:
    """Return the file of ``url`` in torch's cache, downloaded and checked if it isn't there.

    Raises:
        RunError: it isn't there and can't be downloaded.
    """
    folder = torch_cache() / "checkpoints"
    path = folder / os.path.basename(urlparse(url).path)
    if path.exists():
        _LOG.info("weights: %s, which was there", path)
        return path
    remedy = f"put the file into {folder} or pass --weights FILE"
    check_reachable(url, path.name, remedy)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            url, str(path), digits_in(path.name), progress=sys.stderr.isatty()
        )
    except (OSError, RuntimeError) as error:
        raise failed_download(path.name, reason(error), remedy) from error
    _LOG.info("weights: %s, downloaded", path)
    return path


def fetch_from_hub(repository: str, names: tuple[str, ...]) -> Path:
    """Return the first of the files ``names`` that ``repository`` has, downloaded if need be.

    Raises:
        RunError: none is in the local cache, and none can be downloaded.
    """
    instead = "pass --weights FILE"
    found = find_on_hub(repository, names, instead=instead)
    if found is None:
        what = f"{names[0]} of {repository.partition('@')[0]}"
        raise failed_download(what, "no such file there", _fill_cache(instead))
    return found


def find_on_hub(repository: str, names: tuple[str, ...], *, instead: str) -> Path | None:
    """Return the first of the files ``names`` that ``repository`` has, None if it has none.

    Args:
        repository: ``OWNER/NAME``, with ``@REVISION`` if asked.
        names: files in it; those that aren't in the local cache are downloaded.
        instead: what errors say can be done instead of filling the cache.

    Raises:
        SourceError: the hub has no repositories of such names.
        RunError: none is in the local cache, and they can't be asked for.
    """
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, _, revision = repository.partition("@")
    where: dict[str, Any] = {"cache_dir": hub_cache(), "revision": revision or None}
    try:
        found = [
            huggingface_hub.try_to_load_from_cache(repository, name, **where) for name in names
        ]
    except ValueError as error:
        raise SourceError(
            f"{brief(repository)} can be no name on the hub ({reason(error)}); pass ORG/NAME"
        ) from None
    cached = next((path for path in found if isinstance(path, str)), None)
    if cached is not None:
        _LOG.info("from the hub: %s, which was there", cached)
        return Path(cached)
    # What isn't None says that the repository is known to lack the file.
    if None not in found:
        return None
    what = f"{names[0]} of {repository}"
    remedy = _fill_cache(instead)
    # The hub's own client retries for half a minute before it says that it is offline.
    url = huggingface_hub.hf_hub_url(repository, names[0], revision=revision or None)
    check_reachable(url, what, remedy)
    for name in names:
        try:
            path = Path(huggingface_hub.hf_hub_download(repository, name, **where))
            _LOG.info("from the hub: %s, downloaded", path)
            return path
        except (OSError, RuntimeError, ValueError, EntryNotFoundError) as error:
            lacking = isinstance(error, EntryNotFoundError)
            if not lacking or isinstance(error, LocalEntryNotFoundError):
                raise failed_download(what, reason(error), remedy) from error
    return None


def _fill_cache(instead: str) -> str:
    return f"fill the cache {hub_cache()} on a machine that is online, or {instead}"


def failed_download(what: str, why: str, remedy: str) -> RunError:
    """Return the error for ``what`` that couldn't be downloaded."""
    return RunError(f"can't download {what} ({why}); {remedy}")


def check_reachable(url: str, what: str, remedy: str) -> None:
    """Fail within seconds where the download itself would wait for minutes.

    Raises:
        RunError: the host gives no answer; any answer, even a refusal, is left to the download.
    """
    request = urllib.request.Request(url, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise failed_download(what, reason(error), remedy) from error


def reason(error: BaseException) -> str:
    """Return why a download failed, short and on one line."""
    text = str(error)
    if isinstance(error, TimeoutError):
        text = "no connection: timed out"
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        cause = error.reason
        known = cause.strerror if isinstance(cause, OSError) else None
        text = f"no connection: {known or cause}"
    return " ".join(text.split())[:200] or type(error).__name__
