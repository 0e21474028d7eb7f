// The board: one cell for each account, thousands of them on one canvas, desk by desk, the worst desk first.

import { compare, divide, fit } from "./desks.js";
import { h, put, say } from "./dom.js";
import { backdrop, draw, fill } from "./shapes.js";
import { CODES, count, number, SIGNS, STATES } from "./words.js";

const SORT_MS = 4000; // desks do not jump about more often than this
const BELOW = 48; // pixels that are left free below the board, for the line that tells of a cell
const LEAST = 200;
const LOUD = 9; // how large a cell is at least that somebody should see
const HIDDEN = 0.16;

export class Mosaic {
  /** `open(index)` is called for an account that somebody chooses. */
  constructor(open) {
    this.open = open;
    this.accounts = this.desks = [];
    this.codes = "";
    this.where = []; // for each account its desk, and its place in that
    this.dirty = new Set();
    this.cursor = -1;
    this.sortedAt = 0;
    this.isHeld = false; // under somebody's hand nothing changes its place
    this.columns = this.pitch = this.height = this.heading = 0; // as `fit` found them
    this.canvas = h("canvas", {
      id: "board",
      role: "img",
      tabindex: "0",
      "aria-label": "The board of accounts",
      "aria-describedby": "cell",
      onpointermove: (event) => this.pick(this.at(event)),
      onkeydown: (event) => this.key(event),
      onblur: () => this.pick(-1),
      onclick: (event) => this.choose(this.at(event)),
    });
    this.heads = h("ul", { class: "desks", "aria-label": "Desks, the worst first" });
    this.told = h("output", { id: "cell", class: "cell" });
    const held = { onpointerenter: () => this.hold(), onpointerleave: () => this.release() };
    this.frame = h("div", { class: "mosaic", ...held }, this.canvas, this.heads);
    this.element = h("div", {}, this.frame, this.told);
    this.watcher = new ResizeObserver(() => this.arrange());
    this.watcher.observe(this.frame);
    this.onresize = () => this.arrange();
    window.addEventListener("resize", this.onresize);
    this.theme = window.matchMedia("(prefers-color-scheme: dark)");
    this.theme.addEventListener("change", this.onresize);
    say(this.told, "The board is on its way.");
  }

  /** Show these accounts: rows of id, name, group and owner, and a letter for each. */
  show(accounts, codes) {
    this.accounts = accounts;
    this.codes = codes;
    this.cursor = -1;
    this.desks = divide(accounts, codes).sort(compare);
    this.sortedAt = performance.now();
    this.where = [];
    for (const desk of this.desks) for (const [place, index] of desk.cells.entries()) this.where[index] = [desk, place];
    this.arrange();
    this.hint();
  }

  /** Take the letters of all accounts, in the order in which they are shown. */
  change(codes) {
    const before = this.codes;
    this.codes = codes;
    for (let index = 0; index < codes.length; index++) {
      if (codes[index] === before[index]) continue;
      const [desk] = this.where[index];
      desk.counts[before[index]]--;
      desk.counts[codes[index]] = (desk.counts[codes[index]] ?? 0) + 1;
      this.dirty.add(desk);
    }
    if (this.dirty.size) this.drawHeads();
    if (this.cursor >= 0) this.hint();
    if (performance.now() - this.sortedAt >= SORT_MS) this.sort();
    this.later();
  }

  /** Let only some accounts stand out: `isShown(index)`; null for all. */
  filter(isShown) {
    this.isShown = isShown;
    for (const desk of this.desks) {
      this.dirty.add(desk);
      desk.isOther = Boolean(isShown) && !desk.cells.some(isShown);
      desk.head?.classList.toggle("is-other", desk.isOther);
    }
    this.later();
  }

  describe(words) {
    this.canvas.setAttribute("aria-label", words);
  }

  hold() {
    this.isHeld = true;
  }

  release() {
    this.isHeld = false;
    this.pick(-1);
    if (performance.now() - this.sortedAt >= SORT_MS) this.sort();
  }

  /** Put the worst desk first, unless somebody points at the board. */
  sort() {
    if (this.isHeld || this.cursor >= 0) return;
    this.sortedAt = performance.now();
    const sorted = [...this.desks].sort(compare);
    if (sorted.every((desk, n) => desk === this.desks[n])) return;
    this.desks = sorted;
    this.arrange();
  }

  /** Choose the largest cells with which all desks fit. */
  arrange() {
    const width = this.frame.clientWidth,
      top = this.frame.getBoundingClientRect().top + window.scrollY;
    if (!width || !this.accounts.length) return;
    const isBeside = getComputedStyle(this.frame).getPropertyValue("--beside").trim() === "1"; // the list is beside it
    const height = Math.max(LEAST, isBeside ? window.innerHeight - top - BELOW : window.innerHeight * 0.5);
    Object.assign(this, fit(this.desks, width, height, isBeside ? 3 : 4));
    this.frame.style.maxHeight = isBeside ? `${height}px` : "none"; // nobody scrolls twice on a phone
    this.element.closest(".run-body")?.style.setProperty("--high", isBeside ? `${height + BELOW - 23}px` : "none");
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(this.height * scale);
    this.canvas.style.height = `${this.height}px`;
    this.pen = this.canvas.getContext("2d");
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    backdrop(true);
    for (const desk of this.desks) this.dirty.add(desk);
    put(this.heads, this.heading ? this.desks.map((desk) => this.head(desk)) : null);
    this.drawHeads();
    this.later();
  }

  // ── heads: words, and the board's equivalent in words ────────────────────────────────────────────────────────

  head(desk) {
    desk.head = h("li", { class: desk.isOther ? "desk is-other" : "desk" });
    desk.told = "";
    Object.assign(desk.head.style, {
      left: `${desk.x}px`,
      top: `${desk.y - this.heading}px`,
      width: `${desk.width}px`,
    });
    return desk.head;
  }

  drawHeads() {
    for (const desk of this.heading ? this.desks : []) {
      const {
          counts,
          cells: { length: all },
        } = desk,
        clear = counts.c ?? 0,
        told = JSON.stringify(counts);
      if (told === desk.told) continue;
      desk.told = told;
      desk.head.classList.toggle("is-done", clear === all);
      const loud = Object.keys(SIGNS).filter((code) => counts[code]),
        isCrowded = loud.length > 1; // the name is worth more than how many are clear
      put(
        desk.head,
        h("b", { title: desk.name }, desk.name),
        loud.map((code) =>
          h(
            "span",
            { class: `m-${code}` },
            h("span", { "aria-hidden": "true" }, `${SIGNS[code]} `),
            number(counts[code]),
            h("span", { class: "unseen" }, ` ${STATES[code].name}, `),
          ),
        ),
        clear === all
          ? h("span", {}, "✓ ", number(all), h("span", { class: "unseen" }, " clear"))
          : h(
              "span",
              { class: isCrowded ? "unseen" : null },
              `${number(clear)} / ${number(all)}`,
              h("span", { class: "unseen" }, " clear"),
            ),
      );
    }
  }

  // ── cells ────────────────────────────────────────────────────────────────────────────────────────────────────

  later() {
    if (this.frameAsked) return;
    this.frameAsked = requestAnimationFrame(() => {
      this.frameAsked = 0;
      this.paint();
    });
  }

  paint() {
    if (!this.pen) return;
    for (const desk of this.dirty) this.paintDesk(desk);
    this.dirty.clear();
  }

  /** All cells of a desk: a loud one is larger than its place, and covers its neighbours. */
  paintDesk(desk) {
    const { pen, pitch, columns, codes, isShown } = this,
      gap = pitch > 10 ? 2 : 1,
      size = pitch - gap,
      loud = [];
    pen.clearRect(desk.x - 1, desk.y - 1, desk.width + 2, desk.rows * pitch + 2);
    for (const code of CODES) {
      // one colour after the other is quicker
      if (!desk.counts[code]) continue;
      for (let place = 0; place < desk.cells.length; place++) {
        const index = desk.cells[place];
        if (codes[index] !== code) continue;
        const x = desk.x + (place % columns) * pitch,
          y = desk.y + Math.floor(place / columns) * pitch;
        const isQuiet = isShown && !isShown(index);
        if (code in SIGNS && !isQuiet) loud.push([code, x, y]);
        else {
          pen.globalAlpha = isQuiet ? HIDDEN : 1;
          (pitch > 10 ? draw : fill)(pen, code, Math.round(x), Math.round(y), Math.round(x + size) - Math.round(x));
        }
      }
    }
    pen.globalAlpha = 1;
    const isCrowded = loud.length > desk.cells.length / 5,
      large = isCrowded ? size : Math.max(size, LOUD),
      more = (large - size) / 2;
    const right = desk.x + Math.min(columns, desk.cells.length) * pitch,
      bottom = desk.y + desk.rows * pitch;
    for (const [code, x, y] of loud) {
      const left = Math.max(desk.x, Math.min(x - more, right - large)),
        top = Math.max(desk.y, Math.min(y - more, bottom - large));
      draw(pen, code, left, top, large, more > 0);
    }
    if (this.cursor >= 0 && this.where[this.cursor][0] === desk) {
      const [, place] = this.where[this.cursor],
        edge = Math.max(size, LOUD),
        off = (edge - size) / 2;
      pen.strokeStyle = backdrop().text;
      pen.lineWidth = 2;
      pen.strokeRect(
        desk.x + (place % columns) * pitch - off,
        desk.y + Math.floor(place / columns) * pitch - off,
        edge,
        edge,
      );
    }
  }

  // ── pointing, with a mouse or keys ───────────────────────────────────────────────────────────────────────────

  at({ offsetX: x, offsetY: y }) {
    const desk = this.desks.find(
      (one) => x >= one.x && x < one.x + this.columns * this.pitch && y >= one.y && y < one.y + one.rows * this.pitch,
    );
    if (!desk) return -1;
    return (
      desk.cells[Math.floor((y - desk.y) / this.pitch) * this.columns + Math.floor((x - desk.x) / this.pitch)] ?? -1
    );
  }

  key(event) {
    const first = this.desks[0]?.cells[0],
      last = this.desks.at(-1)?.cells.at(-1);
    const aims = {
      ArrowRight: () => this.beside(1),
      ArrowLeft: () => this.beside(-1),
      ArrowDown: () => this.below(1),
      ArrowUp: () => this.below(-1),
      Home: () => first,
      End: () => last,
      Enter: () => this.choose(this.cursor),
      " ": () => this.choose(this.cursor),
    };
    if (!(event.key in aims) || !this.accounts.length) return;
    event.preventDefault();
    const index = this.cursor < 0 ? first : aims[event.key]();
    if (index !== undefined) this.pick(index);
  }

  choose(index) {
    if (index >= 0) this.open(index);
    return undefined;
  }

  /** The cell before or after the chosen one, over the ends of desks. */
  beside(step) {
    const [desk, place] = this.where[this.cursor];
    return desk.cells[place + step] ?? this.desks[this.desks.indexOf(desk) + step]?.cells.at(step > 0 ? 0 : -1);
  }

  /** The cell a row further down or up, in the same column where there is one; then in the next desk. */
  below(step) {
    const [desk, place] = this.where[this.cursor],
      column = place % this.columns,
      row = Math.floor(place / this.columns) + step;
    if (row >= 0 && row < desk.rows) return desk.cells[Math.min(row * this.columns + column, desk.cells.length - 1)];
    const next = this.desks[this.desks.indexOf(desk) + step];
    if (!next) return undefined;
    return next.cells[Math.min((step > 0 ? 0 : next.rows - 1) * this.columns + column, next.cells.length - 1)];
  }

  pick(index) {
    if (index === this.cursor) return;
    for (const one of [this.cursor, index]) if (one >= 0) this.dirty.add(this.where[one][0]);
    this.cursor = index;
    this.hint();
    this.later();
  }

  hint() {
    const row = this.accounts[this.cursor];
    if (!row)
      return say(
        this.told,
        "Point at a cell, or use the arrow keys, to see its account; click or Enter opens it. " +
          `${count(this.accounts.length, "account")}.`,
      );
    const state = STATES[this.codes[this.cursor]];
    return say(
      this.told,
      [row[0] ?? "no readable id", row[1], row[2], row[3]].filter(Boolean).join(" · ") +
        ` — ${state.name}: ${state.tells}`,
    );
  }

  end() {
    this.watcher.disconnect();
    window.removeEventListener("resize", this.onresize);
    this.theme.removeEventListener("change", this.onresize);
    cancelAnimationFrame(this.frameAsked);
  }
}
