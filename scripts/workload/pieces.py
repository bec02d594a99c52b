"""Texts of which each is handed out once."""
import random
from collections.abc import Callable, Iterable
from typing import TypeVar

from .data import DataError
from .tokens import Tokens

Piece = TypeVar("Piece")


class Pieces:
    """`text` turns a piece into what it adds to a prompt, by which it is counted."""

    def __init__(self, name: str, pieces: Iterable[Piece], tokens: Tokens, rng: random.Random,
                 text: Callable[[Piece], str] = str):
        self.name, self.tokens, self.text = name, tokens, text
        self.left = list(pieces)
        rng.shuffle(self.left)

    def size(self, piece: Piece) -> int:
        return self.tokens.count(self.text(piece))

    def take(self) -> Piece:
        if not self.left:
            raise DataError(f"{self.name}: too few texts for so many requests")
        return self.left.pop()

    def fill(self, budget: float) -> list[Piece]:
        """Pieces of about `budget` tokens together: any while there is room, then the best fit."""
        taken: list[Piece] = []
        while True:
            piece = self.take()
            size = self.size(piece)
            if size > budget / 2:
                self.left.append(piece)
                at = best_fit([self.size(other) for other in self.left[-200:]], budget)
                if at is None:
                    return taken
                piece = self.left.pop(max(len(self.left) - 200, 0) + at)
                size = self.size(piece)
            taken.append(piece)
            budget -= size


def best_fit(sizes: list[int], budget: float) -> int | None:
    """The size nearest to the budget, or none where leaving it out comes nearer."""
    at = min(range(len(sizes)), key=lambda index: abs(sizes[index] - budget))
    return at if abs(sizes[at] - budget) < abs(budget) else None


def keep(pieces: list[Piece], sizes: list[int], budget: float, rng: random.Random) -> list[Piece]:
    """Some of the pieces, of about `budget` tokens together, in any order."""
    left = list(range(len(pieces)))
    rng.shuffle(left)
    kept: list[Piece] = []
    while left:
        at = 0 if sizes[left[0]] <= budget / 2 else best_fit([sizes[i] for i in left], budget)
        if at is None:
            break
        index = left.pop(at)
        kept.append(pieces[index])
        budget -= sizes[index]
    return kept
