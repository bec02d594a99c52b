"""The six workloads. Each is an iterator of one family's prompts: the first is `length` tokens of
text that no other family has, each later one varies it. Texts are handed out once (pieces.py), so
that what two prompts share is what the maker kept. `density`: SmolLM2's tokens for each estimated
one."""
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from . import data, tokens
from .pieces import Pieces, keep
from .policy import Bank, reply_rule
from .tokens import Tokens

Family = Iterator[dict]
FRAME = 2 * tokens.FRAME  # of two messages


def request(messages: list[tuple[str, str]], reference: str, max_tokens: int) -> dict:
    return {"messages": [{"role": role, "content": text} for role, text in messages],
            "reference": reference, "max_tokens": max_tokens}


class Volatile:
    """A line about the customer above a long policy, and the customer's question below it."""
    promise = (0.85, 0.97)
    density = 1.05

    def __init__(self, folder: Path, tokens: Tokens, rng: random.Random):
        self.rng, self.tokens = rng, tokens
        self.questions = {
            topic: Pieces("banking77/train.csv", texts, tokens, rng)
            for topic, texts in data.banking77(folder).items()}
        self.tickets = itertools.count(48211, 7)

    def question(self, topics) -> tuple[str, str]:
        topic = max(self.rng.sample(topics, min(3, len(topics))),
                    key=lambda name: len(self.questions[name].left))
        return topic, self.questions[topic].take()

    def family(self, length: int) -> Family:
        bank = Bank(self.rng)
        topics, rules, policy = [], {}, bank.introduction()
        spare = [topic for topic, pool in self.questions.items() if len(pool.left) > 8]
        self.rng.shuffle(spare)
        while self.tokens.count(policy) < 0.91 * length - FRAME and spare:
            topic = spare.pop()
            rules[topic] = reply_rule(topic, self.rng)
            topics.append(topic)
            asked = [self.questions[topic].take() for _ in range(self.rng.randrange(2, 5))]
            policy += (f"\n\n{len(topics)}. {topic.capitalize()}\n{rules[topic]}\n"
                       f"Asked as: {' / '.join(asked)}")
        if not topics:
            raise data.DataError("banking77/train.csv: too few texts for so many requests")
        while True:
            topic, question = self.question(topics)
            customer = bank.customer(next(self.tickets))
            fresh = self.rng.uniform(0.045, 0.125) * length - self.tokens.count(question)
            while self.tokens.count(customer) + 12 < fresh:
                customer += f" · wrote before: {self.question(list(self.questions))[1]}"
            yield request([("system", f"{customer}\n\n{policy}"), ("user", question)],
                          rules[topic], 48)


class Rag:
    """Passages in changing order and selection, and a question about one of them."""
    promise = (0.60, 0.90)
    density = 0.98
    system = "Answer the question in two sentences from the passages below."

    def __init__(self, folder: Path, tokens: Tokens, rng: random.Random):
        self.rng, self.tokens = rng, tokens
        passages = []  # (title, question, sentences), of 40 to 150 tokens
        rows = data.medquad(folder)
        for focus, question, sentences in rows:
            size, limit, kept = 0, rng.uniform(50, 140), []
            for sentence in sentences:
                if size + tokens.count(sentence) > limit:
                    break
                kept.append(sentence)
                size += tokens.count(sentence)
            if size >= 30:
                passages.append((focus, question, kept))
        self.passages = Pieces("medquad/medquad.jsonl", passages, tokens, rng, self.text)

    @staticmethod
    def text(passage: tuple) -> str:
        focus, _, sentences = passage
        return f"\n\n# {focus}\n{' '.join(sentences)}"

    def family(self, length: int) -> Family:
        chosen: list = []
        overhead = self.tokens.count(self.system) + FRAME + 14  # and the question
        while True:
            room = length * self.rng.uniform(0.97, 1.03) - overhead
            if chosen:
                fresh = self.rng.uniform(0.15, 0.34) * length - 14
                sizes = [self.passages.size(passage) for passage in chosen]
                chosen = keep(chosen, sizes, room - fresh, self.rng)
                chosen += self.passages.fill(room - sum(map(self.passages.size, chosen)))
            else:
                chosen = self.passages.fill(room)
            self.rng.shuffle(chosen)
            _, question, sentences = self.rng.choice(chosen)
            content = "".join(map(self.text, chosen)).lstrip() + f"\n\nQuestion: {question}"
            yield request([("system", self.system), ("user", content)], " ".join(sentences[:2]), 64)


class Fewshot:
    """Worked examples in changing order and selection, then a new problem."""
    promise = (0.50, 0.90)
    density = 1.07
    system = "Solve the last problem step by step, as the examples do."

    def __init__(self, folder: Path, tokens: Tokens, rng: random.Random):
        self.rng, self.tokens = rng, tokens
        rows = data.gsm8k(folder)
        rng.shuffle(rows)
        self.problems = Pieces("gsm8k/train.jsonl", rows[:len(rows) // 3], tokens, rng,
                               lambda row: f"Problem: {row[0]}\nAnswer:")
        self.examples = Pieces("gsm8k/train.jsonl", rows[len(rows) // 3:], tokens, rng, self.text)

    @staticmethod
    def text(example: tuple[str, str]) -> str:
        return f"Problem: {example[0]}\nAnswer: {example[1]}\n\n"

    def family(self, length: int) -> Family:
        chosen: list = []
        overhead = self.tokens.count(self.system) + FRAME
        while True:
            problem = self.problems.take()
            asked = self.problems.size(problem)
            room = length * self.rng.uniform(0.97, 1.03) - overhead - asked
            if chosen:
                fresh = max(self.rng.uniform(0.17, 0.40) * length - asked, 0)
                sizes = [self.examples.size(example) for example in chosen]
                chosen = keep(chosen, sizes, room - fresh, self.rng)
                chosen += self.examples.fill(room - sum(map(self.examples.size, chosen)))
            else:
                chosen = self.examples.fill(room)
            self.rng.shuffle(chosen)
            content = "".join(map(self.text, chosen)) + self.problems.text(problem)
            yield request([("system", self.system), ("user", content)], problem[1], 96)


class Edit:
    """A document that is revised between requests: sentences inserted, replaced and dropped."""
    promise = (0.85, 0.97)
    density = 0.96
    system = "Answer the question about the document in two sentences."

    def __init__(self, folder: Path, tokens: Tokens, rng: random.Random):
        self.rng, self.tokens = rng, tokens
        rows = data.medquad(folder)
        rng.shuffle(rows)
        half = len(rows) // 2
        self.articles = Pieces("medquad/medquad.jsonl", rows[:half], tokens, rng,
                               lambda row: " ".join(row[2]))
        self.sentences = Pieces("medquad/medquad.jsonl",
                                [sentence for row in rows[half:] for sentence in row[2]], tokens,
                                rng)

    def document(self, length: float) -> list[tuple[str, str]]:
        """(sentence, the question that it answers) in order."""
        document = []
        while length > 15:
            _, question, sentences = self.articles.take()
            for sentence in sentences:
                if self.tokens.count(sentence) <= length:
                    document.append((sentence, question))
                    length -= self.tokens.count(sentence)
        return document

    def revise(self, document: list, changed: float, growth: float) -> None:
        """About `changed` new tokens; drops so much that the document grows by `growth`."""
        for sentence in self.sentences.fill(changed):
            growth -= self.tokens.count(sentence)
            at = self.rng.randrange(len(document))
            if growth < 0 and self.rng.random() < 0.6:
                growth += self.tokens.count(document[at][0])
                document[at] = (sentence, "")
            else:
                document.insert(at, (sentence, ""))
        while growth < -12 and len(document) > 4:
            growth += self.tokens.count(document.pop(self.rng.randrange(len(document)))[0])

    def family(self, length: int) -> Family:
        room = length - self.tokens.count(self.system) - FRAME - 16
        document = self.document(room)
        size = None
        while True:
            if size is not None:
                fresh = self.rng.uniform(0.05, 0.12) * length - 16
                self.revise(document, max(fresh, 12), room - size)
            size = sum(self.tokens.count(sentence) for sentence, _ in document)
            question = self.rng.choice([question for _, question in document if question]
                                       or ["What does the document say?"])
            answer = [sentence for sentence, of in document if of == question][:2]
            content = " ".join(sentence for sentence, _ in document) + f"\n\nQuestion: {question}"
            yield request([("system", self.system), ("user", content)], " ".join(answer), 64)


class Dialogue:
    """A conversation that goes on; its oldest turns are dropped when the window is full."""
    promise = (0.70, 0.95)
    density = 1.02
    system = "You are an assistant who books, finds and pays for people. Answer in one sentence."

    def __init__(self, folder: Path, tokens: Tokens, rng: random.Random):
        self.rng, self.tokens = rng, tokens
        dialogues = data.sgd(folder)
        self.dialogues = Pieces("sgd/sgd_dev_utterances.jsonl.gz", dialogues, tokens, rng,
                                "\n".join)

    def size(self, turn: str) -> int:
        return self.tokens.count(turn) + FRAME // 2

    def family(self, length: int) -> Family:
        window: list[str] = []  # ends with the system's answer between requests
        coming: list[str] = []
        room = length - self.tokens.count(self.system) - FRAME
        fresh = 0.9 * room
        while True:
            while fresh > 0 or not window:
                if len(coming) < 4:
                    coming += self.dialogues.take()
                window += coming[:2]
                fresh -= sum(map(self.size, coming[:2]))
                del coming[:2]
            while sum(map(self.size, window)) > 1.03 * room:
                del window[:2]
            if len(coming) < 2:
                coming += self.dialogues.take()
            turns = [*window, coming[0]]
            yield request([("system", self.system)] +
                          [(("user", "assistant")[at % 2], text) for at, text in enumerate(turns)],
                          coming[1], 48)
            # At least one exchange: the same window would be the same prompt.
            fresh = max(self.rng.uniform(0.08, 0.24) * length - self.size(coming[0]), 1)


class Paraphrase:
    """The same requests in other words: only the system text is the same."""
    promise = (0.50, 0.80)
    density = 1.01
    system = ("You sort the messages of customers. Name the topic of each message below, one a "
              "line, with its number. Topics and what people write about them:")

    def __init__(self, folder: Path, tokens: Tokens, rng: random.Random):
        self.rng, self.tokens = rng, tokens
        self.wordings = {intent: Pieces("clinc150/data_full.json", texts, tokens, rng)
                         for intent, texts in data.clinc150(folder).items()}

    def family(self, length: int) -> Family:
        shared = self.rng.uniform(0.57, 0.70) * length - FRAME
        intents: list[str] = []
        system = self.system
        spare = sorted(self.wordings, key=lambda name: len(self.wordings[name].left))
        self.rng.shuffle(spare := spare[-60:])
        while self.tokens.count(system) < shared and spare:
            intents.append(spare.pop())
            pool = self.wordings[intents[-1]]
            system += f"\n- {intents[-1]}: " + "; ".join(pool.take() for _ in range(3))
        asked = [self.rng.choice(intents) for _ in range(200)]
        while True:
            messages, topics = [], []
            size = self.tokens.count(system) + FRAME
            for intent in asked:
                if messages and not self.wordings[intent].left:
                    continue
                wording = self.wordings[intent].take()
                size += self.tokens.count(wording) + 4
                messages.append(f"{len(messages) + 1}. {wording}")
                topics.append(f"{len(messages)}. {intent}")
                if size >= length:
                    break
            yield request([("system", system), ("user", "\n".join(messages))],
                          "\n".join(topics), 64)


MAKERS = {"volatile": Volatile, "rag": Rag, "fewshot": Fewshot, "edit": Edit, "dialogue": Dialogue,
          "paraphrase": Paraphrase}
