"""What every task of the registry keeps; and that a second one goes the whole way."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from atrous.core.config import GRADIENT, GradientConfig
from atrous.core.console import untracked
from atrous.core.options import replaced
from atrous.core.stage_config import RerankConfig
from atrous.core.trial import Measured, details_of, values_of
from atrous.data.dataset import IGNORE, read_image, read_labels
from atrous.data.layouts import read_dataset
from atrous.data.pixels import Pixels
from atrous.data.transform import Transform
from atrous.relax.collapse import FOLDER
from atrous.relax.loop import CHECKPOINT
from atrous.report.leaderboard import leaderboard, write_csv
from atrous.report.rerank import second_ranking
from atrous.search.objective import REWARDS
from atrous.search.run import open_run
from atrous.search.verdict import verdict_of
from atrous.spaces.blueprint import build_network
from atrous.stages import relax, rerank, search
from atrous.stages.compare import compare, scores
from atrous.stages.train import trainer
from atrous.stages.train.config import job_of, subject_of
from atrous.tasks import TASKS
from atrous.tasks.task import Task, Value
from atrous.training.checkpoint import load, read_log
from tests.docs.pages import EXTENDING, execute
from tests.small_search import CLASSES, begun, ignore, write_data

K = len(CLASSES)
SHAPE = (6, 7)


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param]


def learnt(task: Task, images: int = 3) -> tuple[Tensor, Tensor]:
    """Scores [B, C, H, W] of the task's last layer on noise, and targets of which some are not
    told."""
    torch.manual_seed(0)
    found = task.lesson().head(4, K, 3)(torch.randn(images, 4, *SHAPE))
    targets = torch.randint(K, (images, *SHAPE))
    return found, targets.masked_fill(torch.rand(targets.shape) < 0.3, IGNORE)


def test_its_scores_read_what_it_measures(task: Task) -> None:
    assert TASKS.get(task.name, task) == task
    assert task.value == task.values[0]
    assert task.loss not in task.values
    for whole in (True, False):
        assert task.value in task.scores(whole)
        assert task.end_to_end(task.value) == task.value
    assert {*task.scores(whole=True)} <= {*task.scores(whole=False)} == {*task.objectives}
    assert {task.end_to_end(name) for name in task.objectives} <= {*task.scores(whole=True)}
    assert task.objective("") == task.objective(task.value)


@pytest.mark.parametrize("name", REWARDS)
def test_a_reward_of_its_scores_grows_with_the_score_and_never_with_a_cost(
    task: Task, name: str
) -> None:
    for score in task.objectives.values():
        if isinstance(score, Value) and score.sign < 0:
            continue
        reward = REWARDS[name](score, (("latency", 10.0), ("memory", 2.0)), -0.07)
        low, high = (dict.fromkeys(score.names, share) for share in (0.3, 0.6))
        at_target = {"latency": 10.0, "memory": 2.0}
        assert reward({**low, **at_target}) == score(low)
        for beyond in (4.0, 40.0):
            cost = {**at_target, "latency": beyond}
            assert reward({**low, **cost}) < reward({**high, **cost})
            assert reward({**low, **cost, "latency": beyond + 1}) <= reward({**low, **cost})
        assert {*reward.names} == {*score.names, *at_target}


def test_it_pickles(task: Task) -> None:
    assert pickle.loads(pickle.dumps(task)) == task


def test_its_loss_is_a_sum_over_what_is_told(task: Task) -> None:
    lesson, (found, targets) = task.lesson(), learnt(task)
    whole = lesson.loss(found, targets)
    assert torch.autograd.grad(whole, found, retain_graph=True)[0].abs().sum() > 0
    parts = [lesson.loss(found[n : n + 1], targets[n : n + 1]) for n in range(len(found))]
    assert torch.allclose(whole, torch.stack(parts).sum())
    assert int(lesson.labelled(targets)) == int((targets != IGNORE).sum())
    nothing = torch.full_like(targets, IGNORE)
    assert lesson.loss(found, nothing).item() == lesson.labelled(nothing).item() == 0


def test_its_tallies_add_up_to_the_values_it_names(task: Task) -> None:
    lesson, (found, targets) = task.lesson(), learnt(task)
    answers = lesson.answer(found.detach())
    assert answers.shape == targets.shape
    targets = targets.to(torch.uint8)
    whole = lesson.tally(targets, answers, K)
    parts = [lesson.tally(*pair, K) for pair in zip(targets, answers, strict=True)]
    assert torch.allclose(whole, torch.stack(parts).sum(0))
    elsewhere = answers.masked_fill(targets == IGNORE, 1)
    assert torch.equal(lesson.tally(targets, elsewhere, K), whole)
    metrics = lesson.summary(whole.numpy())
    assert tuple(values_of(metrics)) == task.values
    rows = details_of(metrics)
    assert {*rows} == ({task.by_class} if task.by_class else set())
    assert all(len(row) == K for row in rows.values())


def test_whole_images_are_counted_as_their_answers_are(task: Task, tmp_path: Path) -> None:
    lesson, samples = task.lesson(), read_dataset(write_data(tmp_path / "data")).splits["val"]
    torch.manual_seed(0)
    network, transform = lesson.head(3, K, 1).train(), Transform((0.5,) * 3, (0.25,) * 3)
    found = lesson.evaluate(
        network, transform, samples, K, device="cpu", label="scoring", progress=untracked
    )
    tallies: list[Tensor] = []
    for sample in samples:
        image, labels = read_image(sample.image), read_labels(sample)
        targets = task.targets(image, labels)
        assert targets.dtype == np.uint8
        assert targets.shape == labels.shape
        with torch.no_grad():
            answers = lesson.answer(network(transform(image)[None]))
        tallies.append(lesson.tally(torch.from_numpy(targets)[None], answers, K))
    assert np.allclose(np.asarray(found), torch.stack(tallies).sum(0).numpy())


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Task:
    """The task of the page on extensions, registered."""
    module = execute(EXTENDING)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    added: Task = module.BRIGHTNESS
    monkeypatch.setitem(TASKS, added.name, added)
    return added


def test_a_second_task_goes_the_whole_way(second: Task, tmp_path: Path) -> None:
    data, cache = write_data(tmp_path / "data"), tmp_path / "cache"
    run, estimator = begun(data, tmp_path / "run", cache, task=second.name, baselines=("dpc:1x1",))
    search.proceed(run, estimator, ignore)
    run = open_run(run.path)
    entries = run.ledger().entries()
    rows = leaderboard(run, entries)
    assert [row.score for row in rows] == [row.value for row in rows]
    assert {row.score_name for row in rows} == {second.value}
    write_csv(run, entries, tmp_path / "all.csv")
    head, *lines = (tmp_path / "all.csv").read_text().splitlines()
    assert len(lines) == len(rows) == 3
    assert {*second.values, second.loss} <= {*head.split(",")}
    assert "miou" not in head
    verdict = verdict_of(run, entries)
    assert verdict is not None
    assert f" {second.value} by " in verdict.words

    asked = replaced(RerankConfig(), top=1, steps=2, batch=2, crop=(33, 49), warm=False, workers=1)
    rerank.begin(run, asked)
    rerank.proceed(run, cache, ignore)
    ranking = second_ranking(run)
    assert ranking.second_name == second.value
    again = [entry.outcome for entry in run.reranked()]
    assert all(isinstance(each, Measured) and {*each.values} == {*second.values} for each in again)

    found = compare(run, ("best",), ("val",), 2, cache)
    assert len(scores(found.replicates, found.names["best"], "val")) == 2

    told = {"steps": 2, "batch": 2, "crop": (33, 49), "device": "cpu"}
    job, folder = job_of(subject_of(str(run.path), None, told)), tmp_path / "trained"
    trainer.create(folder, job)
    trainer.run(folder, trainer.read(folder), progress=untracked)
    assert {line.decided_by for line in read_log(folder)} == {second.value}
    assert build_network(job.blueprint).logits.out_channels == 1
    assert second.selected_by in (folder / "model" / "model.json").read_text()


@pytest.mark.slow
def test_a_supernet_learns_a_second_task(
    second: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last layers are the task's, and so is what it is to tell."""
    asked: list[int] = []

    def told(image: Pixels, labels: Pixels) -> Pixels:
        asked.append(len(labels))
        return second.targets(image, labels)

    monkeypatch.setitem(TASKS, second.name, replace(second, targets=told))
    small = GradientConfig(steps=1, batch=2, filters=2, crop=(33, 33), candidates=1)
    whole = {"space": "auto_deeplab-2x1", "baselines": (), "backbone": None, "crop": (33, 65)}
    kinds = {**whole, "output_stride": None, "strategy": GRADIENT, "gradient": small}
    data, out = write_data(tmp_path / "data"), tmp_path / "run"
    run, _ = begun(data, out, tmp_path / "cache", task=second.name, **kinds)
    relax.relax(run, lambda *_: None)
    assert len(asked) >= small.batch
    tensors = load(run.path / FOLDER / "0" / CHECKPOINT).tensors
    assert {len(each) for name, each in tensors.items() if name.endswith(".scores.weight")} == {1}
