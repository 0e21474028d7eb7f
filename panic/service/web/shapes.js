// The states of an account as shapes, each its own beside its colour: on the canvas, in legends and in words.

import { s } from "./dom.js";
import { STATES } from "./words.js";

let colours = null;

/** The page's colours, for the canvas: each state's, the ground's and the text's; `isFresh` reads them again. */
export function backdrop(isFresh = false) {
  if (!colours || isFresh) {
    const style = getComputedStyle(document.documentElement),
      named = (name) => style.getPropertyValue(name).trim();
    colours = {
      ...Object.fromEntries(Object.keys(STATES).map((one) => [one, named(`--s-${one}`)])),
      ground: named("--ground"),
      text: named("--text"),
    };
  }
  return colours;
}

/** Draw a state that is too small for a shape. */
export function fill(pen, code, x, y, size) {
  pen.fillStyle = backdrop()[code];
  pen.fillRect(x, y, size, size);
}

/** Draw one state into a square of `size` at x, y, on ground of its own if it covers others. */
export function draw(pen, code, x, y, size, isAbove = false) {
  if (isAbove) {
    pen.fillStyle = backdrop().ground;
    pen.fillRect(x - 1, y - 1, size + 2, size + 2);
  }
  const line = Math.max(1, Math.round(size / 8)),
    middle = size / 2;
  pen.fillStyle = pen.strokeStyle = backdrop()[code];
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
  t: () => [
    s("rect", { x: 2, y: 2, width: 12, height: 12, class: "line" }),
    s("rect", { x: 6, y: 6, width: 4, height: 4 }),
  ],
  a: () => [
    s("rect", { x: 2, y: 2, width: 12, height: 12, class: "line" }),
    s("rect", { x: 2, y: 8, width: 12, height: 6 }),
  ],
  p: () => [
    s("rect", { x: 2, y: 2, width: 12, height: 12, class: "line" }),
    s("rect", { x: 2, y: 5, width: 12, height: 9 }),
  ],
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
