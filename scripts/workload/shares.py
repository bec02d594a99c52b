"""How much of each prompt an earlier one shares."""
from collections import Counter

MIN_SPAN = 8


def spans(tokens: list) -> list[tuple]:
    return [tuple(tokens[at:at + MIN_SPAN]) for at in range(len(tokens) - MIN_SPAN + 1)]


def covered(own: list[tuple], length: int, other: set[tuple]) -> float:
    """Share of the tokens that stand in a span of at least 8 tokens which the other has too."""
    count, end = 0, 0
    for at, span in enumerate(own):
        if span in other:
            count += at + MIN_SPAN - max(at, end)
            end = at + MIN_SPAN
    return count / length if length else 0.0


def best_shares(prompts: list[list], groups: list[str]) -> list[float]:
    """For each prompt the largest share that it has in common with one earlier prompt of its share
    group; 0 where there is none."""
    seen: dict[tuple, list[int]] = {}  # (group, span) -> earlier prompts
    all_spans = [spans(tokens) for tokens in prompts]
    sets = [set(own) for own in all_spans]
    best = []
    for at, (own, group) in enumerate(zip(all_spans, groups, strict=True)):
        hits = Counter(other for span in sets[at] for other in seen.get((group, span), ()))
        best.append(max((covered(own, len(prompts[at]), sets[other])
                         for other, _ in hits.most_common(3)), default=0.0))
        for span in sets[at]:
            seen.setdefault((group, span), []).append(at)
    return best
