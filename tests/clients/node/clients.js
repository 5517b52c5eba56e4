// What OpenAI's and Anthropic's clients for Node get from a server, as one JSON object on standard output.
//
//   node clients.js URL MODEL
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [url, model] = process.argv.slice(2);
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });

const messages = [{ role: "user", content: "What is the capital of France?" }];
const chat = { model, messages, max_tokens: 24, temperature: 0 };
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", parameters } }];
const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };

async function textOf(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  return text;
}

async function errorOf(promise) {
  return promise.then(
    () => null,
    (error) => ({ kind: error.constructor.name, status: error.status, message: error.message }),
  );
}

async function abortedAfter(count) {
  const stream = await openai.chat.completions.create({ ...chat, max_tokens: 500, stream: true });
  let seen = 0;
  for await (const _ of stream) if (++seen === count) stream.controller.abort();
  return seen;
}

const results = {
  models: (await openai.models.list()).data.map((entry) => entry.id),
  chat: (await openai.chat.completions.create(chat)).choices[0].message.content,
  chatStream: await textOf(await openai.chat.completions.create({ ...chat, stream: true })),
  chatHelper: await openai.chat.completions.stream(chat).finalContent(),
  usage: (await openai.chat.completions.create(chat)).usage,
  completion: (await openai.completions.create({ model, prompt: "Once", max_tokens: 8, temperature: 0 })).choices[0].text,
  call: (
    await openai.chat.completions.create({ ...chat, max_tokens: 100, tools, tool_choice: "required" })
  ).choices[0].message.tool_calls[0].function,
  callStream: (
    await openai.chat.completions
      .stream({ ...chat, max_tokens: 100, tools, tool_choice: "required" })
      .finalChatCompletion()
  ).choices[0].message.tool_calls[0].function,
  schema: (
    await openai.chat.completions.create({
      ...chat,
      response_format: { type: "json_schema", json_schema: { name: "count", schema, strict: true } },
    })
  ).choices[0].message.content,
  response: (await openai.responses.create({ model, input: messages, max_output_tokens: 24, temperature: 0 })).output_text,
  responseStream: (
    await openai.responses.stream({ model, input: messages, max_output_tokens: 24, temperature: 0 }).finalResponse()
  ).output_text,
  embeddings: (await openai.embeddings.create({ model, input: ["a", "b"] })).data.map((entry) => entry.embedding.length),
  abortedAfter: await abortedAfter(3),
  notFound: await errorOf(openai.chat.completions.create({ ...chat, model: "none" })),
  badRequest: await errorOf(openai.chat.completions.create({ ...chat, temperature: 1000 })),
  message: (await anthropic.messages.create(chat)).content[0].text,
  messageStream: await anthropic.messages.stream(chat).finalText(),
  messageTokens: (await anthropic.messages.countTokens({ model, messages })).input_tokens,
  messageNotFound: await errorOf(anthropic.messages.create({ ...chat, model: "none" })),
};
process.stdout.write(JSON.stringify(results));
