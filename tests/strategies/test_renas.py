from __future__ import annotations

from random import Random
from typing import Any

from atrous.core.architecture import Architecture
from atrous.core.strategy_config import RenasConfig
from atrous.core.trial import Note, Origin, Trial
from atrous.strategies.renas import Gains, Renas
from atrous.strategies.strategy import Moments, Result
from tests.strategies.histories import ANY, history, known
from tests.strategies.planted import space

SPACE = space()
KEYS = ("0.1", "2.3", "5.0")


def renas(**options: Any) -> Renas:
    return Renas(RenasConfig(**options))


def child(number: int, chosen: str, gain: float, **changed: Any) -> Result:
    note: Note = {"chosen": chosen, "mutants": " ".join(KEYS), "parent": 0.5, **changed}
    trial = Trial(number, Architecture(ANY, (0,)), Origin("learnt", (0,), note=note), 0)
    return Result(trial, 0, 0.5 + gain)


def test_changes_that_gained_are_made_again() -> None:
    results = [child(n, KEYS[n % 3], 0.1 if n % 3 == 1 else -0.1) for n in range(30)]
    state = renas().update(Gains(), results)
    for learn in ("policy", "table"):
        weights = {key: state.weight(key, learn) for key in KEYS}
        assert max(weights, key=lambda key: weights[key]) == "2.3"
        assert weights["2.3"] > 0 > weights["0.1"]
        assert state.weight("7.7", learn) == 0


def test_one_gain_counts_less_than_the_same_gain_often() -> None:
    others = [child(n, "2.3", 0) for n in range(9)]
    once, often = (
        renas().update(Gains(), [*(child(n, "0.1", 0.2) for n in range(count)), *others])
        for count in (1, 9)
    )
    assert 0 < once.totals["0.1"][0] < often.totals["0.1"][0]
    shrunk = [state.weight("0.1", "table") * state.gains.spread for state in (once, often)]
    unshrunk = [0.2 - state.gains.mean for state in (once, often)]
    assert shrunk[0] / unshrunk[0] < shrunk[1] / unshrunk[1] < 2


def test_children_differ_from_their_parent_in_the_decision_that_was_chosen() -> None:
    seen, how = history(SPACE, 20), renas()
    for number in range(20):
        proposal = how.propose(Gains(), SPACE, known(SPACE, seen), Random(number))
        (parent,) = proposal.origin.parents
        old, new = seen[parent].genotype, proposal.genotype
        differing = [(k, n) for k, (o, n) in enumerate(zip(old, new, strict=True)) if o != n]
        note = proposal.origin.note
        assert [f"{k}.{n}" for k, n in differing] == [note["chosen"]]
        assert note["parent"] == seen[parent].score
        assert note["chosen"] in str(note["mutants"]).split()


def test_a_parent_of_a_higher_rung_is_no_measure_of_its_child() -> None:
    seen = history(SPACE, 20)
    seen.append(Result(seen[3].trial, 1, 0.0))
    proposal = renas().propose(Gains(), SPACE, known(SPACE, seen), Random(0))
    if proposal.origin.parents == (3,):
        assert "parent" not in proposal.origin.note
    taught = child(0, "0.1", 0.1)
    note = {k: v for k, v in taught.trial.origin.note.items() if k != "parent"}
    silent = Result(Trial(0, taught.trial.architecture, Origin("learnt", note=note), 0), 0, 0.6)
    assert renas().update(Gains(), [silent]) == Gains()


def test_what_was_learnt_is_followed() -> None:
    seen, how = history(SPACE, 20), renas(learn="table", mutants=40)
    state = Gains({}, {"11.7": (90.0, 30), "0.1": (0.0, 30)}, Moments(60, 1.5, 60.0))
    drawn = [how.propose(state, SPACE, known(SPACE, seen), Random(n)) for n in range(30)]
    offered = [p for p in drawn if "11.7" in str(p.origin.note["mutants"]).split()]
    assert offered
    share = sum(p.origin.note["chosen"] == "11.7" for p in offered) / len(offered)
    assert share > 0.15
