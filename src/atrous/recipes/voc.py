"""PASCAL VOC 2012: 87.9 mIoU on test with the dense prediction cell, and ASPP beside it."""

from __future__ import annotations

from dataclasses import replace

from atrous.data.layouts import voc
from atrous.recipes import words
from atrous.recipes.recipe import Download, Need, Published, Recipe, Scoring
from atrous.training.config import Protocol

NEED = Need(
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

CROP = (513, 513)
STEPS = 30_000
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)

DPC = Recipe(
    name="voc-dpc",
    title="The dense prediction cell on PASCAL VOC 2012",
    need=NEED,
    architecture="dpc:top1",
    backbone="xception65.tf_in1k",
    decoder=True,
    protocol=Protocol(steps=STEPS, batch=16, crop=CROP, rate=0.01, score_every=STEPS),
    scorings=(
        Scoring("val", 16),
        Scoring(
            "val",
            8,
            SCALES,
            True,
            published=(Published("87.9", "test", f"{words.DPC}, results on PASCAL VOC 2012"),),
        ),
    ),
    deviations=(
        words.COCO,
        "Training is on train_aug alone, and scores are those of val, whose labels are here.",
        *words.REFERENCE,
    ),
    unpublished=(
        "Steps. Here: 30,000, as the reference implementation trains on PASCAL VOC; its learning "
        "rate there is 0.007, then 0.0001 on trainval, while the paper names 0.01 for its "
        "experiments, as here.",
        "The images behind 87.9, and the schedule on them. Here: train_aug, one schedule.",
        "The depth of the Xception, and whether there is a decoder. Here: 65, with the decoder at "
        "stride 4.",
        "How 87.9 was asked. Here: as the reference implementation scores on PASCAL VOC.",
        words.OUTPUT_STRIDE,
        words.SELECTION,
        words.PRECISION,
    ),
    beside="voc-aspp",
)

ASPP = replace(
    DPC,
    name="voc-aspp",
    title="ASPP on PASCAL VOC 2012, under the protocol of the dense prediction cell",
    architecture="dpc:aspp",
    scorings=(Scoring("val", 16), Scoring("val", 8, SCALES, True)),
    deviations=(*DPC.deviations, *words.ASPP),
    unpublished=("ASPP under this protocol.", *DPC.unpublished),
    beside="voc-dpc",
)
