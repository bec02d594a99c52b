"""When which family of similar prompts is asked for, by whom, and how long its prompts are.

A family is a text and its variations. The first request of a family has no similar predecessor, all
others have one; so 15 % of the requests open a family."""
import math
import random
from dataclasses import dataclass
from statistics import NormalDist

GROUPS = {"north": ["amber", "birch"], "south": ["cedar"]}  # share group -> tenants
NEW_SHARE = 0.15
MEDIAN, SPREAD, SHORTEST, LONGEST = 1000, 0.42, 400, 2000  # tokens; spread of their logarithm
MEAN_GAP_MS = 2500


@dataclass
class Slot:
    family: int
    length: int  # tokens wanted
    tenant: str
    arrival_ms: int


def family_sizes(requests: int) -> list[int]:
    """A few families are asked for often, most of them seldom."""
    count = max(1, round(NEW_SHARE * requests))
    weights = [1 / (at + 3) for at in range(count)]
    sizes = [1 + int((requests - count) * weight / sum(weights)) for weight in weights]
    for at in range(requests - sum(sizes)):
        sizes[at % count] += 1
    return sizes


def lengths(sizes: list[int], rng: random.Random) -> list[int]:
    """Log-normal over requests: each family stands at the quantile of its middle request."""
    order = list(range(len(sizes)))
    rng.shuffle(order)
    out, before = [0] * len(sizes), 0.0
    for family in order:
        share = (before + sizes[family] / 2) / sum(sizes)
        before += sizes[family]
        length = MEDIAN * math.exp(SPREAD * NormalDist().inv_cdf(share))
        out[family] = round(min(max(length, SHORTEST * 1.16), LONGEST * 0.92))
    return out


def schedule(requests: int, rng: random.Random) -> list[Slot]:
    """In order of time."""
    sizes = family_sizes(requests)
    wanted = lengths(sizes, rng)
    # Families go to the groups in turn, as often as the groups have tenants.
    homes = [group for group, tenants in GROUPS.items() for _ in tenants]
    order = [family for family, size in enumerate(sizes) for _ in range(size)]
    rng.shuffle(order)
    slots, now = [], 0.0
    for family in order:
        now += rng.expovariate(1 / MEAN_GAP_MS)
        tenant = rng.choice(GROUPS[homes[family % len(homes)]])
        slots.append(Slot(family, wanted[family], tenant, round(now)))
    return slots


def group_of(tenant: str) -> str:
    return next(group for group, tenants in GROUPS.items() if tenant in tenants)
