// The status panel: ready, engaged, what is under way, what comes next. Never by colour alone.

import { h, put, say } from "./dom.js";
import { mark } from "./shapes.js";
import { ago, ahead, CODE_OF, capital, count, number, utc } from "./words.js";

const STRIPS_MOST = 4;
const GOOD = "good",
  BAD = "bad",
  WARN = "warn",
  CALM = "calm";

/** The tiles of a room, the worst first in their colour but always in the same place. */
export function tiles(room, heardAt) {
  const passed = (Date.now() - heardAt) / 1000;
  return h(
    "section",
    { class: "tiles", "aria-label": "At a glance" },
    ready(room),
    selfTest(room, passed),
    latch(room),
    next(room, passed),
    last(room),
  );
}

function tile(kind, label, word, detail, href) {
  const inside = [
    h("span", { class: "label" }, label),
    h("strong", {}, lamp(kind), word),
    h("span", { class: "detail" }, detail),
  ];
  return href ? h("a", { class: `tile ${kind}`, href }, inside) : h("div", { class: `tile ${kind}` }, inside);
}

const lamp = (kind) =>
  h("span", { class: "lamp", "aria-hidden": "true" }, { good: "✓", bad: "✕", warn: "!", calm: "–" }[kind]);

function ready(room) {
  if (!room.ready) return tile(BAD, "Press", "NOT READY", WHY[room.why] || room.why);
  return tile(GOOD, "Press", "READY", `${count(room.accounts, "account")} in ${count(room.groups.length, "group")}`);
}

const WHY = {
  roster: "the roster could not be read, or has lost many accounts",
  keys: "no key could be read",
  starting: "being checked",
  configuration: "a press works, but something needs fixing: see below",
  "self-test": "the last self-test found that a press would not work",
};

function selfTest(room, passed) {
  const test = room.self_test;
  if (!test?.every_s) return tile(CALM, "Self-test", "OFF", "nothing proves that a press would work");
  if (test.ok === null) return tile(WARN, "Self-test", test.under_way ? "UNDER WAY" : "NOT YET", "none has finished");
  const when = ago(test.age_s + passed);
  const known = Object.values(test.states).reduce((sum, n) => sum + n, 0);
  const detail = known ? `${number(test.states.ok ?? 0)} of ${number(known)} accounts, ${when}` : when;
  return test.ok
    ? tile(GOOD, "Self-test", "PASSED", detail)
    : tile(BAD, "Self-test", "FAILED", `${count(test.findings.length, "finding")}, ${when}`);
}

function latch(room) {
  const { known, engaged, holds, problem, warnings } = room.latch;
  if (!known) return tile(WARN, "Latch", "UNKNOWN", problem || "it could not be read", "#/latch");
  if (problem) return tile(WARN, "Latch", "ENGAGED", `for everything, because it ${problem}`, "#/latch");
  if (!engaged)
    return tile(
      warnings.length ? WARN : CALM,
      "Latch",
      "NOT ENGAGED",
      warnings[0] ?? "strategies may trade",
      "#/latch",
    );
  const what = holds
    .map((hold) => hold.name || hold.what)
    .slice(0, 3)
    .join(", ");
  return tile(WARN, "Latch", "ENGAGED", `${what || "everything"}: until a person resets it`, "#/latch");
}

/** What comes by the clock: the service's, which is the one that counts. */
function next(room, passed) {
  if (!room.next_run)
    return tile(
      CALM,
      "Next scheduled",
      "NONE",
      room.schedules ? "no further run is known" : "no schedule is set up",
      "#/schedule",
    );
  const { at, name, what } = room.next_run;
  return tile(
    CALM,
    "Next scheduled",
    ahead((Date.parse(at) - Date.parse(room.now)) / 1000 - passed),
    `${name}: ${what}, ${utc(at)}`,
    "#/schedule",
  );
}

function last(room) {
  const { last: run, last_problem: problem } = room;
  if (!run)
    return problem
      ? tile(WARN, "Last run", "UNKNOWN", problem, "#/runs")
      : tile(CALM, "Last run", "NONE", "nobody has pressed yet", "#/runs");
  const kind = run.verdict && run.verdict !== "clear" ? BAD : !run.verdict || problem ? WARN : GOOD;
  const of =
    run.accounts === null
      ? ""
      : run.not_clear
        ? `: ${number(run.not_clear)} of ${number(run.accounts)} not clear`
        : `, ${count(run.accounts, "account")}`;
  const detail = [run.drill && !room.drill ? "a drill" : "", run.scope + of, utc(run.at), problem]
    .filter(Boolean)
    .join("; ");
  return tile(
    kind,
    run.is_latest ? "Last run" : "Still not clear",
    (run.verdict || "not finished").toUpperCase(),
    detail,
    `#/runs/${run.run_id}`,
  );
}

/** What stands in the way of a press, or deserves a look; empty where nothing does. */
export function troubles(room) {
  const findings = room.self_test?.findings ?? [];
  const lines = [
    ...room.problems.map((words) => h("li", {}, words)),
    ...findings.map((one) =>
      h("li", {}, one.text, one.remedy ? h("span", { class: "remedy" }, ` ${one.remedy}`) : null),
    ),
  ];
  if (!lines.length) return null;
  return h("section", { class: "panel warn" }, h("h2", {}, "This needs attention"), h("ul", {}, lines));
}

/** The strip of runs under way, on every page, and how far each is. */
export function underway(element, room, shown) {
  const others = room.live.filter((run) => run.run_id !== shown).slice(0, STRIPS_MOST);
  element.hidden = !others.length;
  if (element.dataset.runs !== others.map((run) => run.run_id).join()) {
    element.dataset.runs = others.map((run) => run.run_id).join();
    put(
      element,
      others.map((run) =>
        h(
          "a",
          { href: `#/runs/${run.run_id}` },
          h("strong", {}, run.drill ? "DRILL UNDER WAY" : "RUN UNDER WAY"),
          ` ${run.scope}, ${count(run.accounts, "account")}: ${run.reason} (${run.by})`,
          h("b", { class: "how-far" }),
        ),
      ),
    );
  }
  others.forEach((run, i) => {
    say(element.children[i].querySelector(".how-far"), `${number(run.clear)} clear`);
  });
}

/** A verdict as a word with its shape. */
export function verdictWord(verdict, state = verdict) {
  return h(
    "span",
    { class: `verdict-word v-${verdict || "none"}` },
    verdict ? mark(CODE_OF[verdict]) : null,
    capital(verdict || state),
  );
}
