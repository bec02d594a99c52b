#!/usr/bin/env python3
"""Writes tests/data/embeddings: sentences and what sentence-transformers makes of them.

    make_golden_embeddings.py BANKING77/train.csv MINILM_DIRECTORY [FOLDER]

sentences.txt has 100 sentences, one a line, the last one longer than the models' limits. minilm.f16 has their vectors,
384 little-endian halves each. tiny/ is an encoder with random weights, the first token's state as embedding and
letters as tokens, for tests where MiniLM is not installed; tiny.f16 has its vectors. Needs torch and
sentence-transformers (made with 2.13 and 5.6)."""
import csv
import json
import string
import sys
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

COUNT = 100


def read_sentences(path: str) -> list[str]:
    with open(path, newline="", encoding="utf-8") as file:
        texts = [" ".join(row["text"].split()) for row in csv.DictReader(file)]
    chosen = texts[:: len(texts) // (COUNT - 1)][: COUNT - 1]
    return chosen + [" ".join(chosen[:40])]


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def make_tokenizer() -> Tokenizer:
    letters = string.ascii_lowercase + string.digits + "?.,'"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *("##" + letter for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(words[:4])
    return tokenizer


def make_tiny(folder: Path) -> None:
    torch.manual_seed(1)
    tokenizer = make_tokenizer()
    model = BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=2,
                                 num_attention_heads=2, intermediate_size=24, max_position_embeddings=80,
                                 initializer_range=0.5), add_pooling_layer=False)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 70, "do_lower_case": False})
    write_json(folder / "pooling/config.json", {"word_embedding_dimension": 16, "pooling_mode_cls_token": True,
                                                "pooling_mode_mean_tokens": False})
    write_json(folder / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "pooling", "type": "sentence_transformers.models.Pooling"}])


def write_vectors(model: Path, sentences: list[str], out: Path) -> None:
    vectors = SentenceTransformer(str(model), device="cpu").encode(sentences, normalize_embeddings=True)
    out.write_bytes(vectors.astype("<f2").tobytes())
    print(f"{out}: {len(sentences)} vectors of {vectors.shape[1]}", file=sys.stderr)


def main() -> None:
    data, minilm, *rest = sys.argv[1:]
    folder = Path(rest[0]) if rest else Path(__file__).resolve().parent.parent / "tests/data/embeddings"
    sentences = read_sentences(data)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sentences.txt").write_text("".join(line + "\n" for line in sentences), encoding="utf-8")
    make_tiny(folder / "tiny")
    write_vectors(folder / "tiny", sentences, folder / "tiny.f16")
    write_vectors(Path(minilm), sentences, folder / "minilm.f16")


if __name__ == "__main__":
    main()
