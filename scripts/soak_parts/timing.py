"""Whether the time of an answer tells what another tenant asked."""
import hashlib
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean

from .server import Failure, Server
from .texts import words

TENANTS = ("victim", "prober")  # whose keys are their names
MARGIN = 0.05  # of the time of an answer: less is called equal
CONTROLS = 20  # probes of what the tenant asked itself, which shows what a leak would look like
HEAD_START = 0.05  # seconds after which the victim's request is being computed, and is not yet answered
QUICK = (0.05, 0.35)  # of the values, ascending
RESAMPLES = 2000


def quick_mean(values: list[float]) -> float:
    """Of the lower values: whatever else the machine does adds to them. Source: Crosby, Wallach and Riedi 2009,
    "Opportunities and Limits of Remote Timing Attacks", 4.3, the box test."""
    first, end = (round(share * len(values)) for share in QUICK)
    return fmean(sorted(values)[first:max(end, first + 1)])


def interval(a: list[float], b: list[float], rng: random.Random) -> tuple[float, float]:
    """Of the difference of these means, 90 % (bootstrap): within the margin on both sides is equivalent at the level
    of 5 %, by two one-sided tests (Schuirmann 1987)."""
    differences = sorted(quick_mean(rng.choices(a, k=len(a))) - quick_mean(rng.choices(b, k=len(b)))
                         for _ in range(RESAMPLES))
    return differences[RESAMPLES // 20], differences[-RESAMPLES // 20]


def serve(options, folder: str, *arguments) -> Server:
    keys = Path(folder, "keys")
    keys.write_text("".join(hashlib.sha256(name.encode()).hexdigest() + f" {name}\n" for name in TENANTS))
    return Server(options, "--keys", keys, "--publish-after", 3, *arguments, tenants=TENANTS)


def ask(server: Server, tenant: str, prompt: str) -> tuple[float, dict]:
    begun = time.perf_counter()
    answer = server.complete(prompt, {"Authorization": f"Bearer {tenant}"}, max_tokens=1)
    return 1000 * (time.perf_counter() - begun), answer


def visible(answer: dict) -> tuple:
    """What a client is told about reuse; a few tokens are those that its own earlier prompts begin with."""
    share = answer["kvshare"]
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"] // 32, share["reason"], len(share["donors"])


def try_probe(server: Server, arm: str, together: bool, rng: random.Random) -> tuple[float, dict]:
    """What the prober sees of a new probe when the victim has asked this or something else, or asks it meanwhile."""
    probe, other = words(rng, 100), words(rng, 100)
    if arm == "own":
        ask(server, "prober", probe)
    with ThreadPoolExecutor(1) as beside:
        victim = beside.submit(ask, server, "victim", probe if arm == "asked" else other)
        if together:
            time.sleep(HEAD_START)  # which of the two is begun first would else be left to chance
            if victim.done():
                raise Failure(f"the victim was answered within {1000 * HEAD_START:.0f} ms: nothing was under way")
        else:
            victim.result()
        seen = ask(server, "prober", probe)
        victim.result()
    return seen


def timing(options) -> tuple[int, str]:
    """Donors in memory, one request at a time."""
    with tempfile.TemporaryDirectory(prefix="kvs-soak-") as folder, serve(options, folder) as server:
        return audit(options, server)


def tiered(options) -> tuple[int, str]:
    """The same where donors are on a disk too."""
    with (tempfile.TemporaryDirectory(prefix="kvs-soak-") as folder,
          serve(options, folder, "--disk", Path(folder, "tier")) as server):
        return audit(options, server)


def together(options) -> tuple[int, str]:
    """The same where the victim's request is under way in the same moment."""
    with tempfile.TemporaryDirectory(prefix="kvs-soak-") as folder, serve(options, folder) as server:
        return audit(options, server, together=True)


def audit(options, server: Server, together: bool = False) -> tuple[int, str]:
    """The same probe where another tenant asks it and where it asks something else, in random order."""
    rng = random.Random(1)
    arms = ["asked", "not asked"] * options.probes + ["own"] * CONTROLS
    rng.shuffle(arms)
    times: dict[str, list[float]] = {"asked": [], "not asked": [], "own": []}
    told: dict[str, set] = {"asked": set(), "not asked": set(), "own": set()}
    for tenant in TENANTS * 3:
        ask(server, tenant, "Hello " + words(rng, 100))
    for arm in arms:
        ms, answer = try_probe(server, arm, together, rng)
        times[arm].append(ms)
        told[arm].add(visible(answer))
    if told["asked"] != told["not asked"]:
        raise Failure(f"answers tell: {sorted(map(str, told['asked'] ^ told['not asked']))[:3]}")
    low, high = interval(times["asked"], times["not asked"], rng)
    usual, own = quick_mean(times["not asked"]), quick_mean(times["own"])
    found = (f"difference {low:+.2f} to {high:+.2f} ms (90 %) of {usual:.1f} ms; what the tenant asked itself takes "
             f"{own:.1f} ms")
    if own > (1 - 2 * MARGIN) * usual:
        raise Failure(f"the audit could not see a leak: {found}")
    if max(-low, high) > MARGIN * usual:
        raise Failure(f"not shown to be equal within {100 * MARGIN:.0f} %: {found}")
    return 2 * len(arms) + CONTROLS, found
