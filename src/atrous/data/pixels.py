"""Image and mask files as arrays. H is height, W is width, in pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from atrous.core.errors import AtrousError

Pixels = npt.NDArray[np.uint8]

_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    MemoryError,
)
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_LOSSLESS = ("PNG", "BMP", "TIFF")
_ORIENTATION = 0x0112
MOST_PIXELS = 2**30
"""Larger images are refused: decoded, they would take 7 GB and more."""
_STRIP = 1024
"""Rows of a large image that are converted at a time."""
_OPENING = Lock()


class UnfitFileError(AtrousError):
    """A file whose pixels cannot be used: `finding` says what is wrong, `mend` what to do."""

    def __init__(self, path: Path, finding: str, mend: str) -> None:
        super().__init__(f"{path}: {finding}. To mend: {mend}.")
        self.path, self.finding, self.mend = path, finding, mend


def read_image(path: Path) -> Pixels:
    """An image as RGB, uint8 H x W x 3, in the order in which the file stores its pixels.

    A rotation noted in EXIF is not applied: a mask carries no such note, so the stored pixels are
    the only ones both files agree on; `check` reports such images. Transparency is dropped; of 16
    bits a channel the upper 8 are kept. Raises AtrousError naming the file.
    """
    return rgb(decode(path), path)


def read_upright(path: Path) -> Pixels:
    """`read_image`, turned as the file's EXIF note says: as a viewer shows it.

    Raises AtrousError naming the file.
    """
    picture = decode(path)
    return turned(rgb(picture, path), orientation(picture))


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels [H, W, 3] stored in an EXIF orientation, upright; a view, H and W may change places.

    EXIF 2.3, section 4.6.4 A, tag Orientation: from 5 on, rows of the file are columns.
    """
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    from_bottom, from_right = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return pixels[:: -1 if from_bottom else 1, :: -1 if from_right else 1]


def read_mask(path: Path) -> Pixels:
    """A mask's class ids, uint8 H x W; a palette image's indices are the ids.

    Raises AtrousError naming the file for colour, 16-bit and lossily compressed masks.
    """
    return ids(decode(path), path)


def decode(path: Path) -> Image.Image:
    """The file with its pixels decoded, in its own mode. Raises UnfitFileError.

    Images of up to `MOST_PIXELS` are read, without PIL's warning about large ones.
    """
    try:
        with _any_size():
            picture = Image.open(path)
        with picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_large(picture, path)
            picture.load()
    except _UNREADABLE as error:
        reason = "is not an image" if isinstance(error, UnidentifiedImageError) else error
        if isinstance(error, MemoryError):
            reason = "there is not enough memory"
        raise UnfitFileError(
            path,
            f"cannot be read ({reason})",
            "copy or export the file again, or delete it (in a data set, its partner as well)",
        ) from None
    return picture


@contextmanager
def _any_size() -> Iterator[None]:
    """PIL's limit on an image's size, which only `Image.open` looks at, lifted for this process's
    threads one at a time."""
    with _OPENING:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _too_large(picture: Image.Image, path: Path) -> UnfitFileError:
    return UnfitFileError(
        path,
        f"is {picture.width} x {picture.height} pixels; {MOST_PIXELS:,} are read at most",
        "cut it into several files",
    )


def rgb(picture: Image.Image, path: Path) -> Pixels:
    """A decoded image as uint8 H x W x 3. Raises UnfitFileError for floating-point images."""
    if picture.mode == "F":
        raise UnfitFileError(
            path, "stores floating-point values", "save it as 8-bit RGB (0 black, 255 white)"
        )
    pixels = np.empty((picture.height, picture.width, 3), dtype=np.uint8)
    for top in range(0, picture.height, _STRIP):
        rows = pixels[top : top + _STRIP]
        rows[:] = _strip(picture.crop((0, top, picture.width, top + len(rows))))
    return pixels


def _strip(picture: Image.Image) -> Pixels:
    """Some rows of an image as uint8 h x W x 3."""
    if is_sixteen_bit(picture):
        grey = np.clip(np.asarray(picture).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode in ("P", "PA") and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def ids(picture: Image.Image, path: Path) -> Pixels:
    """A decoded mask as uint8 H x W class ids. Raises UnfitFileError."""
    if picture.format not in _LOSSLESS:
        raise UnfitFileError(
            path,
            f"is a {picture.format} file, whose compression can change class ids",
            "export the masks again as PNG; ids that went through JPEG cannot be restored",
        )
    if picture.mode in ("L", "P", "1"):
        return np.array(picture, dtype=np.uint8)
    if picture.mode in _SIXTEEN_BIT:
        raise UnfitFileError(
            path,
            f"stores 16 bits a pixel (values up to {np.asarray(picture).max()})",
            "save it as an 8-bit greyscale PNG whose values are the class ids, 255 = ignore",
        )
    raise UnfitFileError(path, *_colour_mask(picture))


def is_sixteen_bit(picture: Image.Image) -> bool:
    return picture.mode in _SIXTEEN_BIT


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 when absent or senseless."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except _UNREADABLE:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _colour_mask(picture: Image.Image) -> tuple[str, str]:
    """Returns the fault of a mask of several channels, and the mend."""
    channels = np.asarray(picture)
    same = channels.ndim == 3 and bool((channels[:, :, :3] == channels[:, :, :1]).all())
    if picture.mode in ("RGB", "RGBA") and same:
        return (
            f"is a colour image ({picture.mode}) whose colour channels are equal",
            "keep one channel, e.g. Image.open(p).getchannel(0).save(p) with Pillow",
        )
    return (
        f"is a colour image ({picture.mode}), not one of class ids",
        "replace each colour by the number of its class (the line in classes.txt, from 0) and "
        "save an 8-bit greyscale or palette PNG",
    )
