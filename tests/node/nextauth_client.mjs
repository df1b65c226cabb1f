// Drives the real `next-auth/react` client as a browser would: a window with a location, cookies that are kept.
//
// Reads {"origin", "cookies": {name: value}, "steps": [[function, ...arguments]]} from stdin and prints
// {"results": [{"value", "wentTo"}], "cookies", "failures"}: what each call gave, where it sent the browser,
// the cookies afterwards, and every request that the server answered with a failure.

import { readFileSync } from "node:fs";

const { origin, cookies, steps } = JSON.parse(readFileSync(0, "utf8"));
process.env.NEXTAUTH_URL = origin;

const jar = new Map(Object.entries(cookies));
const failures = [];
let wentTo = null;

globalThis.window = {
  location: {
    get href() {
      return `${origin}/page`;
    },
    set href(address) {
      wentTo = address;
    },
    reload() {},
  },
  addEventListener() {},
  removeEventListener() {},
};
globalThis.localStorage = { setItem() {} };

/** Keeps one Set-Cookie as a browser does, so far as our server needs it. */
function keep(line) {
  const [pair, ...attributes] = line.split(";").map((part) => part.trim());
  const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
  const gone = attributes.some((attribute) => /^max-age=0$/i.test(attribute));
  if (gone) jar.delete(name);
  else jar.set(name, value);
}

const plainFetch = globalThis.fetch;
globalThis.fetch = async (address, options = {}) => {
  const headers = new Headers(options.headers);
  headers.set("Cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
  // What a browser adds by itself to a request of its own page.
  headers.set("Origin", origin);
  headers.set("Sec-Fetch-Site", "same-origin");
  const response = await plainFetch(new URL(address, origin), { ...options, headers, redirect: "manual" });
  response.headers.getSetCookie().forEach(keep);
  if (response.status >= 300) failures.push(`${options.method ?? "GET"} ${address}: ${response.status}`);
  return response;
};

const client = await import("next-auth/react");
const results = [];
for (const [name, ...args] of steps) {
  wentTo = null;
  const value = await client[name](...args);
  results.push({ value: value ?? null, wentTo });
}
console.log(JSON.stringify({ results, cookies: Object.fromEntries(jar), failures }));
