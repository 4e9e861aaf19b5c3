"""Image and mask files as arrays. H is height, W is width, in pixels.

A mask's numbers are read so that they survive what lossless tools do to a file: a grey is the
number, whatever the bit depth, and also where it was moved into a palette. Where a number depends
on who reads the file, the file is refused and both readings are named.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from atrous.core.errors import AtrousError

Pixels = npt.NDArray[np.uint8]

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, MemoryError)
_LOSSLESS = ("PNG", "BMP", "TIFF")
_LOSSLESS_TIFF = (
    "raw",
    "tiff_ccitt",
    "group3",
    "group4",
    "tiff_lzw",
    "tiff_adobe_deflate",
    "tiff_raw_16",
    "packbits",
    "tiff_deflate",
    "lzma",
    "zstd",
)
"""Pillow's names of the compressions inside TIFF that give back what was put in."""
_WITH_PAGES = ("TIFF", "GIF", "PNG", "WEBP", "AVIF")
_REDUCED, _SUBFILE, _BITS, _PHOTOMETRIC = 1 | 4, 254, 258, 262
"""Tags of TIFF 6.0: NewSubfileType, whose bits 0 and 2 are reduced copies and transparency masks,
BitsPerSample, and PhotometricInterpretation, which is 0 where 0 is white."""
_DARKEST = range(1, 16)
"""Greys that no eye tells from black: in a palette they are numbers, not colours."""
_ORIENTATION = 0x0112
MOST_PIXELS = 2**30
"""Larger images are refused: decoded, they would take 7 GB and more."""
_STRIP = 128
"""Rows of a large image that are converted at a time: what a strip takes comes on top."""
_OPENING = Lock()
TEXT = 64 << 20
"""Bytes that a text or a colour profile within a PNG may take. Pillow's own limit, 1 MiB, refuses
what cameras and editors write; one is needed, since a few KB can unpack to GB."""
# Set once and for all threads: a file's texts are read when it is opened and again at its end.
PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, TEXT)
PngImagePlugin.MAX_TEXT_MEMORY = max(PngImagePlugin.MAX_TEXT_MEMORY, 2 * TEXT)


class UnfitFileError(AtrousError):
    """A file whose pixels cannot be used: `finding` says what is wrong, `mend` what to do."""

    def __init__(self, path: Path, finding: str, mend: str) -> None:
        super().__init__(f"{path}: {finding}. To mend: {mend}.")
        self.path, self.finding, self.mend = path, finding, mend


def silent(_: str) -> None:
    """Tells nobody."""


Tell = Callable[[str], None]
"""Is given what is to be known of an image that is read, in a sentence."""


def read_image(path: Path, tell: Tell = silent) -> Pixels:
    """An image as RGB, uint8 H x W x 3, in the order in which the file stores its pixels.

    A rotation noted in EXIF is not applied: a mask carries no such note, so the stored pixels are
    the only ones both files agree on; `check` reports such images. Transparency is dropped; of 16
    bits a channel the upper 8 are kept. Raises AtrousError naming the file.
    """
    return _read(path, tell)[0]


def _read(path: Path, tell: Tell) -> tuple[Pixels, Image.Image]:
    picture = decode(path)
    pixels = rgb(picture, path)
    if told := doubts(picture, pixels):
        tell(f"{path} {told[0]}. To mend: {told[1]}.")
    return pixels, picture


def size_of(path: Path) -> tuple[int, int]:
    """The height and width of an image, from its header. Raises UnfitFileError."""
    try:
        with _any_size():
            picture = Image.open(path)
        with picture:
            return picture.height, picture.width
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None


def read_upright(path: Path, tell: Tell = silent) -> Pixels:
    """`read_image`, turned as the file's EXIF note says: as a viewer shows it.

    Raises AtrousError naming the file.
    """
    pixels, picture = _read(path, tell)
    return turned(pixels, orientation(picture))


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels [H, W, 3] stored in an EXIF orientation, upright; a view, H and W may change places.

    EXIF 2.3, section 4.6.4 A, tag Orientation: from 5 on, rows of the file are columns.
    """
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    from_bottom, from_right = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return pixels[:: -1 if from_bottom else 1, :: -1 if from_right else 1]


def read_mask(path: Path) -> Pixels:
    """A mask's class ids, uint8 H x W; see `ids`. Raises AtrousError naming the file."""
    return ids(decode(path), path)


def decode(path: Path) -> Image.Image:
    """The file with its pixels decoded, in its own mode. Raises UnfitFileError.

    Images of up to `MOST_PIXELS` are read, without PIL's warning about large ones. A file of
    several pages is refused, since one of them would be read and the others dropped.
    """
    try:
        with _any_size():
            picture = Image.open(path)
        with picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_large(picture, path)
            pages = _pages(picture)
            picture.info[_STORED] = _bits(picture, path)
            picture.info[_TURN] = _tiff_orientation(picture)
            picture.load()
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None
    if pages > 1:
        raise UnfitFileError(
            path,
            f"holds {pages} images, of which only one would be read",
            "save the one that is meant as a file of its own",
        )
    return picture


_STORED, _TURN = "atrous bits", "atrous orientation"
"""Notes in a decoded picture's `info`, of what Pillow forgets when it decodes."""


def _pages(picture: Image.Image) -> int:
    """The images in a file; reduced copies and transparency masks of one in a TIFF do not count.

    A JPEG that carries further pictures (MPO: previews, gain maps) is its first one.
    """
    count = getattr(picture, "n_frames", 1) if picture.format in _WITH_PAGES else 1
    if count == 1 or not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return int(count)
    whole = 0
    for page in range(count):
        picture.seek(page)
        whole += not int(picture.tag_v2.get(_SUBFILE, 0)) & _REDUCED
    picture.seek(0)
    return whole


def _bits(picture: Image.Image, path: Path) -> int:
    """The bits of a sample on disk: Pillow stretches fewer than 8 and halves 16 of a colour."""
    if picture.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[-1]
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return int(max(picture.tag_v2.get(_BITS, (1,))))
    return {"1": 1, "I": 16 if picture.format == "PPM" else 32, "F": 32}.get(picture.mode, 8)


def _tiff_orientation(picture: Image.Image) -> int:
    """The orientation of a TIFF, which Pillow applies to the pixels and then forgets."""
    tiff = isinstance(picture, TiffImagePlugin.TiffImageFile)
    return orientation(picture) if tiff else 1


def _unreadable(path: Path, error: BaseException) -> UnfitFileError:
    """Why a file cannot be decoded, and the mend."""
    mend = "copy or export the file again, or delete it (in a data set, its partner as well)"
    reason = str(error)
    if isinstance(error, UnidentifiedImageError):
        reason = "is not an image"
        if _starts(path) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            reason = "a TIFF of another kind than grey, RGB or palette with 8 or 16 bits"
            mend = "save it as 8-bit grey or RGB"
    elif isinstance(error, MemoryError):
        reason = "there is not enough memory"
    elif "MAX_TEXT" in reason:
        reason = f"its texts or colour profile unpack to more than {TEXT >> 20} MiB"
        mend = "save it without metadata, e.g. exiftool -all= FILE"
    return UnfitFileError(path, f"cannot be read ({reason})", mend)


def _starts(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError:
        return b""


@contextmanager
def _any_size() -> Iterator[None]:
    """PIL's limit on an image's size, lifted for this process's threads one at a time.

    Another thread may be cropping meanwhile, and look at the limit twice: it stays a number.
    """
    with _OPENING:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, sys.maxsize
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
    """A decoded image as uint8 H x W x 3.

    Raises UnfitFileError where nothing says which value is white: floating-point and 32-bit images,
    and 16-bit ones whose upper 8 bits are empty.
    """
    if picture.mode == "F":
        raise UnfitFileError(
            path, "stores floating-point values", "save it as 8-bit RGB (0 black, 255 white)"
        )
    if picture.mode == "I" and not is_sixteen_bit(picture):
        raise UnfitFileError(
            path,
            f"stores 32-bit integers ({_range(picture)}), of which nothing says which is white",
            "save it as 8-bit grey or RGB (0 black, 255 white)",
        )
    pixels = np.empty((picture.height, picture.width, 3), dtype=np.uint8)
    for top in range(0, picture.height, _STRIP):
        rows = pixels[top : top + _STRIP]
        rows[:] = _strip(picture.crop((0, top, picture.width, top + len(rows))), path)
    if is_sixteen_bit(picture) and not pixels.any() and _has_light(picture):
        raise UnfitFileError(
            path,
            "has 16 bits a pixel, but no value reaches 256, so that its upper 8 bits are black",
            "save it as 8-bit grey or RGB (0 black, 255 white)",
        )
    return pixels


def _strip(picture: Image.Image, path: Path) -> Pixels:
    """Some rows of an image as uint8 h x W x 3."""
    if picture.mode.startswith("I"):
        grey = np.clip(np.asarray(picture).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode in ("P", "PA") and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    try:
        return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
    except ValueError:
        finding = f"stores colours in a way (mode {picture.mode}) that is not turned into RGB here"
        raise UnfitFileError(path, finding, "save it as 8-bit RGB") from None


def _has_light(picture: Image.Image) -> bool:
    """Whether a 16-bit image is not black. Of colours the lower 8 bits are gone: taken for so."""
    return bool(np.asarray(picture).any()) if picture.mode.startswith("I") else True


def _range(picture: Image.Image) -> str:
    values = np.asarray(picture)
    return f"values {values.min()} to {values.max()}"


def doubts(picture: Image.Image, pixels: Pixels) -> tuple[str, str] | None:
    """Tells of what an image that can be read may hide, and how to mend it; None if nothing."""
    if not is_sixteen_bit(picture):
        return None
    finding = (
        "has 16 bits a pixel, of which the upper 8 are used "
        f"(its brightest value becomes {pixels.max()} of 255)"
    )
    return finding, "save 8-bit images, scaled as you like"


def ids(picture: Image.Image, path: Path) -> Pixels:
    """A decoded mask as uint8 H x W class ids.

    Of grey images the ids are the greys, as 8 bits hold them; of images of one bit 0 and 1, which
    `check` refuses beside masks of more bits. Of palette images the ids are the indices where the
    palette is a map of colours, and the greys where it holds greys alone (see `_palette_ids`).

    Raises UnfitFileError for files whose numbers can have changed, or mean one thing to one program
    and another to the next.
    """
    _require_lossless(picture, path)
    _require_not_inverted(picture, path)
    if picture.mode == "P":
        return _palette_ids(picture, path)
    if picture.mode == "1":
        return np.array(picture, dtype=np.uint8)
    if picture.mode == "L":
        grey = np.array(picture, dtype=np.uint8)
        bits = picture.info.get(_STORED, 8)
        if bits < 8 and grey.any():
            raise UnfitFileError(
                path,
                f"is a grey image of {bits} bits a pixel: programs that read greys find up to "
                f"{grey.max()} in it, others {grey.max() // (255 // (2**bits - 1))}",
                "save it with 8 bits a pixel, 255 = ignore",
            )
        return grey
    raise UnfitFileError(path, *_unfit_mask(picture))


def _require_lossless(picture: Image.Image, path: Path) -> None:
    inside = picture.info.get("compression", "raw") if picture.format == "TIFF" else "raw"
    if picture.format in _LOSSLESS and inside in _LOSSLESS_TIFF:
        return
    kind = str(picture.format) if picture.format not in _LOSSLESS else f"TIFF ({inside})"
    raise UnfitFileError(
        path,
        f"is a {kind} file, whose compression can change class ids",
        "export the masks again as PNG; ids that went through JPEG cannot be restored",
    )


def _require_not_inverted(picture: Image.Image, path: Path) -> None:
    """Raises for a TIFF in which 0 is white: Pillow turns its numbers round, others do not."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile) or picture.mode not in ("1", "L"):
        return
    if picture.tag_v2.get(_PHOTOMETRIC) == 0:
        most = 1 if picture.mode == "1" else 255
        raise UnfitFileError(
            path,
            f"is a TIFF in which 0 is white: what is k to some programs is {most} - k to others",
            "save it as an 8-bit greyscale PNG whose values are the class ids, 255 = ignore",
        )


def _palette_ids(picture: Image.Image, path: Path) -> Pixels:
    """The ids of a palette image.

    Lossless tools turn a grey image of few values into a palette image whose entries are those
    greys, in any order: there the grey is the id. Where an entry is a colour, the palette is a map
    of colours and the index is the id.
    """
    index = np.array(picture, dtype=np.uint8)
    used = np.flatnonzero(np.bincount(index.ravel(), minlength=256))
    palette = palette_of(picture)
    grey, level = (palette == palette[:, :1]).all(axis=1), palette[:, 0]
    moved = used[grey[used] & (level[used] != used)]
    if not moved.size or len(np.unique(palette[used], axis=0)) < len(used):
        return index  # Two indices of one colour are never made of a grey image.
    if not grey[: _entries(picture)].all():
        if not np.isin(level[moved], _DARKEST).any():
            return index
    elif not set(level[used]) <= {0, 255}:
        return level.astype(np.uint8)[index]
    raise UnfitFileError(
        path,
        f"is a palette image whose colours may be ids: index {moved[-1]} is a grey of "
        f"{level[moved[-1]]}, and nothing tells which of the two is meant",
        "save it as an 8-bit greyscale PNG whose values are the class ids, 255 = ignore",
    )


def palette_of(picture: Image.Image) -> npt.NDArray[np.int64]:
    """The colours [256, 3] of a palette image by index; -1 where the palette has none."""
    colours = np.full((256, 3), -1, dtype=np.int64)
    colours[:, 1] = -2  # No entry is no grey.
    entries = np.array(picture.getpalette("RGB") or (), dtype=np.int64).reshape(-1, 3)
    colours[: len(entries)] = entries
    return colours


def _entries(picture: Image.Image) -> int:
    return len(picture.getpalette("RGB") or ()) // 3


def is_sixteen_bit(picture: Image.Image) -> bool:
    """Whether a grey or a colour has 16 bits on disk."""
    if picture.mode == "I":
        return picture.format in ("PNG", "PPM", None)
    return picture.mode.startswith("I;16") or picture.info.get(_STORED) == 16


def is_one_bit(picture: Image.Image) -> bool:
    """Whether a pixel is a single bit on disk, without a palette."""
    return picture.mode == "1"


def noted_orientation(picture: Image.Image) -> int:
    """The EXIF orientation that a decoded file had, also where Pillow applied and deleted it."""
    return int(picture.info.get(_TURN, 1)) if picture.format == "TIFF" else orientation(picture)


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 when absent or senseless."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except _UNREADABLE:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _unfit_mask(picture: Image.Image) -> tuple[str, str]:
    """Returns the fault of a mask that has more than 8 bits a pixel, and the mend."""
    plain = "save it as an 8-bit greyscale PNG whose values are the class ids, 255 = ignore"
    if picture.mode == "F":
        return "stores floating-point values, not 8-bit class ids", plain
    if picture.mode.startswith("I"):
        bits = 16 if is_sixteen_bit(picture) else 32
        most = np.asarray(picture).max()
        return f"stores {bits} bits a pixel (values up to {most}), not 8-bit class ids", plain
    if picture.mode in ("LA", "PA", "La"):
        return f"has an alpha channel ({picture.mode}) beside its values", f"{plain}, without it"
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
