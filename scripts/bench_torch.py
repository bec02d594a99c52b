#!/usr/bin/env python3
"""Times PyTorch on the shapes that `kvs-eval bench -m random:SHAPE` times, for a comparison on the same machine.

bench_torch.py --shape NAME [--device cuda|cpu] [--repeats N] [--json OUT]

Two peers: a plain decoder written with scaled_dot_product_attention (decoding also as one CUDA graph, without the cost
of Python), and the model class of transformers where that is installed. Weights are bf16 noise, the cache is bf16.
Exit: 0 timed, 77 where there is no PyTorch, 2 wrong usage or a failure.
"""
import argparse
import json
import statistics
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print(f"bench_torch: {error}", file=sys.stderr)
    sys.exit(77)

# layers, hidden, heads, KV heads, feed-forward, vocabulary, bias of q, k and v, context, theta, tied embeddings
SHAPES = {
    "llama-3.1-8b": (32, 4096, 32, 8, 14336, 128256, False, 131072, 5e5, False),
    "qwen2.5-7b": (28, 3584, 28, 4, 18944, 152064, True, 32768, 1e6, False),
    "smollm2-135m": (30, 576, 9, 3, 1536, 49152, False, 8192, 1e5, True),
}
PREFILL = (128, 512, 2048)
APPEND = (10, 32, 256)
CONTEXT = 2048
DECODE = (512, 2048)
ROWS = 512  # at most in one pass over cached rows, as kvs-eval does
TYPE = torch.bfloat16


class Decoder:
    """The forward pass over a cache for one sequence."""

    def __init__(self, shape: str, device: str, positions: int):
        layers, hidden, heads, kv_heads, ffn, vocab, bias, _, theta, tied = SHAPES[shape]
        self.heads, self.kv_heads, self.dim, self.device = heads, kv_heads, hidden // heads, device

        def weight(rows: int, cols: int) -> torch.Tensor:
            return torch.empty(rows, cols, dtype=TYPE, device=device).normal_(0, cols**-0.5)

        width = (heads + 2 * kv_heads) * self.dim
        self.layers = [{"norm": torch.ones(hidden, dtype=TYPE, device=device), "qkv": weight(width, hidden),
                        "bias": torch.zeros(width, dtype=TYPE, device=device) if bias else None,
                        "o": weight(hidden, heads * self.dim), "norm2": torch.ones(hidden, dtype=TYPE, device=device),
                        "gate_up": weight(2 * ffn, hidden), "down": weight(hidden, ffn)} for _ in range(layers)]
        self.embedding = weight(vocab, hidden)
        self.output = self.embedding if tied else weight(vocab, hidden)
        cache = (layers, 2, 1, kv_heads, positions, self.dim)
        self.cache = torch.zeros(cache, dtype=TYPE, device=device)
        angles = torch.outer(torch.arange(positions), theta ** (-torch.arange(0, self.dim, 2) / self.dim))
        self.cos = angles.cos().repeat(1, 2).to(device, TYPE)
        self.sin = angles.sin().repeat(1, 2).to(device, TYPE)

    @staticmethod
    def rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        wide = x.float()
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-5)).to(TYPE) * weight

    def rotate(self, x: torch.Tensor, start: int) -> torch.Tensor:
        rows = slice(start, start + x.shape[-2])
        low, high = x.chunk(2, -1)
        return x * self.cos[rows] + torch.cat((-high, low), -1) * self.sin[rows]

    def attend(self, q: torch.Tensor, cache: torch.Tensor, start: int) -> torch.Tensor:
        """q: [1, heads, rows, dim]; cache: [2, 1, kv_heads, positions, dim]."""
        rows = q.shape[2]
        k, v = cache[:, :, :, : start + rows]
        group = self.heads // self.kv_heads
        if rows == 1:  # the queries of a group are rows of one head: the cache is not repeated
            q = q.view(1, self.kv_heads, group, self.dim)
            return F.scaled_dot_product_attention(q, k, v).reshape(1, self.heads, 1, self.dim)
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        if start == 0:
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        columns = torch.arange(start + rows, device=self.device)
        mask = columns <= columns[start:, None]
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    def __call__(self, tokens: torch.Tensor, start: int) -> torch.Tensor:
        """Logits of the last of `tokens`, which stand at positions from `start` on."""
        x, rows = self.embedding[tokens], len(tokens)
        for layer, weights in enumerate(self.layers):
            qkv = F.linear(self.rms_norm(x, weights["norm"]), weights["qkv"], weights["bias"])
            qkv = qkv.view(rows, -1, self.dim).transpose(0, 1)[None]
            q, k, v = qkv.split((self.heads, self.kv_heads, self.kv_heads), 1)
            cache = self.cache[layer]
            cache[0, :, :, start : start + rows] = self.rotate(k, start)
            cache[1, :, :, start : start + rows] = v
            attended = self.attend(self.rotate(q, start), cache, start)
            x = x + F.linear(attended[0].transpose(0, 1).reshape(rows, -1), weights["o"])
            gate, up = F.linear(self.rms_norm(x, weights["norm2"]), weights["gate_up"]).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, weights["down"])
        return F.linear(x[-1:], self.output)

    def compute(self, tokens: torch.Tensor, start: int) -> None:
        for first in range(0, len(tokens), ROWS if start else len(tokens)):
            self(tokens[first : first + (ROWS if start else len(tokens))], start + first)


def median_seconds(device: str, repeats: int, work) -> float:
    times = []
    for run in range(repeats + 2):  # the first two load code and memory
        if device == "cuda":
            torch.cuda.synchronize()
        begin = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        if run >= 2:
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def graph_of(work):
    """The work as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def figures(name: str, times) -> dict:
    """times(kind, rows, context): median seconds of `rows` rows behind `context`."""
    return {
        "name": name,
        "prefill": [{"tokens": n, "tokens_per_s": round(n / times("prefill", n, 0), 1)} for n in PREFILL],
        "append": [{"new": n, "context": CONTEXT, "ms": round(1e3 * times("append", n, CONTEXT), 2)} for n in APPEND],
        "decode": [{"context": n, "tokens_per_s": round(1 / times("decode", 1, n), 1)} for n in DECODE],
    }


def time_torch(shape: str, device: str, repeats: int) -> list[dict]:
    model = Decoder(shape, device, CONTEXT + max(APPEND))
    tokens = torch.randint(0, SHAPES[shape][5], (CONTEXT + max(APPEND),), device=device)

    def times(kind: str, rows: int, context: int) -> float:
        return median_seconds(device, repeats, lambda: model.compute(tokens[:rows], context))

    found = [figures(f"torch {torch.__version__}, sdpa", times)]
    if device == "cuda":
        graphs = {n: graph_of(lambda n=n: model(tokens[:1], n)) for n in DECODE}
        found.append({"name": f"torch {torch.__version__}, sdpa, CUDA graph",
                      "decode": [{"context": n, "tokens_per_s": round(1 / median_seconds(device, repeats, graph), 1)}
                                 for n, graph in graphs.items()]})
    return found


def time_transformers(shape: str, device: str, repeats: int) -> dict:
    import transformers

    layers, hidden, heads, kv_heads, ffn, vocab, bias, context, theta, tied = SHAPES[shape]
    kind = transformers.Qwen2Config if bias else transformers.LlamaConfig
    config = kind(num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads,
                  num_key_value_heads=kv_heads, intermediate_size=ffn, vocab_size=vocab,
                  max_position_embeddings=context, rope_theta=theta, tie_word_embeddings=tied)
    torch.set_default_dtype(TYPE)
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    torch.set_default_dtype(torch.float32)
    tokens = torch.randint(0, vocab, (1, CONTEXT + max(APPEND)), device=device)

    def times(_: str, rows: int, behind: int) -> float:
        if behind == 0:
            return median_seconds(device, repeats, lambda: model(tokens[:, :rows], use_cache=True, logits_to_keep=1))
        past = model(tokens[:, :behind], use_cache=True, logits_to_keep=1).past_key_values

        def work() -> None:
            model(tokens[:, :rows], past_key_values=past, use_cache=True, logits_to_keep=1)
            past.crop(behind)

        return median_seconds(device, repeats, work)

    return figures(f"transformers {transformers.__version__}, sdpa", times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", default="-")
    options = parser.parse_args()
    result = {"shape": options.shape, "device": options.device, "peers": [], "skipped": []}
    with torch.inference_mode():
        result["peers"] += time_torch(options.shape, options.device, options.repeats)
        try:
            result["peers"].append(time_transformers(options.shape, options.device, options.repeats))
        except ImportError as error:
            result["skipped"].append(f"transformers: {error}")
        except Exception as error:  # of another version, whose interface differs: said, and no reason to lose the rest
            result["skipped"].append(f"transformers: {type(error).__name__}: {error}")
    text = json.dumps(result, indent=1) + "\n"
    if options.json == "-":
        print(text, end="")
    else:
        with open(options.json, "w") as out:
            out.write(text)


if __name__ == "__main__":
    main()
