"""What a variant did with some of the images; that of all of them becomes its record."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.one_pass import Sums
from network_prune.evaluation.outcomes import pack_losses
from network_prune.results.lines.form import Record
from network_prune.sources.digests import sha256_of


@dataclass(frozen=True, slots=True)
class Part:
    """What a variant did with a range of images.

    Attributes:
        head: what its record says beside figures and what was read, in a record's order.
        images: their places among all.
        sums: what the variant did with those that could be read.
        left_out: places among all of those that couldn't.
        digests: of the bytes that they were read from.
        score_digests: of those that its score was learned from, of all images; else empty.
        names: name of the piece with names and classes of all images; None where outcomes
            aren't kept.
    """

    head: Record
    images: range
    sums: Sums
    left_out: tuple[int, ...] = ()
    digests: bytes = b""
    score_digests: bytes = b""
    names: str | None = None

    def __add__(self, other: "Part") -> "Part":
        """Return the part of these images and those of ``other``, which follow on them."""
        return replace(
            self,
            images=range(self.images.start, other.images.stop),
            sums=self.sums + other.sums,
            left_out=self.left_out + other.left_out,
            digests=self.digests + other.digests,
        )

    @property
    def whole_sums(self) -> Sums:
        """What the variant did, with the number of images that were left out."""
        unreadable = Metrics(unreadable=len(self.left_out))
        return replace(self.sums, metrics=self.sums.metrics + unreadable)

    def figures(self) -> Record:
        """Return what is found of the variant, as plain data for a record."""
        return self.whole_sums.figures(is_dense=self.head["variant"] is None)

    def read(self) -> tuple[bytes, ...]:
        """Return the digests that are kept with outcomes, each as a piece."""
        return tuple(filter(None, (self.digests, self.score_digests))) if self.names else ()

    def record(self, figures: Record, put: Callable[[bytes], str]) -> Record:
        """Return the record of a part that has all images.

        Args:
            figures: what is found of the variant.
            put: keeps outcomes, under the name that it returns.

        Raises:
            RunError: these can't be kept.
        """
        learned = sha256_of(self.score_digests) if self.score_digests else None
        return {
            **self.head,
            "read": {"data": sha256_of(self.digests), "score_data": learned},
            **figures,
            "outcomes": self._put_outcomes(put) if self.names else None,
        }

    def _put_outcomes(self, put: Callable[[bytes], str]) -> Record:
        sums = self.sums
        left_out = [place - self.images.start for place in self.left_out]
        losses = pack_losses(sums.losses) if sums.losses else None
        return {
            "sha256": put(sums.outcomes.leave_out(left_out).pack()),
            "images": self.names,
            **({} if losses is None else {"losses": put(losses)}),
        }
