"""From the name of a model to its folder: one on this machine, or a repository of the hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from atrous.core.errors import AtrousError
from atrous.model.contents import FILES
from atrous.networks.hub import reachable

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def fetch(where: str | Path, *, local_files_only: bool = False, **options: Any) -> Path:
    """The folder `where`, or a copy of the hub's repository of that name (`user/name`).

    What the hub's cache holds is used when the hub does not answer. `options` are passed on to
    `huggingface_hub.snapshot_download`. Raises AtrousError.
    """
    folder = Path(where).expanduser()
    if folder.exists() or not REPOSITORY.fullmatch(str(where)):
        return folder
    offline = local_files_only or constants.HF_HUB_OFFLINE or not reachable(constants.ENDPOINT)
    try:
        found = snapshot_download(
            str(where), allow_patterns=list(FILES), local_files_only=offline, **options
        )
    except Exception as error:  # the hub's client and its cache each have their own types
        raise _absent(str(where), error) from error
    return Path(found)


def _absent(where: str, error: Exception) -> AtrousError:
    if isinstance(error, LocalEntryNotFoundError):
        reason = (
            f"{constants.ENDPOINT} was not asked or did not answer, and no copy is in its cache"
        )
    else:
        reason = f"{constants.ENDPOINT} has no such model for you ({_first_line(error)})"
    return AtrousError(
        f"Expected a model's folder or a repository of the hub; got {where!r}. There is no folder "
        f"{Path(where).absolute()}, and {reason}."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
