"""What several recipes say alike: sources, and what differs from the reference implementation."""

from __future__ import annotations

DPC = "Chen et al. 2018, Searching for Efficient Multi-Scale Architectures (arXiv 1809.04184)"
ZOO = "model zoo of the reference implementation (tensorflow/models, research/deeplab)"

COCO = (
    "The backbone begins with timm's ImageNet weights. The paper's was trained on COCO after that, "
    "which is no part of a recipe."
)
TRAIN_ALONE = "Training is on train alone, and scores are those of val, whose labels are here."
REFERENCE = (
    "Biases learn at the base rate; the reference implementation doubles it for them.",
    "The decoder reads timm's last map at stride 4; the reference implementation taps a layer "
    "inside a block.",
)
ASPP = (
    "ASPP is written as a cell: concatenation, dropout, projection. The reference implementation "
    "projects before its dropout.",
)

OUTPUT_STRIDE = "The output stride in training. Here: 16, the reference implementation's default."
SELECTION = "Which weights were scored. Here: the last; val chooses nothing."
PRECISION = "The number type of products. Here: float32."
