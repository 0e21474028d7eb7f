// How a run went: when how many accounts were sent, accepted and clear.

import { h, s } from "./dom.js";
import { number, seconds } from "./words.js";

const HEIGHT = 220,
  LEFT = 56,
  TOP = 12,
  BOTTOM = 28;
// Drawn as wide as it is shown, so that words keep their size.
const width = () => (window.innerWidth < 700 ? 380 : 640);
const LABELS = 118; // what is left free on the right
const LINES = ["sent", "accepted", "clear"];

/** A round step that gives about `parts` parts. */
function step(most, parts) {
  const rough = most / parts || 1,
    power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
}

function axes(mostX, mostY, x, y, right) {
  const marks = [],
    dx = step(mostX, width() / 105),
    dy = Math.max(1, step(mostY, 4));
  for (let at = 0; at <= mostY; at += dy) {
    marks.push(
      s("line", { class: "grid", x1: LEFT, x2: width() - right, y1: y(at), y2: y(at) }),
      s("text", { class: "tick", x: LEFT - 8, y: y(at) + 4, "text-anchor": "end" }, number(at)),
    );
  }
  for (let at = 0; at <= mostX + 1e-9; at += dx) {
    marks.push(
      s("text", { class: "tick", x: x(at), y: HEIGHT - 8, "text-anchor": "middle" }, `${Number(at.toFixed(2))} s`),
    );
  }
  return marks;
}

function picture(label, ...parts) {
  return s("svg", { viewBox: `0 0 ${width()} ${HEIGHT}`, role: "img", "aria-label": label }, parts);
}

export function timeline({ course, codes, elapsed_s: elapsed }) {
  const all = codes.length,
    last = Math.max(...LINES.map((name) => course[name].at(-1)?.[0] ?? 0), 0.1);
  const mostX = Math.min(Math.max(elapsed, 0.1), last * 1.1);
  const x = (at) => LEFT + (Math.min(at, mostX) / mostX) * (width() - LEFT - LABELS),
    y = (n) => HEIGHT - BOTTOM - (n / all) * (HEIGHT - TOP - BOTTOM);
  const ends = [];
  const lines = LINES.map((name) => {
    let path = `M${x(0)} ${y(0)}`,
      n = 0;
    for (const [at, sum] of course[name]) {
      path += `H${x(at).toFixed(1)}V${y(sum).toFixed(1)}`;
      n = sum;
    }
    ends.push({ name, n, y: y(n) });
    return s("path", { class: `line l-${name}`, d: `${path}H${x(mostX)}` });
  });
  ends
    .sort((a, b) => a.y - b.y || b.n - a.n)
    .forEach((end, i) => {
      // labels do not cover one another
      end.at = Math.min(i ? Math.max(end.y, ends[i - 1].at + 15) : end.y, HEIGHT - BOTTOM - 15 * (ends.length - 1 - i));
    });
  const words = ends.map((end) =>
    s("text", { class: `end l-${end.name}`, x: width() - LABELS + 6, y: end.at + 4 }, `${end.name} ${number(end.n)}`),
  );
  const told = ends
    .map((end) => `${number(end.n)} ${end.name}`)
    .reverse()
    .join(", ");
  const half = course.clear.find(([, n]) => n * 2 >= course.clear.at(-1)[1]);
  const took = half
    ? `; half of the clear ones within ${seconds(half[0])}, the last after ${seconds(course.clear.at(-1)[0])}`
    : "";
  return h(
    "figure",
    { class: "panel" },
    h(
      "figcaption",
      {},
      h("h2", {}, "Timeline"),
      h("p", {}, `Accounts over the seconds since the press: ${told} of ${number(all)}${took}`),
    ),
    picture(
      `Timeline: ${told} of ${number(all)} accounts after ${seconds(elapsed)}`,
      axes(mostX, all, x, y, LABELS),
      lines,
      words,
    ),
  );
}
