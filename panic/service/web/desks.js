// Desks: the accounts of one roster group each; which is worse than another, and where each has its place. Pure.

import { SIGNS } from "./words.js";

const LARGEST = 26,
  EVEN = 8; // pixels from cell to cell; only small ones are in between
const SCROLLED = 6; // the cells of a board that no screen holds
const HEADING = 20,
  GAP_X = 12,
  GAP_Y = 4; // pixels for a desk's name, and between desks
const NARROWEST = 150;

/** Put the accounts of a group together: rows of id, name, group and owner, and a letter for each. */
export function divide(accounts, codes) {
  const desks = new Map();
  accounts.forEach(([, , group], index) => {
    if (!desks.has(group)) desks.set(group, { name: group || "no group", cells: [], counts: {}, place: desks.size });
    const { cells, counts } = desks.get(group);
    cells.push(index);
    counts[codes[index]] = (counts[codes[index]] ?? 0) + 1;
  });
  return [...desks.values()];
}

/** The worst first, the finished last; what is only further on its way by a quarter is further back. */
export function compare(a, b) {
  for (const code of Object.keys(SIGNS)) {
    const more = (b.counts[code] ?? 0) - (a.counts[code] ?? 0);
    if (more) return more;
  }
  const quarters = ({ counts, cells }) => Math.floor((4 * (counts.c ?? 0)) / cells.length);
  return quarters(a) - quarters(b) || a.place - b.place;
}

/** Give each desk its place in so many columns that the cells are as large as they can be; null where all are too
 * high. */
function place(desks, width, abreast, pitch, heading) {
  const each = (width - (abreast - 1) * GAP_X) / abreast,
    columns = Math.max(1, Math.floor(each / pitch)),
    places = [];
  let top = 0;
  for (let n = 0; n < desks.length; n += abreast) {
    const beside = desks.slice(n, n + abreast),
      rows = beside.map(({ cells }) => Math.ceil(cells.length / columns));
    for (const [i, count] of rows.entries())
      places.push({ x: Math.round(i * (each + GAP_X)), y: top + heading, width: each, rows: count });
    top += heading + Math.ceil(Math.max(...rows) * pitch) + GAP_Y;
  }
  return { places, columns, pitch, heading, height: top };
}

/** Place all desks within a width and, if cells of `smallest` are small enough, a height: with the largest, in the
 * lowest way. */
export function fit(desks, width, height, smallest) {
  const heading = desks.length > 1 ? HEADING : 0;
  const most = Math.max(1, Math.min(desks.length, Math.floor((width + GAP_X) / (NARROWEST + GAP_X))));
  const lowest = (pitch) => {
    const found = Array.from({ length: most }, (_, n) => place(desks, width, n + 1, pitch, heading));
    return found.reduce((best, one) => (one.height < best.height ? one : best));
  };
  let pitch = LARGEST,
    best = lowest(pitch);
  while (best.height > height && pitch > smallest) {
    pitch -= pitch > EVEN ? 1 : 0.25;
    best = lowest(pitch);
  }
  if (best.height > height) best = lowest(SCROLLED);
  for (const [n, desk] of desks.entries()) Object.assign(desk, best.places[n]);
  return best;
}
