from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from atrous.core.errors import AtrousError
from atrous.data.check import check
from atrous.data.dataset import Dataset, Sample, fingerprint, halves, read_labels, select
from atrous.data.encoding import IDENTITY
from atrous.data.layouts import read_dataset
from atrous.data.pixels import read_mask
from tests.cases import each
from tests.data import folder

T = TypeVar("T")


def _names(samples: Iterable[Sample]) -> list[str]:
    return [sample.name for sample in samples]


def _dataset(*names: str, val: tuple[str, ...] = ()) -> Dataset:
    def samples(split: str, stems: tuple[str, ...]) -> tuple[Sample, ...]:
        return tuple(Sample(n, Path(split, f"{n}.jpg"), Path(split, f"{n}.png")) for n in stems)

    splits = {"train": samples("train", names), "val": samples("val", val), "test": ()}
    return Dataset(Path("set"), ("a", "b"), splits)


def test_a_folder_pairs_by_name_in_order_and_leaves_out_what_has_no_partner(
    tmp_path: Path,
) -> None:
    root = folder.write(tmp_path / "set", train=3, val=1, test=0)
    folder.picture(9).save(root / "images/train/alone.png")
    folder.labels(0).save(root / "masks/train/orphan.png")
    folder.picture(8).save(root / "images/train/.hidden.png")
    folder.add(root, "train", "a/deep.er", folder.picture(7), folder.labels(0))
    dataset = read_dataset(root)
    assert dataset.classes == folder.CLASSES
    assert _names(dataset.splits["train"]) == ["a/deep.er", "train0", "train1", "train2"]
    assert dataset.splits["train"][0].mask == root / "masks/train/a/deep.er.png"
    assert _names(dataset.splits["val"]) == ["val0"]
    assert dataset.splits["test"] == ()


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "bmp", "tif", "webp"])
def test_a_folder_accepts_the_usual_image_files(tmp_path: Path, suffix: str) -> None:
    root = folder.write(tmp_path, train=1)
    (root / "images/train/train0.png").unlink()
    image = root / f"images/train/train0.{suffix}"
    folder.picture(0).save(image)
    assert read_dataset(root).splits["train"][0].image == image


def test_a_folder_of_photos_is_told_the_layout_and_what_was_found(tmp_path: Path) -> None:
    for k in range(3):
        (tmp_path / f"beach{k}.jpg").touch()
    (tmp_path / "more").mkdir()
    with pytest.raises(AtrousError) as caught:
        read_dataset(tmp_path)
    message = str(caught.value)
    for part in (
        "images/train/NAME",
        "classes.txt",
        "3 x .jpg",
        "more/",
        "To mend",
        "atrous scenes",
    ):
        assert part in message


def test_a_missing_folder_and_a_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="There is no folder"):
        read_dataset(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(AtrousError, match="got the file"):
        read_dataset(tmp_path / "file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist"),
        ("\n\n", "is empty"),
        ("a\n\nb\n", "empty line 2"),
        ("a\nb\na\n", "'a' more than once"),
        ("\n".join(map(str, range(256))), "256 classes"),
    ],
)
def test_classes_that_cannot_be_used(tmp_path: Path, text: str | None, message: str) -> None:
    root = folder.write(tmp_path)
    (root / "classes.txt").unlink()
    if text is not None:
        (root / "classes.txt").write_text(text)
    with pytest.raises(AtrousError, match=message):
        read_dataset(root)


def test_classes_of_a_windows_editor_are_read(tmp_path: Path) -> None:
    root = folder.write(tmp_path)
    (root / "classes.txt").write_bytes(b"\xef\xbb\xbfwall\r\nflo\xc3\xb6r \r\n\r\n")
    assert read_dataset(root).classes == ("wall", "floör")
    (root / "classes.txt").write_bytes("flöor".encode("latin-1"))
    with pytest.raises(AtrousError, match="UTF-8"):
        read_dataset(root)


def test_no_training_pair_says_how_the_names_differ(tmp_path: Path) -> None:
    root = folder.write(tmp_path, train=1)
    (root / "masks/train/train0.png").rename(root / "masks/train/train0_mask.png")
    with pytest.raises(AtrousError, match="'train0', masks like 'train0_mask'"):
        read_dataset(root)


def test_a_test_split_without_masks_has_images_but_no_samples(tmp_path: Path) -> None:
    root = folder.write(tmp_path, test=2)
    shutil.rmtree(root / "masks/test")
    dataset = read_dataset(root)
    assert dataset.splits["test"] == ()
    assert [path.name for path in dataset.unlabelled["test"]] == ["test0.png", "test1.png"]
    report = check(root)
    assert (report.problems, report.unlabelled) == ((), {"test": 2})


def test_images_without_masks_is_no_data_set(tmp_path: Path) -> None:
    root = folder.write(tmp_path)
    shutil.rmtree(root / "masks")
    with pytest.raises(AtrousError, match=r"it has no masks/train\.\nExpected"):
        read_dataset(root)


def test_labels_of_a_folder_are_the_mask_values(tmp_path: Path) -> None:
    sample = read_dataset(folder.write(tmp_path)).splits["train"][0]
    assert (read_labels(sample) == read_mask(sample.mask)).all()
    assert sample.encoding == IDENTITY


def test_select_on_val_trains_on_all_of_train() -> None:
    train, held = select(_dataset("a", "b", val=("c",)), "val")
    assert (_names(train), _names(held)) == (["a", "b"], ["c"])


@pytest.mark.parametrize("text", ["0006R0", "0006R0*", "0006"])
def test_select_on_a_sequence_of_train(text: str) -> None:
    train, held = select(_dataset("0001_1", "0006R0_1", "0006R0_2"), text)
    assert (_names(train), _names(held)) == (["0001_1"], ["0006R0_1", "0006R0_2"])


def test_select_on_a_pattern() -> None:
    train, held = select(_dataset("a_day", "a_night", "b_day"), "*_night")
    assert (_names(train), _names(held)) == (["a_day", "b_day"], ["a_night"])


def test_select_on_a_share_is_not_reshuffled_by_more_images() -> None:
    names = [f"{k:04d}" for k in range(1000)]
    _, before = select(_dataset(*names[:600]), "0.2")
    train, after = select(_dataset(*names), "0.2")
    assert 90 < len(before) < 150
    assert set(_names(before)) == set(_names(after)) & set(names[:600])
    assert sorted(_names(train) + _names(after)) == names


@pytest.mark.parametrize("share", ["0.001", "0.999"])
def test_select_on_a_share_leaves_neither_side_empty(share: str) -> None:
    train, held = select(_dataset("a", "b", "c"), share)
    assert train
    assert held
    assert sorted(_names(train) + _names(held)) == ["a", "b", "c"]


@each(
    ("text", "message"),
    [
        ("val", "no image with a mask in its val split"),
        ("test", "kept for the final report"),
        ("train", "what candidates learn from"),
        ("0006R0", "No train image is named like '0006R0\\*'.*such as a1, a2"),
        ("a", "holds out all 2 train images"),
        ("1.5", "between 0 and 1"),
        ("0.0", "between 0 and 1"),
        ("-0.2", "between 0 and 1"),
    ],
)
def test_select_says_what_it_cannot_do(text: str, message: str) -> None:
    with pytest.raises(AtrousError, match=message):
        select(_dataset("a1", "a2"), text)


def test_a_share_of_a_single_image_leaves_none_to_train_on() -> None:
    with pytest.raises(AtrousError, match="leaves none to train on"):
        select(_dataset("a"), "0.5")


def test_fingerprint_follows_content_and_names_only(tmp_path: Path) -> None:
    first = read_dataset(folder.write(tmp_path / "one")).splits["train"]
    second = read_dataset(folder.write(tmp_path / "two")).splits["train"]
    assert len(fingerprint(first)) == 32
    assert fingerprint(first) == fingerprint(second[::-1])
    folder.labels(0, 1, 1, 255).save(second[0].mask)
    assert fingerprint(first) != fingerprint(second)
    renamed = [Sample("other", first[0].image, first[0].mask), *first[1:]]
    assert fingerprint(first) != fingerprint(renamed)


def test_fingerprint_shows_its_progress(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def progress(items: Iterable[T], label: str, total: int) -> Iterator[T]:
        seen.append((label, total))
        yield from items

    samples = read_dataset(folder.write(tmp_path)).splits["train"]
    fingerprint(samples, progress)
    assert seen == [("reading the data set", 4)]


def test_fingerprint_names_a_file_that_went_away(tmp_path: Path) -> None:
    samples = read_dataset(folder.write(tmp_path)).splits["train"]
    samples[1].mask.unlink()
    with pytest.raises(AtrousError, match=r"train1\.png"):
        fingerprint(samples)


@pytest.mark.parametrize("place", ["images/train", "classes.txt"])
def test_what_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    root = folder.write(tmp_path / "data")
    closed = root / place

    def refuse(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return kept(path, *args, **kwargs)

    name = "iterdir" if closed.is_dir() else "read_text"
    kept = getattr(Path, name)
    monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(AtrousError, match=rf"Cannot read {closed} \(Permission denied\)"):
        read_dataset(root)


def test_selection_images_are_halved_where_another_sequence_begins() -> None:
    def cut(names: list[str]) -> tuple[list[str], list[str]]:
        one, other = halves(tuple(Sample(n, Path(n), Path(n)) for n in names))
        return [each.name for each in one], [each.name for each in other]

    frames = [f"{video}_{n:03}" for video, count in (("a", 3), ("b", 6)) for n in range(count)]
    assert cut(frames[::-1]) == (frames[:3], frames[3:])
    alike = [f"a_{n}" for n in range(5)]
    assert cut(alike) == (alike[:3], alike[3:])
    unlike = ["a_1", *(f"b_{n}" for n in range(7))]
    assert cut(unlike) == (unlike[:4], unlike[4:])
    with pytest.raises(AtrousError, match=r"at least 2 selection images for --reread.*got 1"):
        cut(["a"])
