// What somebody else's page can do to make its browser act for us, look at us or show us. `tests/browser/test_attacks.py`
// loads it under other origins, and calls each with the address of a service in which the person is signed in.

const PRESS = JSON.stringify({ scope: { all: true }, reason: "runaway algo", watch_s: 0 });
const JSON_TYPE = { "Content-Type": "application/json" };

const simple = (url, more = {}) =>
  fetch(`${url}/v1/runs`, { method: "POST", mode: "no-cors", credentials: "include", body: PRESS, ...more });
const asked = (url, headers) =>
  fetch(`${url}/v1/runs`, {
    method: "POST",
    credentials: "include",
    headers: { ...JSON_TYPE, ...headers },
    body: PRESS,
  });

/** Submit a form; a name and a value around the equals sign make a JSON document of text/plain. */
function form(url, enctype, [name, value]) {
  const made = Object.assign(document.createElement("form"), { method: "POST", enctype, action: url, target: "sink" });
  made.append(Object.assign(document.createElement("input"), { name, value }));
  document.body.append(made);
  made.submit();
}

const xhr = (url) =>
  new Promise((done) => {
    const one = new XMLHttpRequest();
    one.open("POST", `${url}/v1/runs`);
    one.withCredentials = true;
    one.onloadend = () => done(one.responseText);
    one.send(PRESS);
  });

const loaded = (tag, more) =>
  new Promise((done) => {
    const one = Object.assign(
      document.createElement(tag),
      { onload: () => done("loaded"), onerror: () => done("") },
      more,
    );
    document.head.append(one);
  });

const socket = (url) =>
  new Promise((done) => {
    const one = new WebSocket(`${url.replace("http", "ws")}/v1/events`);
    one.onopen = () => done("opened");
    one.onerror = () => done("");
  });

const stream = (url) =>
  new Promise((done) => {
    const one = new EventSource(`${url}/v1/events`, { withCredentials: true });
    one.onmessage = one.onopen = () => done("opened");
    one.onerror = () => done("");
  });

/** Ways of making something happen; what they give is what the page could read of the answer. */
export const ACTS = {
  "fetch as text": (url) => simple(url).then((answer) => answer.text()),
  "fetch as form": (url) =>
    simple(url, { body: new URLSearchParams({ scope: "all" }) }).then((answer) => answer.text()),
  "fetch kept alive": (url) => simple(url, { keepalive: true }).then((answer) => answer.text()),
  "fetch as json": (url) => asked(url).then((answer) => answer.text()),
  "fetch with a word of its own": (url) =>
    asked(url, { "X-CSRF-Token": "a".repeat(64) }).then((answer) => answer.text()),
  XMLHttpRequest: xhr,
  "beacon as text": (url) => void navigator.sendBeacon(`${url}/v1/runs`, PRESS),
  "form as text": (url) => form(`${url}/v1/runs`, "text/plain", ['{"scope":{"all":true},"reason":"', '"}']),
  "form as multipart": (url) => form(`${url}/v1/runs`, "multipart/form-data", ["scope", "all"]),
  "form that resets": (url) => form(`${url}/v1/reset`, "text/plain", ['{"reason":"', '"}']),
  "form that signs in": (url) => form(`${url}/v1/session`, "text/plain", ['{"token":"', 'east-secret-token"}']),
  "signs out": (url) => fetch(`${url}/v1/session`, { method: "DELETE", credentials: "include" }).then(() => "answered"),
  "keeps awake": (url) =>
    fetch(`${url}/v1/session/seen`, { method: "POST", mode: "no-cors", credentials: "include" }).then((answer) =>
      answer.text(),
    ),
  image: (url) => loaded("img", { src: `${url}/v1/runs` }),
  socket: socket,
};

/** Ways of reading what the service says at an address. */
export const LOOKS = {
  fetch: (url) => fetch(url, { credentials: "include" }).then((answer) => answer.text()),
  "fetch without cors": (url) =>
    fetch(url, { mode: "no-cors", credentials: "include" }).then((answer) => answer.text()),
  script: (url) => loaded("script", { src: url }),
  module: (url) => import(url).then(() => "loaded"),
  style: (url) => loaded("link", { rel: "stylesheet", href: url }),
  stream: (url) => stream(new URL(url).origin),
};

/** Ways of showing it. */
export const FRAMES = {
  iframe: (url) => document.body.append(Object.assign(document.createElement("iframe"), { src: url })),
  object: (url) => document.body.append(Object.assign(document.createElement("object"), { data: url })),
  embed: (url) => document.body.append(Object.assign(document.createElement("embed"), { src: url })),
};

/** Try all of a table; give what could be read, by name. */
globalThis.tryAll = async (table, url) => {
  const read = {};
  for (const [name, attempt] of Object.entries({ ACTS, LOOKS, FRAMES }[table])) {
    try {
      const got = await attempt(url);
      if (got) read[name] = got;
    } catch {
      // the browser or the service stopped it
    }
  }
  return read;
};
