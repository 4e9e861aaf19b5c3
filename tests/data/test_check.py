from __future__ import annotations

import dataclasses
import json
import os
import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from atrous.cli.tables import check_report as render
from atrous.core.errors import AtrousError
from atrous.data.check import Report, check, require_sound
from atrous.data.dataset import select
from atrous.data.encoding import voc_colours
from atrous.data.findings import Problem
from atrous.data.layouts import read_dataset
from tests.data import folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return folder.write(tmp_path / "set")


def _only(report: Report, severity: str, text: str) -> Problem:
    """The report's one problem, which must be of this severity and say this."""
    assert [p.severity for p in report.problems] == [severity], report.problems
    assert text in report.problems[0].finding
    return report.problems[0]


def _find(report: Report, text: str) -> Problem:
    found = [problem for problem in report.problems if text in problem.finding]
    assert len(found) == 1, report.problems
    return found[0]


def _shown(report: Report) -> str:
    console = Console(width=400)
    with console.capture() as shown:
        console.print(render(report))
    return shown.get()


def test_a_faultless_folder_is_described(root: Path) -> None:
    report = check(root)
    assert report.problems == ()
    assert (report.errors, report.warnings) == (0, 0)
    assert report.images == {"train": 4, "val": 2, "test": 2}
    assert report.sizes == {"16x12": 8}
    assert report.ignored == {"train": 0.25, "val": 0.25, "test": 0.25}
    for shares in report.shares.values():
        assert shares == {name: pytest.approx(1 / 3) for name in folder.CLASSES}


def test_a_report_is_json(root: Path) -> None:
    folder.labels(0, 9).save(root / "masks/train/train0.png")
    stored = json.loads(json.dumps(dataclasses.asdict(check(root))))
    assert stored["problems"][0]["severity"] == "error"
    assert stored["images"]["train"] == 4


def test_a_dataset_can_be_checked_without_its_folder(root: Path) -> None:
    folder.picture(50).save(root / "images/train/alone.png")
    assert check(read_dataset(root)).problems == ()
    assert check(root).warnings == 1


def test_no_data_set_at_all_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="not laid out as a data set"):
        check(tmp_path)


def test_images_and_masks_without_partner(root: Path) -> None:
    (root / "masks/train/train0.png").unlink()
    (root / "images/val/val1.png").unlink()
    folder.add(root, "val", "val2", folder.picture(70), folder.labels(0, 1, 2))
    report = check(root)
    assert report.errors == 0
    image, mask = _find(report, "has no mask"), _find(report, "has no image")
    assert image.file == "images/train/train0.png"
    assert mask.file == "masks/val/val1.png"
    assert report.images["train"] == 3


def test_a_mask_named_with_an_ending_is_pointed_at(root: Path) -> None:
    (root / "masks/train/train0.png").rename(root / "masks/train/train0_id.png")
    problem = _find(check(root), "has no mask")
    assert "is it masks/train/train0_id.*?" in problem.finding


def test_two_images_of_one_name(root: Path) -> None:
    folder.picture(60).save(root / "images/train/train0.jpg")
    problem = _only(check(root), "error", "shares its name with train0.png")
    assert problem.file == "images/train/train0.jpg"


def test_sizes_that_differ(root: Path) -> None:
    folder.labels(0, 1, 2, height=6, width=8).save(root / "masks/train/train0.png")
    problem = _only(check(root), "error", "is 16 x 12 pixels (width x height), its mask 8 x 6")
    assert problem.file == "images/train/train0.png"
    assert "nearest neighbour" in problem.mend


def test_an_undeclared_value_is_counted_once_with_its_files(root: Path) -> None:
    for name in ("train0", "train1", "train2", "train3"):
        folder.labels(0, 1, 2, 7).save(root / f"masks/train/{name}.png")
    problem = _only(check(root), "error", "mask value 7 is no class")
    assert "declares 0 to 2" in problem.finding
    assert f"{4 * 3 * 16} pixels (12.50%) in 4 files" in problem.finding
    assert "train0.png, masks/train/train1.png, masks/train/train2.png, ..." in problem.finding
    assert problem.files == 4


def test_many_undeclared_values_become_one_problem(root: Path) -> None:
    grey = np.tile(np.arange(10, 22, dtype=np.uint8)[:, None], (1, 16))
    Image.fromarray(grey).save(root / "masks/val/val0.png")
    problem = _only(check(root), "error", "mask value 10, 11, 12")
    assert "(12 values)" in problem.finding
    assert "interpolation" in problem.mend


def test_colour_masks_are_one_error_that_counts_them(root: Path) -> None:
    for k in range(4):
        folder.picture(k).save(root / f"masks/train/train{k}.png")
    problem = _find(check(root), "is a colour image (RGB)")
    assert problem.severity == "error"
    assert problem.files == 4
    assert "3 more files like it: masks/train/train1.png" in problem.finding
    assert "number of its class" in problem.mend


def test_palette_masks_are_fine(root: Path) -> None:
    folder.palette(folder.labels(0, 1, 2)).save(root / "masks/train/train0.png")
    assert check(root).problems == ()


def test_jpeg_masks(root: Path) -> None:
    (root / "masks/train/train0.png").unlink()
    folder.labels(0, 1, 2).save(root / "masks/train/train0.jpg")
    problem = _only(check(root), "error", "is a JPEG file")
    assert problem.file == "masks/train/train0.jpg"


def test_a_jpeg_mask_that_is_named_png(root: Path) -> None:
    folder.labels(0, 1, 2).save(root / "masks/train/train0.png", format="JPEG")
    _only(check(root), "error", "is a JPEG file")


def test_masks_of_0_and_255(root: Path) -> None:
    for path in root.glob("masks/*/*.png"):
        folder.labels(0, 255).save(path)
    problem = _find(check(root), "hold only the values 0 and 255")
    assert problem.severity == "error"
    assert "write 1 where the masks have 255" in problem.mend


def test_one_mask_of_0_and_255_is_fine(root: Path) -> None:
    folder.labels(0, 255).save(root / "masks/train/train0.png")
    assert check(root).problems == ()


def test_a_truncated_jpeg(root: Path) -> None:
    (root / "images/train/train0.png").unlink()
    path = root / "images/train/train0.jpg"
    folder.picture(0).save(path, quality=95)
    path.write_bytes(path.read_bytes()[:-200])
    problem = _only(check(root), "error", "cannot be read (image file is truncated")
    assert problem.file == "images/train/train0.jpg"
    assert "export the file again" in problem.mend


def test_a_file_that_is_no_image(root: Path) -> None:
    (root / "masks/train/train0.png").write_text("nothing")
    _only(check(root), "error", "cannot be read (is not an image)")


@pytest.mark.parametrize(
    ("turn", "mask", "severity", "text"),
    [
        (6, (12, 16), "warning", "fits the pixels as stored"),
        (6, (16, 12), "error", "fits the rotated image only"),
        (3, (12, 16), "error", "nothing tells"),
        (6, (5, 5), "error", "its mask 5 x 5"),
    ],
)
def test_exif_rotation(
    root: Path, turn: int, mask: tuple[int, int], severity: str, text: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    (root / "images/train/train0.png").unlink()
    folder.picture(0).save(root / "images/train/train0.jpg", exif=exif)
    folder.labels(0, 1, 2, height=mask[0], width=mask[1]).save(root / "masks/train/train0.png")
    assert _only(check(root), severity, text).file == "images/train/train0.jpg"


def test_sixteen_bit_files(root: Path) -> None:
    deep = Image.fromarray(np.full((12, 16), 700, dtype=np.uint16))
    deep.save(root / "images/train/train0.png")
    deep.save(root / "masks/train/train1.png")
    report = check(root)
    assert _find(report, "upper 8 are used").severity == "warning"
    assert _find(report, "stores 16 bits a pixel").file == "masks/train/train1.png"


def test_empty_and_tiny_splits(tmp_path: Path) -> None:
    report = check(folder.write(tmp_path, val=1, test=0))
    assert report.errors == 0
    assert "select on a part of train" not in _find(report, "the val split is a single").mend
    assert _find(report, "the test split is empty").severity == "warning"
    report = check(folder.write(tmp_path / "other", val=0))
    assert "select on a part of train" in _find(report, "the val split is empty").mend


def test_an_empty_training_split_is_an_error(tmp_path: Path) -> None:
    root = folder.write(tmp_path, train=1)
    (root / "masks/train/train0.png").unlink()
    problem = _find(check(root), "holds 1 images")
    assert problem.severity == "error"
    assert "give each mask the name of its image" in problem.mend


def test_a_class_absent_from_a_split(root: Path) -> None:
    for k in range(2):
        folder.labels(0, 1).save(root / f"masks/val/val{k}.png")
    problem = _only(check(root), "warning", "no pixel of val is labelled 'lamp'")
    assert "to val" in problem.mend
    assert check(root).shares["val"]["lamp"] == 0


def test_the_same_pixels_in_two_splits(root: Path) -> None:
    (root / "images/test/test1.png").unlink()
    folder.picture(0).save(root / "images/test/test1.bmp")
    problem = _only(check(root), "error", "has the same pixels as images/train/train0.png")
    assert problem.file == "images/test/test1.bmp"
    assert "one split only" in problem.mend


def test_the_same_pixels_twice_in_one_split(root: Path) -> None:
    folder.picture(0).save(root / "images/train/train1.png")
    _only(check(root), "warning", "has the same pixels as images/train/train0.png")


def test_a_split_in_which_everything_is_ignored(root: Path) -> None:
    for k in range(2):
        folder.labels(255).save(root / f"masks/val/val{k}.png")
    report = check(root)
    _only(report, "error", "every pixel of every mask in val is 255")
    assert report.ignored["val"] == 1.0


def test_one_mask_in_which_everything_is_ignored(root: Path) -> None:
    folder.labels(255).save(root / "masks/train/train2.png")
    assert _only(check(root), "warning", "every pixel is 255").file == "masks/train/train2.png"


def test_the_view_shows_problems_before_the_tables(root: Path) -> None:
    folder.labels(0, 1, 2, 7).save(root / "masks/train/train0.png")
    text = _shown(check(root))
    assert "1 error, 0 warnings" in text
    assert text.index("mask value 7") < text.index("To mend:") < text.index("floor")
    assert "ignored, of all pixels" in text
    assert "16x12 (8 images)" in text


def test_the_view_of_a_faultless_folder(root: Path) -> None:
    text = _shown(check(root)).replace("\n", " ")
    assert "4 train, 2 val, 2 test images, 3 classes. No problems found." in text


def _split_names(root: Path, split: str = "train") -> list[str]:
    return [sample.name for sample in read_dataset(root).splits[split]]


def test_linked_folders_are_read_and_loops_are_named(root: Path, tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        away = tmp_path / "away" / kind
        away.mkdir(parents=True)
        (root / kind / "train/train3.png").rename(away / "train3.png")
        (root / kind / "train/city").symlink_to(away)
    assert _split_names(root) == ["city/train3", "train0", "train1", "train2"]
    assert check(root).problems == ()
    (root / "images/train/loop").symlink_to(root / "images")
    (root / "images/train/gone.png").symlink_to(tmp_path / "nothing")
    report = check(root)
    assert (report.errors, report.warnings, report.images["train"]) == (0, 2, 4)
    assert all("a link to nothing, or to a folder" in p.finding for p in report.problems)
    assert {p.file for p in report.problems} == {"images/train/loop", "images/train/gone.png"}


@pytest.mark.parametrize(
    "name", ["@eaDir/train0.png/SMALL.jpg", "__MACOSX/a.png", "._train0.png", ".a/b.png"]
)
def test_what_systems_leave_behind_is_no_image(root: Path, name: str) -> None:
    for kind in ("images", "masks"):
        path = root / kind / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        folder.picture(9, 8, 8).save(path)
        (root / kind / "train" / "Thumbs.db").touch()
    assert check(root).problems == ()


def test_files_that_are_not_read_are_named(root: Path) -> None:
    (root / "masks/train/train0.png").unlink()
    folder.labels(0, 1, 2).save(root / "masks/train/train0.gif")
    (root / "images/train/notes.txt").touch()
    report = check(root)
    assert _find(report, "is not read: its name ends in .gif").file == "masks/train/train0.gif"
    assert (report.errors, report.warnings) == (0, 2)


def test_what_is_no_file_is_named(root: Path) -> None:
    (root / "masks/train/train0.png").unlink()
    os.mkfifo(root / "masks/train/train0.png")
    (root / "images/train/other.png").symlink_to(root / "masks/train/train0.png")
    os.mkfifo(root / "images/beside.png")
    report = check(root)
    named = {p.file for p in report.problems if "a pipe, a socket or a device" in p.finding}
    assert named == {"masks/train/train0.png", "images/train/other.png"}
    assert _find(report, "images/ holds the folders").file == "images/beside.png"
    assert (report.errors, report.warnings) == (0, 4)  # and one that lacks its mask


def test_a_name_in_two_unicode_forms_is_one_name(root: Path) -> None:
    forms: tuple[tuple[str, Literal["NFC", "NFD"]], ...] = (("images", "NFC"), ("masks", "NFD"))
    for kind, form in forms:
        there = root / kind / "train" / unicodedata.normalize(form, "Café")
        there.mkdir()
        name = unicodedata.normalize(form, "Größe.png")
        (root / kind / "train/train0.png").rename(there / name)
    assert check(root).problems == ()
    assert "Café/Größe" in _split_names(root)
    dataset = read_dataset(root)
    held = select(dataset, unicodedata.normalize("NFD", "Café"))[1]
    assert [sample.name for sample in held] == ["Café/Größe"]
    twin = root / "images/train" / unicodedata.normalize("NFD", "Café")
    twin.mkdir()
    folder.picture(77).save(twin / unicodedata.normalize("NFD", "Größe.png"))
    assert "different forms of Unicode" in _find(check(root), "shares its name").finding


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_of_the_class_names_ends_where_an_editor_ends_it(root: Path, end: str) -> None:
    names = ["sky\u2028line", "roa\0d\x1b", unicodedata.normalize("NFD", "çar")]
    text = "\ufeff" + end.join([*names, "", ""])
    (root / "classes.txt").write_bytes(text.encode())
    assert read_dataset(root).classes == ("sky line", "roa d", unicodedata.normalize("NFC", "çar"))


def test_one_class_is_nothing_to_learn(root: Path) -> None:
    for path in root.glob("masks/*/*.png"):
        folder.labels(1 if "train" in path.name else 0).save(path)
    problem = _find(check(root), "every labelled pixel to train on is 'floor'")
    assert problem.severity == "error"
    assert "there is one class, and nothing to learn" in problem.finding
    # Another class on an image that is held out is nothing to learn either.
    folder.labels(0).save(next(root.glob("masks/train/*.png")))
    held = next(root.glob("masks/train/*.png")).stem
    assert not [p for p in check(root).problems if "nothing to learn" in p.finding]
    with pytest.raises(AtrousError, match="every labelled pixel to train on is 'floor'"):
        require_sound(root, held)
    (root / "classes.txt").write_text("sky\n")
    assert _find(check(root), "names 'sky' alone: there is one class").file == "classes.txt"
    with pytest.raises(AtrousError, match="one class, and nothing to learn"):
        require_sound(root)


def test_masks_that_count_from_one_are_not_told_to_shift_their_classes(root: Path) -> None:
    for path in root.glob("masks/*/*.png"):
        folder.labels(0, 1, 2, 3).save(path)
    problem = _only(check(root), "error", "mask value 3 is no class")
    assert "count from 1 and their 0 is unlabelled, write 255 for 0 and subtract 1" in problem.mend
    assert "put its name first" in problem.mend


def test_one_bit_masks_are_0_and_1_and_not_beside_others(root: Path) -> None:
    paths = sorted(root.glob("masks/*/*.png"))
    for path in paths:
        folder.labels(0, 255).convert("1").save(path)
    assert check(root).errors == 0
    folder.labels(0, 1, 2).save(paths[0])
    problem = _find(check(root), "has one bit a pixel, others such as")
    assert (problem.severity, problem.files) == ("error", len(paths) - 1)


def test_palettes_rearranged_file_by_file_are_an_error(root: Path) -> None:
    colours = [(0, 0, 0), (200, 0, 0), (0, 200, 0)]
    for number, path in enumerate(sorted(root.glob("masks/train/*.png"))):
        order = [0, 2, 1] if number % 2 else [0, 1, 2]
        mask = Image.fromarray(np.asarray(order, np.uint8)[np.asarray(folder.labels(0, 1, 2))])
        mask.putpalette([channel for k in np.argsort(order) for channel in colours[k]])
        mask.save(path)
    problem = _only(check(root), "error", "shows the colour (0, 200, 0) by index 1")
    assert problem.file == "masks/train/train1.png"


def test_a_mask_with_a_turn_that_its_image_lacks(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    folder.labels(0, 1, 2).save(root / "masks/train/train0.png", exif=exif)
    _only(check(root), "error", "which does not go for its image")
    folder.picture(0).save(root / "images/train/train0.png", exif=exif)
    assert check(root).problems == ()


def test_a_turn_that_is_applied_to_one_of_two_files_only(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    (root / "images/train/train0.png").unlink()
    folder.picture(0).save(root / "images/train/train0.tif", tiffinfo={274: 3})
    folder.labels(0, 1, 2).save(root / "masks/train/train0.png", exif=exif)
    _only(check(root), "error", "which does not go for its image")


def test_folders_and_files_beside_the_splits_are_named(root: Path) -> None:
    (root / "images/val").rename(root / "images/validation")
    folder.picture(5).save(root / "masks/lost.png")
    report = check(root)
    named = {p.file for p in report.problems if "is not read: " in p.finding}
    assert named == {"images/validation", "masks/lost.png"}


def test_a_tiff_that_pillow_turns_is_told(root: Path) -> None:
    (root / "images/train/train0.png").unlink()
    folder.picture(0).save(root / "images/train/train0.tif", tiffinfo={274: 3})
    _only(check(root), "error", "nothing tells whether the mask is too")


def test_a_ramp_of_greys_is_told_both_readings(root: Path) -> None:
    for path in root.glob("masks/*/*.png"):
        mask = folder.labels(0, 1, 2)
        mask.putpalette([channel for grey in (0, 127, 255) for channel in (grey,) * 3])
        mask.save(path)
    problem = _find(check(root), "mask value 127 is no class")
    assert "if the indices are meant, save them as 8-bit greyscale PNG" in problem.mend


@pytest.mark.parametrize("turned", [True, False])
def test_vocs_colours_in_another_order_are_an_error(root: Path, turned: bool) -> None:
    """All palettes rearranged alike: the colours tell what no comparison of files does."""
    colours = voc_colours(3)[::-1] if turned else voc_colours(3)
    for path in root.glob("masks/*/*.png"):
        picture = Image.fromarray(np.array(Image.open(path)) % 3)
        picture.putpalette([channel for colour in colours for channel in colour])
        picture.save(path)
    found = [p for p in check(root).problems if "PASCAL VOC's map" in p.finding]
    assert [p.severity for p in found] == (["error"] if turned else [])


def test_black_and_white_in_a_map_of_colours_may_be_rearranged_too(root: Path) -> None:
    colours = [(0, 0, 0), (255, 255, 255), (0, 200, 0)]
    for name, order in (("train0", [0, 1, 2]), ("train1", [1, 0, 2])):
        mask = Image.fromarray(np.asarray(order, np.uint8)[np.asarray(folder.labels(0, 1, 2))])
        mask.putpalette([channel for k in np.argsort(order) for channel in colours[k]])
        mask.save(root / f"masks/train/{name}.png")
    _only(check(root), "error", "shows the colour (255, 255, 255) by index 0")
