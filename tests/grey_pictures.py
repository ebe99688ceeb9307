"""Small grey pictures of one size in bytes, in folders of two classes."""

from PIL import Image

_SHADES = 20


def write_pictures(folder, n):
    """Write ``0/00.bmp``, ``1/01.bmp``, …, each of another shade; return the folder."""
    for place in range(n):
        path = folder / str(place % 2) / f"{place:02}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, _SHADES * place)
    return folder


def write_picture(path, shade):
    Image.new("L", (8, 8), shade).save(path)


def exchange(folder, name):
    """Let a picture be another one, of as many bytes."""
    path = folder / name
    size = path.stat().st_size
    write_picture(path, 255)
    assert path.stat().st_size == size
