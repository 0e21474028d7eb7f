// Asking the service. Whatever it refuses becomes a Refusal that says what to do.

export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || "the service refused");
    this.code = problem.code || "";
    this.status = problem.status || 0;
    this.remedy = problem.remedy || "";
    this.errors = problem.errors || [];
    this.requestId = problem.request_id || "";
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

/** Ask, and give the document that it answers with; null where there is none. */
export async function ask(method, path, body, { headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (method !== "GET" && session.now) sent["X-CSRF-Token"] = session.now.csrf;
  let answer;
  try {
    answer = await fetch(path, {
      method, signal, headers: sent, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin", cache: "no-store", redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Silence();
  }
  if (answer.status === 204) return null;
  let found;
  try {
    found = await answer.json();
  } catch {
    throw answer.ok ? new Silence() : new Refusal({ status: answer.status, title: `answered ${answer.status}` });
  }
  if (answer.ok) return found;
  const refusal = new Refusal(found);
  if (refusal.status === 401 && path !== "/v1/session") become(null);
  if (refusal.code === "idle" && session.now) become({ ...session.now, may_act: false });
  throw refusal;
}

function become(found) {
  session.now = found && { ...found, until: Date.now() + found.acts_for_s * 1000 };
  session.changed();
  return session.now;
}

/** Who is signed in; null for nobody. */
export async function whoIsIn() {
  try {
    return become(await ask("GET", "/v1/session"));
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return become(null);
    throw error;
  }
}

export const signIn = async (token) => become(await ask("POST", "/v1/session", { token }));

export async function signOut() {
  try {
    await ask("DELETE", "/v1/session");
  } finally {
    become(null);
  }
}

let seenAt = 0;

/** The person touched the page: that keeps a session awake, and is told once a minute at most. */
export async function seen() {
  if (!session.now || !session.now.may_act || Date.now() - seenAt < 60_000) return;
  seenAt = Date.now();
  try {
    become(await ask("POST", "/v1/session/seen"));
  } catch {
    // the next thing that is done will tell
  }
}

export const may = (role) => Boolean(session.now && session.now.roles.includes(role));
