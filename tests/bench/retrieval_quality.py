#!/usr/bin/env python3
"""Nearest-neighbour intent accuracy of kvs-embed's embedders beside TF-IDF's, as JSON on standard output.

    retrieval_quality.py --bin build/release/bin --banking77 train.csv [--clinc150 data_full.json] [--limit N]

Every fifth question of Banking77 asks, the others are indexed; CLINC150 has its own split (questions out of scope
left out). The first donor of kvs-index search answers; it is right where its intent is. Needs scikit-learn."""
import argparse
import csv
import json
import random
import subprocess
import tempfile
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer

Questions = list[tuple[str, str]]  # text, intent


def read_banking77(path: str) -> tuple[Questions, Questions]:
    with open(path, newline="", encoding="utf-8") as file:
        rows = [(" ".join(row["text"].split()), row["category"]) for row in csv.DictReader(file)]
    random.Random(1).shuffle(rows)
    return [row for i, row in enumerate(rows) if i % 5], rows[::5]


def read_clinc150(path: str) -> tuple[Questions, Questions]:
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    split = {name: [(text, intent) for text, intent in data[name]] for name in ("train", "test")}
    for rows in split.values():
        random.Random(1).shuffle(rows)
    return split["train"], split["test"]


def accuracy_of_tfidf(donors: Questions, asked: Questions) -> float:
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    known = vectorizer.fit_transform(text for text, _ in donors)
    best = (vectorizer.transform(text for text, _ in asked) @ known.T).toarray().argmax(axis=1)
    return sum(donors[at][1] == intent for at, (_, intent) in zip(best, asked)) / len(asked)


def accuracy_of(embedder: str, tools: Path, model: str, donors: Questions, asked: Questions) -> float:
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("donors", donors), ("asked", asked)):
            lines = (json.dumps({"id": str(i), "prompt": text}) + "\n" for i, (text, _) in enumerate(rows))
            Path(folder, name).write_text("".join(lines), encoding="utf-8")

        def run(*command: str) -> str:
            return subprocess.run([str(tools / command[0]), *command[1:]], cwd=folder, check=True, text=True,
                                  stdout=subprocess.PIPE).stdout

        run("kvs-embed", "-q", "-m", model, "--embedder", embedder, "-o", "x.kva", "donors")
        run("kvs-index", "build", "-q", "-o", "index", "x.kva")
        answers = run("kvs-index", "search", "--index", "index", "-m", model, "--donors", "1", "asked").splitlines()
    right = 0
    for line in map(json.loads, answers):
        found = line["donors"]
        right += bool(found) and donors[int(found[0]["id"])][1] == asked[int(line["id"])][1]
    return right / len(asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--banking77")
    parser.add_argument("--clinc150")
    parser.add_argument("--model", default="smollm2", help="whose tokens static embeds")
    parser.add_argument("--limit", type=int, help="donors at most, and a quarter as many questions")
    options = parser.parse_args()
    sets = {}
    if options.banking77:
        sets["banking77"] = read_banking77(options.banking77)
    if options.clinc150:
        sets["clinc150"] = read_clinc150(options.clinc150)
    out = {}
    for name, (donors, asked) in sets.items():
        if options.limit:
            donors, asked = donors[:options.limit], asked[:options.limit // 4]
        tools = options.bin.resolve()
        out[name] = {"donors": len(donors), "questions": len(asked),
                     "tfidf": round(accuracy_of_tfidf(donors, asked), 4)}
        for embedder in ("static", "bert"):
            out[name][embedder] = round(accuracy_of(embedder, tools, options.model, donors, asked), 4)
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
