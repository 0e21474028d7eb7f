// The press: which accounts, why, and one deliberate act. Two clicks for all of them.

import { command, h, mistakes, put, s, say, shout } from "./dom.js";
import { inDoubt, keep, settle } from "./doubt.js";
import { filterForm, filtersOf } from "./filters.js";
import { IdList } from "./ids.js";
import { OpenOrders } from "./orders.js";
import { ask, atProvider, encode, may, Refusal, Silence, session, signIn } from "./service.js";
import { commandLine, count, isDrill, number, utc } from "./words.js";

const HOLD_MS = 1000;
const ROOM_MS = 500; // a later answer may be waiting for a connection that this page itself holds
const SLIP_PX = 40;
const TRY_MS = 6000; // the service answers a press at once
const NAMED_MOST = 4; // groups that are named above the button
const UNSAID = "not said at the press (control room)";
const REASONS = ["Runaway algorithm", "Risk limit breached", "Compromised key", "Market event"];

export class PressPanel {
  /** `pressed(run_id)` is told of the run, `doubted()` of a press in doubt; `link` lends its connection to a press. */
  constructor({ pressed, doubted, link }) {
    this.pressed = pressed;
    this.doubted = doubted;
    this.link = link;
    this.scope = "";
    this.groups = new Set();
    this.room = null;
    this.planned = null;
    this.isSending = false;
    this.build();
  }

  build() {
    const choice = (value, words) =>
      h(
        "label",
        { class: "choice" },
        h("input", { type: "radio", name: "scope", value, id: `scope-${value}`, onchange: () => this.choose(value) }),
        h("span", {}, words, " ", h("b", { id: `scope-${value}-count` })),
      );
    this.chips = h(
      "div",
      { class: "chips" },
      REASONS.map((reason) =>
        h(
          "button",
          {
            type: "button",
            class: "chip",
            onclick: () => {
              this.reason.value = reason;
              this.update();
            },
          },
          reason,
        ),
      ),
    );
    this.reason = h("input", {
      id: "reason",
      name: "reason",
      maxlength: "1000",
      autocomplete: "off",
      placeholder: "Why? In a hurry, leave it empty",
      "aria-describedby": "reason-note",
      oninput: () => this.update(),
    });
    this.list = h("div", { class: "choices", id: "groups" });
    this.ids = new IdList(() => this.update());
    this.detail = h("div", { class: "detail-of-scope", hidden: true });
    this.filters = filterForm(() => this.update());
    this.openOrders = new OpenOrders();
    this.latch = h("input", { type: "checkbox", id: "latch" });
    this.touched = h("p", { id: "touches", class: "touches", "aria-live": "polite" });
    this.token = h("input", {
      type: "password",
      id: "token-again",
      autocomplete: "current-password",
      placeholder: "Your token",
    });
    this.away = h("p", { hidden: true }, "Or ", h("a", { href: atProvider("") }, "sign in again"), ".");
    this.locked = h(
      "form",
      { hidden: true, onsubmit: (event) => event.preventDefault() },
      h("label", { class: "field" }, h("span", {}, "You have been away. To press, give your token again:"), this.token),
      this.away,
    );
    this.answer = h("div", { id: "answer", class: "answer", role: "status" });
    this.buildHold();
    const above = h("div", { class: "above" }, this.answer, this.touched, this.locked, this.byWord);
    this.act = h("div", { class: "act" }, above, this.hold, this.note);
    this.element = h(
      "section",
      { id: "press", class: "press", "aria-labelledby": "press-title" },
      h(
        "form",
        { class: "press-form", onsubmit: (event) => event.preventDefault() },
        h(
          "div",
          {},
          h("h1", { id: "press-title" }, "Cancel every open order"),
          h(
            "p",
            { class: "note" },
            "One cancel goes to each account at once, then each is read until it shows no open order. " +
              "Positions stay as they are.",
          ),
        ),
        h(
          "fieldset",
          {},
          h("legend", {}, "In which accounts?"),
          h(
            "div",
            { class: "scopes" },
            choice("all", "All accounts"),
            choice("groups", "Groups"),
            choice("accounts", "Accounts"),
          ),
          this.detail,
        ),
        this.openOrders.element,
        h("label", { class: "field" }, h("span", {}, "Why?"), this.reason),
        this.chips,
        h(
          "p",
          { id: "reason-note", class: "note" },
          "Recorded with your name. If empty, the record says that no reason was given.",
        ),
        h(
          "details",
          { id: "more" },
          h("summary", {}, "Only some orders, or leave it engaged"),
          this.filters,
          h(
            "label",
            { class: "check" },
            this.latch,
            h(
              "span",
              {},
              "Leave the scope engaged: strategies that ask the latch stay stopped until a person resets it.",
            ),
          ),
        ),
        h(
          "p",
          { class: "note without" },
          isDrill()
            ? "In earnest, should this page fail you, you would type: "
            : "If this page ever fails, type at a terminal: ",
          command("panic press --all --reason 'why'"),
        ),
      ),
      this.act,
    );
    new ResizeObserver(() =>
      document.documentElement.style.setProperty("--act-height", `${this.act.offsetHeight}px`),
    ).observe(this.act);
    this.update();
  }

  buildHold() {
    this.words = h("span", { class: "hold-words" }, "Choose the accounts");
    this.hold = h(
      "button",
      {
        type: "button",
        id: "hold",
        class: "hold",
        "aria-describedby": "touches hold-note",
        onpointerdown: (event) => event.button === 0 && event.isPrimary && this.begin(event),
        onpointerup: () => this.release(),
        onpointermove: (event) => this.isOff(event) && this.release(),
        onpointercancel: () => this.release(),
        onblur: () => this.release(),
        oncontextmenu: (event) => event.preventDefault(),
        onkeydown: (event) => {
          if (event.key !== " " && event.key !== "Enter") return;
          event.preventDefault();
          if (!event.repeat) this.begin(event);
        },
        onkeyup: () => this.release(),
        onclick: (event) => event.detail === 0 && this.askForWord(),
      },
      s(
        "svg",
        { viewBox: "0 0 200 200", "aria-hidden": "true" },
        s("circle", { class: "ring", cx: 100, cy: 100, r: 94, pathLength: 100 }),
      ),
      this.words,
    );
    this.word = h("input", {
      id: "word",
      autocomplete: "off",
      autocapitalize: "characters",
      spellcheck: "false",
      size: "10",
      oninput: () => this.update(),
      onkeydown: (event) => event.key === "Enter" && this.fireByWord(),
    });
    this.go = h(
      "button",
      { type: "button", id: "go", class: "danger", onclick: () => this.fireByWord() },
      "Cancel the orders",
    );
    this.byWord = h(
      "details",
      { class: "by-word" },
      h("summary", {}, "Cannot hold? Type the word instead"),
      h("label", { class: "field" }, h("span", {}, "Type CANCEL"), this.word),
      this.go,
    );
    this.note = h(
      "p",
      { id: "hold-note", class: "note" },
      "Press and hold for one second. With a keyboard: hold Space or Enter.",
    );
  }

  /** Take what is known of the room. */
  know(room) {
    this.room = room;
    const all = this.limited ? null : room.accounts;
    say(this.element.querySelector("#scope-all-count"), all === null ? "" : number(all));
    const names = JSON.stringify([room.groups, room.accounts, session.now?.groups]);
    if (names !== this.names) {
      this.names = names;
      this.planned = null; // the press may cover other accounts by now
      this.drawGroups();
    }
    this.update();
  }

  get limited() {
    return Boolean(session.now?.groups);
  }

  drawGroups() {
    const ours = this.room.groups.filter((group) => !this.limited || session.now.groups.includes(group.name));
    const gone = [...this.groups].filter((name) => !ours.some((group) => group.name === name));
    for (const name of gone) this.groups.delete(name);
    if (gone.length)
      put(this.answer, h("p", {}, `No longer chosen, because the roster has it no more: ${gone.join(", ")}.`));
    put(
      this.list,
      ours.map((group) =>
        h(
          "label",
          { class: "check" },
          h("input", {
            type: "checkbox",
            value: group.name,
            checked: this.groups.has(group.name),
            onchange: (event) => {
              this.groups[event.target.checked ? "add" : "delete"](group.name);
              this.update();
            },
          }),
          h("span", {}, group.name || "(no group)", " ", h("b", {}, number(group.accounts))),
        ),
      ),
      ours.length ? null : h("p", { class: "note" }, "The roster has no groups."),
    );
  }

  choose(scope) {
    this.scope = scope;
    this.detail.hidden = scope === "all";
    put(this.detail, scope === "groups" ? this.list : scope === "accounts" ? this.ids.element : null);
    this.update();
  }

  asked() {
    const body = { scope: {}, filters: filtersOf(this.filters) };
    if (this.scope === "all") body.scope.all = true;
    if (this.scope === "groups") body.scope.groups = [...this.groups].sort();
    if (this.scope === "accounts") body.scope.accounts = this.ids.listed;
    return body;
  }

  body() {
    return { ...this.asked(), reason: this.reason.value.trim() || UNSAID, latch: this.latch.checked };
  }

  /** How many accounts the press will touch, as far as this page knows; null where it does not. */
  touches() {
    if (!this.room) return null;
    if (this.scope === "all") return this.room.accounts;
    if (this.scope === "groups")
      return this.room.groups.filter((one) => this.groups.has(one.name)).reduce((sum, one) => sum + one.accounts, 0);
    if (this.scope === "accounts") return this.ids.listed.length;
    return null;
  }

  get isChosen() {
    return (
      this.scope === "all" ||
      (this.scope === "groups" && this.groups.size > 0) ||
      (this.scope === "accounts" && this.ids.listed.length > 0)
    );
  }

  update() {
    const mayPress = may("presser"),
      n = this.touches();
    this.openOrders.choose(this.isChosen ? this.asked() : null);
    const only = Object.keys(this.asked().filters).length ? " (only some orders)" : "";
    const isAgain = this.isChosen && this.missed && inDoubt()?.body === encode(this.body());
    this.element.classList.toggle("unchosen", !this.isChosen);
    this.element.classList.toggle("barred", !mayPress);
    const words = this.isSending
      ? ["SENDING"]
      : !mayPress
        ? ["View only"]
        : !this.isChosen
          ? ["Choose", "the accounts"]
          : [
              "HOLD",
              this.link.isLost ? "to try: DISCONNECTED" : `to ${isAgain ? "press again" : "cancel"}${only}`,
              n === null ? "in these accounts" : `in ${count(n, "account")}`,
            ];
    const told = words.join("\n");
    if (told !== this.told) {
      this.told = told;
      put(
        this.words,
        words.map((line, i) => h(i ? "small" : "strong", {}, line)),
      );
      this.hold.setAttribute(
        "aria-label",
        this.isChosen && mayPress ? `Press and hold ${words.slice(1).join(" ")}` : words.join(" "),
      );
    }
    const isIdle = Boolean(session.now) && !session.now.may_act;
    this.locked.hidden = !(isIdle && mayPress);
    this.away.hidden = !session.now?.issuer;
    this.element.querySelector("#scope-all").disabled = this.limited;
    this.go.disabled = this.word.value.trim().toUpperCase() !== "CANCEL" || !this.isChosen || !mayPress;
    if (mayPress || !session.now) this.plan();
    else
      say(
        this.touched,
        `${session.now.issuer ? "" : "The token "}${session.now.name} may not press: the role presser is missing.`,
      );
  }

  /** Ask what the press would touch, once the typing has come to rest: only the service knows the roster. */
  plan() {
    if (!this.isChosen) {
      say(this.touched, "");
      this.planned = null;
      return;
    }
    const asked = this.asked(),
      what = encode(asked);
    if (what === this.planned) return;
    this.planned = what;
    clearTimeout(this.planning);
    this.planning = setTimeout(async () => {
      try {
        const plan = await ask("POST", "/v1/plan", asked);
        if (what !== this.planned) return;
        this.ids.judge();
        say(this.touched, this.tells(plan));
      } catch (error) {
        if (what !== this.planned) return;
        this.planned = null; // it may be another answer next time
        this.ids.judge(error.errors);
        say(
          this.touched,
          this.ids.wrong.size
            ? `${count(this.ids.wrong.size, "account")} of ${number(this.ids.words.length)} ` +
                "cannot be pressed: see where they stand"
            : [error.message, ...(error.errors ?? []).slice(0, 3).map((one) => one.what)].join("; "),
        );
      }
    }, 250);
  }

  tells({ accounts, unsent, scope, filters, forecast }) {
    const left = unsent.length ? `, and ${number(unsent.length)} more cannot be sent` : "";
    const where =
      this.scope !== "groups"
        ? ""
        : this.groups.size > NAMED_MOST
          ? ` in ${count(this.groups.size, "group")}`
          : `: ${scope}`;
    const only = Object.entries(filters)
      .map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`)
      .join(", ");
    const until = forecast ? `; ${forecast.text}` : "";
    return `Touches ${count(accounts.length, "account")}${left}${where}${only ? `, only ${only}` : ""}${until}`;
  }

  // ── the act ─────────────────────────────────────────────────────────────────────────────────────────────────

  begin(event) {
    if (!this.isChosen || !may("presser") || this.isSending) {
      this.nudge();
      return;
    }
    if (event.pointerId !== undefined) this.hold.setPointerCapture?.(event.pointerId);
    this.hold.classList.add("held");
    clearTimeout(this.holding);
    this.heldAt = performance.now();
    this.holding = setTimeout(() => this.fire(), HOLD_MS);
  }

  /** Whether the pointer was drawn away from the button: a finger may slip, but one can still stop on purpose. */
  isOff({ clientX: x, clientY: y }) {
    const { left, right, top, bottom } = this.hold.getBoundingClientRect();
    return x < left - SLIP_PX || x > right + SLIP_PX || y < top - SLIP_PX || y > bottom + SLIP_PX;
  }

  release() {
    if (!this.hold.classList.contains("held")) return;
    this.hold.classList.remove("held");
    clearTimeout(this.holding);
    if (!this.isSending && performance.now() - this.heldAt < HOLD_MS) {
      put(this.answer, h("p", {}, "Nothing was sent: keep holding for one second."));
    }
  }

  nudge() {
    if (this.isSending) return;
    put(
      this.answer,
      h("p", {}, may("presser") ? "Choose the accounts first: all of them is one click." : "This token may only look."),
    );
    // After the click has given it to the button.
    if (may("presser")) setTimeout(() => this.element.querySelector("#scope-all").focus());
  }

  /** A screen reader's or a switch's click cannot be held: it gets the word instead. */
  askForWord() {
    if (this.isSending || performance.now() - (this.heldAt ?? -Infinity) < 2 * HOLD_MS) return;
    this.byWord.open = true;
    this.word.focus();
  }

  fireByWord() {
    if (!this.go.disabled) this.fire();
  }

  async fire() {
    if (this.isSending) return;
    this.isSending = true;
    this.word.value = "";
    this.byWord.open = false; // what is said of the press needs the place
    this.update();
    shout("Pressed. Sending.");
    put(this.answer);
    const body = this.body();
    let found = null,
      isOut = false;
    try {
      if (!session.now?.may_act && this.token.value) await signIn(this.token.value.trim());
      this.token.value = "";
      isOut = true;
      found = await this.send(body);
    } catch (error) {
      this.failed(error, body, isOut);
    }
    this.isSending = false;
    this.hold.classList.remove("held");
    this.update();
    if (!found) {
      this.doubted();
      return;
    }
    settle();
    shout(found.joined ? "The press joined the run under way." : "The run has begun.");
    this.pressed(found.run_id);
  }

  /** Send it, and once more if nothing answered: the same key makes both one press. */
  async send(body) {
    const how = { headers: { "Idempotency-Key": keep(body) }, within: TRY_MS };
    const slow = setTimeout(() => this.link.lend(), ROOM_MS);
    try {
      return await ask("POST", "/v1/runs", body, how);
    } catch (error) {
      if (!(error instanceof Silence)) throw error;
      return await ask("POST", "/v1/runs", body, how).catch((second) => {
        second.isSecond = true; // whatever the answer, the first one may have arrived
        throw second;
      });
    } finally {
      clearTimeout(slow);
      if (this.link.isLent) this.link.open();
    }
  }

  /** Say that a press in doubt did not arrive, and offer to press it again: it goes with the same key. */
  miss({ command: typed }, { isRestarted }) {
    this.missed = true;
    const why = isRestarted
      ? "The service was started again since, and nothing of your press is on record."
      : "The service knows nothing of it.";
    this.tell(
      `Your press had not arrived at ${utc(new Date().toISOString())}`,
      `${why} Choose the same and hold the button to press again: with the same key, so that both are one.`,
      typed,
    );
    this.update();
  }

  failed(error, body, isOut) {
    const isRefused = !isOut || (error instanceof Refusal && error.isCertain && !error.isSecond);
    if (isRefused && isOut) settle();
    const isIdle = isRefused && (error.code === "idle" || error.status === 401);
    this.ids.judge(error.errors);
    const isMarked = this.ids.wrong.size > 0; // what is wrong is told where it stands
    const words = error instanceof Refusal || error instanceof Silence ? error.message : "the page itself failed";
    this.tell(
      isRefused ? "Nothing was sent" : "Nobody knows whether this press arrived",
      isMarked
        ? "Not every account can be pressed: correct what is marked, or leave it out."
        : `${words}. ${error.remedy ?? ""}`,
      isIdle ? "" : commandLine(body),
      isMarked ? null : mistakes(error),
    );
    if (isIdle) this.token.focus();
  }

  /** Say what became of a press, above the button, with what to type instead. */
  tell(title, words, typed, more = null) {
    shout(`${title}: ${words}`);
    put(
      this.answer,
      h(
        "div",
        { class: "panel bad" },
        h("h2", {}, title),
        h("p", {}, words),
        more,
        typed
          ? h(
              "p",
              {},
              isDrill() ? "In earnest, you would now type at a terminal: " : "Or type at a terminal: ",
              command(typed),
            )
          : null,
      ),
    );
  }
}
