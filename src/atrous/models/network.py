"""The whole network: images in, class scores of every pixel out."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from atrous.models.backbones import Backbone
from atrous.models.decoder import LOW_STRIDE, Decoder
from atrous.models.segmenter import class_scores


class Network(nn.Module):
    """Backbone, head, optional decoder, class scores, and bilinear interpolation to the image.

    Any image size is taken. Inside, an image is padded (right and bottom, with the mean colour) to
    k * output stride + 1 pixels on each axis, so that feature i sits on pixel i * output stride
    and interpolation with aligned corners is exact, as in the reference implementation.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        filters: int,
        classes: int,
        decoder: Decoder | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.decoder = decoder
        self.logits = class_scores(filters, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] -> logits [B, K, H, W]."""
        height, width = images.shape[-2:]
        canvas = pad_to_canvas(images, self.backbone.output_stride)
        scores = functional.interpolate(
            self.coarse(canvas), size=canvas.shape[-2:], mode="bilinear", align_corners=True
        )
        return scores[..., :height, :width]

    def coarse(self, canvas: Tensor) -> Tensor:
        """Images of k * output stride + 1 pixels -> logits at the network's own stride."""
        features = self.backbone(canvas)
        deep: Tensor = self.head(features[self.backbone.output_stride])
        if self.decoder is not None:
            deep = self.decoder(features[LOW_STRIDE], deep)
        scores: Tensor = self.logits(deep)
        return scores


def pad_to_canvas(images: Tensor, output_stride: int) -> Tensor:
    """Adds zeros at the right and bottom up to k * output stride + 1 pixels on each axis."""
    height, width = images.shape[-2:]
    return functional.pad(images, (0, (1 - width) % output_stride, 0, (1 - height) % output_stride))
