"""Chen et al. 2018, Searching for Efficient Multi-Scale Architectures: its published results.

Cityscapes, PASCAL-Person-Part, PASCAL VOC 2012 and table 1, each with the dense prediction cell and
with ASPP beside it, under one protocol.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from atrous.data.layouts import cityscapes, person_part, voc
from atrous.recipes.recipe import Download, Need, Published, PublishedCost, Recipe, Scoring
from atrous.training.config import Protocol

PAPER = "Chen et al. 2018, Searching for Efficient Multi-Scale Architectures (arXiv 1809.04184)"
ZOO = "model zoo of the reference implementation (tensorflow/models, research/deeplab)"

COCO_WEIGHTS = (
    "The backbone begins with timm's ImageNet weights. The paper's was trained on COCO after that, "
    "which is no part of a recipe."
)
TRAIN_ALONE = "Training is on train alone, and scores are those of val, whose labels are here."
LOW_MAP = (
    "The decoder reads timm's last map at stride 4; the reference implementation taps a layer "
    "inside a block."
)
ASPP_DEVIATIONS = (
    "ASPP is written as a cell: concatenation, dropout, projection. The reference implementation "
    "projects before its dropout.",
)

OUTPUT_STRIDE = "The output stride in training. Here: 16, the reference implementation's default."
SELECTION = "Which weights were scored. Here: the last; val chooses nothing."
PRECISION = "The number type of products. Here: float32."
UNSAID = (OUTPUT_STRIDE, SELECTION, PRECISION)
"""Of all results the paper leaves this unsaid."""


def _protocol(steps: int, side: int) -> Protocol:
    """The one protocol, for so many steps on square crops; weights are scored after the last."""
    return Protocol(steps=steps, batch=16, crop=(side, side), rate=0.01, score_every=steps)


def _with_aspp(dpc: Recipe, title: str, **changes: Any) -> Recipe:
    """The recipe that stands beside one of the dense prediction cell: all alike but for ASPP in its
    place, of which nothing was published unless `changes` say so."""
    alike = replace(
        dpc,
        name=dpc.beside,
        title=title,
        architecture="dpc:aspp",
        scorings=tuple(replace(scoring, published=()) for scoring in dpc.scorings),
        deviations=(*dpc.deviations, *ASPP_DEVIATIONS),
        unpublished=("ASPP under this protocol.", *dpc.unpublished),
        beside=dpc.name,
    )
    return replace(alike, **changes)


CITYSCAPES_PAGE = "https://www.cityscapes-dataset.com/downloads/"
CITYSCAPES_NEED = Need(
    layout=cityscapes.NAME,
    downloads=(
        Download("leftImg8bit_trainvaltest.zip", CITYSCAPES_PAGE),
        Download("gtFine_trainvaltest.zip", CITYSCAPES_PAGE),
    ),
    images=(("train", 2975), ("val", 500)),
    submission="cityscapes",
)

CITYSCAPES_PROTOCOL = _protocol(90_000, 769)

CITYSCAPES_STRIDE = (
    "timm's Xception-71 loses a shortcut at output stride 8, so weights trained at 16 do not fit "
    "there: it is scored at 16."
)
CITYSCAPES_TEST_SCALES = (0.75, 1.0, 1.25, 1.5, 1.75, 2.0)

CITYSCAPES_DPC = Recipe(
    name="cityscapes-dpc",
    title="The dense prediction cell on Cityscapes",
    need=CITYSCAPES_NEED,
    architecture="dpc:top1",
    backbone="xception71.tf_in1k",
    decoder=True,
    protocol=CITYSCAPES_PROTOCOL,
    scorings=(
        Scoring(
            "val",
            16,
            published=(Published("80.31", "val", f"{ZOO}, xception71_dpc_trainfine", "train"),),
        ),
        Scoring(
            "val",
            16,
            CITYSCAPES_TEST_SCALES,
            True,
            published=(
                Published("82.7", "test", f"{PAPER}, results on Cityscapes"),
                Published(
                    "82.66",
                    "test",
                    f"{ZOO}, the xception71 DPC checkpoint trained on trainval",
                    "train, val and the coarse labels",
                ),
            ),
        ),
    ),
    deviations=(
        COCO_WEIGHTS,
        f"82.7 was asked at output stride 8. {CITYSCAPES_STRIDE}",
        f"{TRAIN_ALONE} The checkpoint with 82.66 on test was trained on val and the coarse "
        "labels as well.",
        LOW_MAP,
    ),
    unpublished=(
        "The schedule on val and the coarse labels behind 82.7. Here: none.",
        "The backbone behind 82.7, beyond that it is an Xception. Here: Xception-71 with the "
        "decoder at stride 4, as in the checkpoints that were released with the cell.",
        *UNSAID,
    ),
    beside="cityscapes-aspp",
)

CITYSCAPES_ASPP = _with_aspp(
    CITYSCAPES_DPC,
    "ASPP on Cityscapes, under the protocol of the dense prediction cell",
    deviations=(COCO_WEIGHTS, CITYSCAPES_STRIDE, TRAIN_ALONE, LOW_MAP, *ASPP_DEVIATIONS),
    unpublished=(
        "ASPP with Xception-71 under this protocol. The nearest: 78.79 on val with Xception-65, "
        f"in the {ZOO}.",
        *UNSAID,
    ),
)

TABLE1_SOURCE = f"{PAPER}, table 1"
TABLE1_SIZE = (65, 129)
"""The feature map of a 1025 x 2049 image at output stride 16, on which the printed costs fit."""

ASPP_COST = (
    "The printed parameters fit no real ASPP: its 1x1 and three separable convolutions alone have "
    "more. What remains when two of the three atrous branches are dropped, with image pooling, has "
    "248,640 and 1,591,296, as printed. The printed multiply-adds do fit a real ASPP within 0.5 %."
)
TABLE1_XCEPTION = (
    "The depth of the Xception. Here: 65, since the paper says that MobileNetV2 costs roughly a "
    "twentieth of it, and 1 : 19.4 is what 65 gives (71 gives 1 : 24.2)."
)
TABLE1_COMMON = ("Scales and flips. Here: neither.", *UNSAID)


def _table1_scoring(miou: str) -> tuple[Scoring, ...]:
    return (Scoring("val", 16, published=(Published(miou, "val", TABLE1_SOURCE),)),)


TABLE1_MOBILE_DPC = Recipe(
    name="table1-mobilenetv2-dpc",
    title="Table 1: MobileNetV2 with the dense prediction cell",
    need=CITYSCAPES_NEED,
    architecture="dpc:top1",
    backbone="mobilenetv2_100",
    decoder=False,
    protocol=CITYSCAPES_PROTOCOL,
    scorings=_table1_scoring("75.38"),
    deviations=(
        COCO_WEIGHTS,
        "Batch norms of the backbone average over as many batches as those of the cell; the "
        "reference implementation forgets faster there (0.997 instead of 0.9997).",
    ),
    unpublished=(
        "Whether there is a decoder. Here: none, as in the released MobileNetV2 checkpoints.",
        *TABLE1_COMMON,
    ),
    beside="table1-mobilenetv2-aspp",
    cost=PublishedCost("0.36M", "3.00B", 320, TABLE1_SIZE, TABLE1_SOURCE),
)

TABLE1_MOBILE_ASPP = _with_aspp(
    TABLE1_MOBILE_DPC,
    "Table 1: MobileNetV2 with ASPP",
    scorings=_table1_scoring("73.97"),
    unpublished=TABLE1_MOBILE_DPC.unpublished,
    cost=PublishedCost("0.25M", "2.82B", 320, TABLE1_SIZE, TABLE1_SOURCE, ASPP_COST),
)

TABLE1_XCEPTION_DPC = Recipe(
    name="table1-xception-dpc",
    title="Table 1: Xception with the dense prediction cell",
    need=CITYSCAPES_NEED,
    architecture="dpc:top1",
    backbone="xception65.tf_in1k",
    decoder=True,
    protocol=CITYSCAPES_PROTOCOL,
    scorings=_table1_scoring("80.85"),
    deviations=(COCO_WEIGHTS, LOW_MAP),
    unpublished=(
        TABLE1_XCEPTION,
        "Whether there is a decoder. Here: at stride 4, as in the released Xception checkpoints.",
        *TABLE1_COMMON,
    ),
    beside="table1-xception-aspp",
    cost=PublishedCost("0.81M", "6.84B", 2048, TABLE1_SIZE, TABLE1_SOURCE),
)

TABLE1_XCEPTION_ASPP = _with_aspp(
    TABLE1_XCEPTION_DPC,
    "Table 1: Xception with ASPP",
    scorings=_table1_scoring("80.25"),
    unpublished=TABLE1_XCEPTION_DPC.unpublished,
    cost=PublishedCost("1.59M", "18.12B", 2048, TABLE1_SIZE, TABLE1_SOURCE, ASPP_COST),
)

VOC_NEED = Need(
    layout=voc.NAME,
    downloads=(
        Download("VOCtrainval_11-May-2012.tar", "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"),
        Download(
            "the masks of Hariharan et al. (2011), which are MATLAB files, to be written as 8-bit "
            "PNGs of class ids to SegmentationClassAug, and the 10,582 names of the augmented "
            "training set, train_aug.txt",
            "http://home.bharathh.info/pubs/codes/SBD/download.html",
            "VOCdevkit/VOC2012",
        ),
    ),
    images=(("train", 10_582), ("val", 1449)),
    submission="voc",
)

VOC_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
VOC_DEPTH = (
    "The depth of the Xception, and whether there is a decoder. Here: 65, with the decoder at "
    "stride 4."
)


def _voc_scorings(miou: str, split: str, of: str) -> tuple[Scoring, ...]:
    """At output stride 16, and as the published number was asked."""
    published = (Published(miou, split, f"{PAPER}, results on {of}"),)
    return Scoring("val", 16), Scoring("val", 8, VOC_SCALES, True, published=published)


VOC_DPC = Recipe(
    name="voc-dpc",
    title="The dense prediction cell on PASCAL VOC 2012",
    need=VOC_NEED,
    architecture="dpc:top1",
    backbone="xception65.tf_in1k",
    decoder=True,
    protocol=_protocol(30_000, 513),
    scorings=_voc_scorings("87.9", "test", "PASCAL VOC 2012"),
    deviations=(
        COCO_WEIGHTS,
        "Training is on train_aug alone, and scores are those of val, whose labels are here.",
        LOW_MAP,
    ),
    unpublished=(
        "Steps. Here: 30,000, as the reference implementation trains on PASCAL VOC; its learning "
        "rate there is 0.007, then 0.0001 on trainval, while the paper names 0.01 for its "
        "experiments, as here.",
        "The images behind 87.9, and the schedule on them. Here: train_aug, one schedule.",
        VOC_DEPTH,
        "How 87.9 was asked. Here: as the reference implementation scores on PASCAL VOC.",
        *UNSAID,
    ),
    beside="voc-aspp",
)

VOC_ASPP = _with_aspp(
    VOC_DPC, "ASPP on PASCAL VOC 2012, under the protocol of the dense prediction cell"
)

PERSON_PART_NEED = Need(
    layout=person_part.NAME,
    downloads=(
        Download("pascal_person_part.zip", "http://liangchiehchen.com/projects/DeepLab.html"),
        Download(
            "VOCtrainval_03-May-2010.tar, for its images",
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/",
        ),
    ),
)

PERSON_PART_DPC = replace(
    VOC_DPC,
    name="person-part-dpc",
    title="The dense prediction cell on PASCAL-Person-Part",
    need=PERSON_PART_NEED,
    scorings=_voc_scorings("71.34", "val", "PASCAL-Person-Part"),
    deviations=(COCO_WEIGHTS, LOW_MAP),
    unpublished=(
        "Steps and learning rate. Here: 30,000 as the reference implementation trains on PASCAL "
        "VOC, and 0.01, which the paper names for its experiments.",
        VOC_DEPTH,
        "How 71.34 was asked. Here: as the reference implementation scores on PASCAL VOC, output "
        "stride 8 with scales and flips, and at output stride 16 with neither.",
        *UNSAID,
    ),
    beside="person-part-aspp",
)

PERSON_PART_ASPP = _with_aspp(
    PERSON_PART_DPC, "ASPP on PASCAL-Person-Part, under the protocol of the dense prediction cell"
)
