#!/usr/bin/env python3
"""Writes tests/data/models: tiny random models of each family as Hugging Face directories, with the
logits that transformers computes for them in f32 (golden.json: the prompt; logits.f32: [tokens, vocab],
little-endian), and GGUF twins of some. Needs torch, transformers, safetensors and gguf; made with
transformers 5.23 and gguf 0.19."""
import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers

TOKENS = 40
CONTEXT = 256


@dataclass
class Case:
    name: str
    family: str
    shape: dict
    dtype: torch.dtype = torch.float32
    old_rope_keys: bool = False  # "rope_theta" and "rope_scaling" as before transformers 5
    shard_size: str | None = None
    gguf: str | None = None  # the architecture of a GGUF twin
    rope: dict = field(default_factory=lambda: {"rope_type": "default", "rope_theta": 10000.0})


def shape(hidden, heads, kv_heads, head_dim, ffn, vocab, **more):
    if head_dim:  # else it is hidden / heads
        more["head_dim"] = head_dim
    return dict(hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=kv_heads,
                intermediate_size=ffn, vocab_size=vocab, num_hidden_layers=2,
                max_position_embeddings=CONTEXT, **more)


LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 64}

CASES = [
    Case("llama", "Llama", shape(36, 6, 2, 8, 80, 160, rms_norm_eps=1e-5), old_rope_keys=True,
         gguf="llama"),
    Case("llama-llama3", "Llama", shape(48, 2, 1, 96, 64, 128, tie_word_embeddings=True),
         torch.bfloat16, gguf="llama", rope=LLAMA3),
    Case("llama-linear", "Llama", shape(48, 2, 1, 64, 72, 128, attention_bias=True), torch.float16,
         old_rope_keys=True, gguf="llama",
         rope={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}),
    Case("mistral", "Mistral", shape(40, 2, 1, 80, 64, 128, sliding_window=None), torch.bfloat16),
    Case("mistral-window", "Mistral", shape(32, 4, 2, 8, 64, 128, sliding_window=12),
         torch.bfloat16),
    Case("qwen2", "Qwen2", shape(64, 4, 2, None, 96, 128, tie_word_embeddings=True), torch.bfloat16,
         shard_size="40KB", gguf="qwen2", rope={"rope_type": "default", "rope_theta": 1e6}),
    Case("qwen3", "Qwen3", shape(32, 2, 1, 128, 64, 128), torch.bfloat16, gguf="qwen3",
         rope={"rope_type": "default", "rope_theta": 1e6}),
]


def make_model(case: Case, seed: int):
    config = getattr(transformers, case.family + "Config")(
        rope_parameters=dict(case.rope), attn_implementation="eager", bos_token_id=1,
        eos_token_id=2, **case.shape)
    model = getattr(transformers, case.family + "ForCausalLM")(config).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=random)
            if "norm" in name:
                weight.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"):
                weight.copy_(0.3 * noise)
            elif "embed" in name:
                weight.copy_(0.25 * noise)
            else:  # large enough that attention is far from uniform
                weight.copy_(noise * 1.5 / weight.shape[1] ** 0.5)
            weight.copy_(weight.to(case.dtype).float())
    model.tie_weights()
    return model


def use_old_rope_keys(path: Path) -> None:
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else {"type": kind, **rope}
    path.write_text(json.dumps(config, indent=2) + "\n")


def save_directory(case: Case, model, folder: Path) -> None:
    model.to(case.dtype).save_pretrained(folder, max_shard_size=case.shard_size or "1GB")
    model.float()
    (folder / "generation_config.json").unlink(missing_ok=True)
    if case.old_rope_keys:
        use_old_rope_keys(folder / "config.json")


def save_golden(case: Case, model, folder: Path, seed: int) -> None:
    random = torch.Generator().manual_seed(1000 + seed)
    tokens = torch.randint(0, model.config.vocab_size, (1, TOKENS), generator=random)
    with torch.no_grad():
        logits = model(tokens).logits[0]
    logits.numpy().astype("<f4").tofile(folder / "logits.f32")
    (folder / "golden.json").write_text(json.dumps({"tokens": tokens[0].tolist()}) + "\n")


# --- GGUF twins ----------------------------------------------------------------------------------

def interleave(rows: np.ndarray, heads: int) -> np.ndarray:
    """Half-split rows of q or k in the order of the llama architecture's GGUF files."""
    return rows.reshape(heads, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def write_metadata(writer: gguf.GGUFWriter, config, rope: dict) -> None:
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    if getattr(config, "head_dim", None):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
        writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])


def llama3_factors(rope: dict, head_dim: int) -> np.ndarray:
    """What rope_freqs.weight holds: by what each frequency is divided."""
    frequencies = rope["rope_theta"] ** -(np.arange(0, head_dim, 2) / head_dim)
    turns = rope["original_max_position_embeddings"] * frequencies / (2 * np.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - kept) / rope["factor"] + kept)).astype(np.float32)


def save_gguf(case: Case, model, path: Path) -> None:
    config = model.config
    writer = gguf.GGUFWriter(path, case.gguf)
    write_metadata(writer, config, case.rope)
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, case.gguf.upper()),
                                     config.num_hidden_layers)
    if case.rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(case.rope, config.head_dim))
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        data = weight.float().numpy()
        if case.gguf == "llama" and "q_proj" in name:
            data = interleave(data, config.num_attention_heads)
        if case.gguf == "llama" and "k_proj" in name:
            data = interleave(data, config.num_key_value_heads)
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if data.ndim == 2 and case.dtype != torch.float32:
            kind = {torch.float16: gguf.GGMLQuantizationType.F16,
                    torch.bfloat16: gguf.GGMLQuantizationType.BF16}[case.dtype]
            writer.add_tensor(target, gguf.quants.quantize(data, kind), raw_dtype=kind)
        else:
            writer.add_tensor(target, np.ascontiguousarray(data))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    for seed, case in enumerate(CASES):
        folder = target / case.name
        model = make_model(case, seed)
        folder.mkdir(parents=True)
        # The logits first: saving rounds the RoPE frequencies of the model in memory to its type.
        save_golden(case, model, folder, seed)
        save_directory(case, model, folder)
        if case.gguf:
            save_gguf(case, model, folder / "model.gguf")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1
         else Path(__file__).resolve().parent.parent / "tests/data/models")
