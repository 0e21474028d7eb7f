// A press of which nobody knows whether it arrived, kept beside the page until the service says so.

import { ask, encode, session, store } from "./service.js";
import { commandLine } from "./words.js";

const NAME = "panic-press-in-doubt";
const KEPT_MS = 600_000; // later than that the order book is a different one

/** The press of this person that is in doubt; null for none. `body` is what was sent, as text. */
export function inDoubt() {
  const kept = JSON.parse(sessionStorage.getItem(NAME));
  return kept && kept.who === session.now?.name && Date.now() - kept.at < KEPT_MS ? kept : null;
}

/** Keep a press from before it is sent until it is answered; give its key: the same press has the same one again. */
export function keep(body) {
  const text = encode(body),
    before = inDoubt();
  if (before?.body === text) return before.key;
  const key = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
  const kept = { key, body: text, command: commandLine(body), at: Date.now(), who: session.now?.name };
  store(sessionStorage, NAME, kept);
  return key;
}

export const settle = () => sessionStorage.removeItem(NAME);

/** Ask what became of it: `run_id` and `at`, null where it did not arrive; `isRestarted`: the service forgot since. */
export async function lookUp({ key, at }) {
  const found = await ask("GET", "/v1/press", undefined, { headers: { "Idempotency-Key": key } });
  return { ...found, isRestarted: found.known_s * 1000 < Date.now() - at };
}
