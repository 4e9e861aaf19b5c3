"""A network of Auto-DeepLab in plain text: its path on the trellis, and the blocks of its cell."""

from __future__ import annotations

from atrous.spaces.auto_deeplab.cell import RepeatedCell
from atrous.spaces.auto_deeplab.trellis import STRIDES, Path, levels_at

COLUMN, LABEL = 4, 10
ON_PATH, OFF_PATH, SAME, COARSER, FINER = "●·─╲╱"


def network(path: Path, cell: RepeatedCell) -> str:
    """The trellis, then what each block computes."""
    blocks = [
        f"block {number}: {block.first} + {block.second}" for number, block in enumerate(cell)
    ]
    return "\n".join([trellis(path), "", *blocks, "all blocks -> concatenation"])


def trellis(path: Path) -> str:
    """Layers from left to right, strides from top to bottom: the path, and dots where others
    can pass."""
    rows = [[" "] * (COLUMN * len(path) + 1) for _ in range(2 * len(STRIDES) - 1)]
    rows[0][0] = ON_PATH
    for layer, (source, target) in enumerate(zip((0, *path), path, strict=False)):
        start, end = COLUMN * layer, COLUMN * (layer + 1)
        for level in levels_at(layer):
            rows[2 * level][end] = ON_PATH if level == target else OFF_PATH
        if source == target:
            rows[2 * source][start + 1 : end] = SAME * (COLUMN - 1)
        else:
            rows[source + target][start + COLUMN // 2] = COARSER if target > source else FINER
    numbers = "".join(f"{layer:>{COLUMN}}" for layer in range(len(path)))
    labels = [f"stride {STRIDES[n // 2]:>2}" if n % 2 == 0 else "" for n in range(len(rows))]
    lines = (f"{name:{LABEL}}{''.join(row)}" for name, row in zip(labels, rows, strict=True))
    return "\n".join([f"{'stem':>{LABEL + 1}}{numbers}", *(line.rstrip() for line in lines)])
