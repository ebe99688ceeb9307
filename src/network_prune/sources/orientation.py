"""Which way up a picture is, as its EXIF data say."""

from typing import IO, Final

from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile

from network_prune.plain_file import check_plain

# By EXIF orientation; as PIL.ImageOps.exif_transpose has it.
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# One of these is in a PNG that says it; the keyword of a text stands there as it is.
_IN_PNG: Final = (b"eXIf", b"Raw profile type", b"com.adobe.xmp")


def turned(image: Image.Image) -> Image.Image:
    """Return a decoded picture turned upright; damaged EXIF data say nothing."""
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def is_turned(file: str | IO[bytes]) -> bool:
    """Return whether `turned` changes the picture in a path or open ``file``; decodes none."""
    try:
        if isinstance(file, str):
            check_plain(file)
        with Image.open(file) as image:
            # Pillow itself turns TIFFs when it decodes them, and decodes PNGs to look for EXIF.
            if image.format == "TIFF" or (image.format == "PNG" and not _may_say(image)):
                return False
            return _orientation(image) in _TURNS
    except MemoryError:
        raise
    except Exception:  # no picture; whoever decodes it will tell
        return False


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 for upright."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except MemoryError:
        raise
    except Exception:  # Pillow raises nearly anything over damaged EXIF
        return 1


def _may_say(png: ImageFile) -> bool:
    assert png.fp is not None, "it is open"
    place = png.fp.tell()
    png.fp.seek(0)
    content = png.fp.read()
    png.fp.seek(place)
    return any(word in content for word in _IN_PNG)
