// Writes tests/samples/small.json and rich.json: what zustand's `persist` leaves in a browser's localStorage.
// Run it with `npm ci && node make_samples.mjs [folder]`; it is seeded, so it writes the same bytes every time.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { CODE, PARAGRAPHS, QUESTIONS, REASONING, TITLES } from "./sample_texts.mjs";
import { seeded } from "./seeded.mjs";
import { MemoryStorage, STORE_NAME, createWebClientStore } from "./web_client_store.mjs";

const RICH_CHATS = 40;
const RICH_MESSAGES = 1000;
const HOUR = 3_600_000;

// US dollars a million tokens: input, output; `thinks` where the model reports reasoning.
const MODELS = [
  { id: "openai/gpt-4o", input: 2.5, output: 10 },
  { id: "openai/o3-mini", input: 1.1, output: 4.4, thinks: true },
  { id: "anthropic/claude-3.7-sonnet", input: 3, output: 15, thinks: true },
  { id: "anthropic/claude-3-5-haiku", input: 0.8, output: 4 },
  { id: "x-ai/grok-2-1212", input: 2, output: 10 },
  { id: "google/gemini-2.0-flash-001", input: 0.1, output: 0.4 },
  { id: "google/gemini-2.5-pro", input: 1.25, output: 10, thinks: true },
  { id: "deepseek/deepseek-r1", input: 0.55, output: 2.19, thinks: true },
  { id: "gpt-4o-mini", input: 0.15, output: 0.6 },
];

/** Keys with each provider's real prefix, length and alphabet. They open nothing. */
function keysOf(random) {
  return {
    openrouter: `sk-or-v1-${random.hex(64)}`,
    openai: `sk-proj-SAMPLE${random.alphanumeric(150)}`,
    anthropic: `sk-ant-api03-SAMPLE${random.alphanumeric(85)}-${random.alphanumeric(6)}AA`,
    google: `AIzaSAMPLE${random.alphanumeric(29)}`,
    xai: `xai-SAMPLE${random.alphanumeric(74)}`,
    legacy: `sk-or-v1-${random.hex(64)}`,
  };
}

function answerText(random) {
  const parts = [random.pick(PARAGRAPHS)];
  if (random.chance(0.4)) parts.push(random.pick(CODE));
  if (random.chance(0.35)) parts.push(random.pick(PARAGRAPHS));
  return parts.join("\n\n");
}

function question(random, at) {
  const message = { id: random.uuid(), role: "user", content: random.pick(QUESTIONS), timestamp: at };
  if (random.chance(0.2)) message.tokens = null;
  return message;
}

function answer(random, at, model) {
  const content = random.chance(0.01) ? "" : answerText(random);
  const thinks = Boolean(model.thinks) && random.chance(0.8);
  const tokens = {
    input: random.integer(12, 6000),
    reasoning: thinks ? random.integer(40, 2500) : 0,
    output: content ? Math.ceil(content.length / 4) + random.integer(0, 20) : 0,
  };
  const message = {
    id: random.chance(0.9) ? random.uuid() : `msg_${at.getTime()}_${random.alphanumeric(7).toLowerCase()}`,
    role: "assistant",
    content,
    timestamp: at,
    model: model.id,
    duration: random.integer(350, 42_000),
    cost: (tokens.input * model.input + (tokens.reasoning + tokens.output) * model.output) / 1_000_000,
    tokens,
  };
  if (thinks) message.reasoning = random.pick(REASONING);
  if (random.chance(0.04)) {
    delete message.cost;
    message.tokens = null;
  }
  return message;
}

/** How many messages each chat has: one empty chat, one of a single message, one long one, exactly the total asked for. */
function sizes(random, chats, total) {
  const list = [0, 1, 120, ...Array.from({ length: chats - 3 }, () => random.integer(8, 36))];
  for (let index = 3; list.reduce((sum, size) => sum + size) !== total; index = index + 1 < chats ? index + 1 : 3) {
    const sum = list.reduce((all, size) => all + size);
    if (sum < total) list[index] += 1;
    else if (list[index] > 2) list[index] -= 1;
  }
  return list;
}

function fillChat(store, random, { id, title, start, model, size }) {
  let at = start;
  store.getState().createChat({ id, title, model: model.id, messages: [], createdAt: start, updatedAt: start });
  for (let position = 0; position < size; position += 1) {
    // Some messages share one millisecond: only their place in the array tells their order.
    if (!random.chance(0.1)) at = new Date(at.getTime() + random.integer(1, 90_000));
    if (position === 0 && random.chance(0.2)) {
      store.getState().addMessage(id, { id: random.uuid(), role: "system", content: "Answer briefly. 🙂", timestamp: at });
      continue;
    }
    store.getState().addMessage(id, position % 2 ? answer(random, at, model) : question(random, at));
  }
}

function makeRich(storage) {
  const random = seeded(20260101);
  const store = createWebClientStore(storage);
  const keys = keysOf(random);
  sizes(random, RICH_CHATS, RICH_MESSAGES).forEach((size, index) => {
    const start = new Date(Date.UTC(2025, 0, 6, 7) + index * 52 * HOUR + random.integer(0, 20 * HOUR));
    const id = index % 4 === 3 ? `chat_${start.getTime()}_${random.alphanumeric(9).toLowerCase()}` : random.uuid();
    fillChat(store, random, { id, title: TITLES[index], start, model: MODELS[index % MODELS.length], size });
    if (index % 9 === 4) store.getState().updateChat(id, { status: "archived" });
  });
  const { updateConfig, setProvider } = store.getState();
  updateConfig({ apiKey: keys.legacy, defaultModel: "anthropic/claude-3.7-sonnet", showCosts: false, reasoningEffort: "high" });
  setProvider("openrouter", { apiKey: keys.openrouter, baseUrl: "https://openrouter.ai/api/v1", enabled: true, priority: 1 });
  setProvider("openai", { apiKey: keys.openai, enabled: true, priority: 2 });
  setProvider("anthropic", { apiKey: keys.anthropic, baseUrl: "https://api.anthropic.com", enabled: true, priority: 3 });
  setProvider("google", { apiKey: keys.google, enabled: false, priority: 4 });
  setProvider("xai", { apiKey: keys.xai, baseUrl: null, enabled: true, priority: 5 });
}

function makeSmall(storage) {
  const random = seeded(7);
  const store = createWebClientStore(storage);
  const { openrouter } = keysOf(random);
  [4, 2, 6].forEach((size, index) => {
    const start = new Date(Date.UTC(2025, 2, 3 + index, 9, 30));
    fillChat(store, random, { id: random.uuid(), title: TITLES[index * 5], start, model: MODELS[index], size });
  });
  const { updateConfig, setProvider } = store.getState();
  // The same secret twice: once where old versions of the client kept it.
  updateConfig({ apiKey: openrouter });
  setProvider("openrouter", { apiKey: openrouter, baseUrl: "https://openrouter.ai/api/v1", enabled: true, priority: 1 });
}

const folder = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), "..", "samples");
mkdirSync(folder, { recursive: true });
for (const [name, make] of Object.entries({ small: makeSmall, rich: makeRich })) {
  const storage = new MemoryStorage();
  make(storage);
  const written = storage.getItem(STORE_NAME);
  writeFileSync(join(folder, `${name}.json`), written);
  const { chats } = JSON.parse(written).state;
  const messages = chats.reduce((sum, chat) => sum + chat.messages.length, 0);
  console.log(`${name}.json: ${chats.length} chats, ${messages} messages, ${Buffer.byteLength(written)} bytes`);
}
