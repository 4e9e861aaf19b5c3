"""Table 1 of Chen et al. 2018: two cells on two backbones, scored on Cityscapes val."""

from __future__ import annotations

from dataclasses import replace

from atrous.recipes import words
from atrous.recipes.cityscapes import NEED, PROTOCOL
from atrous.recipes.recipe import Published, PublishedCost, Recipe, Scoring

SOURCE = f"{words.DPC}, table 1"
SIZE = (65, 129)
"""The feature map of a 1025 x 2049 image at output stride 16, on which the printed costs fit."""

ASPP_COST = (
    "The printed parameters fit no real ASPP: its 1x1 and three separable convolutions alone have "
    "more. What remains when two of the three atrous branches are dropped, with image pooling, has "
    "248,640 and 1,591,296, as printed. The printed multiply-adds do fit a real ASPP within 0.5 %."
)
_XCEPTION = (
    "The depth of the Xception. Here: 65, since the paper says that MobileNetV2 costs roughly a "
    "twentieth of it, and 1 : 19.4 is what 65 gives (71 gives 1 : 24.2)."
)
_COMMON = (
    "Scales and flips. Here: neither.",
    words.OUTPUT_STRIDE,
    words.SELECTION,
    words.PRECISION,
)


def _asked(miou: str) -> tuple[Scoring, ...]:
    return (Scoring("val", 16, published=(Published(miou, "val", SOURCE),)),)


MOBILE_DPC = Recipe(
    name="table1-mobilenetv2-dpc",
    title="Table 1: MobileNetV2 with the dense prediction cell",
    need=NEED,
    architecture="dpc:top1",
    backbone="mobilenetv2_100",
    decoder=False,
    protocol=PROTOCOL,
    scorings=_asked("75.38"),
    deviations=(
        words.COCO,
        "Batch norms of the backbone average over as many batches as those of the cell; the "
        "reference implementation forgets faster there (0.997 instead of 0.9997).",
        words.REFERENCE[0],
    ),
    unpublished=(
        "Whether there is a decoder. Here: none, as in the released MobileNetV2 checkpoints.",
        *_COMMON,
    ),
    beside="table1-mobilenetv2-aspp",
    cost=PublishedCost("0.36M", "3.00B", 320, SIZE, SOURCE),
)

MOBILE_ASPP = replace(
    MOBILE_DPC,
    name="table1-mobilenetv2-aspp",
    title="Table 1: MobileNetV2 with ASPP",
    architecture="dpc:aspp",
    scorings=_asked("73.97"),
    deviations=(*MOBILE_DPC.deviations, *words.ASPP),
    beside="table1-mobilenetv2-dpc",
    cost=PublishedCost("0.25M", "2.82B", 320, SIZE, SOURCE, ASPP_COST),
)

XCEPTION_DPC = Recipe(
    name="table1-xception-dpc",
    title="Table 1: Xception with the dense prediction cell",
    need=NEED,
    architecture="dpc:top1",
    backbone="xception65.tf_in1k",
    decoder=True,
    protocol=PROTOCOL,
    scorings=_asked("80.85"),
    deviations=(words.COCO, *words.REFERENCE),
    unpublished=(
        _XCEPTION,
        "Whether there is a decoder. Here: at stride 4, as in the released Xception checkpoints.",
        *_COMMON,
    ),
    beside="table1-xception-aspp",
    cost=PublishedCost("0.81M", "6.84B", 2048, SIZE, SOURCE),
)

XCEPTION_ASPP = replace(
    XCEPTION_DPC,
    name="table1-xception-aspp",
    title="Table 1: Xception with ASPP",
    architecture="dpc:aspp",
    scorings=_asked("80.25"),
    deviations=(*XCEPTION_DPC.deviations, *words.ASPP),
    beside="table1-xception-dpc",
    cost=PublishedCost("1.59M", "18.12B", 2048, SIZE, SOURCE, ASPP_COST),
)
