// The account ids that a press names, typed or pasted: what no press takes is marked where it stands.

import { h, put } from "./dom.js";
import { count, number } from "./words.js";

const BETWEEN = /[\s,;]+/;
const NAMED_MOST = 5;

export class IdList {
  /** `changed()` is told of every change. */
  constructor(changed) {
    this.changed = changed;
    this.wrong = new Map(); // id as typed, and why
    this.text = h("textarea", {
      id: "accounts",
      rows: "3",
      spellcheck: "false",
      inputmode: "numeric",
      "aria-describedby": "wrong-ids",
      placeholder: "Account ids, separated by spaces, commas or lines",
      oninput: () => this.edit(),
      onscroll: () => {
        this.marks.scrollTop = this.text.scrollTop;
      },
    });
    this.marks = h("div", { class: "marks", "aria-hidden": "true" });
    this.told = h("div", { id: "wrong-ids", role: "status" });
    this.element = h("div", {}, h("div", { class: "ids-typed" }, this.marks, this.text), this.told);
  }

  get words() {
    return [...new Set(this.text.value.split(BETWEEN).filter(Boolean))];
  }

  /** The ids that were typed; what is no id stays as it is, and the service says so. */
  get listed() {
    return this.words.map((one) => (/^\d{1,19}$/.test(one) ? BigInt(one) : one));
  }

  edit() {
    this.wrong = new Map([...this.wrong].filter(([one]) => this.words.includes(one)));
    this.draw();
    this.changed();
  }

  /** Take what the service says of them: `errors` of a refusal, none where all are known. */
  judge(errors = []) {
    const words = this.words;
    this.wrong = new Map(
      errors
        .filter(({ where }) => where.startsWith("body/scope/accounts"))
        .map(({ where, what }) => {
          const place = where.split("/")[3]; // what is no id at all is named by its place
          return place
            ? [words[place], "is no account id"]
            : [/^\d+/.exec(what)?.[0], what.replace(/^\d+ (.*) in .*$/, "$1 in the roster")];
        }),
    );
    this.draw();
  }

  draw() {
    put(
      this.marks,
      this.text.value.split(/([\s,;]+)/).map((one) => (this.wrong.has(one) ? h("mark", {}, one) : one)),
    );
    const named = [...this.wrong].slice(0, NAMED_MOST).map(([one, why]) => h("li", {}, h("b", {}, one), ` ${why}`));
    const left = this.words.length - this.wrong.size,
      more = this.wrong.size - named.length;
    put(
      this.told,
      named.length
        ? h(
            "div",
            { class: "panel bad" },
            h("ul", {}, named, more ? h("li", {}, `and ${number(more)} more`) : null),
            left
              ? h(
                  "button",
                  { type: "button", onclick: () => this.leaveOut() },
                  `Leave ${this.wrong.size === 1 ? "it" : "them"} out: cancel in the ` +
                    (left === 1 ? "one that is known" : `${number(left)} that are known`),
                )
              : h("p", {}, `None of ${count(this.words.length, "account")} is known.`),
          )
        : null,
    );
  }

  /** Keep those that are known; pressing them is still to be done. */
  leaveOut() {
    this.text.value = this.words.filter((one) => !this.wrong.has(one)).join(", ");
    this.edit();
    this.text.focus();
  }
}
