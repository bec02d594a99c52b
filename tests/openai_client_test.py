#!/usr/bin/env python3
"""Talks to kvs-serve http with OpenAI's own Python client: openai_client_test.py BIN DATA.

Exits with 77 (skipped) where the package openai is not installed.
"""
import asyncio
import subprocess
import sys
import unittest
from pathlib import Path

try:
    import openai
except ImportError:
    print("skipped: the package openai is not installed for", sys.executable)
    sys.exit(77)

BIN, DATA = (Path(argument) for argument in sys.argv[1:3])
PROMPT = "Once upon a time, Tim had a red car and a blue ball. One day Tim saw"
CHAT = [{"role": "user", "content": "Tell me a story"}]


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen(
            [BIN / "kvs-serve", "http", "-m", DATA / "stories260K.gguf", "--chat-template", "chatml", "--port", "0",
             "-q"], stdout=subprocess.PIPE, text=True)
        cls.url = cls.server.stdout.readline().strip() + "/v1"
        cls.client = openai.OpenAI(base_url=cls.url, api_key="none", max_retries=0, timeout=120)

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        assert cls.server.wait(60) == 0
        cls.server.stdout.close()

    def complete(self, **fields):
        return self.client.completions.create(**{"model": "stories260K", "prompt": PROMPT, "max_tokens": 12,
                                                 "temperature": 0} | fields)

    def chat(self, **fields):
        return self.client.chat.completions.create(**{"model": "stories260K", "messages": CHAT, "max_tokens": 12,
                                                      "temperature": 0} | fields)

    def test_models(self):
        self.assertEqual([model.id for model in self.client.models.list()], ["stories260K"])
        self.assertEqual(self.client.models.retrieve("stories260K").owned_by, "kvshare")

    def test_chat_whole_and_streamed(self):
        whole = self.chat()
        stream = list(self.chat(stream=True, stream_options={"include_usage": True}))

        self.assertEqual(whole.choices[0].finish_reason, "length")
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(stream[0].choices[0].delta.role, "assistant")
        self.assertEqual(stream[-1].choices, [])
        self.assertEqual(stream[-1].usage.completion_tokens, 12)
        self.assertGreater(stream[-1].usage.prompt_tokens_details.cached_tokens, 10)
        self.assertIn("exact", stream[-1].model_extra["kvshare"])

    def test_cached_tokens(self):
        first, second = self.complete(), self.complete()
        self.assertEqual(second.usage.prompt_tokens_details.cached_tokens, second.usage.prompt_tokens - 1)
        self.assertEqual(first.choices[0].text, second.choices[0].text)
        self.assertEqual(second.model_extra["kvshare"]["exact"], second.usage.prompt_tokens - 1)

    def test_choices_and_seeds(self):
        once = [choice.text for choice in self.complete(n=2, temperature=1.5, seed=7).choices]
        again = [choice.text for choice in self.complete(n=2, temperature=1.5, seed=7).choices]
        self.assertEqual(once, again)
        self.assertNotEqual(once[0], once[1])

    def test_logprobs(self):
        content = self.chat(logprobs=True, top_logprobs=3).choices[0].logprobs.content
        self.assertEqual(len(content), 12)
        for token in content:
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertEqual(token.logprob, token.top_logprobs[0].logprob)
            self.assertEqual(bytes(token.bytes).decode(errors="replace"), token.token)

    def test_stop_in_mid_token(self):
        text = self.complete(max_tokens=40).choices[0].text
        answer = self.complete(max_tokens=40, stop=[text[9:12], "never"])
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.choices[0].text, text[:text.index(text[9:12])])

    def test_embeddings(self):
        # The client asks for base64 where nothing else is said, and decodes it.
        coded = self.client.embeddings.create(model="static", input=["Tim had a ball", "Lily"])
        plain = self.client.embeddings.create(model="static", input="Lily", encoding_format="float")
        self.assertEqual(len(coded.data), 2)
        for a, b in zip(coded.data[1].embedding, plain.data[0].embedding):
            self.assertAlmostEqual(a, b, places=6)
        self.assertAlmostEqual(sum(x * x for x in coded.data[0].embedding), 1, places=5)

    def test_errors(self):
        with self.assertRaises(openai.NotFoundError) as missing:
            self.complete(model="gpt-9")
        self.assertEqual(missing.exception.code, "model_not_found")
        with self.assertRaises(openai.BadRequestError) as tools:
            self.chat(tools=[{"type": "function", "function": {"name": "f"}}])
        self.assertEqual((tools.exception.code, tools.exception.param), ("unsupported", "tools"))
        with self.assertRaises(openai.BadRequestError) as long:
            self.complete(prompt=[5] * 4000)
        self.assertEqual(long.exception.code, "context_length_exceeded")
        self.assertTrue(long.exception.request_id.startswith("req-"))

    def test_headers(self):
        raw = self.client.chat.completions.with_raw_response.create(model="stories260K", messages=CHAT, max_tokens=1)
        self.assertTrue(raw.headers["x-request-id"].startswith("req-"))
        self.assertTrue(raw.parse().id.startswith("chatcmpl-"))

    def test_leaving_a_stream(self):
        with self.complete(max_tokens=1900, stream=True, logit_bias={"2": -100}) as stream:
            next(iter(stream))
        self.assertEqual(self.complete().choices[0].finish_reason, "length")

    def test_32_at_once(self):
        expected = self.complete().choices[0].text

        async def ask(client, streamed):
            answer = await client.completions.create(model="stories260K", prompt=PROMPT, max_tokens=12, temperature=0,
                                                     stream=streamed)
            if not streamed:
                return answer.choices[0].text
            return "".join([chunk.choices[0].text async for chunk in answer])

        async def ask_all():
            async with openai.AsyncOpenAI(base_url=self.url, api_key="none", max_retries=0, timeout=120) as client:
                return await asyncio.gather(*(ask(client, number % 2 == 0) for number in range(32)))

        self.assertEqual(asyncio.run(ask_all()), [expected] * 32)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
