// The latch, and ending what it holds: each fact by its name, nothing to be read out of a sentence.

import { command, h, put, say, shout } from "./dom.js";
import { page, problem, row, table } from "./pages.js";
import { ask, may } from "./service.js";
import { utc } from "./words.js";

const RESET_MS = 40_000; // the service gives its ledger 30 s

const listed = (lines) => lines.map((words) => h("li", {}, words));

/** Names and what they stand for; what is null, empty or 0 is left out. */
const pairs = (facts) =>
  h(
    "dl",
    { class: "pairs" },
    Object.entries(facts).flatMap(([name, told]) => (told ? [h("dt", {}, name), h("dd", {}, told)] : [])),
  );

export const latch = (stage, room) =>
  page(stage, "Latch", async () => {
    const found = await ask("GET", "/v1/latch");
    const isEngaged = Boolean(found.engaged || found.problem);
    return [
      h(
        "section",
        { class: `panel ${isEngaged ? "warn" : ""}` },
        h("h2", {}, isEngaged ? "ENGAGED" : "NOT ENGAGED"),
        pairs({
          "Strategies that ask it": found.problem
            ? "do not trade anywhere"
            : found.engaged
              ? "do not trade in the scopes below"
              : "may trade",
          Why: found.problem && h("span", { class: "bad" }, `The latch ${found.problem}, which means engaged for all.`),
          "Never set up?": found.problem && ["Type at a terminal: ", command("panic latch --create")],
          "Ends when": isEngaged && "a person resets it",
          "Engaged by": !isEngaged && "a press with “leave the scope engaged”",
          Warnings: found.warnings.length && h("ul", {}, listed(found.warnings)),
        }),
      ),
      found.holds.length
        ? table("Engaged scopes", ["Scope", "Engaged", "Run", "Clear?"], found.holds.map(heldBy))
        : null,
      found.asked.length
        ? h(
            "section",
            { class: "panel warn", id: "asked" },
            h("h2", {}, "Another person must reset the same, too"),
            table("Asked resets", ["Asked by", "When", "To end", "Why"], found.asked.map(askedBy)),
          )
        : null,
      isEngaged ? reset(stage, room, !found.problem) : null,
    ];
  });

const heldBy = ({ name, what, at, run, doubt }) =>
  row(
    h("b", {}, name || what),
    utc(at),
    h("a", { href: `#/runs/${run}` }, run),
    h("span", { class: doubt ? "bad" : "" }, doubt || "known to be clear"),
  );

const askedBy = ({ by, at, ends, reason }) => row(h("b", {}, by), utc(at), ends.join(", ") || "everything", reason);

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
    h("ul", {}, listed(errors.map((one) => one.what))),
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
  const ends = found.ends.map((hold) => h("li", {}, h("b", {}, hold.name || hold.what), `, engaged ${utc(hold.at)}`));
  return h(
    "div",
    { class: "panel warn" },
    h("h2", {}, "What this will do"),
    pairs({
      "Asked before": found.asked_by && `${found.asked_by} has asked for this. You confirm it, and it is done at once.`,
      First:
        found.awaits_another &&
        "It asks another person: nothing ends until somebody else resets the same, within 15 minutes and in the same " +
          "way (both with tokens, or both signed in elsewhere).",
      Ends: ends.length ? h("ul", {}, ends) : "the engaged state",
      Then: "strategies that test the latch may trade again",
      "Will not": found.will_not,
      Doubts: found.doubts.length && h("ul", { class: "bad" }, listed(found.doubts)),
    }),
    h("label", { class: "field" }, h("span", {}, "Type RESET"), word),
    go,
  );
}
