"""Text files of lines."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from atrous.core.errors import AtrousError


def read_lines(path: Path) -> list[str]:
    """The lines without blanks around them; blank lines at the end are dropped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AtrousError(
            f"{path} is not UTF-8 text ({error}). To mend: save it as UTF-8."
        ) from None
    return [line.strip() for line in text.rstrip().splitlines()]


def read_names(path: Path) -> list[str]:
    """The image names of a split's list, sorted, each once.

    A line is a name (`2007_000032`) or an image's and a mask's path (`/JPEGImages/2007_000032.jpg
    /SegmentationClassAug/2007_000032.png`), of which the name of the image is taken.
    """
    first = (line.split()[0] for line in read_lines(path) if line)
    return sorted({PurePosixPath(word).name.removesuffix(".jpg") for word in first})
