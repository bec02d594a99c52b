"""Prompts: the same seed gives the same ones."""
import random

WORDS = ("dog cat red blue ball car park tree house girl boy mom dad friend cake rain sun day night old new big small "
         "happy sad runs plays sees finds gives takes wants likes says goes and then but because when with in on to a "
         "the one day they she he it was very").split()


def words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(WORDS, k=count))


def prompts(seed: int, count: int, families: int = 8, length: int = 80) -> list[str]:
    """Each begins, a few words excepted, as some others do, and ends as no other one."""
    rng = random.Random(seed)
    beginnings = [words(rng, length).split() for _ in range(families)]
    made = []
    for number in range(count):
        beginning = list(rng.choice(beginnings))
        beginning[rng.randrange(length)] = rng.choice(WORDS)
        made.append(" ".join(beginning) + f". Number {number}: " + words(rng, 12))
    return made
