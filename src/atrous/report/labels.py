"""Labels that do not collide."""

from __future__ import annotations

from collections.abc import Sequence


def spread(wanted: Sequence[float], gap: float, extent: float) -> list[float]:
    """Places as near as possible to the wanted ones, in the same order and `gap` apart.

    Labels that collide are moved together about their common centre; all stay within
    0 .. `extent` if they fit there.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[tuple[float, list[int]]] = []
    for index in order:
        centre, members = wanted[index], [index]
        while groups and centre - groups[-1][0] < gap * (len(members) + len(groups[-1][1])) / 2:
            _, before = groups.pop()
            members = before + members
            centre = _clamped(sum(wanted[i] for i in members) / len(members), members, gap, extent)
        groups.append((_clamped(centre, members, gap, extent), members))
    places = [0.0] * len(wanted)
    for centre, members in groups:
        for position, index in enumerate(members):
            places[index] = centre + gap * (position - (len(members) - 1) / 2)
    return places


def _clamped(centre: float, members: Sequence[int], gap: float, extent: float) -> float:
    half = gap * (len(members) - 1) / 2
    return min(max(centre, half), max(half, extent - half))
