// The web client's store as its browser keeps it: zustand's own `persist` middleware over a localStorage shim.
// What `persist` writes is what the hand-over has to read, so nothing here imitates it.

import { createJSONStorage, persist } from "zustand/middleware";
import { createStore } from "zustand/vanilla";

export const STORE_NAME = "wavelength-store";

/** A Storage that lives in memory: node has no localStorage of its own. */
export class MemoryStorage {
  #items = new Map();

  get length() {
    return this.#items.size;
  }
  key(index) {
    return [...this.#items.keys()][index] ?? null;
  }
  getItem(name) {
    return this.#items.get(String(name)) ?? null;
  }
  setItem(name, value) {
    this.#items.set(String(name), String(value));
  }
  removeItem(name) {
    this.#items.delete(String(name));
  }
  clear() {
    this.#items.clear();
  }
}

const DEFAULT_CONFIG = {
  apiKey: "",
  baseUrl: "https://openrouter.ai/api/v1",
  providers: {},
  defaultModel: "openai/gpt-4o",
  defaultProvider: "openrouter",
  showReasoning: true,
  showTokens: true,
  showCosts: true,
  autoScroll: true,
  reasoningEffort: "medium",
};

const updated = (chats, id, change) => chats.map((chat) => (chat.id === id ? change(chat) : chat));

/** Totals are added up as the client does, in binary floating point: 0.1 + 0.2 stays 0.30000000000000004. */
function withMessage(chat, message) {
  const { input = 0, reasoning = 0, output = 0 } = message.tokens ?? {};
  return {
    ...chat,
    messages: [...chat.messages, message],
    updatedAt: message.timestamp,
    totalCost: (chat.totalCost ?? 0) + (message.cost ?? 0),
    totalTokens: (chat.totalTokens ?? 0) + input + reasoning + output,
  };
}

/** A store with the client's actions, persisting into `storage` under the client's name. */
export function createWebClientStore(storage) {
  return createStore(
    persist(
      (set) => ({
        chats: [],
        activeChatId: null,
        config: DEFAULT_CONFIG,
        sidebarOpen: true,
        isStreaming: false,
        createChat: (chat) => set((state) => ({ chats: [chat, ...state.chats], activeChatId: chat.id })),
        addMessage: (id, message) =>
          set((state) => ({ chats: updated(state.chats, id, (chat) => withMessage(chat, message)) })),
        updateChat: (id, fields) =>
          set((state) => ({ chats: updated(state.chats, id, (chat) => ({ ...chat, ...fields })) })),
        updateConfig: (fields) => set((state) => ({ config: { ...state.config, ...fields } })),
        setProvider: (provider, fields) =>
          set((state) => ({
            config: { ...state.config, providers: { ...state.config.providers, [provider]: fields } },
          })),
      }),
      {
        name: STORE_NAME,
        version: 0,
        storage: createJSONStorage(() => storage),
        partialize: ({ chats, activeChatId, config, sidebarOpen }) => ({ chats, activeChatId, config, sidebarOpen }),
      },
    ),
  );
}
