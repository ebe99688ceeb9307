"""The options that say which images a score is computed on."""

from dataclasses import dataclass

from network_prune.errors import ArgumentError
from network_prune.study.settings import LEARNED, PruneSettings


@dataclass(frozen=True, slots=True)
class ScoreData:
    """The images that a score is computed on.

    Attributes:
        spec: name of the images.
        count: how many are taken, spread over them.
        is_evaluated: whether they are the evaluation data.
    """

    spec: str
    count: int
    is_evaluated: bool


def choose_score_data(
    settings: PruneSettings, data: str, *, spec: str | None, count: int | None
) -> ScoreData | None:
    """Return what the options say of the images for the score; None where it needs none.

    Args:
        settings: the pruning options.
        data: name of the evaluation data.
        spec: ``--score-data``.
        count: ``--score-images``.

    Raises:
        ArgumentError: the score needs no images, or ``count`` is below 1.
    """
    if not settings.learns:
        for option, value in (("--score-data", spec), ("--score-images", count)):
            if value is not None:
                raise ArgumentError(
                    f"{option} {value} goes with --score {' or '.join(LEARNED)}, "
                    f"not {settings.score}"
                )
        return None
    if count is not None and count < 1:
        raise ArgumentError(f"score_images={count} leaves no images; pass 1 or more")
    return ScoreData(
        spec=data if spec is None else spec,
        count=256 if count is None else count,
        is_evaluated=spec in (None, data),
    )
