#!/usr/bin/env python3
"""Writes tests/data/smollm2_golden.json: what transformers' LlamaForCausalLM says, in f32, with the
dequantised weights of SmolLM2-135M-Instruct.Q4_1.gguf: for 20 prompts 64 greedy tokens each, and at each
step how far the best logit is above the second.
Usage: make_golden_smollm2.py SmolLM2-135M-Instruct.Q4_1.gguf [OUTPUT]
Needs torch, transformers, tokenizers and gguf; made with transformers 5.23 and gguf 0.19."""
import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

STEPS = 64

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
CHATS = [
    "What is the capital of France, and what is it known for?",
    "Write a short poem about the sea.",
    "Explain in two sentences why the sky is blue.",
    "My name is Maria Lopez and my ticket number is 48213. My parcel arrived damaged on 14 March. "
    "What are the next steps to get a refund, and how long does it usually take?",
    "List five healthy breakfast ideas.",
    "How do I sort a list of dictionaries by a key in Python? Give a short example.",
    "Translate to French: I would like a cup of coffee, please.",
    "Summarize: The committee met on Tuesday to discuss the new budget. After two hours of debate, the "
    "members agreed to raise funding for public libraries by ten percent, to postpone the road works "
    "on Main Street until next spring, and to ask the mayor for a report on the water supply.",
    "What is 17 plus 25? Explain step by step.",
    "Tell me a story about a fox who lost her way in the snow.",
    "What are the differences between a virus and a bacterium?",
    "Write an email to my landlord about a broken heater.",
]
TEXTS = [
    "The history of the Roman Empire began when",
    "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n    if n < 2:\n",
    "Photosynthesis is the process by which plants convert light energy into chemical energy. It takes "
    "place in the chloroplasts, which contain a green pigment called",
    "1, 1, 2, 3, 5, 8, 13, 21,",
    "Once upon a time, in a small village at the foot of a mountain, there lived an old clockmaker who "
    "had never left his workshop. Every morning he wound the clocks, and every evening he listened to "
    "them strike. One night, however, all the clocks stopped at the same moment, and",
    "La ville de Paris est la capitale de la France. Elle est située sur les bords de la Seine et",
    "| Name | Age | City |\n|------|-----|------|\n| Anna | 31 | Berlin |\n| Ben |",
    "Dear Sir or Madam,\n\nI am writing to complain about the service I received at your restaurant",
]


def make_tokenizer(reader: gguf.GGUFReader) -> tokenizers.Tokenizer:
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    merges = reader.fields["tokenizer.ggml.merges"].contents()
    kinds = reader.fields["tokenizer.ggml.token_type"].contents()
    tokenizer = tokenizers.Tokenizer(models.BPE(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token, kind in zip(tokens, kinds) if kind == 3])
    return tokenizer


def chat(text: str) -> str:
    return (f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n"
            "<|im_start|>assistant\n")


def half_split(rows: np.ndarray, heads: int) -> np.ndarray:
    """GGUF keeps the rows of q and k for interleaved pairing, transformers for half-split."""
    return rows.reshape(heads, -1, 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def make_model(reader: gguf.GGUFReader) -> LlamaForCausalLM:
    def value(key):
        return reader.fields["llama." + key].contents()

    heads, kv_heads = value("attention.head_count"), value("attention.head_count_kv")
    config = LlamaConfig(
        hidden_size=value("embedding_length"), num_hidden_layers=value("block_count"),
        num_attention_heads=heads, num_key_value_heads=kv_heads,
        intermediate_size=value("feed_forward_length"), vocab_size=value("vocab_size"),
        max_position_embeddings=value("context_length"),
        rms_norm_eps=value("attention.layer_norm_rms_epsilon"), tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": value("rope.freq_base")},
        attn_implementation="eager")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    stored = {tensor.name: tensor for tensor in reader.tensors}
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():  # the tied output is not among them
            tensor = stored.pop(names.get_name(name, try_suffixes=(".weight",)))
            rows = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            if "q_proj" in name:
                rows = half_split(rows, heads)
            if "k_proj" in name:
                rows = half_split(rows, kv_heads)
            weight.copy_(torch.from_numpy(np.array(rows)))
    assert not stored, f"unused tensors: {list(stored)}"
    return model


@torch.no_grad()
def greedy(model: LlamaForCausalLM, prompts: list[list[int]]) -> list[list[int]]:
    """All prompts in one batch, padded on the left."""
    longest = max(map(len, prompts))
    tokens = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    cache, fed = None, tokens
    for _ in range(STEPS):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -fed.shape[1]:]
        out = model(fed, attention_mask=mask, position_ids=positions, past_key_values=cache,
                    use_cache=True, logits_to_keep=1)
        cache = out.past_key_values
        fed = out.logits[:, -1].argmax(-1, keepdim=True)
        tokens = torch.cat([tokens, fed], dim=1)
        mask = torch.cat([mask, torch.ones_like(fed)], dim=1)
    return tokens[:, longest:].tolist()


@torch.no_grad()
def gaps(model: LlamaForCausalLM, prompt: list[int], tokens: list[int]) -> list[float]:
    """Of the best two logits, from one pass without padding, which must choose the same tokens."""
    logits = model(torch.tensor([prompt + tokens[:-1]])).logits[0, len(prompt) - 1:]
    best = logits.topk(2).values
    assert logits.argmax(-1).tolist() == tokens
    return (best[:, 0] - best[:, 1]).tolist()


def main(source: Path, target: Path) -> None:
    reader = gguf.GGUFReader(source)
    tokenizer = make_tokenizer(reader)
    model = make_model(reader)
    prompts = [tokenizer.encode(text).ids for text in [chat(text) for text in CHATS] + TEXTS]
    entries = []
    for prompt, tokens in zip(prompts, greedy(model, prompts)):
        steps = [round(gap, 4) for gap in gaps(model, prompt, tokens)]
        entries.append({"prompt": prompt, "tokens": tokens, "gaps": steps})
        print(f"{len(prompt)} tokens, least gap {min(steps)}: {tokenizer.decode(tokens)!r}",
              file=sys.stderr, flush=True)
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    target.write_text(f'{{"model_sha256":"{digest}","prompts":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2
         else Path(__file__).resolve().parent.parent / "tests/data/smollm2_golden.json")
