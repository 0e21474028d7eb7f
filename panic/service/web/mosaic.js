// The board: one cell for each account, thousands of them on one canvas, by group.

import { h, say } from "./dom.js";
import { draw } from "./shapes.js";
import { STATES, count, number } from "./words.js";

const LARGEST = 26, SMALLEST = 6;
const HEADING = 26; // pixels for a group's name
const GROUPS_MOST = 12; // more of them would be headings with a few cells between

export class Mosaic {
  constructor() {
    this.accounts = [];
    this.codes = [];
    this.sections = [];
    this.where = []; // for each account its section, and its place in that
    this.dirty = new Set();
    this.dirtyHeadings = new Set();
    this.cursor = -1;
    this.columns = 1;
    this.pitch = LARGEST;
    this.canvas = h("canvas", {
      id: "board", role: "img", tabindex: "0", "aria-label": "The board of accounts", "aria-describedby": "cell",
      onmousemove: (event) => this.point(event), onmouseleave: () => this.pick(-1),
      onkeydown: (event) => this.key(event), onblur: () => this.pick(-1), onclick: (event) => this.point(event),
    });
    this.told = h("output", { id: "cell", class: "cell" });
    this.frame = h("div", { class: "mosaic" }, this.canvas);
    this.element = h("div", {}, this.frame, this.told);
    this.watcher = new ResizeObserver(() => this.arrange());
    this.watcher.observe(this.frame);
    this.hint();
  }

  /** Show these accounts: rows of id, name and group, and a letter for each. */
  show(accounts, codes) {
    this.accounts = accounts;
    this.codes = [...codes];
    this.cursor = -1;
    this.divide();
    this.arrange();
    this.hint();
  }

  /** Put the accounts of one group together, if the groups are few enough to be read. */
  divide() {
    const groups = new Map();
    this.accounts.forEach(([, , group], index) => {
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(index);
    });
    const isDivided = groups.size > 1 && groups.size <= GROUPS_MOST;
    this.sections = isDivided ? [...groups].map(([name, cells]) => ({ name: name || "no group", cells })) : [{ name: "", cells: [...this.accounts.keys()] }];
    this.heading = isDivided ? HEADING : 0;
    this.where = [];
    this.sections.forEach((section, n) => {
      section.clear = section.cells.filter((index) => this.codes[index] === "c").length;
      section.cells.forEach((index, place) => (this.where[index] = [n, place]));
    });
  }

  /** Take the letters of all accounts, in the order in which they are shown. */
  change(codes) {
    [...codes].forEach((code, index) => {
      const before = this.codes[index];
      if (before === code) return;
      this.codes[index] = code;
      this.dirty.add(index);
      if (code === "c" || before === "c") {
        const n = this.where[index][0];
        this.sections[n].clear += code === "c" ? 1 : -1;
        this.dirtyHeadings.add(n);
      }
    });
    if (this.cursor >= 0) this.hint();
    this.later();
  }

  describe(words) {
    const groups = this.heading ? this.sections.map((one) => `. ${one.name}: ${number(one.clear)} of ${number(one.cells.length)} clear`).join("") : "";
    this.canvas.setAttribute("aria-label", words + groups);
  }

  /** Choose the largest cells with which all accounts fit. */
  arrange() {
    const width = this.frame.clientWidth, height = parseFloat(getComputedStyle(this.frame).maxHeight);
    if (!width || !this.accounts.length) return;
    const rows = (section, pitch) => Math.ceil(section.cells.length / Math.max(1, Math.floor(width / pitch)));
    const needs = (pitch) => this.sections.reduce((sum, one) => sum + this.heading + rows(one, pitch) * pitch, 0);
    let pitch = LARGEST;
    while (pitch > SMALLEST && needs(pitch) > height) pitch -= 0.5;
    this.pitch = pitch;
    this.columns = Math.max(1, Math.floor(width / pitch));
    let top = 0;
    for (const section of this.sections) {
      section.top = top + this.heading;
      top = section.top + rows(section, pitch) * pitch;
    }
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(top * scale);
    this.canvas.style.height = `${top}px`;
    this.pen = this.canvas.getContext("2d");
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    this.codes.forEach((_, index) => this.dirty.add(index));
    if (this.heading) this.sections.forEach((_, n) => this.dirtyHeadings.add(n));
    this.later();
  }

  later() {
    if (!this.frameAsked) {
      this.frameAsked = requestAnimationFrame(() => {
        this.frameAsked = 0;
        this.paint();
      });
    }
  }

  paint() {
    const { pen, pitch, columns } = this;
    if (!pen) return;
    const gap = pitch > 10 ? 2 : 1;
    for (const n of this.heading ? this.dirtyHeadings : []) this.paintHeading(this.sections[n]);
    for (const index of this.dirty) {
      const [n, place] = this.where[index];
      const x = (place % columns) * pitch, y = this.sections[n].top + Math.floor(place / columns) * pitch;
      pen.clearRect(x - 0.5, y - 0.5, pitch, pitch);
      draw(pen, this.codes[index], x + gap / 2, y + gap / 2, pitch - gap);
      if (index === this.cursor) {
        pen.strokeStyle = "#fff";
        pen.lineWidth = 1.5;
        pen.strokeRect(x, y, pitch - 1, pitch - 1);
      }
    }
    this.dirty.clear();
    this.dirtyHeadings.clear();
  }

  paintHeading({ name, clear, cells, top }) {
    const pen = this.pen, width = this.frame.clientWidth, isDone = clear === cells.length;
    const style = getComputedStyle(this.frame);
    pen.clearRect(0, top - HEADING, width, HEADING - 1);
    pen.textBaseline = "alphabetic";
    pen.font = `600 14px ${style.fontFamily}`;
    pen.fillStyle = style.getPropertyValue("--text");
    pen.textAlign = "left";
    pen.fillText(name, 0, top - 8, width - 130);
    pen.font = `400 13px ${style.fontFamily}`;
    pen.fillStyle = style.getPropertyValue(isDone ? "--good" : "--dim");
    const words = isDone ? `✓ ${count(clear, "account")} clear` : `${number(clear)} of ${number(cells.length)} clear`;
    pen.textAlign = "right";
    pen.fillText(words, this.columns * this.pitch - 1, top - 8);
  }

  point(event) {
    const column = Math.floor(event.offsetX / this.pitch), y = event.offsetY;
    const section = this.sections.findLast((one) => y >= one.top);
    const place = section && column < this.columns ? Math.floor((y - section.top) / this.pitch) * this.columns + column : -1;
    this.pick(section?.cells[place] ?? -1);
  }

  key(event) {
    const aims = {
      ArrowRight: () => this.beside(1), ArrowLeft: () => this.beside(-1), ArrowDown: () => this.below(1), ArrowUp: () => this.below(-1),
      Home: () => this.sections[0].cells[0], End: () => this.sections.at(-1).cells.at(-1),
    };
    if (!(event.key in aims) || !this.accounts.length) return;
    event.preventDefault();
    const index = this.cursor < 0 ? this.sections[0].cells[0] : aims[event.key]();
    if (index !== undefined) this.pick(index);
  }

  /** The cell before or after the chosen one, over the ends of groups. */
  beside(step) {
    const [n, place] = this.where[this.cursor];
    return this.sections[n].cells[place + step] ?? this.sections[n + step]?.cells.at(step > 0 ? 0 : -1);
  }

  /** The cell a row further down or up, in the same column where there is one. */
  below(step) {
    const [n, place] = this.where[this.cursor], column = place % this.columns, here = this.sections[n].cells;
    const row = Math.floor(place / this.columns) + step, lastRow = Math.floor((here.length - 1) / this.columns);
    if (row >= 0 && row <= lastRow) return here[Math.min(row * this.columns + column, here.length - 1)];
    const there = this.sections[n + step]?.cells;
    if (!there) return undefined;
    const theirRow = step > 0 ? 0 : Math.floor((there.length - 1) / this.columns);
    return there[Math.min(theirRow * this.columns + column, there.length - 1)];
  }

  pick(index) {
    if (index === this.cursor) return;
    for (const one of [this.cursor, index]) if (one >= 0) this.around(one);
    this.cursor = index;
    this.hint();
    this.later();
  }

  /** The frame of a cell touches its neighbours. */
  around(index) {
    const [n, place] = this.where[index], cells = this.sections[n].cells, row = this.columns;
    for (const step of [0, 1, -1, row, -row, row + 1, row - 1, -row - 1, 1 - row]) {
      if (cells[place + step] !== undefined) this.dirty.add(cells[place + step]);
    }
    if (place < row && this.heading) this.dirtyHeadings.add(n);
  }

  hint() {
    const row = this.accounts[this.cursor];
    if (!row) {
      say(this.told, "Point at a cell, or use the arrow keys, to see its account.");
      return;
    }
    const state = STATES[this.codes[this.cursor]];
    say(this.told, [row[0] ?? "no readable id", row[1], row[2]].filter(Boolean).join(" · ") + ` — ${state.name}: ${state.tells}`);
  }

  end() {
    this.watcher.disconnect();
    cancelAnimationFrame(this.frameAsked);
  }
}
