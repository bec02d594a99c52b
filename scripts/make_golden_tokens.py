#!/usr/bin/env python3
"""Makes what tests/tokenizer_golden_test.cpp compares with, under tests/data/tokenizers:

  small/*.json    small tokenizers of every kind, trained here on the texts of the data folder
  small/*.gguf    some of them once more, as llama.cpp's converter writes them
  samples.jsonl   the texts: those of pages/, real ones from the data folder, and random ones
  golden.jsonl    one line per tokenizer, with a row per text: see encodings() below

    make_golden_tokens.py DATA TOKENIZERS

DATA holds the question and dialogue sets, TOKENIZERS smollm2/ and bert-uncased/ (see
tests/data/tokenizers/README). Needs the packages tokenizers and gguf. Training breaks ties
at random: another run changes small/ and golden.jsonl together.
"""
import csv
import json
import random
import sys
from pathlib import Path

import gguf
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import AddedToken, trainers

OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "tokenizers"

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")
DEEPSEEK3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
             r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK_LETTERS = (
    r"\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}"
    r"\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}"
    r"\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}"
    r"\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}"
    r"\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}"
    r"\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}"
    r"\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}"
    r"\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}"
    r"\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}"
    r"\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}"
    r"\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}"
    r"\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}"
    r"\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}"
    r"\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}"
    r"\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}"
    r"\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}"
    r"\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+")
DEEPSEEK_PUNCTUATION = r"\s?[!-/:-~！-／：-～‘-‟　-。]+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
CJK = "[一-龥ࠀ-一가-퟿]+"


def split(pattern: str, behavior: str = "isolated", invert: bool = False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def bytes_only():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def byte_bpe(texts, pre, size=700, normalizer=None, added=(), ignore_merges=False, post=None):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<|end|>", "<|start|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens(list(added))
    if post:
        tokenizer.post_processor = post
    return tokenizer


def spm_bpe(texts, metaspace=None, size=700):
    """As Llama 2 (normalizers) or newer conversions (Metaspace) have it."""
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", metaspace, split=False)
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
             decoders.Strip(" ", 1, 0)])
    else:
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
             decoders.Strip(" ", 1, 0)])
    # Words are learnt one by one, as SentencePiece does; the tokenizer then runs without splitting.
    learner = Tokenizer(models.BPE(unk_token="<unk>"))
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    learner.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, special_tokens=pieces, show_progress=False, limit_alphabet=90))
    learnt = json.loads(learner.to_str())["model"]
    whole = json.loads(tokenizer.to_str())
    whole["model"]["vocab"] = learnt["vocab"]
    whole["model"]["merges"] = learnt["merges"]
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False)
                                  for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 1)])
    return tokenizer


def word_piece(texts, normalizer, size=500):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False,
        limit_alphabet=80)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def small_tokenizers(texts) -> dict[str, Tokenizer]:
    sequence = pre_tokenizers.Sequence
    flags = [AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True),
             AddedToken("<both>", lstrip=True, rstrip=True, normalized=False),
             AddedToken("word", single_word=True), AddedToken("Case", normalized=True),
             AddedToken("<a>", normalized=False), AddedToken("<a><b>", normalized=False),
             AddedToken("   ", normalized=False)]
    llama3_post = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False),
         processors.TemplateProcessing("<|start|> $A", None, [("<|start|>", 1)])])
    falcon = sequence([pre_tokenizers.Punctuation("contiguous"),
                       pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.Digits(),
                       split("[0-9][0-9][0-9]")])
    deepseek = sequence([split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(CJK),
                         pre_tokenizers.Digits(True), bytes_only()])
    deepseek3 = sequence([split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK3),
                          bytes_only()])
    deepseek_llm = sequence([split("[\r\n]"), split(DEEPSEEK_LETTERS), split(DEEPSEEK_PUNCTUATION),
                             split(r"\s+$"), split(CJK), pre_tokenizers.Digits(True), bytes_only()])
    default = sequence([split(r"[\p{P}\$\+<=>\^~\|]+"), split(GPT2), split(r"\p{N}+"),
                        split("[0-9][0-9][0-9]"), bytes_only()])
    whitespace = sequence([pre_tokenizers.Whitespace(), bytes_only()])
    delimiter = sequence([pre_tokenizers.CharDelimiterSplit("-"), pre_tokenizers.WhitespaceSplit(),
                          pre_tokenizers.Punctuation("merged_with_previous"),
                          split("[aeiou]", "merged_with_next"), bytes_only()])
    removed = sequence([split(r"[,;]\s*", "removed"), split(r"\w+|[^\w\s]+", "removed", True),
                        bytes_only()])
    fold = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(),
                                 normalizers.Lowercase(), normalizers.Strip(),
                                 normalizers.Replace(Regex(r"\s{2,}"), " ")])
    return {
        "gpt2": byte_bpe(texts, pre_tokenizers.ByteLevel(add_prefix_space=False)),
        "gpt2-prefix": byte_bpe(texts, pre_tokenizers.ByteLevel(add_prefix_space=True)),
        "llama3": byte_bpe(texts, sequence([split(LLAMA3), bytes_only()]), ignore_merges=True,
                           post=llama3_post),
        "qwen2": byte_bpe(texts, sequence([split(QWEN2), bytes_only()]),
                          normalizer=normalizers.NFC()),
        "tekken": byte_bpe(texts, sequence([split(TEKKEN), bytes_only()]), ignore_merges=True),
        "gpt4": byte_bpe(texts, sequence([split(GPT4, "removed", True), bytes_only()])),
        "smollm": byte_bpe(texts, sequence([pre_tokenizers.Digits(True),
                                            pre_tokenizers.ByteLevel(add_prefix_space=False)])),
        "falcon": byte_bpe(texts, falcon),
        "deepseek": byte_bpe(texts, deepseek),
        "deepseek3": byte_bpe(texts, deepseek3),
        "deepseek-llm": byte_bpe(texts, deepseek_llm),
        "default": byte_bpe(texts, default),
        "whitespace": byte_bpe(texts, whitespace, normalizer=normalizers.NFKC()),
        "delimiter": byte_bpe(texts, delimiter, normalizer=normalizers.NFD()),
        "removed": byte_bpe(texts, removed, normalizer=fold),
        "added": byte_bpe(texts, pre_tokenizers.ByteLevel(add_prefix_space=False), added=flags,
                          normalizer=normalizers.Lowercase()),
        "llama2": spm_bpe(texts),
        "metaspace-first": spm_bpe(texts, "first"),
        "metaspace-always": spm_bpe(texts, "always"),
        "bert": word_piece(texts, normalizers.BertNormalizer()),
        "bert-cased": word_piece(texts, normalizers.BertNormalizer(lowercase=False)),
        "bert-accents": word_piece(texts, normalizers.BertNormalizer(
            handle_chinese_chars=False, strip_accents=False)),
    }


GGUF_NAMES = {"gpt2": "gpt-2", "llama3": "llama-bpe", "qwen2": "qwen2", "tekken": "tekken",
              "falcon": "falcon", "deepseek": "deepseek-coder", "deepseek3": "deepseek-v3",
              "deepseek-llm": "deepseek-llm", "default": "default", "smollm": "smollm"}


def write_gguf(path: Path, name: str, tokenizer: Tokenizer) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    model = json.loads(tokenizer.to_str())["model"]
    added = tokenizer.get_added_tokens_decoder()
    tokens, types = [], []
    for id in range(tokenizer.get_vocab_size()):
        text = tokenizer.id_to_token(id)
        kind = 3 if id in added and added[id].special else 4 if id in added else 1
        if name == "bert" and kind == 1:
            text = text[2:] if text.startswith("##") else "▁" + text
        tokens.append(text)
        types.append(kind)
    writer.add_tokenizer_model("bert" if name == "bert" else "gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if name == "bert":
        writer.add_unk_token_id(1)
        writer.add_bos_token_id(2)
        writer.add_sep_token_id(3)
    else:
        writer.add_tokenizer_pre(GGUF_NAMES[name])
        writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(0)
    if name == "tekken":
        writer.add_add_bos_token(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def strings(value, out):
    if isinstance(value, str):
        out.append(value)
    elif isinstance(value, list):
        for part in value:
            strings(part, out)
    elif isinstance(value, dict):
        for part in value.values():
            strings(part, out)


def data_texts(data: Path) -> list[str]:
    out: list[str] = []
    with open(data / "banking77/train.csv", encoding="utf-8", newline="") as file:
        strings(list(csv.reader(file)), out)
    for path in sorted(data.glob("*/*.json")):
        strings(json.loads(path.read_text(encoding="utf-8")), out)
    for path in sorted(data.glob("*/*.jsonl")):
        if "trace" not in path.as_posix():
            for line in path.read_text(encoding="utf-8").splitlines():
                strings(json.loads(line), out)
    return out


# Assigned since long, so that every Unicode table in use agrees on them.
RANGES = [(0x20, 0x7E)] * 12 + [(0x20, 0x20)] * 6 + [
    (0x09, 0x0D), (0x00, 0x1F), (0x7F, 0xA0), (0xA1, 0x17F), (0x300, 0x34E), (0x370, 0x377),
    (0x388, 0x38A), (0x38E, 0x3A1), (0x400, 0x481), (0x5D0, 0x5EA), (0x620, 0x65F), (0x905, 0x939),
    (0x93E, 0x94D), (0xE01, 0xE3A), (0x1E00, 0x1EFF), (0x2000, 0x200F), (0x2010, 0x2027),
    (0x1F80, 0x1FB4), (0x1FD0, 0x1FD3), (0x2100, 0x214F), (0x2028, 0x202F), (0x2070, 0x2071),
    (0x2074, 0x208E), (0x2150, 0x215F), (0x2460, 0x24FF),
    (0x2581, 0x2581), (0x3000, 0x3003), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA5),
    (0xAC00, 0xD7A3), (0xFB00, 0xFB06), (0xFE0F, 0xFE0F), (0xFF01, 0xFF5E), (0xFFFD, 0xFFFD),
    (0x10400, 0x1044F), (0x1D400, 0x1D454), (0x1F300, 0x1F320), (0x1F600, 0x1F64F),
    (0x20000, 0x2A6D6), (0xE000, 0xE0FF)]
PIECES = ["'s", "'LL", " 'd", "\r\n", "\n\n", "  \n ", "123456", "١٢٣", "½", "word", " word ", "<left>",
          "<right> ", " <both> ", "<a>", "<a><b>", "<a", "Case", "CASE", "   ", "▁", "▁▁", "<0x41>",
          "<s>", "</s>", "<|end|>", "<|start|>", "[CLS]", "[SEP]", "[UNK]", "##a", "e\u0301",
          "\u1112\u1161\u11ab", "ﬁ", "İ", "ẞ", "Σ", "👩\u200d👩\u200d👧", "🇩🇪", "fooBarBAZ",
          "a-b--c", "__init__"]


def random_text(dice: random.Random) -> str:
    out = []
    for _ in range(dice.choice([0, 1, 2, 5, 10, 20, 40])):
        if dice.random() < 0.25:
            out.append(dice.choice(PIECES))
        else:
            first, last = dice.choice(RANGES)
            out.append(chr(dice.randint(first, last)) * dice.choice([1, 1, 1, 1, 2, 3]))
    return "".join(out)


def fnv(ids: list[int]) -> str:
    """FNV-1a over the ids as 32-bit little-endian numbers, folded to 32 bits."""
    value = 0xCBF29CE484222325
    for byte in b"".join(token.to_bytes(4, "little") for token in ids):
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value >> 32 ^ value & 0xFFFFFFFF:08x}"


def encodings(tokenizer: Tokenizer, texts: list[str]) -> dict:
    """Per text: [number of tokens, hash of ids with special tokens parsed and added, hash of ids
    with neither]; and the hash of the decoded text."""
    rows = []
    for text in texts:
        tokenizer.encode_special_tokens = False
        full = tokenizer.encode(text).ids
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        decoded = tokenizer.decode(full, skip_special_tokens=False).encode()
        rows.append([len(full), fnv(full), fnv(plain), fnv(list(decoded))])
    return rows


def main(data: Path, tokenizers: Path) -> None:
    pages = sorted((OUT / "pages").glob("*.txt"))
    all_texts = data_texts(data)
    dice = random.Random(1)
    samples = [page.read_bytes().decode() for page in pages]
    samples += dice.sample(all_texts, 250)
    samples += [random_text(dice) for _ in range(200)]
    training = dice.sample(all_texts, 1500) + samples[:len(pages)] * 3
    (OUT / "small").mkdir(exist_ok=True)
    for name, tokenizer in small_tokenizers(training).items():
        (OUT / "small" / f"{name}.json").write_text(tokenizer.to_str() + "\n", encoding="utf-8")
        if name in GGUF_NAMES or name == "bert":
            write_gguf(OUT / "small" / f"{name}.gguf", name, tokenizer)
    paths = {f"small/{path.name}": path for path in sorted((OUT / "small").glob("*.json"))}
    for name in ("smollm2", "bert-uncased"):
        paths[f"{name}/tokenizer.json"] = tokenizers / name / "tokenizer.json"
    with open(OUT / "samples.jsonl", "w", encoding="utf-8") as file:
        for text in samples:
            file.write(json.dumps(text, ensure_ascii=True) + "\n")
    with open(OUT / "golden.jsonl", "w", encoding="utf-8") as file:
        for name, path in paths.items():
            rows = encodings(Tokenizer.from_file(str(path)), samples)
            file.write(json.dumps({"tokenizer": name, "texts": rows}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
