"""Settings and numbers of a study in words."""

from __future__ import annotations

from atrous.stages.fidelity.study import CACHED, LARGE, Settings


def setting_words(name: str, large_backbone: str) -> str:
    """A setting as it is called on an axis."""
    if name == LARGE:
        return f"large backbone ({large_backbone})"
    return "small backbone, cached" if name == CACHED else "small backbone, end to end"


def training_words(settings: Settings, name: str) -> str:
    """How a setting trains its cells: `tf_efficientnet_lite0, frozen, 400 steps`."""
    backbone, _ = settings.backbone_of(name)
    how = "frozen, features cached" if settings.is_cached(name) else "end to end"
    return f"{backbone}, {how}, {settings.steps_of(name):,} steps"
