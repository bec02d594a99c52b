#!/usr/bin/env python3
"""Scores pairs of texts with sacrebleu and rouge-score and writes tests/data/text_scores.json, with
which lib/eval is compared. Needs the packages sacrebleu and rouge-score.

The pairs are made here: chosen corners first, then sentences with random edits of fixed seed.
"""
import json
import random
from pathlib import Path

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

FILE = Path(__file__).resolve().parent.parent / "tests" / "data" / "text_scores.json"

CORNERS = [  # hypothesis, reference
    ("", ""),
    ("", "a reference"),
    ("a hypothesis", ""),
    ("   ", "\t\n"),
    ("the", "the"),
    ("the", "a"),
    ("the cat", "the cat"),
    ("the cat sat", "the cat sat"),
    ("the cat sat down", "the cat sat down"),
    ("the the the the the the the", "the cat is on the mat"),
    ("the cat is on the mat", "the the the the"),
    ("The Cat Sat Down There", "the cat sat down there"),
    ("a b c d e f g", "g f e d c b a"),
    ("It is 3.14, not 3,14.", "It is 3.14 , not 3.14."),
    ("1,000.50 dollars, please.", "1,000.50 dollars please"),
    ("version 1.2.3.", "version 1.2.3"),
    ("a..b", "a.b"),
    ("wait... what?!", "wait ... what ?!"),
    (".,.,1.,2,.", ",.,.3,.4.,"),
    ("1-2-3 and 4 - 5", "1 - 2 - 3 and 4-5"),
    ("well-known state-of-the-art", "well known state of the art"),
    ("2021-03-04", "2021-03-05"),
    ("-5 degrees", "5 degrees"),
    ("don't can't won't it's", "do n't ca n't wo n't its"),
    ("\"quoted\" 'single'", "&quot;quoted&quot; &apos;single&apos;"),
    ("AT&amp;T &lt;b&gt; &amp;lt;", "AT&T <b> <"),
    ("one <skipped> two<skipped>three", "one two three"),
    ("hyphen-\nated line\nbreak", "hyphenated line break"),
    ("ends with a break-\n", "ends with a break-"),
    ("tab\tand\rreturn\x0bfeed\x1cgroup", "tab and return feed group"),
    ("no\u00a0break\u2003em\u3000wide\u2028line\u0085next", "no break em wide line next"),
    ("trailing spaces \u00a0 ", "trailing spaces"),
    ("{a}[b](c)<d>/e\\f|g~h`i^j_k@l#m$n%o*p+q=r:s;t", "{a} [b] (c) <d> / e \\ f | g ~ h"),
    ("user@example.com http://example.com/a?b=c&d=e", "user@example.com http://example.com/a?b=c"),
    ("Z\u00fcrich caf\u00e9 na\u00efve", "Z\u00fcrich cafe naive"),
    ("\u00c9cole, \u00e9cole. \u00dcber", "\u00e9cole, \u00c9cole. \u00fcber"),
    ("\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u4f60\u597d \u4e16\u754c"),
    ("\u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0442\u0435\u043a\u0441\u0442, \u0434\u0430.", "\u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0442\u0435\u043a\u0441\u0442 \u0434\u0430"),
    ("\U0001f600 smile \U0001f600", "\U0001f600 smile"),
    ("\u212aelvin 300\u212a \u0130stanbul", "kelvin 300k istanbul"),
    ("\uff21\uff22\uff23 \u0661\u0662\u0663 \u00b2", "ABC 123 2"),
    ("\u201ccurly\u201d \u2018quotes\u2019 \u2014 dash\u2026", "\"curly\" 'quotes' - dash..."),
    ("\u00e9.\u00e9,\u00e9-1-\u00e9", "\u00e9 . \u00e9 , \u00e9-1 - \u00e9"),
    ("x86_64 and arm64", "x86 64 and arm 64"),
    ("$5.00 50% 3/4 2*3=6", "$5 50 % 3 / 4 2 * 3 = 6"),
    ("Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n#### 72",
     "Natalia sold 24 clips.\n#### 72"),
]

SENTENCES = [
    "The transfer of 250.00 was declined because the account is not verified, sorry.",
    "You can take up to 3 tablets a day; never more than 2 at once (see page 4).",
    "My card hasn't arrived after two weeks - is it still coming, or is it lost?",
    "This condition is inherited in an autosomal dominant pattern, which means one copy is enough.",
    "Weng earns 12/60 = $0.2 per minute. Working 50 minutes, she earned 0.2 x 50 = $10.",
    "Please reserve a table for 2 people at Sino in San Jose at 11:30 am today.",
    "S\u00e3o Paulo's caf\u00e9s open at 7.30; the na\u00efve visitor arrives at 6,5 o'clock.",
    "yes",
]


def edited(sentence: str, rng: random.Random) -> str:
    words = sentence.split()
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(words) + 1)
        choice = rng.randrange(4)
        if choice == 0:
            words.insert(at, rng.choice("the, not 7 3.5 Card - (or) \u00e9t\u00e9".split()))
        elif choice == 1 and len(words) > 1:
            del words[min(at, len(words) - 1)]
        elif choice == 2 and at < len(words):
            words[at] = words[at].swapcase()
        elif len(words) > 2:
            other = rng.randrange(len(words))
            words[other], words[at - 1] = words[at - 1], words[other]
    return " ".join(words)


def main() -> None:
    rng = random.Random(3)
    pairs = CORNERS + [(edited(sentence, rng), sentence) for sentence in SENTENCES * 4]
    tokens, corpus = Tokenizer13a(), BLEU()
    sentence, rouge = BLEU(effective_order=True), RougeScorer(["rougeL"], use_stemmer=False)
    rows = [{
        "hypothesis": hypothesis,
        "reference": reference,
        "tokens": tokens(hypothesis.rstrip()).split(" ") if hypothesis.strip() else [],
        "bleu": corpus.corpus_score([hypothesis], [[reference]]).score,
        "sentence_bleu": sentence.sentence_score(hypothesis, [reference]).score,
        "rouge_l": rouge.score(reference, hypothesis)["rougeL"].fmeasure,
    } for hypothesis, reference in pairs]
    bleu = corpus.corpus_score([pair[0] for pair in pairs], [[pair[1] for pair in pairs]]).score
    with FILE.open("w", encoding="utf-8") as out:
        json.dump({"made_by": str(corpus.get_signature()), "corpus_bleu": bleu, "pairs": rows}, out,
                  indent=0)
        out.write("\n")
    print(f"{FILE}: {len(rows)} pairs, corpus BLEU {bleu:.4f}")


if __name__ == "__main__":
    main()
