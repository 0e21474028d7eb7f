// The control room: who is signed in, which page is shown, and whether the service is still there.

import { caller } from "./account.js";
import { stayAwake } from "./attention.js";
import { announce, byId, command, h, put, renew, say, shout } from "./dom.js";
import { inDoubt, lookUp, settle } from "./doubt.js";
import { latch } from "./latch.js";
import { Link } from "./link.js";
import { problem, runs, schedule, sessions, signInPage } from "./pages.js";
import { PressPanel } from "./press.js";
import { tiles, troubles, underway } from "./ready.js";
import { RunView } from "./run.js";
import { ask, seen, session, signIn, signOut, store, whoIsIn } from "./service.js";
import { ago, commandLine, isDrill, utc } from "./words.js";

const KEPT = "panic-room";
const DOUBT_MS = 2000;
const STREAM_MS = 2000;
const BOARD_MS = 60_000; // a run on record is read from the disk
const isWall = new URLSearchParams(location.search).has("wall"); // it shows the run under way, and presses nothing
document.documentElement.classList.toggle("is-wall", isWall);
const stage = byId("stage"),
  isDrillPage = document.documentElement.dataset.drill !== undefined;
let room = null,
  roomAt = 0,
  view = null,
  panel = null,
  glance = null,
  shown = "",
  begun = "",
  drawn = "",
  isStillIn = false,
  isAsking = false,
  arrived = null,
  isKept = false;

const link = new Link({
  room(found) {
    const isFirst = room === null || isKept;
    room = found;
    roomAt = Date.now();
    if (isKept) return begin();
    keepRoom();
    if (isWall && room.live.length && !room.live.some((run) => run.run_id === shown))
      location.hash = `#/runs/${room.live[0].run_id}`;
    drawTop();
    if (page() === "run" && room.live.some((run) => run.run_id === shown)) link.follow(shown);
    if (isFirst) route();
    else if (page() === "ready") drawReady();
    else refresh();
  },
  board(board) {
    if (page() !== "run" || shown !== board.run_id) return;
    view.take(board);
    if (!view.element.isConnected) put(stage, view.element); // it could not be read before
  },
  stale({ run_id: run }) {
    if (shown === run) view?.stale();
  },
  changed(state, before) {
    document.body.dataset.link = state;
    view?.freeze(link.isLost || state === "paused");
    byId("lost").hidden = !link.isLost;
    if (link.isLost) drawLost();
    panel?.update();
    drawTop();
    if (link.isLost) shout("Disconnected. This page has lost the service. Use the command line.");
    else if (before === "lost" && state === "connected") announce("Connected again.");
    settleDoubt();
  },
  async refused() {
    // by the service itself: most likely the session has ended
    try {
      if (await whoIsIn()) return;
      isKept = false;
      route();
    } catch {
      // the service is not there at all: the link says so
    }
  },
});

// ── around every page ─────────────────────────────────────────────────────────────────────────────────────────

const PILLS = {
  connected: ["good", "Connected"],
  late: ["warn", "Late"],
  lost: ["bad", "DISCONNECTED"],
  paused: ["calm", "Paused"],
};

function drawTop() {
  byId("top").hidden = !session.now;
  document.documentElement.classList.toggle("is-drill", isDrillPage || Boolean(room?.drill));
  byId("drill").hidden = !isDrill();
  document.title = title();
  if (!room) return;
  say(byId("broker"), new URL(room.base_url).host);
  say(byId("watching"), link.state === "connected" && room.watching > 1 ? `${room.watching} watching` : "");
  drawPill();
  say(
    byId("who"),
    session.now
      ? `${session.now.name}${session.now.may_act ? "" : " (view only)"}${isStillIn ? ", NOT signed out" : ""}`
      : "",
  );
  drawUnderway();
  for (const one of document.querySelectorAll("nav a[data-page]")) {
    if (one.getAttribute("data-page") === page()) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
}

function drawPill() {
  const [kind, word] = PILLS[link.state] ?? ["", ""];
  byId("connection").className = `pill ${kind}`;
  say(byId("connection"), link.state === "late" && link.beatAt ? `${word}: ${heardAgo()}` : word);
}

const heardAgo = () => `last heard ${ago((Date.now() - link.beatAt) / 1000)}`;

function drawUnderway() {
  if (room) underway(byId("underway"), room, page() === "run" ? shown : "");
  stayAwake(Boolean(session.now && room?.live.length && !link.isLost));
}

function title() {
  if (link.isLost) return "DISCONNECTED · panic";
  if (link.state === "paused" || !session.now) return "panic";
  const drill = room?.drill ? "DRILL · " : "";
  if (page() === "run" && view?.board)
    return `${drill}${view.isOver ? view.board.verdict.toUpperCase() : "cancelling"} · panic`;
  return `${drill}${room?.ready ? "ready" : "NOT READY"} · panic`;
}

function drawLost() {
  put(
    byId("lost"),
    h("strong", {}, "DISCONNECTED"),
    h("p", {}, "This page has lost the service. ", h("span", { id: "heard" }), "What you see is outdated."),
    h(
      "p",
      {},
      isDrill() ? "In earnest, you would now type at a terminal: " : "To cancel everything now, type at a terminal: ",
      command(commandLine({ scope: { all: true }, reason: "control room disconnected" })),
    ),
    room?.contact ? h("p", {}, "Broker: ", caller(room.contact, room.contact)) : null,
  );
  drawHeard();
}

function drawHeard() {
  if (link.beatAt)
    say(
      byId("heard"),
      `Last heard ${utc(new Date(link.beatAt).toISOString())}, ${ago((Date.now() - link.beatAt) / 1000)}. `,
    );
}

// ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────────

function page() {
  const hash = location.hash.replace(/^#\/?/, "");
  if (hash.startsWith("runs/")) return "run";
  return ["runs", "schedule", "latch", "sessions"].includes(hash) ? hash : "ready";
}

function route() {
  if (isKept) return;
  panel?.release(); // leaving the page while holding lets go
  view?.end();
  view = null;
  shown = "";
  if (!session.now) {
    link.rest();
    isStillIn = false;
    const wasIn = room !== null;
    room = panel = null; // the next user begins with nothing chosen, and sees nothing of what was
    localStorage.removeItem(KEPT);
    byId("lost").hidden = true;
    byId("underway").hidden = true;
    delete document.body.dataset.link;
    drawTop();
    const [where, why] = location.hash.replace(/^#\/?/, "").split("/"),
      isRefused = where === "sign-in";
    signInPage(stage, {
      isDrill: isDrillPage,
      enter,
      page: isRefused ? "" : location.hash.replace(/^#\/?/, ""),
      why: isRefused ? why : wasIn ? "ended" : "",
    });
    return;
  }
  if (!room) {
    put(stage, h("p", { class: "alone note" }, "Asking the service…"));
    return;
  }
  const name = page();
  if (name === "run") openRun(location.hash.split("/")[2] ?? "");
  else link.follow("");
  if (name === "ready") openReady();
  if (name in SHOWS) refresh(true);
  if (name === "schedule") schedule(stage);
  if (name === "sessions") sessions(stage);
  drawTop();
}

const SHOWS = { latch: () => room.latch, runs: () => [room.last, room.live.map((run) => run.run_id)] };

/** What a reset would end; that a doubt went meanwhile makes no preview untrue. */
const engagedIn = ({ engaged, problem, holds }) =>
  JSON.stringify([engaged, problem, holds.map(({ what, name, at }) => [what, name, at])]);

/** Draw a page that tells of something which changes; what somebody is typing into it stays. */
function refresh(isNew = false) {
  const told = JSON.stringify(SHOWS[page()]?.() ?? null);
  if (told === "null" || (told === drawn && !isNew)) return;
  const preview = byId("reset-preview"),
    isTyping = !isNew && preview && byId("reset-reason").value;
  const before = isTyping ? JSON.parse(drawn) : null;
  if (isTyping && engagedIn(room.latch) === engagedIn(before)) return;
  drawn = told;
  if (isTyping && !before.known) return; // the page has asked by itself; only the room learns it now
  if (isTyping)
    put(preview, h("p", { class: "bad" }, "The latch has changed meanwhile: show again what a reset would do."));
  else if (page() === "latch") latch(stage, room);
  else runs(stage);
}

function openReady() {
  panel ??= new PressPanel({
    link,
    doubted: settleDoubt,
    pressed(run) {
      panel = null; // a new press begins with nothing chosen
      begun = run;
      location.hash = `#/runs/${run}`;
    },
  });
  glance = tiles(room, roomAt);
  put(stage, glance, panel.element, h("div", { id: "troubles" }));
  drawReady();
  settleDoubt();
}

function drawReady() {
  if (!glance) return; // the page was left meanwhile
  renew(glance, tiles(room, roomAt));
  put(byId("troubles"), troubles(room));
  panel.know(room);
}

/** Ask what became of a press whose answer was lost, as soon as the service is there; where it arrived, show its
 * run. */
async function settleDoubt() {
  const kept = link.state === "connected" && !panel?.isSending && !isAsking ? inDoubt() : null;
  if (!kept) return;
  isAsking = true;
  try {
    const found = await lookUp(kept);
    if (inDoubt()?.key !== kept.key || panel?.isSending) return; // settled, or pressed again meanwhile
    if (found.run_id === null) return panel?.miss(kept, found);
    settle();
    panel = null;
    arrived = found;
    shout(arrivedWords());
    location.hash = `#/runs/${found.run_id}`;
  } catch {
    setTimeout(settleDoubt, DOUBT_MS);
  } finally {
    isAsking = false;
  }
}

const arrivedWords = () => `Your press arrived at ${utc(arrived.at)}.`;

async function openRun(run) {
  shown = run;
  const mine = new RunView();
  view = mine;
  put(
    stage,
    arrived?.run_id === run ? h("p", { id: "arrived", class: "panel good" }, arrivedWords()) : null,
    mine.element,
  );
  mine.know(run);
  // None until it is known that there is such a run.
  link.follow(run === begun || room.live.some((one) => one.run_id === run) ? run : "");
  if (run === begun) await new Promise((wake) => setTimeout(wake, STREAM_MS)); // its stream tells it sooner, and once
  if (view !== mine || mine.board) return;
  try {
    const board = await ask("GET", `/v1/runs/${encodeURIComponent(run)}/board`, undefined, { within: BOARD_MS });
    if (view !== mine) return;
    shown = board.run_id;
    mine.take(board);
    if (!board.finished) link.follow(shown); // under way, or cut off: then it may be resumed
  } catch (error) {
    if (view === mine) put(stage, h("article", { class: "page" }, h("h1", {}, "Run"), problem(error)));
  }
}

// ── without the service ───────────────────────────────────────────────────────────────────────────────────────

/** Keep what the service said last, for a page that is opened where it does not answer. */
function keepRoom() {
  store(localStorage, KEPT, { room, at: roomAt });
}

/** Show that, as what it is: the past. Nothing can be pressed from here. */
function showKept() {
  const kept = JSON.parse(localStorage.getItem(KEPT));
  isKept = true;
  room = kept?.room ?? null;
  link.open();
  link.giveUp(kept?.at ?? 0);
  put(
    stage,
    room ? tiles(room, kept.at) : null,
    h(
      "p",
      { class: "panel" },
      "The service does not answer. This page opened from what the browser kept, and connects by itself as soon as " +
        "the service is back.",
    ),
  );
}

// ── beginning ─────────────────────────────────────────────────────────────────────────────────────────────────

async function begin() {
  try {
    const isIn = await whoIsIn();
    isKept = false;
    if (isIn && !link.isUsed) link.open();
    route();
  } catch {
    showKept();
  }
}

async function enter(token) {
  await signIn(token);
  link.open();
  route();
}

session.changed = () => {
  drawTop();
  panel?.update();
};

byId("out").addEventListener("click", async () => {
  try {
    await signOut();
    room = null; // who goes by themselves is not asked to come back
    route();
  } catch (error) {
    isStillIn = true;
    drawTop();
    shout(`Not signed out: ${error.message}.`);
  }
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the part behind the # is the page
  stage.focus();
});
window.addEventListener("hashchange", route);
for (const act of ["pointerdown", "keydown"]) window.addEventListener(act, seen, { passive: true });
setInterval(() => {
  if (link.isLost) drawHeard();
  drawPill();
  if (!session.now || !room) return;
  if (session.now.may_act && Date.now() > session.now.until) {
    session.now.may_act = false;
    session.changed();
  }
  if (page() === "ready" && !link.isLost && glance) renew(glance, tiles(room, roomAt));
  document.title = title();
}, 1000);

const worker = { createScriptURL: () => "/room/worker.js" }; // whatever is asked for, this is all that may be run
const { trustedTypes } = /** @type {any} */ (window);
navigator.serviceWorker
  ?.register((trustedTypes?.createPolicy("worker", worker) ?? worker).createScriptURL(""), { scope: "/" })
  .catch(() => {}); // without one the page opens with the service alone
drawTop();
put(stage, h("p", { class: "alone note" }, "Asking the service…"));
await begin();
