// Requests to the service. A refused one raises a Refusal that says what to do.

const ANSWER_MS = 15_000; // no request waits for ever
const OPENING_MS = 4000;

export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || "the service refused");
    this.code = problem.code || "";
    this.status = problem.status || 0;
    this.remedy = problem.remedy || "";
    this.errors = problem.errors || [];
    this.requestId = problem.request_id || "";
    this.isSecond = false; // of a press that was sent twice
  }

  /** Whether the service itself says that it did nothing: what stands between us and it may say anything. */
  get isCertain() {
    return Boolean(this.code) && (this.status < 500 || ["unusable", "stopping"].includes(this.code));
  }
}

/** The service did not answer at all. */
export class Silence extends Error {
  constructor() {
    super("the service does not answer");
    this.remedy = "Use the command line.";
  }
}

export const session = { now: null, changed: () => {} };

/** When the service itself answered last; what a gateway says is not its answer. */
export const answered = { at: 0 };

/** Ask, and give the document that it answers with; null where there is none. */
export async function ask(method, path, body, { headers = {}, within = ANSWER_MS, cache = "no-store" } = {}) {
  try {
    return await askOnce(method, path, body, headers, within, cache);
  } catch (error) {
    if (error.code !== "csrf") throw error;
    await whoIsIn(); // another tab signed in: this one shares its session, and now knows its word
    return askOnce(method, path, body, headers, within, cache);
  }
}

/** JSON in which a big integer keeps all its digits: account ids are int64, and numbers here end before. */
export const encode = (body) =>
  JSON.stringify(body, (_, value) => (typeof value === "bigint" ? `\u0001int:${value}` : value)).replace(
    /"\\u0001int:(\d+)"/g,
    "$1",
  );

async function askOnce(method, path, body, headers, within, cache) {
  const sent = { ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (method !== "GET" && session.now) sent["X-CSRF-Token"] = session.now.csrf;
  let answer, found;
  try {
    answer = await fetch(path, {
      method,
      headers: sent,
      body: body === undefined ? undefined : encode(body),
      signal: AbortSignal.timeout(within),
      credentials: "same-origin",
      cache,
      redirect: "error",
    });
    if (answer.status === 204) return heard(null);
    found = await answer.text();
  } catch {
    throw new Silence();
  }
  try {
    found = JSON.parse(found);
  } catch {
    throw answer.ok
      ? new Silence()
      : new Refusal({ status: answer.status, title: `answered ${answer.status}, in words that are not the service's` });
  }
  if (answer.ok) return heard(found);
  if (found.code) heard(found);
  const refusal = new Refusal({ ...found, status: answer.status });
  if (refusal.status === 401 && path !== "/v1/session") become(null);
  if (refusal.code === "idle" && session.now) become({ ...session.now, may_act: false });
  throw refusal;
}

function heard(found) {
  answered.at = Date.now();
  return found;
}

function become(found) {
  session.now = found && { ...found, until: Date.now() + found.acts_for_s * 1000 };
  session.changed();
  return session.now;
}

/** Who is signed in; null for nobody. */
export async function whoIsIn() {
  try {
    return become(await ask("GET", "/v1/session", undefined, { within: OPENING_MS }));
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return become(null);
    throw error;
  }
}

/** The link at which one signs in with the firm's provider, and comes back to a page; `fresh` asks them who they
 * are. */
export const atProvider = (page, fresh = false) => `/v1/sign-in/begin?page=${encodeURIComponent(page)}&fresh=${fresh}`;

/** The name of the firm's provider; "" where there is none. */
export async function providerName() {
  const { issuer } = await ask("GET", "/v1/sign-in", undefined, { within: OPENING_MS });
  return issuer ? new URL(issuer).host : "";
}

export const signIn = async (token) => become(await ask("POST", "/v1/session", { token }));

/** End the session; without an answer the user is still signed in. */
export async function signOut() {
  try {
    await ask("DELETE", "/v1/session");
  } catch (error) {
    if (error.status !== 401) throw error;
  }
  become(null);
}

let seenAt = 0;

/** The person touched the page: that keeps a session awake, and is told now and then. */
export async function seen() {
  if (!session.now?.may_act || Date.now() - seenAt < Math.min(60_000, (session.now.acts_for_s * 1000) / 3)) return;
  seenAt = Date.now();
  try {
    become(await ask("POST", "/v1/session/seen"));
  } catch {
    // the next thing that is done will tell
  }
}

/** Keep something for later, where the browser keeps anything: that it does not must stop nothing. */
export function store(where, name, value) {
  try {
    where.setItem(name, JSON.stringify(value));
  } catch {
    // it is full, or may keep nothing
  }
}

export const may = (role) => Boolean(session.now?.roles.includes(role));
