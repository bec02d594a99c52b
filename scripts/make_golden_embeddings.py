#!/usr/bin/env python3
"""Writes tests/data/embeddings: 100 sentences and what sentence-transformers makes of them with MiniLM.

    make_golden_embeddings.py BANKING77/train.csv MINILM_DIRECTORY [FOLDER]

sentences.txt has one sentence a line, the last one longer than the model's limit; minilm.f16 their vectors, 384
little-endian halves each. Needs torch and sentence-transformers (made with 5.6)."""
import csv
import sys
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

COUNT = 100


def read_sentences(path: str) -> list[str]:
    with open(path, newline="", encoding="utf-8") as file:
        texts = [" ".join(row["text"].split()) for row in csv.DictReader(file)]
    chosen = texts[:: len(texts) // (COUNT - 1)][: COUNT - 1]
    return chosen + [" ".join(chosen[:40])]


def main() -> None:
    data, model, *rest = sys.argv[1:]
    folder = Path(rest[0]) if rest else Path(__file__).resolve().parent.parent / "tests/data/embeddings"
    sentences = read_sentences(data)
    vectors = SentenceTransformer(model, device="cpu").encode(sentences, normalize_embeddings=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sentences.txt").write_text("".join(line + "\n" for line in sentences), encoding="utf-8")
    (folder / "minilm.f16").write_bytes(vectors.astype("<f2").tobytes())
    print(f"{folder}: {len(sentences)} sentences, {vectors.shape[1]} values each", file=sys.stderr)


if __name__ == "__main__":
    main()
