// The other pages: the runs on record, the schedule, who is signed in, and signing in.

import { h, mistakes, put, say } from "./dom.js";
import { verdictWord } from "./ready.js";
import { ask, atProvider, providerName } from "./service.js";
import { ahead, count, utc } from "./words.js";

/** A page that asks for something and draws it, or says why it cannot. */
export async function page(stage, heading, draw) {
  const body = h("div", {}, h("p", { class: "note" }, "Asking the service…"));
  put(stage, h("article", { class: "page" }, h("h1", {}, heading), body));
  try {
    put(body, await draw());
  } catch (error) {
    put(body, problem(error));
  }
}

export function problem(error) {
  return h(
    "div",
    { class: "panel bad", role: "alert" },
    h("h2", {}, error.message),
    h("p", {}, error.remedy ?? ""),
    mistakes(error),
    error.code === "stale_sign_in" ? h("p", {}, h("a", { href: atProvider("latch", true) }, "Sign in again")) : null,
    error.requestId ? h("p", { class: "note" }, `Request ${error.requestId}`) : null,
  );
}

/** A row of cells; the last is as wide as it can be. */
export const row = (...cells) =>
  h(
    "tr",
    {},
    cells.map((cell, n) => h("td", { class: n === cells.length - 1 ? "wide" : "" }, cell)),
  );

/** A table with these heads, which scrolls where it is wider than its place. */
export const table = (label, heads, rows) =>
  h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h(
      "table",
      { class: "rows" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((word) => h("th", { scope: "col" }, word)),
        ),
      ),
      h("tbody", {}, rows),
    ),
  );

// ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const runs = (stage) =>
  page(stage, "Runs", async () => {
    const found = await ask("GET", "/v1/runs?limit=100");
    const rows = found.runs.map((run) =>
      row(
        h("a", { href: `#/runs/${run.run_id}` }, utc(run.started_at)),
        [verdictWord(run.verdict, run.state), run.drill ? h("span", { class: "tag" }, "drill") : null],
        run.by,
        run.source,
        run.reason,
      ),
    );
    return [
      found.damage.length
        ? h(
            "div",
            { class: "panel bad" },
            h("h2", {}, "The ledger is damaged"),
            h(
              "ul",
              {},
              found.damage.map((words) => h("li", {}, words)),
            ),
          )
        : null,
      rows.length
        ? table("Runs", ["Pressed", "Verdict", "By", "Through", "Why"], rows)
        : h("p", {}, "Nobody has pressed yet."),
      found.more ? h("p", { class: "note" }, `and ${count(found.more, "older run")}: panic runs lists them all`) : null,
    ];
  });

// ── schedule ──────────────────────────────────────────────────────────────────────────────────────────────────

export const schedule = (stage) =>
  page(stage, "Schedule", async () => {
    const found = await ask("GET", "/v1/schedule");
    const parts = found.schedules.map((line) =>
      h(
        "section",
        { class: "panel" },
        h("h2", {}, line.name, line.drill ? h("span", { class: "tag" }, "drill") : null, h("small", {}, ` ${line.at}`)),
        line.refused ? h("p", { class: "bad" }, line.refused) : null,
        line.drill
          ? null
          : h(
              "p",
              {},
              h("small", {}, "Cancels in "),
              line.what,
              line.accounts === null ? null : h("small", {}, ` · ${count(line.accounts, "account")}`),
            ),
        h(
          "ol",
          { class: "due" },
          line.runs.map((run) =>
            h(
              "li",
              {},
              h("b", {}, utc(run.at)),
              ` ${ahead((Date.parse(run.at) - Date.parse(found.now)) / 1000)} `,
              h("span", { class: "note" }, `${run.local.slice(11, 16)} local${run.why ? `; ${run.why}` : ""}`),
            ),
          ),
        ),
        line.ends ? h("p", { class: "note" }, line.ends) : null,
      ),
    );
    const wrong = [...found.left_out, ...found.calendar.problems];
    return [
      wrong.length
        ? h(
            "div",
            { class: "panel warn" },
            h("h2", {}, "This needs attention"),
            h(
              "ul",
              {},
              wrong.map((words) => h("li", {}, words)),
            ),
          )
        : null,
      parts.length ? parts : h("p", {}, "No schedule is set up. See docs/schedule.md."),
    ];
  });

// ── sessions ──────────────────────────────────────────────────────────────────────────────────────────────────

export const sessions = (stage) =>
  page(stage, "Signed in", async () => {
    const found = await ask("GET", "/v1/sessions");
    const end = (one) =>
      h(
        "button",
        {
          type: "button",
          class: "quiet small",
          onclick: async () => {
            try {
              await ask("POST", "/v1/sessions/end", { id: one.id });
              await sessions(stage);
            } catch (error) {
              stage.append(problem(error));
            }
          },
        },
        "End",
      );
    const rows = found.sessions.map((one) =>
      row(
        one.name,
        one.address,
        utc(one.began_at),
        one.may_act ? "may act" : "only looks",
        one.this ? "this page" : end(one),
      ),
    );
    return [
      table("Sessions", ["Who", "From", "Since", "Now", "End"], rows),
      h(
        "p",
        { class: "note" },
        "An ended session has to sign in again. Whoever may reset sees and ends everybody's; it goes on record.",
      ),
    ];
  });

// ── sign in ───────────────────────────────────────────────────────────────────────────────────────────────────

const NOT_IN = {
  ended: "You are not signed in any more: the service was started again, or your session has ended.",
  down: "The identity provider does not answer. Your token, and the command line, work without it.",
  expired: "This sign-in was begun too long ago, or in another browser. Begin again.",
  refused: "The identity provider did not let you in.",
  invalid: "What the identity provider answered proves nothing. Whoever runs this service finds why in the log.",
  nobody: "None of your groups may do anything here. Whoever runs this service can grant it.",
  stale: "The identity provider did not ask you anew who you are.",
};

export function signInPage(stage, { isDrill, enter, page, why }) {
  const token = h("input", {
    type: "password",
    name: "token",
    id: "token",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
  });
  const told = h("p", { class: "bad", role: "alert" });
  const elsewhere = h("p", { hidden: true }),
    button = h("button", { type: "submit", class: "primary" }, "Sign in");
  const form = h(
    "form",
    {
      id: "sign-in",
      class: "panel",
      onsubmit: async (event) => {
        event.preventDefault();
        button.disabled = true;
        try {
          await enter(token.value.trim());
        } catch (error) {
          say(told, error.status === 401 ? "Nobody has this token." : `${error.message}. ${error.remedy ?? ""}`);
          token.select();
        } finally {
          button.disabled = false;
        }
      },
    },
    h("h1", {}, "panic"),
    h("p", {}, "Cancel every open order in every account, and see that they are gone."),
    // What a password manager keeps it under:
    h("input", { type: "text", name: "username", value: "panic", autocomplete: "username", hidden: true }),
    elsewhere,
    h("label", { class: "field" }, h("span", {}, "Your token"), token),
    button,
    told,
    isDrill
      ? h("p", { class: "note" }, "This is a drill: the token is the word drill.")
      : h(
          "p",
          { class: "note" },
          "No token at hand? At a terminal with the settings: ",
          h("code", {}, 'panic press --all --reason "…"'),
        ),
  );
  put(stage, h("article", { class: "alone" }, form));
  say(told, NOT_IN[why] ?? "");
  token.focus();
  providerName()
    .then((name) => {
      put(elsewhere, name ? h("a", { id: "at-provider", href: atProvider(page) }, `Sign in with ${name}`) : null);
      elsewhere.hidden = !name;
    })
    .catch(() => {}); // a token is taken all the same
}
