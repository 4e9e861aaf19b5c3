"""Pictures: what is drawn where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.model.evaluation.sheets import (
    DIFFERENT,
    GAP,
    IGNORED,
    PANEL,
    SAME,
    SWATCH,
    TEXT,
    EvaluatedImage,
    Key,
    difference,
    ranked_evenly,
    sheet,
    write_sheet,
)

KEY = Key(("road", "car", "unseen"), ((10, 20, 200), (200, 20, 10), (20, 200, 10)))


def picture(height: int = 60, width: int = 120) -> EvaluatedImage:
    """Left road, right car, the lowest rows ignored; the topmost rows are all taken for road."""
    label = np.zeros((height, width), dtype=np.uint8)
    label[:, width // 2 :] = 1
    prediction = label.copy()
    prediction[: height // 4] = 0
    label[-height // 4 :] = 255
    image = np.full((height, width, 3), 77, dtype=np.uint8)
    return EvaluatedImage("a street", image, label, prediction)


def panel(whole: Image.Image, column: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """A panel of the first row."""
    height, width = size
    left, top = GAP + column * (width + GAP), GAP + 2 * (TEXT + GAP)
    return np.asarray(whole)[top : top + height, left : left + width]


def colours(pixels: npt.NDArray[np.uint8]) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()}


def test_a_row_shows_image_truth_prediction_and_difference() -> None:
    whole = sheet([picture()], KEY)
    size = PANEL // 2, PANEL
    image, truth, prediction, apart = (panel(whole, column, size) for column in range(4))
    road, car, _ = KEY.colours
    assert colours(image) == {(77, 77, 77)}
    assert colours(truth) == {road, car, IGNORED}
    assert colours(prediction) == {road, car}
    assert {SAME, DIFFERENT, IGNORED} <= colours(apart)
    quarter, half = PANEL // 16, PANEL // 2
    assert tuple(truth[quarter, half + 50]) == car
    assert tuple(prediction[quarter, half + 50]) == road
    assert tuple(apart[quarter, half + 50]) == DIFFERENT
    assert tuple(apart[quarter, half - 50]) == SAME
    assert tuple(apart[-quarter, half + 50]) == IGNORED


def test_differences_are_counted_in_labelled_pixels_alone() -> None:
    label = np.array([[0, 1, 255, 254]], dtype=np.uint8)
    prediction = np.array([[0, 0, 0, 1]], dtype=np.uint8)
    assert difference(label, prediction, 2).tolist() == [
        [list(SAME), list(DIFFERENT), list(IGNORED), list(IGNORED)]
    ]


def test_the_legend_names_the_classes_that_occur() -> None:
    road, car, unseen = KEY.colours
    whole = np.asarray(sheet([picture()], KEY))
    legend = whole[GAP + 2 * (TEXT + GAP) + PANEL // 2 + GAP :]
    inside = colours(legend[SWATCH // 2 : SWATCH // 2 + 1])
    assert {road, car, IGNORED, SAME, DIFFERENT} <= inside
    assert unseen not in inside


def test_images_of_any_shape_stand_below_each_other() -> None:
    shapes = ((60, 120), (120, 60), (1, 500), (7, 7))
    whole = sheet([picture(*shape) if min(shape) > 4 else flat(shape) for shape in shapes], KEY)
    assert whole.width == 4 * PANEL + 5 * GAP
    assert whole.height > PANEL // 2 + PANEL + PANEL


def flat(shape: tuple[int, int]) -> EvaluatedImage:
    nothing = np.zeros(shape, dtype=np.uint8)
    return EvaluatedImage("a line", np.zeros((*shape, 3), dtype=np.uint8), nothing, nothing)


def test_images_are_chosen_from_the_worst_to_the_best() -> None:
    scores = [0.5, None, 0.1, 0.9, 0.3, 0.7]
    assert ranked_evenly(scores, 3) == [2, 0, 3]
    assert ranked_evenly(scores, 2) == [2, 3]
    assert ranked_evenly(scores, 1) == [2]
    assert ranked_evenly(scores, 99) == [2, 4, 0, 5, 3]
    assert ranked_evenly(scores, 0) == []
    assert ranked_evenly([None], 4) == []


def test_a_sheet_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_sheet(tmp_path / "pictures-1.png", [picture()], KEY)
    with Image.open(tmp_path / "pictures-1.png") as written:
        assert written.size == sheet([picture()], KEY).size
    assert [path.name for path in tmp_path.iterdir()] == ["pictures-1.png"]
    with pytest.raises(AtrousError, match="--out"):
        write_sheet(tmp_path / "gone" / "pictures-1.png", [picture()], KEY)
