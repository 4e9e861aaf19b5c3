from __future__ import annotations

from random import Random

from atrous.core.trial import Origin
from atrous.spaces.dpc.space import dpc
from atrous.strategies.strategy import Proposal, Stateless
from atrous.strategies.uniform import Listed
from tests.strategies.histories import play, propose, result


def test_what_is_listed_comes_in_its_order() -> None:
    space = dpc(3)
    listed = tuple(Proposal(space.sample(Random(n)), Origin("trial", (n,))) for n in (7, 2, 5, 1))
    proposals, _ = play(Stateless(Listed(listed)), space, 4, lambda _: None)
    assert tuple(proposals) == listed


def test_what_was_tried_in_another_form_is_left_out() -> None:
    """Two branches in the other order build the same function."""
    space = dpc(3)
    one, other = (0, 3, 0, 5, 1, 7), (0, 5, 0, 3, 2, 7)
    assert space.canonical(one) == space.canonical(other)
    listed = Listed(
        (Proposal(one, Origin("trial", (0,))), Proposal((0, 1, 1, 2, 0, 0), Origin("trial", (1,))))
    )
    proposal = propose(Stateless(listed), space, [result(0, other, 0.5)])
    assert proposal.origin.parents == (1,)


def test_baselines_of_another_size_are_no_hindrance() -> None:
    space = dpc(3)
    listed = Listed((Proposal(space.sample(Random(0)), Origin("trial", (0,))),))
    history = [result(0, dpc(5).sample(Random(1)), None)]
    assert propose(Stateless(listed), space, history).origin.parents == (0,)


def test_beside_the_listed_comes_random_search_whatever_they_scored() -> None:
    space = dpc(3)
    proposals = tuple(Proposal(space.unrank(n), Origin("choice", (n,))) for n in (5, 9))
    listed, seen = Stateless(Listed(proposals)), [result(0, space.unrank(5), None)]
    assert propose(listed, space, seen).origin.parents == (9,)
    seen.append(result(1, space.unrank(9), 0.0))
    assert propose(listed, space, seen).origin.kind == "uniform"
