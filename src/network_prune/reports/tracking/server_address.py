"""Where an MLflow server is, and who asks there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from network_prune.errors import ArgumentError, brief
from network_prune.extras import require


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The address of an MLflow server.

    Attributes:
        uri: without user and password, so that it may be shown.
        login: user and password as MLflow's environment variables.
    """

    uri: str
    login: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @classmethod
    def parse(cls, text: str) -> "ServerAddress":
        """Return the address that a user wrote; that of a page of the server's will do.

        Raises:
            ArgumentError: it is no address of a server.
            SourceError: MLflow isn't installed.
        """
        parts = _split(text.strip())
        require("mlflow", extra="mlflow", what="--mlflow")
        path = parts.path.rstrip("/")
        uri = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
        login = {
            "MLFLOW_TRACKING_USERNAME": parts.username,
            "MLFLOW_TRACKING_PASSWORD": parts.password,
        }
        return cls(uri, {name: unquote(value) for name, value in login.items() if value})


def _split(text: str) -> SplitResult:
    # What stands before the last @ may hold a password, and isn't shown.
    shown = brief(text.rpartition("@")[2])
    wrong = ArgumentError(
        f"mlflow={shown} is no address of an MLflow server; pass e.g. http://localhost:5000"
    )
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise wrong from None
    if not is_address or not text.isprintable() or " " in text:
        raise wrong
    if "@" in parts.path + parts.query + parts.fragment:
        raise ArgumentError(
            f"mlflow={shown} has a / , ? or # before an @; write those of a password as %2F, %3F "
            "and %23"
        )
    return parts
