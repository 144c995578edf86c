"""Benchmarks that become slower together need less evidence each.

The evidence of m benchmarks is m e-processes E of the same launches, each with a share v of alpha, the probability of
any false alarm: 1 / m, or half of that for each of two clocks. For any set S of benchmarks that have not changed,
sum(v * E) / sum(v) over S is a supermartingale that starts at 1, however they depend on each other. So by Ville's
inequality it ever reaches 1 / alpha with a probability of at most alpha. Closed testing (Marcus, Peritz and Gabriel, On
closed testing procedures, Biometrika, 1976; with means of e-values: Vovk and Wang, E-values, The Annals of Statistics,
2021) raises an alarm for a benchmark if that happens for each S that it is in: an alarm is false only if it happens for
the set of all that have not changed, so any alarm is false with a probability of at most alpha.

The worst S of a benchmark has, beside itself, those whose evidence is below 1 / alpha, and those of other shards, of
which nothing is known. Even if these had no evidence at all, it is enough that
v * E >= (1 - sum of the shares of the other benchmarks with 1 / alpha or more) / alpha. With no such benchmark, that is
the bound of Bonferroni, m / alpha; if all have it, 1 / alpha.

Only benchmarks of one alpha are a family; others are as those of other shards. By the same argument the alarms of a
family with the part f of all shares are false with a probability of at most f * alpha.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_benchgate.race.statistics import Decision, Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pytest_benchgate.race.launching.engine import Race


def decide_together(races: Mapping[str, Race], launched: Collection[str]) -> dict[str, Race]:
    """Return the races, by their ids; one that was launched is `slower` if its evidence is enough beside the others."""
    shares: dict[float, float] = {}
    for race, rule in _timed(races):
        if race.evidence >= 1 / rule.alpha:
            shares[rule.alpha] = shares.get(rule.alpha, 0.0) + 1 / rule.races
    return {nodeid: _decided(race, shares) if nodeid in launched else race for nodeid, race in races.items()}


def _timed(races: Mapping[str, Race]) -> Iterator[tuple[Race, Rule]]:
    """Yield each race by each of its clocks, with its rule, if that knows of other races."""
    for race in races.values():
        for one in (race, race.device):
            if one is not None and isinstance(one.rule, Rule):
                yield one, one.rule


def _decided(race: Race, shares: Mapping[float, float]) -> Race:
    """Return a race after its evidence was compared with what the others leave; `shares` are theirs, by alpha."""
    if race.device is not None:
        race = replace(race, device=_decided(race.device, shares))
    rule = race.rule
    undecided = race.failed is None and race.decision.verdict is Verdict.UNSURE
    if not undecided or not isinstance(rule, Rule) or race.evidence < 1 / rule.alpha:
        return race
    beside = replace(rule, freed=min(shares[rule.alpha], 1.0) - 1 / rule.races)
    if race.evidence < beside.alarm:
        return race
    return replace(race, rule=beside, decision=Decision(Verdict.SLOWER, len(race.launches), race.evidence))
