"""Sets of draws on the same images, for tie groups and for what becomes of classes."""

from collections.abc import Mapping, Sequence
from typing import Final

from network_prune.results.comparing.sets import RecordSet, image_count, images_id, sets_of
from network_prune.results.comparing.ties import tie_groups
from network_prune.results.study import Study

# Outcomes of so many images at the most are held at once, a byte each.
MOST_OUTCOMES: Final = 300_000_000


def sets_by_images(studies: Sequence[Study]) -> list[list[RecordSet]]:
    """Return the sets of which every image's outcome is known, those on the same together."""
    if sum(image_count(record) for study in studies for record in study) > MOST_OUTCOMES:
        return []
    found: dict[tuple[str, int], list[RecordSet]] = {}
    for each in (each for study in studies for each in sets_of(study)):
        if each.has_outcomes:
            found.setdefault((images_id(each.first), image_count(each.first)), []).append(each)
    return list(found.values())


def ties_by_record(groups: Sequence[Sequence[RecordSet]]) -> Mapping[int, str]:
    """Return the tie group of each record, by its `id`; sets alone on their images have none."""
    return {
        id(record): letter
        for sets in groups
        if len(sets) > 1
        for each, letter in zip(sets, tie_groups(sets), strict=True)
        for record in each.records
    }
