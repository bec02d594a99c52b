"""Reads the data sets in their published formats. Whatever is wrong is a DataError of one line that
names the file and the field."""
import csv
import gzip
import json
import re
from pathlib import Path


class DataError(Exception):
    pass


def open_text(path: Path):
    try:
        return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(
            encoding="utf-8", newline="")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def field(path: Path, where: str, record, name, kind=str):
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        raise DataError(f"{path}:{where}: field '{name}': expected {kind.__name__}, found "
                        f"{type(value).__name__}")
    return value


def records(path: Path):
    """(line number, value) of each line of a JSONL file."""
    with open_text(path) as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, json.loads(line)
        except (ValueError, EOFError, OSError) as error:
            raise DataError(f"{path}: {error}") from error


def banking77(folder: Path) -> dict[str, list[str]]:
    """Questions by topic."""
    path = folder / "banking77" / "train.csv"
    topics: dict[str, list[str]] = {}
    with open_text(path) as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            topic = field(path, number, row, "category").replace("_", " ")
            topics.setdefault(topic, []).append(" ".join(field(path, number, row, "text").split()))
    return {topic: list(dict.fromkeys(texts)) for topic, texts in topics.items()}


def clinc150(folder: Path) -> dict[str, list[str]]:
    """Utterances by intent, without those out of scope."""
    path = folder / "clinc150" / "data_full.json"
    with open_text(path) as file:
        try:
            parts = json.load(file)
        except ValueError as error:
            raise DataError(f"{path}: {error}") from error
    intents: dict[str, list[str]] = {}
    for part in ("train", "val", "test"):
        for at, pair in enumerate(field(path, part, parts, part, list)):
            if not (isinstance(pair, list) and [type(item) for item in pair] == [str, str]):
                raise DataError(f"{path}:{part}[{at}]: expected [text, intent]")
            intents.setdefault(pair[1].replace("_", " "), []).append(pair[0])
    return {intent: list(dict.fromkeys(texts)) for intent, texts in intents.items()}


def gsm8k(folder: Path) -> list[tuple[str, str]]:
    """Questions and their worked answers, without the calculator's <<marks>>."""
    path = folder / "gsm8k" / "train.jsonl"
    return [(field(path, number, record, "question").strip(),
             re.sub(r"<<[^>]*>>", "", field(path, number, record, "answer")).strip())
            for number, record in records(path)]


def medquad(folder: Path) -> list[tuple[str, str, list[str]]]:
    """(focus, question, sentences of the answer). A sentence that an earlier answer has is left
    out: the same few sentences stand in hundreds of answers of this data set."""
    path = folder / "medquad" / "medquad.jsonl"
    known: set[str] = set()
    rows = []
    for number, record in records(path):
        focus, question, answer = (field(path, number, record, name)
                                   for name in ("focus", "question", "answer"))
        sentences = []
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", " ".join(answer.split())):
            if 4 <= len(sentence.split()) <= 60 and sentence not in known:
                known.add(sentence)
                sentences.append(sentence)
        if "Human Phenotype Ontology" not in answer and len(sentences) >= 2:
            rows.append((" ".join(focus.split()), " ".join(question.split()), sentences))
    return rows


def sgd(folder: Path) -> list[list[str]]:
    """Dialogues as texts by turns: the user's, the system's, and so on; whole exchanges only."""
    path = folder / "sgd" / "sgd_dev_utterances.jsonl.gz"
    dialogues = []
    for number, record in records(path):
        turns = field(path, number, record, "turns", list)
        if any(not isinstance(turn, list) or len(turn) != 2 for turn in turns):
            raise DataError(f"{path}:{number}: field 'turns': expected [speaker, text] pairs")
        if len(turns) >= 2 and all(turn[0] == "US"[at % 2] for at, turn in enumerate(turns)):
            dialogues.append([turn[1] for turn in turns[:len(turns) // 2 * 2]])
    return dialogues
