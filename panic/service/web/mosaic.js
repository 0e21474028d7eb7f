// The board: one cell for each account, thousands of them on one canvas. Each state has its own shape.

import { h, s } from "./dom.js";
import { SHOWN, STATES, number } from "./words.js";

const LARGEST = 26, SMALLEST = 6;

let colours = null;

function colour(code) {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    colours = Object.fromEntries(Object.keys(STATES).map((one) => [one, style.getPropertyValue(`--s-${one}`).trim()]));
  }
  return colours[code];
}

/** Draw one state into a square of `size` at x, y. The same shapes stand in every legend. */
function draw(pen, code, x, y, size) {
  const line = Math.max(1, Math.round(size / 8)), middle = size / 2;
  pen.fillStyle = pen.strokeStyle = colour(code);
  pen.lineWidth = line;
  pen.beginPath();
  switch (code) {
    case "w": // a dot
      pen.fillRect(x + middle - line, y + middle - line, 2 * line, 2 * line);
      break;
    case "s": // an empty square
      pen.strokeRect(x + line / 2, y + line / 2, size - line, size - line);
      break;
    case "t": // an empty square with a dot
      pen.strokeRect(x + line / 2, y + line / 2, size - line, size - line);
      pen.fillRect(x + middle - line, y + middle - line, 2 * line, 2 * line);
      break;
    case "a": // half full
      pen.strokeRect(x + line / 2, y + line / 2, size - line, size - line);
      pen.fillRect(x, y + middle, size, middle);
      break;
    case "p": // nearly full
      pen.strokeRect(x + line / 2, y + line / 2, size - line, size - line);
      pen.fillRect(x, y + size * 0.3, size, size * 0.7);
      break;
    case "c": // full
      pen.fillRect(x, y, size, size);
      break;
    case "u": // a ring
      pen.lineWidth = line * 1.5;
      pen.arc(x + middle, y + middle, middle - line, 0, 2 * Math.PI);
      pen.stroke();
      break;
    case "o": // a triangle
      pen.moveTo(x + middle, y);
      pen.lineTo(x + size, y + size);
      pen.lineTo(x, y + size);
      pen.fill();
      break;
    case "k": // a lozenge
      pen.moveTo(x + middle, y);
      pen.lineTo(x + size, y + middle);
      pen.lineTo(x + middle, y + size);
      pen.lineTo(x, y + middle);
      pen.fill();
      break;
    default: // refused: a cross
      pen.lineWidth = line * 2;
      pen.moveTo(x + line, y + line);
      pen.lineTo(x + size - line, y + size - line);
      pen.moveTo(x + size - line, y + line);
      pen.lineTo(x + line, y + size - line);
      pen.stroke();
  }
}

const SHAPES = {
  w: () => s("rect", { x: 6, y: 6, width: 4, height: 4 }),
  s: () => s("rect", { x: 2, y: 2, width: 12, height: 12, class: "line" }),
  t: () => [s("rect", { x: 2, y: 2, width: 12, height: 12, class: "line" }), s("rect", { x: 6, y: 6, width: 4, height: 4 })],
  a: () => [s("rect", { x: 2, y: 2, width: 12, height: 12, class: "line" }), s("rect", { x: 2, y: 8, width: 12, height: 6 })],
  p: () => [s("rect", { x: 2, y: 2, width: 12, height: 12, class: "line" }), s("rect", { x: 2, y: 5, width: 12, height: 9 })],
  c: () => s("rect", { x: 1, y: 1, width: 14, height: 14 }),
  u: () => s("circle", { cx: 8, cy: 8, r: 5.5, class: "line thick" }),
  o: () => s("path", { d: "M8 1 15 15H1Z" }),
  k: () => s("path", { d: "M8 0 16 8 8 16 0 8Z" }),
  r: () => s("path", { d: "M3 3 13 13M13 3 3 13", class: "line thick" }),
};

/** A state's shape, for legends and words; it says nothing to a screen reader, which has the word. */
export function mark(code) {
  return s("svg", { class: `mark m-${code}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, [SHAPES[code]()].flat());
}

/** The counts of each state, with their shapes: the legend and the sum in one. */
export function legend(counts) {
  return h("ul", { class: "counts", "aria-label": "Accounts by state" },
    SHOWN.filter((code) => counts[code]).map((code) => h("li", { title: STATES[code].tells },
      mark(code), h("strong", {}, number(counts[code])), ` ${STATES[code].name}`)));
}

export class Mosaic {
  constructor() {
    this.accounts = [];
    this.codes = [];
    this.dirty = new Set();
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

  /** Show these accounts: rows of id, name, group and code. */
  show(accounts) {
    this.accounts = accounts;
    this.codes = accounts.map((row) => row[3]);
    this.arrange();
    this.hint();
  }

  /** Take changes: {code: [index, …]}. */
  change(changed) {
    for (const [code, indices] of Object.entries(changed)) {
      for (const index of indices) {
        if (index < this.codes.length) {
          this.codes[index] = code;
          this.dirty.add(index);
        }
      }
    }
    this.later();
  }

  describe(words) {
    this.canvas.setAttribute("aria-label", words);
  }

  /** Choose the largest cells with which all accounts fit. */
  arrange() {
    const { clientWidth: width, clientHeight: height } = this.frame;
    if (!width || !this.accounts.length) return;
    const fits = (pitch) => Math.floor(width / pitch) * Math.floor(height / pitch) >= this.accounts.length;
    let pitch = LARGEST;
    while (pitch > SMALLEST && !fits(pitch)) pitch -= 0.5;
    this.pitch = pitch;
    this.columns = Math.max(1, Math.floor(width / pitch));
    const rows = Math.ceil(this.accounts.length / this.columns), scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(rows * pitch * scale);
    this.canvas.style.height = `${rows * pitch}px`;
    this.pen = this.canvas.getContext("2d");
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    this.codes.forEach((_, index) => this.dirty.add(index));
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
    for (const index of this.dirty) {
      const x = (index % columns) * pitch, y = Math.floor(index / columns) * pitch;
      pen.clearRect(x - 0.5, y - 0.5, pitch, pitch);
      draw(pen, this.codes[index], x + gap / 2, y + gap / 2, pitch - gap);
      if (index === this.cursor) {
        pen.strokeStyle = "#fff";
        pen.lineWidth = 1.5;
        pen.strokeRect(x, y, pitch - 1, pitch - 1);
      }
    }
    this.dirty.clear();
  }

  point(event) {
    const column = Math.floor(event.offsetX / this.pitch), row = Math.floor(event.offsetY / this.pitch);
    const index = column < this.columns ? row * this.columns + column : -1;
    this.pick(index >= 0 && index < this.accounts.length ? index : -1);
  }

  key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns };
    const ends = { Home: 0, End: this.accounts.length - 1 };
    let index = null;
    if (event.key in steps) index = this.cursor < 0 ? 0 : this.cursor + steps[event.key];
    else if (event.key in ends) index = ends[event.key];
    if (index === null) return;
    event.preventDefault();
    if (index >= 0 && index < this.accounts.length) this.pick(index);
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
    for (const step of [0, 1, -1, this.columns, -this.columns, this.columns + 1, this.columns - 1, -this.columns - 1, 1 - this.columns]) {
      if (index + step >= 0 && index + step < this.codes.length) this.dirty.add(index + step);
    }
  }

  hint() {
    const row = this.accounts[this.cursor];
    if (!row) {
      this.told.textContent = "Point at a cell, or use the arrow keys, to see its account.";
      return;
    }
    const state = STATES[this.codes[this.cursor]];
    this.told.textContent = [row[0] ?? "no readable id", row[1], row[2]].filter(Boolean).join(" · ") + ` — ${state.name}: ${state.tells}`;
  }

  end() {
    this.watcher.disconnect();
    cancelAnimationFrame(this.frameAsked);
  }
}
