// What part of a board is looked at: by the counts, which are buttons, and by words.

import { h, put, say } from "./dom.js";
import { mark } from "./shapes.js";
import { count, FILTERS, number, STATES } from "./words.js";

const LISTED_MOST = 100;

export class Find {
  /** `changed()` is called when something else is looked for, `open(index)` for an account that is chosen. */
  constructor({ changed, open }) {
    this.open = open;
    this.changed = changed;
    this.codes = this.words = "";
    this.accounts = [];
    this.input = h("input", {
      id: "find",
      type: "search",
      placeholder: "/  account, name, desk, owner",
      "aria-label": "Find an account, a name, a desk or an owner",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: "100",
      oninput: () => this.look(this.input.value, this.codes),
      onkeydown: (event) => this.key(event),
    });
    this.counts = h("ul", { class: "counts", "aria-label": "Accounts by state" });
    this.element = h("div", { class: "find", role: "search" }, this.input, this.counts);
    this.title = h("h2", {});
    this.list = h("ol", {});
    this.rest = h("p", { class: "note" });
    this.found = h(
      "section",
      { id: "found", class: "found", "aria-label": "Accounts found", hidden: true },
      this.title,
      this.list,
      this.rest,
    );
    this.onkey = (event) => {
      if (
        event.key !== "/" ||
        event.target.closest("input, textarea, select") ||
        event.ctrlKey ||
        event.metaKey ||
        event.altKey
      )
        return;
      event.preventDefault();
      this.input.select();
    };
    window.addEventListener("keydown", this.onkey);
  }

  end() {
    window.removeEventListener("keydown", this.onkey);
  }

  key(event) {
    if (event.key === "Enter" && this.matches?.length) this.open(this.matches[0]);
    if (event.key === "Escape") this.look("", "");
  }

  know(accounts) {
    this.accounts = accounts;
    this.texts = null;
    this.look(this.words, this.codes);
  }

  look(words, codes) {
    this.words = words.trim().toLowerCase();
    this.codes = codes;
    if (!words) this.input.value = "";
    this.drawn = "";
    this.draw(this.sums ?? {});
    this.changed();
  }

  /** Whether an account is among those that are looked for; null where nothing is looked for. */
  by(letters) {
    if (!this.words && !this.codes) return null;
    if (this.words) this.texts ??= this.accounts.map((row) => row.filter(Boolean).join(" ").toLowerCase());
    return (index) =>
      (!this.codes || this.codes.includes(letters[index])) && (!this.words || this.texts[index].includes(this.words));
  }

  /** Draw the counts: what they are, and which is chosen. */
  draw(sums) {
    this.sums = sums;
    const all = Object.values(sums).reduce((sum, n) => sum + n, 0),
      told = JSON.stringify([sums, this.codes]);
    if (told === this.drawn) return;
    this.drawn = told;
    const focused = this.counts.contains(document.activeElement) ? document.activeElement.getAttribute("value") : null;
    const chip = (codes, inside, title) =>
      h(
        "li",
        {},
        h(
          "button",
          {
            type: "button",
            class: "count",
            value: codes,
            title,
            "aria-pressed": String(codes === this.codes),
            onclick: () => this.look(this.input.value, codes),
          },
          inside,
        ),
      );
    const of = (codes) => [...codes].reduce((sum, code) => sum + (sums[code] ?? 0), 0);
    put(
      this.counts,
      all ? chip("", ["All ", h("b", {}, number(all))], "All accounts") : null,
      FILTERS.filter((codes) => of(codes) || codes === this.codes).map((codes) =>
        codes.length > 1
          ? chip(
              codes,
              [mark("a"), h("b", {}, number(of(codes))), " on the way"],
              [...codes]
                .filter((code) => sums[code])
                .map((code) => `${number(sums[code])} ${STATES[code].name}`)
                .join(", "),
            )
          : chip(codes, [mark(codes), h("b", {}, number(of(codes))), ` ${STATES[codes].name}`], STATES[codes].tells),
      ),
    );
    if (focused !== null) this.counts.querySelector(`[value="${focused}"]`)?.focus();
  }

  /** List the accounts that are looked for; nothing where nothing is. */
  show(letters) {
    const isShown = this.by(letters);
    this.found.hidden = !isShown;
    this.matches = isShown ? [...this.accounts.keys()].filter(isShown) : null;
    if (!isShown) return;
    const shown = this.matches.slice(0, LISTED_MOST),
      told = JSON.stringify(shown.map((index) => [index, letters[index]]));
    say(this.title, `Found: ${count(this.matches.length, "account")}`);
    say(
      this.rest,
      this.matches.length > shown.length ? `and ${number(this.matches.length - shown.length)} more: look for less` : "",
    );
    if (told === this.told) return;
    this.told = told;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.getAttribute("value") : null;
    put(
      this.list,
      shown.map((index) => {
        const [id, name, group, owner] = this.accounts[index];
        return h(
          "li",
          {},
          h(
            "button",
            { type: "button", class: "row", value: String(index), onclick: () => this.open(index) },
            mark(letters[index]),
            h("span", { class: "unseen" }, STATES[letters[index]].name),
            h("b", {}, id ?? "no readable id"),
            h("span", { class: "name" }, [name, group, owner].filter(Boolean).join(" · ")),
          ),
        );
      }),
    );
    if (focused !== null) this.list.querySelector(`[value="${focused}"]`)?.focus();
  }
}
