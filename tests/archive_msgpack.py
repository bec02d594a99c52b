#!/usr/bin/env python3
"""Reads and writes .kva archives with nothing but kvs-archive(5) and other people's libraries.

usage: archive_msgpack.py ARCHIVE_SAMPLE_TOOL
Exits with 77, saying why, where the packages are missing.
"""
import io
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import msgpack
    import zstandard
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)
try:
    import xxhash
except ImportError:
    xxhash = None


def read_records(path: Path) -> list[dict]:
    stream = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes()), read_across_frames=True)
    return list(msgpack.Unpacker(io.BytesIO(stream.read()), max_buffer_size=1 << 30))


LAYERS, HEADS, DIM = 2, 2, 4  # of the sample, which is f16


def codes_of(codec: str, data: bytes, length: int) -> list[list[int]]:
    """The codes of each vector of so many elements."""
    if codec == "q8":
        codes = struct.unpack(f"{len(data)}b", data)
    else:
        codes = [nibble - 8 for byte in data for nibble in (byte & 15, byte >> 4)]
    step = length if codec == "q8" else length + length % 2
    return [list(codes[at:at + length]) for at in range(0, len(codes), step)]


def lossy_planes(record: dict) -> list[bytes]:
    """The vectors are shorter than 64 elements here: a group each."""
    count = len(record["tokens"])
    keys = codes_of(record["codec"], record["data"][0], count)
    values = codes_of(record["codec"], record["data"][1], DIM)
    half = len(record["data"][2]) // 2
    ranges = [struct.unpack("<f", bytes((0, 0, low, high)))[0]
              for low, high in zip(record["data"][2][:half], record["data"][2][half:])]
    check(half, 2 * len(keys) + len(values), "number of scales and offsets")
    scales, offsets, value_scales = ranges[:len(keys)], ranges[len(keys):2 * len(keys)], ranges[2 * len(keys):]
    planes = []
    for layer in range(LAYERS):
        plane = []
        for head in range(layer * HEADS, (layer + 1) * HEADS):
            channels = range(head * DIM, (head + 1) * DIM)
            plane += [offsets[c] + scales[c] * keys[c][row] for row in range(count) for c in channels]
        planes.append(struct.pack(f"<{len(plane)}e", *plane))
        plane = [value_scales[row] * code for row in range(layer * HEADS * count, (layer + 1) * HEADS * count)
                 for code in values[row]]
        planes.append(struct.pack(f"<{len(plane)}e", *plane))
    return planes


def planes_of(record: dict) -> list[bytes]:
    """Keys and values, layer by layer, whatever the codec."""
    if record["codec"] == "raw":
        return record["data"]
    if record["codec"] in ("q8", "q4"):
        return lossy_planes(record)
    elements = bytes(byte for element in zip(*record["data"]) for byte in element)
    size = len(elements) // 4  # the sample has two layers
    return [elements[at:at + size] for at in range(0, len(elements), size)]


def check(found, expected, what: str) -> None:
    if found != expected:
        sys.exit(f"{what}: found {found!r}, expected {expected!r}")


def check_table(path: Path) -> None:
    data = path.read_bytes()
    member_bytes, count = struct.unpack("<qI", data[-32:-20])
    check(data[-4:], b"KVAT", "footer")
    check(member_bytes, len(data), "bytes of the member")
    frame = data[len(data) - 40 * count - 40:]
    check(struct.unpack("<II", frame[:8]), (0x184D2A5B, 40 * count + 32), "skippable frame")
    kinds = []
    for entry in range(count):
        offset, kind, flags, rows, home, ident = struct.unpack("<qHHiq16s", frame[8 + 40 * entry:48 + 40 * entry])
        record = msgpack.unpackb(zstandard.ZstdDecompressor().decompressobj().decompress(data[offset:]))
        kinds.append(record["t"])
        check(["header", "kv", "prompt", "end"][kind], record["t"], f"kind of entry {entry}")
        if record["t"] == "kv":
            check((ident, home, rows, flags), (record["id"], record["home"], len(record["tokens"]), int(record["exact"])), "kv entry")
    check(kinds, ["header", "kv", "prompt", "kv", "prompt", "end"], "entries")
    if xxhash:
        check(xxhash.xxh3_128_digest(frame[:-20]), frame[-20:-4], "hash of the table")


def check_ours(tool: str, folder: Path, codec: str) -> None:
    path = folder / f"{codec}.kva"
    subprocess.run([tool, codec, str(path)], check=True)
    records = read_records(path)
    check([record["t"] for record in records], ["header", "kv", "prompt", "kv", "prompt", "end"], "kinds")
    check(records[0]["dtype"], "f16", "dtype")
    printed = subprocess.run([tool, "print", str(path)], check=True, capture_output=True, text=True).stdout
    for record in (record for record in records if record["t"] == "kv"):
        line = " ".join(["kv", record["id"].hex()] + [plane.hex() for plane in planes_of(record)])
        check(line in printed.splitlines(), True, f"{codec}: {line} in {printed}")
    check(records[2]["text"], "grüß dich", "text")
    check(records[2]["spans"][1], {"count": 5}, "hole")
    check((records[5]["kv"], records[5]["prompts"]), (2, 2), "counts")
    check_table(path)


def frame(record: dict) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True, write_content_size=True).compress(msgpack.packb(record))


def check_theirs(tool: str, folder: Path) -> None:
    keys, values = b"\1\2\3\4", b"\5\6\7\x08"
    member = frame({"t": "header", "version": 1, "model": "m", "fingerprint": "print", "tokenizer": "", "layers": 1,
                    "kv_heads": 1, "head_dim": 2, "dtype": "f16", "rope": "half", "creator": "python", "time": 0})
    member += frame({"t": "kv", "id": b"i" * 16, "tokens": [9], "home": 0, "exact": True, "codec": "shuffle",
                     "error": 0.0, "data": [b"\1\3\5\7", b"\2\4\6\x08"], "later": [{"version": "field"}]})
    member += frame({"t": "prompt", "id": "ä", "tenant": "", "visibility": "private", "tokens": [9, 10], "text": "t",
                     "spans": [{"count": 1, "kv": b"i" * 16, "first": 0, "shift": 0, "exact": True}, {"count": 1}],
                     "time": 0})
    member += frame({"t": "end", "kv": 1, "prompts": 1, "hash": xxhash.xxh3_128_digest(member), "table": False})
    path = folder / "theirs.kva"
    path.write_bytes(member)
    printed = subprocess.run([tool, "print", str(path)], check=True, capture_output=True, text=True).stdout
    expected = f"header print\nkv {(b'i' * 16).hex()} {keys.hex()} {values.hex()}\nprompt ä t 9,10\nend 1 1\n"
    check(printed, expected, "an archive made in Python")


def main() -> None:
    tool = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        for codec in ("raw", "shuffle", "q8", "q4"):
            check_ours(tool, Path(name), codec)
        if xxhash:
            check_theirs(tool, Path(name))
        else:
            print("not checked without the package xxhash: the other direction, hashes of tables")
    print("archives: ok")


if __name__ == "__main__":
    main()
