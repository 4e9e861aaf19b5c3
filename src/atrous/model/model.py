"""A trained model: a network with its classes, its pre-processing and how it was trained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from huggingface_hub import ModelHubMixin, constants, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError
from torch import Tensor, nn

from atrous.core.errors import AtrousError, kind_and_line
from atrous.core.words import count
from atrous.data.encoding import Colour
from atrous.data.transform import Transform
from atrous.model.folder import (
    FILES,
    Contents,
    Papers,
    read_folder,
    with_model,
    write_folder,
)
from atrous.networks.layers import parameter_count
from atrous.networks.network import Network
from atrous.networks.weights import reachable
from atrous.spaces.blueprint import Blueprint


class Model(nn.Module, ModelHubMixin):
    """Normalised images in, class scores of every pixel out.

    Attributes: `network`; `blueprint`, what it is built from; `transform`, from an image to the
    tensor that the network expects (by default with the backbone's mean and standard deviation);
    `training_record`, how it was trained, in JSON's types (`training` is torch's own flag);
    `papers`, its model card and what was measured on it, which whoever changes the weights of a
    loaded model sets to `Papers()`.

    `save_pretrained`, `from_pretrained` and `push_to_hub` work as the Hugging Face hub's client
    has them, without a config.json: model.json says all.
    """

    def __init__(
        self,
        network: Network,
        blueprint: Blueprint,
        training_record: Mapping[str, Any] | None = None,
        transform: Transform | None = None,
        papers: Papers | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.blueprint = blueprint
        self.training_record = dict(training_record or {})
        self.transform = transform or Transform(network.backbone.mean, network.backbone.std)
        self.papers = papers or Papers()
        self._hub_mixin_config = None  # the mixin would write the arguments to a config.json

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by their numbers."""
        return self.blueprint.classes

    @property
    def colours(self) -> tuple[Colour, ...]:
        """The colours that the classes are drawn in."""
        return self.blueprint.colours

    @property
    def contents(self) -> Contents:
        """The contents of the folder that `save_model` writes."""
        return Contents(
            self.network, self.blueprint, self.transform, self.training_record, self.papers
        )

    @classmethod
    def of(cls, contents: Contents) -> Model:
        """Makes a model of a folder's contents, in evaluation mode."""
        c = contents
        model = cls(c.network, c.blueprint, c.training, c.transform, c.papers)
        return model.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] of any size -> logits [B, K, H, W]."""
        if not isinstance(images, Tensor) or images.ndim != 4:
            raise _no_batch(images)
        return cast(Tensor, self.network(images))

    def predict(
        self,
        source: Any,
        *,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        memory: int = 4 * 2**30,
        device: str = "auto",
    ) -> Any:
        """Returns the `Prediction` for a file, a PIL image, or pixels [H, W, 3] uint8; for a folder
        an iterator of those for all images in it and below it.

        The options are those of `atrous predict`. Images that need more `memory`, in bytes, than
        that are computed in tiles. Raises AtrousError.
        """
        from atrous.model.predict.prediction import PredictionMethod, predictions
        from atrous.networks.compute import pick_device

        method = PredictionMethod(tuple(scales), flip, pick_device(device), memory)
        return predictions(self, source, method)

    def __repr__(self) -> str:
        architecture, number = self.blueprint.architecture, parameter_count(self.network)
        return f"Model({architecture}, {len(self.classes)} classes, {count(number)} parameters)"

    def _save_pretrained(self, save_directory: Path) -> None:
        write_folder(self.contents, save_directory)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Model:
        """Loads the model in a folder or in a repository of the hub, in evaluation mode.

        `options` are those of the hub's client, such as `revision`, `token`, `cache_dir`,
        `force_download` and `local_files_only`. Raises AtrousError.
        """
        return cls.of(read_folder(fetch(pretrained_model_name_or_path, **options)))


def _no_batch(images: object) -> AtrousError:
    """The error for what is no batch of normalised images."""
    if isinstance(images, Tensor):
        got = f"a tensor of shape {list(images.shape)}"
        mend = "Add the axis of the batch: model(image[None])." if images.ndim == 3 else ""
    else:
        got = f"a {type(images).__name__}"
        mend = "model.predict(image) takes files, PIL images and uint8 pixels as they are."
    return AtrousError(f"Expected normalised images [B, 3, H, W], got {got}. {mend}".strip())


def load(folder_or_repository: str | Path) -> Model:
    """Loads a trained model from its folder, or `user/name` from the Hugging Face hub.

        model = atrous.load("runs/best/model")
        with torch.no_grad():
            labels = model(model.transform(PIL.Image.open("photo.jpg"))[None])[0].argmax(0)

    `labels` [H, W] holds numbers of `model.classes`. Raises AtrousError.
    """
    return Model.from_pretrained(folder_or_repository)


def save_model(model: Model, folder: Path) -> None:
    """Writes a model to a folder of its own, replacing an older model there, or, after an error,
    leaving it as it was. Other files in the folder stay.

    Raises AtrousError when the folder cannot be written, holds files of the same names that are no
    model's, or a weight is not finite.
    """
    write_folder(model.contents, Path(folder))


def load_model(folder: Path) -> Model:
    """Loads the model in a folder, in evaluation mode; raises AtrousError for any damage."""
    return Model.of(read_folder(with_model(Path(folder))))


REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def fetch(where: str | Path, *, local_files_only: bool = False, **options: Any) -> Path:
    """Returns the folder `where`, or a copy of the hub's repository `user/name`.

    What the hub's cache holds is used when the hub does not answer. `options` are passed on to
    `huggingface_hub.snapshot_download`. Raises AtrousError.
    """
    folder = Path(where).expanduser()
    if folder.exists() or not REPOSITORY.fullmatch(str(where)):
        return with_model(folder)
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
        reason = f"{constants.ENDPOINT} has no such model for you ({kind_and_line(error)})"
    return AtrousError(
        f"Expected a model's folder or a repository of the hub; got {where!r}. There is no folder "
        f"{Path(where).absolute()}, and {reason}."
    )
