// The page's wording: states, verdicts, numbers and times.

/** The states of an account on the board, worst last; each has a shape of its own beside its colour. */
export const STATES = {
  w: { name: "waiting", tells: "nothing was sent yet" },
  s: { name: "sent", tells: "the cancel was sent, no answer yet" },
  t: { name: "trying again", tells: "the last try failed and is repeated" },
  a: { name: "accepted", tells: "accepted, or nothing to cancel; nobody has read the account yet" },
  p: { name: "pending", tells: "read: only orders that are being cancelled are left" },
  c: { name: "clear", tells: "read: no order is open" },
  u: { name: "unverified", tells: "nobody saw that nothing is open" },
  o: { name: "open", tells: "read: orders are open" },
  k: { name: "unknown", tells: "nobody knows what became of the cancel" },
  r: { name: "refused", tells: "the broker refused to cancel" },
};

/** What somebody should see, the worst first, with its sign in words; all else is normal, and recedes. */
export const SIGNS = { r: "✕", k: "◆", o: "▲", u: "○" };

export const CODES = Object.keys(STATES);

/** The counts that a board is filtered by, what needs somebody first: each of one state, or of all that are on their
 * way. */
export const FILTERS = [...Object.keys(SIGNS), "wstap", "c"];

export const CODE_OF = { clear: "c", unverified: "u", open: "o", unknown: "k", refused: "r" };

const NUMBER = new Intl.NumberFormat("en-GB");
export const number = (n) => NUMBER.format(n);
export const count = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** Dollars, as people say them: $3,400 or $41.2 M. */
export function money(dollars) {
  const [size, unit] = dollars >= 1e9 ? [1e9, " B"] : dollars >= 1e6 ? [1e6, " M"] : [1, ""];
  const digits = unit ? 1 : 0;
  const inDigits = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `$${(dollars / size).toLocaleString("en-GB", inDigits)}${unit}`;
}

/** Seconds, as a clock on a wall would tell them: 3.4 s, 1:05. */
export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 60) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")} min`;
}

/** How long ago, roughly. */
export function ago(value) {
  if (value === null || value === undefined) return "never";
  if (value < 90) return `${Math.max(0, Math.round(value))} s ago`;
  if (value < 5400) return `${Math.round(value / 60)} min ago`;
  if (value < 129600) return `${Math.round(value / 3600)} h ago`;
  return `${Math.round(value / 86400)} days ago`;
}

/** How long from now, roughly. */
export function ahead(value) {
  if (value < 90) return `in ${Math.max(0, Math.round(value))} s`;
  if (value < 5400) return `in ${Math.round(value / 60)} min`;
  if (value < 129600) return `in ${Math.round(value / 3600)} h`;
  return `in ${Math.round(value / 86400)} days`;
}

/** 03:12:09 UTC, with the date where it is not today's. */
export function utc(iso, now = new Date()) {
  if (!iso) return "–";
  const at = new Date(iso).toISOString();
  const time = `${at.slice(11, 19)} UTC`;
  return at.slice(0, 10) === now.toISOString().slice(0, 10) ? time : `${at.slice(0, 10)} ${time}`;
}

/** A quantity is a decimal in words; it is grouped and never rounded. */
export function quantity(words) {
  if (words === undefined) return "–";
  const [whole, rest] = String(words).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest ? `.${rest}` : "");
}

/** Seconds on a clock: 0:35, 12:05. */
export const clock = (value) =>
  `${Math.floor(Math.max(0, value) / 60)}:${String(Math.floor(Math.max(0, value) % 60)).padStart(2, "0")}`;

/** A request id in blocks of four at most, to be read over the phone; a dash ends its block. */
export const blocks = (id) => id.match(/[^-]{1,4}-*|-+/g) ?? [];

/** The first telephone number in a contact, as it is written there; "" for none. */
export const phone = (contact) => contact.match(/\+?\d[\d ()./-]{5,}\d/)?.[0] ?? "";

/** Whether this is practice: then no command may be typed that reaches a broker. */
export const isDrill = () => document.documentElement.classList.contains("is-drill");

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;
const bare = (text) => (/^\w+$/.test(text) ? text : quoted(text));

/** The command line that presses the same.
 * @param {any} press */
export function commandLine({ scope, filters = {}, latch = false, reason }) {
  const words = ["panic press"];
  if (scope.all) words.push("--all");
  for (const group of scope.groups ?? []) words.push(`--group ${quoted(group)}`);
  for (const account of scope.accounts ?? []) words.push(`--account ${bare(account)}`);
  for (const name of ["side", "type", "instrument_type"])
    if (filters[name]) words.push(`--${name.replace("_", "-")} ${bare(filters[name])}`);
  for (const one of filters.instruments ?? []) words.push(`--instrument ${quoted(one)}`);
  if (latch) words.push("--latch");
  words.push(`--reason ${quoted(reason)}`);
  return words.join(" ");
}

/** With a capital, at the beginning of a line. */
export const capital = (word) => word.slice(0, 1).toUpperCase() + word.slice(1);
