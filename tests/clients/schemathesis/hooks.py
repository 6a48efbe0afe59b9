"""What no schema says: a model that is served, a prompt and an answer that fit the context, and fields that depend on each other."""

import schemathesis

MODELS = ["stories", "lora"]
# Of the context's 512 tokens; a character takes four at most.
CHARACTERS_MAX = 100


@schemathesis.hook
def before_call(context, case, kwargs):
    """Only for requests that are to be accepted: what is generated to be wrong stays wrong."""
    body = case.body
    if case.meta is None or not case.meta.generation.mode.is_positive or not isinstance(body, dict):
        return
    body["model"] = MODELS[len(str(body)) % len(MODELS)]
    body["max_tokens"] = 4
    body.pop("max_completion_tokens", None)
    body.pop("best_of", None)
    if not body.get("stream"):
        body.pop("stream_options", None)
    if not body.get("logprobs"):
        body.pop("top_logprobs", None)
    if body.get("logprobs") is not None and body.get("echo"):
        body.pop("echo")
    if body.get("logit_bias"):
        body["logit_bias"] = {str(int(token) % 512): bias for token, bias in body["logit_bias"].items()}
    form = body.get("response_format")
    if form and form["type"] == "json_schema":
        form["json_schema"]["schema"] = {"type": "object", "properties": {"age": {"type": "integer"}}, "additionalProperties": False}
    if "messages" in body:
        # The model has no chat template: one message of the user.
        content = fitting(body["messages"][0]["content"])
        body["messages"] = [{"role": "user", "content": content if str(content).strip() else "x"}]
    if isinstance(body.get("prompt"), str):
        body["prompt"] = body["prompt"][:CHARACTERS_MAX]
    elif isinstance(body.get("prompt"), list):
        body["prompt"] = [known(item) for item in body["prompt"]]


def fitting(content):
    """A message's text, or the parts of one, cut so that the prompt fits."""
    if isinstance(content, str):
        return content[:CHARACTERS_MAX]
    if not isinstance(content, list):
        return content
    parts = content[:10]
    return [{**part, "text": part["text"][: CHARACTERS_MAX // len(parts)]} if "text" in part else part for part in parts]


def known(item):
    """A prompt's token as one of the model's 512; strings as they are."""
    if isinstance(item, list):
        return [known(token) for token in item]
    return item[:CHARACTERS_MAX] if isinstance(item, str) else int(item) % 512
