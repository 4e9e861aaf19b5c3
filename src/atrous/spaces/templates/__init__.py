"""The family of decoders made of templates."""

from __future__ import annotations

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.spaces.family import Defaults, Family
from atrous.spaces.templates.space import NAME, read_genotype, templates, write_genotype


def read_file(text: str) -> Architecture:
    """The decoder in its authors' form, [templates, layers]. Raises `AtrousError`."""
    return templates().architecture(read_genotype(text))


def write_file(architecture: Architecture) -> str:
    """The decoder in its authors' form.

    Raises `AtrousError` unless it has 3 templates and 7 layers.
    """
    if not templates().is_valid(architecture.genotype):
        raise AtrousError(
            f"Expected a decoder of 3 templates and 7 layers, such as {NAME}:arch0, got "
            f"{str(architecture)[:80]}."
        )
    return write_genotype(architecture.genotype)


TEMPLATES = Family(
    name=NAME,
    make=templates,
    sizes=r"templates-([1-9])x([1-9])(?:x([1-9]))?",
    example="templates-2x3 (2 templates, 3 layers)",
    defaults=Defaults(baselines=("1x1", "fpn", "templates:arch0")),
    yardstick="templates:arch0",
    read_file=read_file,
    write_file=write_file,
)
