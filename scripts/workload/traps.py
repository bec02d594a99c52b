"""Pairs of prompts that differ in one decisive word or number."""
import random
import re
from collections.abc import Iterator
from pathlib import Path

from . import data
from .policy import FIRST, LAST, Bank, reply_rule

MONTHS = "January February March April May June July August September October November".split()
DRUGS = "penicillin aspirin ibuprofen codeine latex iodine sulfa morphine".split()


def two(rng: random.Random, low: int, high: int, step: int = 1) -> tuple[str, str]:
    """Of as many digits each, so that neither answer is likelier for being shorter."""
    first, second = rng.sample(range(low, high, step), 2)
    return f"{first}", f"{second}"


def negation(sentence: str, readings: tuple[str, str], question: str) -> tuple:
    """A small model says yes to most questions; what it tells apart is whole sentences."""
    return (sentence, readings, f"{question} Answer in one sentence.",
            tuple(sentence.format(reading) for reading in readings))


# Each gives (sentence with {} for what is decisive, its two readings, question, two answers).
def dose(rng: random.Random) -> tuple:
    name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    values = two(rng, 10, 100, 5)
    return (f"{name} takes {{}} mg of the medicine a day.", values,
            f"How many mg of the medicine does {name} take a day?", values)


def allergy(rng: random.Random) -> tuple:
    name, drug = f"{rng.choice(FIRST)} {rng.choice(LAST)}", rng.choice(DRUGS)
    return negation(f"{name} is {{}} allergic to {drug}.",
                    rng.choice([("not", "very"), ("not", "indeed")]),
                    f"Is {name} allergic to {drug}?")


def appointment(rng: random.Random) -> tuple:
    name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    values = tuple(rng.sample(MONTHS, 2))
    return (f"{name} comes again on {rng.randrange(1, 29)} {{}}.", values,
            f"In which month does {name} come again?", values)


def account(rng: random.Random) -> tuple:
    name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    values = two(rng, 1000, 9999)
    return (f"The refund of {name} goes to the account that ends in {{}}.", values,
            f"In which four digits does the account for the refund of {name} end?", values)


def permission(rng: random.Random) -> tuple:
    name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    return negation(f"{name} may {{}} withdraw cash abroad.",
                    rng.choice([("never", "always"), ("not", "now")]),
                    f"May {name} withdraw cash abroad?")


def fee(rng: random.Random) -> tuple:
    name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    values = two(rng, 10, 90)
    return (f"The transfer of {name} costs {{}} euros.", values,
            f"How many euros does the transfer of {name} cost?", values)


MEDICAL, BANKING = (dose, allergy, appointment), (account, permission, fee)


def within(sentences: list[str], words: int) -> list[str]:
    """The first of them that have so many words at most, and the very first in any case."""
    total, first = 0, []
    for sentence in sentences:
        total += len(sentence.split())
        if first and total > words:
            break
        first.append(sentence)
    return first


class Traps:
    def __init__(self, folder: Path, rng: random.Random, words: int):
        """words: the most that stand around the sentence in question, roughly."""
        self.rng = rng
        self.words = words
        self.topics = data.banking77(folder)
        self.rows = [row for row in data.medquad(folder) if len(row[2]) >= 3]
        self.numbered = [row for row in self.rows if any(map(self.number_in, row[2]))]
        rng.shuffle(self.numbered)
        if not self.rows or not self.topics:
            raise data.DataError(f"{folder}: no texts to set traps in")

    @staticmethod
    def number_in(sentence: str) -> re.Match | None:
        """The only number of a sentence, with enough text in front of it to ask for it."""
        found = list(re.finditer(r"\b\d[\d,.]*\d\b|\b\d\b", sentence))
        return found[0] if len(found) == 1 and found[0].start() > 30 else None

    def medical_text(self) -> list[str]:
        return [sentence for row in self.rng.sample(self.rows, min(3, len(self.rows)))
                for sentence in row[2][:8]]

    def policy_text(self) -> list[str]:
        topics = self.rng.sample(sorted(self.topics), min(10, len(self.topics)))
        return [Bank(self.rng).introduction(), *(reply_rule(topic, self.rng) for topic in topics)]

    def told(self, kinds: tuple, text: list[str]) -> dict:
        """An invented sentence in a real text."""
        text = within(text, self.words)
        kind = self.rng.choice(kinds)
        sentence, readings, question, answers = kind(self.rng)
        at = self.rng.randrange(1, len(text) + 1)
        prompts = [" ".join([*text[:at], sentence.format(reading), *text[at:]])
                   for reading in readings]
        return {"kind": kind.__name__, "prompt_a": prompts[0], "prompt_b": prompts[1],
                "question": question, "answers": list(answers)}

    def found(self, row: tuple) -> dict:
        """The number in a sentence of a real text, changed."""
        _, _, sentences = row
        at = next(index for index, text in enumerate(sentences) if self.number_in(text))
        match = self.number_in(sentences[at])
        number = match.group()
        other = re.sub(r"\d", lambda digit: str((int(digit.group()) + 3) % 9 + 1), number)
        changed = sentences[at][:match.start()] + other + sentences[at][match.end():]
        around = self.medical_text()
        text = [*around[:6], *sentences, *around[6:]]
        if len(" ".join(text).split()) > self.words:
            before = within(sentences[:at][::-1], self.words // 2)[::-1]
            text = [*before, *within(sentences[at:], self.words // 2)]
        prompts = [" ".join(sentence if sentence != sentences[at] else reading for sentence in text)
                   for reading in (sentences[at], changed)]
        return {"kind": "number", "prompt_a": prompts[0], "prompt_b": prompts[1],
                "question": "Which number follows in the text after these words: "
                            f"\"{sentences[at][:match.start()].strip()}\"?",
                "answers": [number, other]}

    def pairs(self, count: int) -> Iterator[dict]:
        for at in range(count):
            if at % 3 == 0 and self.numbered:
                pair = self.found(self.numbered.pop())
            elif at % 3 == 1:
                pair = self.told(BANKING, self.policy_text())
            else:
                pair = self.told(MEDICAL, self.medical_text())
            yield {"id": f"trap-{at:03}", **pair}
