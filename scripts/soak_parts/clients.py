"""Clients that go away, stop halfway, send too much, or nonsense."""
import json
import random
import socket
import struct
import time

from .server import PATIENCE_S, Failure, Server, wait_for
from .texts import prompts

REQUEST_TIMEOUT_S = 60  # of the server, for a request to arrive


def connect(server: Server) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def request(path: str, body: bytes, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode() + body


def hang_up(client: socket.socket, abruptly: bool) -> None:
    if abruptly:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def vanish(options) -> tuple[int, str]:
    """Streams whose clients go before the first word, after it, or without taking any."""
    asked, end = 0, time.monotonic() + 20 * options.minutes
    with Server(options) as server:
        while time.monotonic() < end:
            clients = [connect(server) for _ in range(48)]
            for number, (client, prompt) in enumerate(zip(clients, prompts(asked, len(clients)))):
                body = {"prompt": prompt, "max_tokens": 400, "stream": number % 2 == 0}
                client.sendall(request("/v1/completions", json.dumps(body).encode()))
            asked += len(clients)
            for number, client in enumerate(clients):
                if number % 6 == 0:
                    client.recv(1024)
                hang_up(client, abruptly=number % 4 < 2)
            server.wait_until_quiet()
            server.complete("A client that stays")
    return asked, "nobody's answer went on, others were served"


def halves(options) -> tuple[int, str]:
    """Requests of which half comes; those that stay are disconnected in time, others do not wait for them."""
    body = json.dumps({"prompt": "Once upon a time", "max_tokens": 4}).encode()
    whole = request("/v1/completions", body)
    cuts = [0, 1, 7, 40, len(whole) - len(body) - 2, len(whole) - len(body), len(whole) - 9, len(whole) - 1]
    with Server(options) as server:
        begun = time.monotonic()
        clients = [connect(server) for _ in range(96)]
        for number, client in enumerate(clients):
            client.sendall(whole[:cuts[number % len(cuts)]])
        for client in clients[::2]:
            hang_up(client, abruptly=True)
        served = 0
        while time.monotonic() < begun + 5:
            server.complete("One who sends all of it")
            served += 1
        for client in clients[1::2]:
            client.settimeout(begun + REQUEST_TIMEOUT_S + 20 - time.monotonic())
            try:
                while client.recv(4096):
                    pass
            except TimeoutError:
                raise Failure("an unfinished request was kept waiting for too long") from None
            except ConnectionError:
                pass
            client.close()
    return len(clients) + served, f"all gone after {time.monotonic() - begun:.0f} s, {served} others served meanwhile"


def status_of(client: socket.socket) -> int:
    """Of the answer, whether or not the server takes all that is sent; 0 where it hangs up without one."""
    answer = b""
    try:
        while b"\r\n" not in answer and (piece := client.recv(4096)):
            answer += piece
    except ConnectionError:
        pass
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def send_all(client: socket.socket, head: bytes, pieces: list[bytes]) -> int:
    try:
        client.sendall(head)
        for piece in pieces:
            client.sendall(piece)
    except ConnectionError:
        pass  # which says it all; there may be an answer all the same
    return status_of(client)


def bodies(options) -> tuple[int, str]:
    """Bodies and headers of 10 MB."""
    megabyte = b"x" * (1 << 20)
    chunk = b"100000\r\n" + megabyte + b"\r\n"
    post = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
    kinds = {
        "with a length": (post + b"Content-Length: 10485760\r\n\r\n", [megabyte] * 10, {413}),
        "in chunks": (post + b"Transfer-Encoding: chunked\r\n\r\n", [chunk] * 10 + [b"0\r\n\r\n"], {413}),
        "that waits": (post + b"Content-Length: 10485760\r\nExpect: 100-continue\r\n\r\n", [], {413}),
        "as a header": (post + b"X-Large: ", [megabyte] * 10, {400, 413, 431}),
        "as a path": (b"GET /", [megabyte] * 10, {400, 413, 414}),
    }
    with Server(options) as server:
        server.complete("Hello")
        before = server.memory_mb()
        rounds = max(1, round(4 * options.minutes))
        for _ in range(rounds):
            for name, (head, pieces, expected) in kinds.items():
                with connect(server) as client:
                    status = send_all(client, head, pieces)
                if status not in expected | {0} or (status == 0 and name == "that waits"):
                    raise Failure(f"10 MB {name}: status {status}")
            server.complete("Somebody else")
        if server.memory_mb() > before + 64:
            raise Failure(f"memory grew from {before:.0f} to {server.memory_mb():.0f} MiB")
    return rounds * len(kinds), "refused, without keeping them"


NO_TEXT = [b"\xff", b"\x80", b"\xc3", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf5\x80\x80\x80",
           b"\xf8\x88\x80\x80\x80"]
ROUTES = {
    "/v1/completions": {"prompt": "Once upon a time", "max_tokens": 2, "temperature": 0.5, "top_p": 0.9, "n": 1,
                        "stop": ["x"], "logit_bias": {"5": 1}, "seed": 3, "logprobs": 2},
    "/v1/chat/completions": {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Hello"}],
                             "max_tokens": 2, "stream": True, "stream_options": {"include_usage": True}},
    "/v1/embeddings": {"input": ["a text", "another"], "encoding_format": "base64"},
    "/tokenize": {"prompt": "Once upon a time"},
    "/detokenize": {"tokens": [5, 6, 7]},
}


def check_answer(path: str, body: bytes, status: int, answer, allowed) -> None:
    error = answer.get("error") if isinstance(answer, dict) else None
    explained = isinstance(error, dict) and isinstance(error.get("message"), str)
    if status not in allowed or (status != 200 and not explained):
        raise Failure(f"{path}: status {status} for {body[:200]!r}: {str(answer)[:200]}")


def text(options) -> tuple[int, str]:
    """Bytes that are no UTF-8, wherever a text may stand."""
    asked = 0
    with Server(options) as server:
        for path, fields in ROUTES.items():
            whole = json.dumps(fields).encode()
            places = [at for at in range(len(whole)) if whole[at:at + 1].isalpha()]
            for wrong in NO_TEXT:
                for at in places[::3]:
                    body = whole[:at] + wrong + whole[at:]
                    status, answer = server.ask(path, body)
                    check_answer(path, body, status, answer, {400})
                    asked += 1
        for escape in ["\\ud800", "\\udc00x", "\\u0000"]:  # which are JSON
            body = b'{"prompt":"a' + escape.encode() + b'b","max_tokens":2}'
            status, answer = server.ask("/v1/completions", body)
            check_answer("/v1/completions", body, status, answer, {200, 400})
            asked += 1
    return asked, "all refused"


VALUES = ["null", "true", "-1", "0", "1e999", "-0.0", "1" * 400, "0.5", '""', '"x"', "[]", "{}", "[[]]", '{"a":{}}',
          "[1,\"a\",null]", '"\\u0000"', "9223372036854775808", "[" * 600 + "]" * 600, '{"":' * 600 + "1" + "}" * 600]


def mutated(rng: random.Random, fields: dict) -> bytes:
    """A body with a value of another kind, or with bytes changed."""
    whole = json.dumps(fields)
    if rng.random() < 0.5:
        field = rng.choice(list(fields))
        others = {key: value for key, value in fields.items() if key != field}
        return (json.dumps(others)[:-1] + f',"{field}":{rng.choice(VALUES)}}}').encode()
    data = bytearray(whole.encode())
    for _ in range(rng.randint(1, 4)):
        at, end = sorted(rng.choices(range(len(data) + 1), k=2))
        kind = rng.randrange(5)
        if kind == 0:
            data[at:end] = b""
        elif kind == 1:
            data[at:at] = data[at:end]
        elif kind == 2:
            data[at:at] = bytes(rng.choices(b'{}[]",:\\0eE-+.tfn\x00 \xff', k=rng.randint(1, 8)))
        elif kind == 3:
            del data[end:]
        elif at < len(data):
            data[at] = rng.randrange(256)
    return bytes(data)


def fuzz(options) -> tuple[int, str]:
    """JSON that is none, or not what is expected: a 400 with a reason, or an answer; never anything else."""
    rng, asked, refused, end = random.Random(1), 0, 0, time.monotonic() + 20 * options.minutes
    with Server(options, "--max-tokens", 4) as server:
        while time.monotonic() < end:
            path = rng.choice(list(ROUTES))
            body = mutated(rng, ROUTES[path])
            status, answer = server.ask(path, body)
            check_answer(path, body, status, answer, {200, 400, 404})  # 404: another model's name
            asked, refused = asked + 1, refused + (status != 200)
        wait_for("the server to be well", lambda: server.ask("/health")[0] == 200, 10)
    return asked, f"{refused} refused, the others answered"
