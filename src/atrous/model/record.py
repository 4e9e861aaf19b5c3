"""What a trained network is, apart from its tensors: the content of model.json."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atrous.core.errors import AtrousError
from atrous.data.transform import Transform
from atrous.model.tensors import Seal
from atrous.spaces.blueprint import Blueprint

LIBRARY, FORMAT = "atrous", 1


@dataclass(frozen=True)
class Record:
    """`training` is how the network was trained, in JSON's types; `software` the versions it was
    saved with; `weights` the seal of model.safetensors."""

    blueprint: Blueprint
    transform: Transform
    training: dict[str, Any]
    software: dict[str, str]
    weights: Seal

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        return {
            "library": LIBRARY,
            "format": FORMAT,
            "blueprint": self.blueprint.to_json(),
            "preprocessing": self.transform.to_json(),
            "training": self.training,
            "software": self.software,
            "weights": asdict(self.weights),
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Record:
        """The record from `to_json`; raises KeyError, TypeError, ValueError, AtrousError."""
        return cls(
            blueprint=_blueprint(fields["blueprint"]),
            transform=Transform.from_json(fields["preprocessing"]),
            training=_mapping(fields["training"], "training"),
            software={k: str(v) for k, v in _mapping(fields["software"], "software").items()},
            weights=Seal.from_json(fields["weights"]),
        )


def read_record(path: Path) -> Record:
    """The record in a file; raises AtrousError."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("library") != LIBRARY:
        raise AtrousError(
            f'Expected a model of this program in {path}, with "library": "{LIBRARY}" in it; this '
            "file was made by something else. Name a folder that atrous saved a model to."
        )
    if content.get("format") != FORMAT:
        raise AtrousError(
            f"{path} has format {content.get('format')!r}; this version of atrous reads format "
            f"{FORMAT}. Install the version that wrote it"
            f"{_writer(content.get('software'))}, or a newer one."
        )
    try:
        return Record.from_json(content)
    except KeyError as error:
        raise _damaged(path, f"the field {error} is missing") from error
    except (TypeError, ValueError, AtrousError) as error:
        raise _damaged(path, str(error)) from error


def read_json(path: Path) -> Any:
    """The content of a JSON file; raises AtrousError when it is absent or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AtrousError(
            f"Expected a model's folder at {path.parent}, but it holds no {path.name}. Name a "
            "folder that atrous saved a model to."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, f"cannot be read ({error})") from error


def to_text(content: Any) -> str:
    """JSON as it is written to files: numbers that JSON does not know become null."""
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _blueprint(fields: Any) -> Blueprint:
    fields = _mapping(fields, "blueprint")
    architecture = fields["architecture"]
    if not isinstance(architecture, str) or architecture.endswith(".json"):
        raise ValueError(f"architecture is {architecture!r}, not a genotype")
    return Blueprint.from_json(fields)


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} is {value!r}, not an object")
    return value


def _writer(software: Any) -> str:
    version = software.get("atrous") if isinstance(software, dict) else None
    return f" (atrous {version})" if version else ""


def _damaged(path: Path, why: str) -> AtrousError:
    return AtrousError(f"{path} is damaged: {why}. Copy it again, or save the model again.")
