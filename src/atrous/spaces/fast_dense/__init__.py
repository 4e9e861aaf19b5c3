"""The family of compact decoders."""

from __future__ import annotations

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.spaces.family import Defaults, Family
from atrous.spaces.fast_dense.space import NAME, fast_dense, read_genotype, write_genotype


def read_file(text: str) -> Architecture:
    """The decoder in its authors' form, [cell, connections]. Raises `AtrousError`."""
    return fast_dense().architecture(read_genotype(text))


def write_file(architecture: Architecture) -> str:
    """The decoder in its authors' form. Raises `AtrousError` unless it has 3 blocks and layers."""
    if len(architecture.genotype) != len(fast_dense().most_choices):
        raise AtrousError(
            f"Expected a decoder of 3 blocks and 3 layers, such as {NAME}:arch0, got "
            f"{str(architecture)[:80]}."
        )
    return write_genotype(architecture.genotype)


FAST_DENSE = Family(
    name=NAME,
    make=fast_dense,
    sizes=r"fast_dense-([1-9])x([1-9])(?:x([1-9]))?",
    example="fast_dense-2x1 (2 blocks, 1 layer)",
    defaults=Defaults(
        output_stride=32, filters=32, baselines=("1x1", "lraspp", "fpn"), finest_on_cpu=8
    ),
    yardstick="fpn",
    quick="fast_dense-2x1",
    read_file=read_file,
    write_file=write_file,
)
