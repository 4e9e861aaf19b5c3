"""A trained model: a network with its classes, its pre-processing and how it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from huggingface_hub import ModelHubMixin
from torch import Tensor, nn

from atrous.data.palette import Colour
from atrous.data.transform import Transform
from atrous.model.contents import Contents, Papers, read, write
from atrous.model.fetch import fetch
from atrous.networks.network import Network
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
        """In which colour each class is drawn."""
        return self.blueprint.colours

    @property
    def contents(self) -> Contents:
        """What `save_model` writes."""
        return Contents(
            self.network, self.blueprint, self.transform, self.training_record, self.papers
        )

    @classmethod
    def of(cls, contents: Contents) -> Model:
        """The model in evaluation mode."""
        c = contents
        model = cls(c.network, c.blueprint, c.training, c.transform, c.papers)
        return model.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] of any size -> logits [B, K, H, W]."""
        return cast(Tensor, self.network(images))

    def _save_pretrained(self, save_directory: Path) -> None:
        write(self.contents, save_directory)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # the arguments of `__init__` are in the folder
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
    ) -> Model:
        """The model in a folder, or in a repository of the hub, in evaluation mode.

        The other arguments are those of the hub's client. Raises AtrousError.
        """
        folder = fetch(
            pretrained_model_name_or_path,
            force_download=force_download,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            revision=revision,
        )
        return cls.of(read(folder))
