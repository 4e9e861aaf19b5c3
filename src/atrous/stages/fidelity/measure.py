"""The loop of a study: every cell under every setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from atrous.core.trial import Origin
from atrous.execution import find_executor
from atrous.search.loop import Estimator, Plan, Watcher, search
from atrous.search.objective import find_objective
from atrous.search.promotion import FullBudget
from atrous.spaces import find_space
from atrous.stages.fidelity.cells import WHOLE, all_cells, some_cells
from atrous.stages.fidelity.study import Study
from atrous.strategies.listed import Listed
from atrous.strategies.strategy import Proposal, Stateless

CELL = "cell"
"""The kind of origin of a cell that is measured."""


@dataclass(frozen=True)
class Way:
    """A way of measuring a cell: by `estimator`, in `steps` steps, `workers` at a time."""

    estimator: Estimator
    steps: int
    workers: int


def measure(
    study: Study, ways: Mapping[str, Way], begin: Callable[[str, int], None], watch: Watcher
) -> None:
    """Measures all cells, one setting after the other; what a ledger holds is not done again.

    The cells are listed as proposals of a search. `begin` hears of each setting
    and how many of its cells have ended before, `watch` of each cell that ends. Raises
    `AtrousError`.
    """
    cells = tuple(
        Proposal(cell.genotype, Origin(CELL, label=name), cell.space)
        for name, cell in some_cells(study.settings.cells).items()
    )
    with study.locked():
        for name, way in ways.items():
            ledger = study.ledger(name)
            begin(name, len(ledger.entries()))
            plan = Plan(
                space=find_space(all_cells()[WHOLE].space),
                strategy=Stateless(Listed(cells)),
                promotion=FullBudget(way.steps),
                objective=find_objective("miou"),
                baselines=(),
                trials=len(cells),
                seed=study.settings.seed,
                workers=way.workers,
            )
            with find_executor(study.settings.executor, way.workers) as executor:
                search(plan, ledger, way.estimator, executor, watch)
