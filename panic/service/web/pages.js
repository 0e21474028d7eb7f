// The other pages: the runs on record, the schedule, and the latch with its reset.

import { command, h, mistakes, put, say, shout } from "./dom.js";
import { verdictWord } from "./ready.js";
import { ask, atProvider, may, providerName } from "./service.js";
import { ahead, count, utc } from "./words.js";

const RESET_MS = 40_000; // the service gives its ledger 30 s

/** A page that asks for something and draws it, or says why it cannot. */
async function page(stage, heading, draw) {
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

// ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const runs = (stage) =>
  page(stage, "Runs", async () => {
    const found = await ask("GET", "/v1/runs?limit=100");
    const rows = found.runs.map((run) =>
      h(
        "tr",
        {},
        h("td", {}, h("a", { href: `#/runs/${run.run_id}` }, utc(run.started_at))),
        h("td", {}, verdictWord(run.verdict, run.state), run.drill ? h("span", { class: "tag" }, "drill") : null),
        h("td", {}, run.by),
        h("td", {}, run.source),
        h("td", { class: "wide" }, run.reason),
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
        ? h(
            "div",
            { class: "scroll", tabindex: "0", role: "region", "aria-label": "Runs" },
            h(
              "table",
              { class: "rows" },
              h(
                "thead",
                {},
                h(
                  "tr",
                  {},
                  ["Pressed", "Verdict", "By", "Through", "Why"].map((word) => h("th", { scope: "col" }, word)),
                ),
              ),
              h("tbody", {}, rows),
            ),
          )
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
      h(
        "tr",
        {},
        h("td", {}, one.name),
        h("td", {}, one.address),
        h("td", {}, utc(one.began_at)),
        h("td", {}, one.may_act ? "may act" : "only looks"),
        h("td", {}, one.this ? "this page" : end(one)),
      ),
    );
    return [
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "Sessions" },
        h(
          "table",
          { class: "rows" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["Who", "From", "Since", "Now", "End"].map((word) => h("th", { scope: "col" }, word)),
            ),
          ),
          h("tbody", {}, rows),
        ),
      ),
      h(
        "p",
        { class: "note" },
        "An ended session has to sign in again. Whoever may reset sees and ends everybody's; it goes on record.",
      ),
    ];
  });

// ── latch ─────────────────────────────────────────────────────────────────────────────────────────────────────

export const latch = (stage, room) =>
  page(stage, "Latch", async () => {
    const found = await ask("GET", "/v1/latch");
    const state = found.problem || found.engaged ? "ENGAGED" : "NOT ENGAGED";
    return [
      h(
        "section",
        { class: `panel ${found.engaged || found.problem ? "warn" : ""}` },
        h("h2", {}, state),
        found.problem ? h("p", { class: "bad" }, `It ${found.problem}, which means engaged for everything.`) : null,
        found.problem
          ? h("p", {}, "If none was ever set up, type at a terminal: ", command("panic latch --create"))
          : null,
        h(
          "p",
          {},
          found.engaged
            ? "Strategies that ask the latch do not trade in these scopes until a person resets them."
            : "Strategies that ask the latch may trade. A press with “leave the scope engaged” engages it.",
        ),
        found.holds.length
          ? h(
              "ul",
              {},
              found.holds.map((hold) =>
                h(
                  "li",
                  {},
                  h("b", {}, hold.name || hold.what),
                  ` since ${utc(hold.at)}, `,
                  h("a", { href: `#/runs/${hold.run}` }, "its run"),
                  hold.doubt ? h("p", { class: "bad" }, hold.doubt) : " — known to be clear",
                ),
              ),
            )
          : null,
        found.asked.length
          ? h(
              "ul",
              { id: "asked" },
              found.asked.map((one) =>
                h(
                  "li",
                  {},
                  h("b", {}, one.by),
                  ` asked ${utc(one.at)} to end `,
                  one.ends.join(", ") || "everything",
                  `: ${one.reason}. Another person must reset the same, too.`,
                ),
              ),
            )
          : null,
        found.warnings.length
          ? h(
              "ul",
              { class: "flags" },
              found.warnings.map((words) => h("li", {}, words)),
            )
          : null,
      ),
      found.engaged || found.problem ? reset(stage, room, !found.problem) : null,
    ];
  });

/** What a preview named, and nothing that was engaged since; a latch that is not whole is reset as one. */
function scopeOf(ends, isWhole) {
  if (!isWhole) return {};
  const named = (what) => ends.filter((hold) => hold.what === what).map((hold) => hold.name);
  return { all: named("all").length > 0, groups: named("group"), accounts: named("account").map(BigInt) };
}

/** Ending the engaged state: asked for, shown in full, and then done by typing the word. */
function reset(stage, room, isWhole) {
  if (!may("resetter")) return h("p", { class: "note" }, "This token may not reset: it lacks the role resetter.");
  const reason = h("input", { id: "reset-reason", maxlength: "1000", required: true, autocomplete: "off" });
  const force = h("input", { id: "reset-force", maxlength: "1000", autocomplete: "off" });
  const forced = h(
    "label",
    { class: "field", hidden: true },
    h("span", {}, "Not all of it is known to be clear. Why may it end anyway?"),
    force,
  );
  const shown = h("div", { id: "reset-preview", role: "status" });
  const show = h("button", { type: "submit" }, "Show what it would do");
  const refused = (error) => {
    const isDoubted = error.errors?.some((one) => one.where === "latch");
    if (isDoubted) forced.hidden = false;
    put(shown, isDoubted ? doubted(error.errors) : problem(error));
    if (isDoubted) force.focus();
  };
  const look = async (event) => {
    event.preventDefault();
    put(
      shown,
      h(
        "p",
        { class: "note" },
        "Reading the whole ledger, to say whether everything is clear. Nothing is reset meanwhile…",
      ),
    );
    show.disabled = true;
    const asked = { reason: reason.value.trim(), force: force.value.trim() }; // what is shown is what will be done
    try {
      const found = await ask("POST", "/v1/reset", { ...asked, dry_run: true }, { within: RESET_MS });
      put(
        shown,
        preview(found, async () => {
          try {
            const done = await ask(
              "POST",
              "/v1/reset",
              { ...asked, scope: scopeOf(found.ends, isWhole) },
              { within: 2 * RESET_MS },
            );
            shout(
              done.awaits_another
                ? "Asked. Another person must reset the same, too."
                : done.engaged_now
                  ? "Some of it is still engaged."
                  : "The engaged state has ended.",
            );
            await latch(stage, room);
          } catch (error) {
            refused(error);
          }
        }),
      );
      shown.querySelector("#reset-word").focus();
    } catch (error) {
      refused(error);
    } finally {
      show.disabled = false;
    }
  };
  return h(
    "form",
    { class: "panel", id: "reset", onsubmit: look, oninput: (event) => event.target.id !== "reset-word" && put(shown) },
    h("h2", {}, "Reset"),
    h("p", {}, "Ends the engaged state. It is shown in full before anything is done."),
    h("label", { class: "field" }, h("span", {}, "Why? Recorded with your name"), reason),
    forced,
    show,
    shown,
  );
}

/** Why a reset is not shown: not all of it is known to be clear, and nobody said why it may end anyway. */
const doubted = (errors) =>
  h(
    "div",
    { class: "panel bad", role: "alert" },
    h("h2", {}, "Not all of it is known to be clear"),
    h(
      "ul",
      {},
      errors.map((one) => h("li", {}, one.what)),
    ),
    h(
      "p",
      {},
      "Press again until it is clear. If it must end anyway, say above why, and look again: your reason is recorded.",
    ),
  );

/** What a reset will do and will not, and the word that does it. */
function preview(found, carryOut) {
  const word = h("input", {
    id: "reset-word",
    autocomplete: "off",
    size: "8",
    oninput: () => {
      go.disabled = word.value.trim().toUpperCase() !== "RESET";
    },
  });
  const go = h(
    "button",
    {
      type: "button",
      id: "reset-go",
      class: "danger",
      disabled: true,
      onclick: async () => {
        go.disabled = true;
        say(go, "Resetting…");
        await carryOut();
      },
    },
    "Reset",
  );
  return h(
    "div",
    { class: "panel warn" },
    h("h2", {}, "What this will do"),
    found.awaits_another
      ? h(
          "p",
          {},
          "It asks another person: nothing ends until somebody else resets the same, within 15 minutes and in the " +
            "same way (both with tokens, or both signed in elsewhere). What then happens:",
        )
      : null,
    found.asked_by ? h("p", {}, `${found.asked_by} has asked for this. You confirm it, and it is done at once.`) : null,
    h(
      "ul",
      {},
      found.ends.map((hold) =>
        h(
          "li",
          {},
          `End the engaged state of ${hold.name || hold.what}, engaged ${utc(hold.at)}: ` +
            "strategies that test the latch may trade again.",
        ),
      ),
      found.ends.length ? null : h("li", {}, "End the engaged state: strategies that test the latch may trade again."),
    ),
    h("h2", {}, "What it will not do"),
    h("p", {}, found.will_not),
    found.doubts.length
      ? [
          h("h2", {}, "Doubts"),
          h(
            "ul",
            { class: "bad" },
            found.doubts.map((words) => h("li", {}, words)),
          ),
        ]
      : null,
    h("label", { class: "field" }, h("span", {}, "Type RESET"), word),
    go,
  );
}

// ── sign in ───────────────────────────────────────────────────────────────────────────────────────────────────

const NOT_IN = {
  ended:
    "You are not signed in any more: the service was started again, or your session has ended.",
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
