// OpenAI's library for Node, unmodified, against a server. Arguments: the server's URL.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "nobody", maxRetries: 0 });
const ask = { model: "lora", messages: [{ role: "user", content: "Tell me about Lily." }], max_tokens: 20, seed: 3 };

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.deepEqual(models, ["stories", "lora"]);

const { data: whole, response } = await client.chat.completions.create({ ...ask, logprobs: true, top_logprobs: 2 }).withResponse();
assert.equal(whole.usage.completion_tokens, whole.choices[0].logprobs.content.length);
assert.match(response.headers.get("x-request-id"), /^req_/);

let text = "";
let usage;
for await (const chunk of await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
  text += chunk.choices[0]?.delta.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, whole.choices[0].message.content);
assert.deepEqual([usage.prompt_tokens, usage.completion_tokens], [whole.usage.prompt_tokens, whole.usage.completion_tokens]);
assert.equal(await client.chat.completions.stream(ask).finalContent(), text);

const completion = await client.completions.create({ model: "stories", prompt: "Once upon a time", max_tokens: 8, temperature: 0 });
assert.equal(completion.object, "text_completion");

await assert.rejects(client.chat.completions.create({ ...ask, model: "gpt-4o" }), (error) => {
  assert.ok(error instanceof OpenAI.NotFoundError);
  assert.deepEqual([error.code, error.param], ["model_not_found", "model"]);
  return true;
});
await assert.rejects(client.chat.completions.create({ ...ask, tools: [] }), OpenAI.BadRequestError);

// Leaving in the middle ends the stream for both sides.
const stream = await client.chat.completions.create({ ...ask, max_tokens: 200, stream: true });
for await (const _ of stream) break;

console.log("openai-node");
