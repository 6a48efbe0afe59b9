"""OpenAI's Python library, unmodified, against a server. Arguments: the server's URL. Every response is held strictly against the library's own types."""

import asyncio
import json
import sys

import jsonschema
import openai
from openai import AsyncOpenAI, OpenAI

URL = sys.argv[1] + "/v1"
OPTIONS = {"base_url": URL, "api_key": "nobody", "max_retries": 0, "_strict_response_validation": True}
client = OpenAI(**OPTIONS)
MESSAGES = [{"role": "user", "content": "Tell me about Lily."}]
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer"},
        "animals": {"type": "array", "items": {"enum": ["cat", "dog", "bird"]}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "age", "animals"],
    "additionalProperties": False,
}


def models():
    ids = [model.id for model in client.models.list()]
    assert ids == ["stories", "lora"], ids
    model = client.models.retrieve("lora")
    assert model.object == "model" and model.model_extra["tributary"]["adapter"], model


def chat():
    ask = {"model": "lora", "messages": MESSAGES, "max_completion_tokens": 24, "seed": 3}
    whole = client.chat.completions.create(**ask, logprobs=True, top_logprobs=4, n=2)
    assert [choice.index for choice in whole.choices] == [0, 1]
    usage = whole.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens == sum(len(choice.logprobs.content) for choice in whole.choices)
    assert usage.prompt_tokens_details.cached_tokens >= 0
    for choice in whole.choices:
        text = b"".join(bytes(token.bytes) for token in choice.logprobs.content).decode("utf-8", "replace")
        assert text.strip() == choice.message.content.strip(), (text, choice.message.content)
        assert all(len(token.top_logprobs) == 4 for token in choice.logprobs.content)
    again = client.chat.completions.create(**ask, n=2)
    assert [c.message.content for c in again.choices] == [c.message.content for c in whole.choices]
    chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content, (text, whole.choices[0].message.content)
    assert chunks[-1].usage.completion_tokens > 0 and not chunks[-1].choices
    with client.chat.completions.stream(**ask) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
    assert "".join(deltas) == text
    raw = client.chat.completions.with_raw_response.create(**ask)
    assert raw.headers["x-request-id"].startswith("req_") and raw.parse()._request_id == raw.headers["x-request-id"]


def completions():
    ask = {"model": "stories", "prompt": "Once upon a time", "max_tokens": 20, "temperature": 0}
    whole = client.completions.create(**ask)
    echo = client.completions.create(**ask, echo=True)
    assert echo.choices[0].text == "Once upon a time" + whole.choices[0].text
    # The library's own type of a piece wants a reason for the end in each, which OpenAI does not send either.
    lax = OpenAI(**{**OPTIONS, "_strict_response_validation": False})
    streamed = "".join(chunk.choices[0].text for chunk in lax.completions.create(**ask, stream=True))
    assert streamed == whole.choices[0].text
    several = client.completions.create(**{**ask, "prompt": ["Once upon a time", "The cat"]}, logprobs=3)
    assert several.choices[0].text == whole.choices[0].text and len(several.choices) == 2
    logprobs = several.choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.text_offset) == 20
    stop = whole.choices[0].text.split()[2]
    stopped = client.completions.create(**ask, stop=[stop])
    assert stopped.choices[0].finish_reason == "stop" and stop not in stopped.choices[0].text


def formats():
    for seed in range(4):
        answer = client.chat.completions.create(
            model="lora", messages=MESSAGES, max_tokens=450, seed=seed,
            response_format={"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}},
        )
        assert answer.choices[0].finish_reason == "stop", answer
        jsonschema.validate(json.loads(answer.choices[0].message.content), SCHEMA)

    # What pydantic writes is understood.
    from pydantic import BaseModel

    class Pet(BaseModel):
        kind: bool
        count: int

    class Owner(BaseModel):
        pets: Pet
        sister: bool | None

    parsed = client.chat.completions.parse(model="stories", messages=MESSAGES, max_tokens=450, response_format=Owner)
    assert isinstance(parsed.choices[0].message.parsed, Owner), parsed


def errors():
    def expect(kind, **changes):
        ask = {"model": "stories", "messages": MESSAGES, "max_tokens": 4, **changes}
        try:
            client.chat.completions.create(**ask)
        except kind as error:
            return error
        raise AssertionError(f"{changes} was accepted")

    error = expect(openai.NotFoundError, model="gpt-4o")
    assert error.code == "model_not_found" and error.param == "model", error
    error = expect(openai.BadRequestError, temperature=3)
    assert error.param == "temperature" and error.type == "invalid_request_error", error
    error = expect(openai.BadRequestError, tools=[{"type": "function", "function": {"name": "f"}}])
    assert (error.code, error.param) == ("unsupported_parameter", "tools"), error
    error = expect(openai.BadRequestError, messages=[{"role": "user", "content": "word " * 2000}])
    assert error.code == "context_length_exceeded", error
    error = expect(openai.BadRequestError, extra_body={"temprature": 1})
    assert (error.code, error.param) == ("unknown_parameter", "temprature"), error


async def at_once():
    """Many at the same time get what they get alone."""
    async with AsyncOpenAI(**OPTIONS) as several:
        def ask(number):
            return {"model": ["stories", "lora"][number % 2], "messages": MESSAGES, "max_tokens": 12, "seed": number}

        together = await asyncio.gather(*(several.chat.completions.create(**ask(number)) for number in range(16)))
        for number, answer in enumerate(together):
            alone = client.chat.completions.create(**ask(number))
            assert alone.choices[0].message.content == answer.choices[0].message.content, number
        stream = await several.chat.completions.create(**ask(1), stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text == together[1].choices[0].message.content
        # Leaving a stream in the middle leaves the server as it was.
        stream = await several.chat.completions.create(**{**ask(0), "max_tokens": 300}, stream=True)
        async for _ in stream:
            break
        await stream.close()


for part in (models, chat, completions, formats, errors):
    part()
asyncio.run(at_once())
print("openai-python", openai.__version__)
