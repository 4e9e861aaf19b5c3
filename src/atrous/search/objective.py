"""The goal of a search: its objectives, the one number that is made of them, and its limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from atrous.core.architecture import COSTS, COUNTED, OF_NETWORKS, Limit, key_of, measure_of
from atrous.core.config import GoalConfig, SearchConfig, Size
from atrous.core.errors import AtrousError, faults, require_all
from atrous.search.imitation import Imitation, expert_of, imitation, read_imitation
from atrous.spaces import find_space, needs_backbone
from atrous.spaces.space import Space
from atrous.tasks import find_task
from atrous.tasks.task import Mean, Objective, Task, Value

UNIT = {"parameters": 1e6, "multiply-adds": 1e9, "memory": 2.0**30, "latency": 1e3}
"""Targets where none is named. A soft reward ranks alike whatever they are."""


@dataclass(frozen=True)
class Reward:
    """A score times (cost / target) ** exponent for each cost, with one exponent up to the target
    and one beyond it (Tan et al. 2019, "MnasNet", section 3)."""

    score: Value | Mean
    targets: tuple[tuple[str, float], ...]
    within: float
    beyond: float

    @property
    def names(self) -> tuple[str, ...]:
        """The values that are read."""
        return (*self.score.names, *(name for name, _ in self.targets))

    def __call__(self, values: Mapping[str, float]) -> float:
        """See `Objective`."""
        reward = self.score(values)
        for name, target in self.targets:
            ratio = values[name] / target
            reward *= float(ratio ** (self.within if ratio <= 1 else self.beyond))
        return reward


Targets = tuple[tuple[str, float], ...]
REWARDS: Mapping[str, Callable[[Value | Mean, Targets, float], Reward]] = {
    "mnasnet": lambda score, targets, exponent: Reward(score, targets, exponent, exponent),
    "mnasnet-hard": lambda score, targets, _: Reward(score, targets, 0.0, -1.0),
}
"""Makes a reward of a score, the target of each cost by the name of its value, and the exponent of
a soft one."""
USUAL = "mnasnet"
"""The reward of several objectives where none is named."""


@dataclass(frozen=True)
class Goal:
    """The wishes of a search: a large `score` of its task, small `costs` beside it, all within
    `limits`. Several are one number by the `reward`, at whose `targets` it is the score. `sizes`
    are those of the images for which costs are asked, where a size was said. What is proposed and
    promoted leans towards an expert, where `imitate` has its name and weight."""

    task: Task
    score: str
    costs: tuple[str, ...]
    reward: str
    targets: tuple[Limit, ...]
    exponent: float
    limits: tuple[Limit, ...]
    sizes: Mapping[str, Size]
    imitate: tuple[str, float] | None = None

    @property
    def name(self) -> str:
        """The name of the number that is maximised."""
        return self.reward or self.score

    @property
    def objective(self) -> Value | Mean | Reward:
        """The number that strategies maximise."""
        score = self.task.objectives[self.score]
        if not self.reward:
            return score
        named = {each.name: each.most for each in self.targets}
        costs = dict.fromkeys((*self.costs, *named))
        targets = tuple((key_of(name), named.get(name, UNIT[name])) for name in costs)
        return REWARDS[self.reward](score, targets, self.exponent)

    @property
    def wanted(self) -> tuple[Objective, ...]:
        """All objectives, larger being better, where there are several; empty for one."""
        beside = tuple(Value(key_of(name), -1) for name in self.costs)
        return (self.task.objectives[self.score], *beside) if beside else ()

    def imitated(self, space: Space) -> Imitation | None:
        """Returns the imitation of the expert in the space as it is searched; `None` where none is
        asked for. Raises `AtrousError`."""
        if self.imitate is None:
            return None
        name, weight = self.imitate
        return imitation(space, expert_of(space, name), weight)

    @property
    def counted(self) -> tuple[Limit, ...]:
        """The limits on what a space counts."""
        return tuple(limit for limit in self.limits if limit.name in COUNTED)

    @property
    def measured(self) -> tuple[Limit, ...]:
        """The limits on other costs, the quickest to be known first."""
        return tuple(limit for name in OF_NETWORKS for limit in self.limits if limit.name == name)

    @property
    def priced(self) -> tuple[str, ...]:
        """The costs that are kept of every trial."""
        asked = {*self.costs, *(each.name for each in (*self.targets, *self.limits))}
        return tuple(name for name in COSTS if name in asked)


def goal_of(config: SearchConfig) -> Goal:
    """Returns what a search wants; raises `AtrousError` with all that is wrong with it."""
    asked, task = config.goal, find_task(config.task)
    is_known = not faults(partial(needs_backbone, config.space))
    whole = is_known and not needs_backbone(config.space)
    require_all(
        partial(_require_objectives, config, task, whole),
        *(partial(_limit, "limit", text) for text in asked.limits),
        *(partial(_limit, "target", text) for text in asked.target),
        *([partial(_require_expert, config)] if asked.imitate and is_known else []),
    )
    named = [measure_of(text) for text in asked.objective]
    limits, targets = (
        tuple(_limit(flag, text) for text in texts)
        for flag, texts in (("limit", asked.limits), ("target", asked.target))
    )
    goal = Goal(
        task=task,
        score=next((name for name, _ in named if name in task.objectives), task.value),
        costs=tuple(dict.fromkeys(name for name, _ in named if name in COSTS)),
        reward=asked.reward or (USUAL if any(name in COSTS for name, _ in named) else ""),
        targets=targets,
        exponent=asked.exponent,
        limits=limits,
        sizes=_sizes([*named, *((each.name, each.size) for each in (*limits, *targets))]),
        imitate=read_imitation(asked.imitate) if asked.imitate else None,
    )
    _require_reward(goal, asked)
    return goal


def _limit(flag: str, text: str) -> Limit:
    try:
        return Limit.parse(text)
    except ValueError as error:
        raise AtrousError(f"--{flag}: {error}.") from error


def _require_objectives(config: SearchConfig, task: Task, whole: bool) -> None:
    """Raises `AtrousError` for objectives that there are not, and for several scores."""
    able, names = task.scores(whole), [measure_of(text)[0] for text in config.goal.objective]
    for name in names:
        if name not in able and name not in COSTS:
            known = whole and name in task.objectives
            why = f" for whole networks (--space {config.space})" if known else ""
            raise AtrousError(
                f"--objective is one of {', '.join(able)}{why}, and beside it any of "
                f"{', '.join(COSTS)}, got {name!r}."
            )
    if len(scores := [name for name in names if name in able]) > 1:
        raise AtrousError(
            f"--objective has one score, and costs beside it, got {' and '.join(scores)}: an "
            "architecture that is good by one of them is good by the others."
        )


def _require_expert(config: SearchConfig) -> None:
    """Raises `AtrousError` for an expert that is none in the space."""
    name, _ = read_imitation(config.goal.imitate)
    expert_of(find_space(config.space), name)


def _require_reward(goal: Goal, asked: GoalConfig) -> None:
    """Raises `AtrousError` for a reward that there is not, or that cannot be made."""
    if goal.reward and goal.reward not in REWARDS:
        raise AtrousError(f"--reward is one of {', '.join(REWARDS)}, got {goal.reward!r}.")
    if asked.target and not goal.reward:
        raise AtrousError("--target is that of a --reward, and there is none: add it.")
    if goal.reward and not (goal.costs or goal.targets):
        raise AtrousError(
            f"--reward {goal.reward} needs a cost: name its --target, such as 12ms or "
            "multiply-adds<=500M."
        )
    if goal.reward and _is_negative(goal.task.objectives[goal.score]):
        able = (name for name, each in goal.task.objectives.items() if not _is_negative(each))
        raise AtrousError(
            f"--objective {goal.score} is negative, and stands beside no cost: a product with it "
            f"would reward what is dear. Take {' or '.join(able)}."
        )
    if goal.reward.endswith("-hard") and not goal.targets:
        raise AtrousError(f"--reward {goal.reward} needs a --target, such as 12ms.")


def _is_negative(score: Value | Mean) -> bool:
    return isinstance(score, Value) and score.sign < 0


def _sizes(named: Sequence[tuple[str, Size | None]]) -> dict[str, Size]:
    """The size for which each cost is asked; raises `AtrousError` for two of one cost."""
    found: dict[str, Size] = {}
    for name, size in named:
        if size and found.setdefault(name, size) != size:
            told = " and ".join(f"{height}x{width}" for height, width in (found[name], size))
            raise AtrousError(f"Expected one size of images for {name}, got {told}.")
    return found
