"""Weights that timm fetches from its hub: where they are, and whether they can be had."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType

from atrous.core.errors import AtrousError

WAIT = 5.0
"""Seconds to wait for the hub's first answer."""
FILES = ("model.safetensors", "pytorch_model.bin")
WAYS_OUT = (
    "Ways out: --weights builtin with --backbone tf_efficientnet_lite0 (no network needed); "
    "--weights FILE, a safetensors or .pth file fetched on another machine; "
    "--weights none (random, seeded)."
)


def hub_source(timm: ModuleType, name: str) -> dict[str, object]:
    """What to overlay on timm's configuration of `name` so that it loads quickly or not at all.

    A file that the hub's cache holds is named directly, so nothing is asked of the network.
    Otherwise one short request finds out whether the hub answers, because the hub's own client
    retries for most of a minute.

    Raises AtrousError when timm has no weights for `name` or the hub does not answer.
    """
    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.hf_hub_id or config.url):
        raise AtrousError(f"--weights auto: timm has no weights for {name}. {WAYS_OUT}")
    cached = config.hf_hub_id and _cached(config.hf_hub_id, config.hf_hub_filename)
    if cached:
        return {"file": cached, "custom_load": False}
    address = _endpoint() if config.hf_hub_id else config.url
    if not reachable(address):
        raise AtrousError(
            f"--weights auto: expected {address} to answer within {WAIT:.0f} s and give the "
            f"weights of {name}; it did not, and no copy is in the hub's cache. {WAYS_OUT}"
        )
    return {}


def reachable(address: str) -> bool:
    """Whether anything at the web address answers within `WAIT` seconds (proxies honoured)."""
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=WAIT):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except urllib.error.URLError as error:
        # The hub's client brings its own certificates: leave the verdict to it.
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _cached(repository: str, filename: str | None) -> str | None:
    """The path of the repository's weights in the hub's cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = repository.partition("@")
    for candidate in (filename,) if filename else FILES:
        found = try_to_load_from_cache(repository, candidate, revision=revision or None)
        if isinstance(found, str) and Path(found).is_file():
            return found
    return None


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)
