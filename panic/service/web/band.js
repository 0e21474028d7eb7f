// The band above a run: in one line what it comes to, since when, and how long it will take.

import { announce, h, put, say, shout } from "./dom.js";
import { mark } from "./shapes.js";
import { CODE_OF, clock, count, number, SIGNS, STATES, seconds } from "./words.js";

export class Band {
  constructor() {
    this.reread = 0; // how many were clear when the process of the run ended, until as many are again
    this.head = h("div", { class: "band-words" }, h("h1", {}, "Waiting for the run"));
    this.since = h("strong", { class: "clock", role: "timer", "aria-live": "off" });
    this.sinceWhat = h("span", {});
    this.toGo = h("strong", { class: "clock" });
    this.toGoWhat = h("span", {});
    this.goes = h("div", { class: "time to-go", hidden: true }, this.toGo, this.toGoWhat);
    this.again = h("a", { class: "danger", href: "#/" }, "Press again");
    this.element = h(
      "header",
      { id: "verdict", class: "verdict" },
      this.head,
      h("div", { class: "time" }, this.since, this.sinceWhat),
      this.goes,
      this.again,
    );
  }

  /** Draw a board; `isOver` when nobody works on the run any more. */
  draw(board, isOver) {
    const {
        verdict,
        drill,
        counts,
        codes: { length: all },
      } = board,
      clear = counts.c ?? 0;
    const bad = ["r", "k"].find((code) => counts[code]); // final, whatever becomes of the others
    const [code, word] =
      this.reread && !isOver
        ? ["k", "INTERRUPTED"]
        : isOver
          ? [CODE_OF[verdict], verdict.toUpperCase()]
          : clear === all
            ? ["c", "CLEAR SO FAR"]
            : [bad ?? "", "CANCELLING"];
    const told = JSON.stringify([code, word, counts, board.headline, board.live]);
    if (told === this.told) return;
    this.told = told;
    const colour = isOver ? verdict : bad ? Object.keys(CODE_OF).find((one) => CODE_OF[one] === bad) : "";
    this.element.className = colour ? `verdict v-${colour}` : "verdict";
    this.again.className = isOver && verdict === "clear" ? "button" : "danger";
    const parts = this.parts(board, isOver, clear, all);
    put(
      this.head,
      h("h1", {}, code ? mark(code) : null, h("span", {}, drill ? "DRILL · " : "", word)),
      h(
        "p",
        {},
        parts.flatMap((part, n) => [n ? " · " : null, part]),
      ),
    );
    this.speak(word, bad, this.head.querySelector("p").textContent, isOver, clear / all);
  }

  /** What stands below the word, in parts. */
  parts({ finished, live, headline, counts }, isOver, clear, all) {
    if (isOver) return [live || finished ? headline : `${headline}. This run did not finish.`];
    if (this.reread)
      return [live ? "being resumed" : "about to be resumed", `${number(this.reread)} were clear and are read again`];
    if (clear === all) return [`${count(clear, "account")} read clear`, "still watching for orders that reappear"];
    const loud = ["r", "k", "o"]
      .filter((code) => counts[code])
      .map((code) =>
        h(
          "span",
          { class: `loud m-${code}` },
          h("span", { "aria-hidden": "true" }, `${SIGNS[code]} `),
          `${number(counts[code])} ${STATES[code].name}`,
        ),
      );
    const sending = (counts.w ?? 0) + (counts.s ?? 0),
      left = sending + ["t", "a", "p"].reduce((sum, code) => sum + (counts[code] ?? 0), 0);
    const rest = sending ? `${number(sending)} being sent` : left ? "the rest is being read" : "";
    return [
      h("span", {}, h("b", {}, number(clear)), ` of ${number(all)} clear`),
      ...loud,
      rest ? h("span", { class: "rest" }, rest) : null,
    ].filter(Boolean);
  }

  /** A screen reader hears of quarters and of the first refusal, not of every account. */
  speak(word, bad, sentence, isOver, share) {
    if (bad && bad !== this.bad && !isOver) shout(`${STATES[bad].name}: ${sentence}`);
    const step = `${word} ${Math.floor(4 * share)}`;
    if (!isOver && step !== this.step) announce(`${word.toLowerCase()}: ${sentence}`);
    this.step = step;
    this.bad = bad;
  }

  /** Draw the times: `since` seconds after the board was told. */
  tick({ elapsed_s: elapsed, deadline_s: deadline, finished, forecast, counts, codes }, isOver, since) {
    say(this.since, finished ? seconds(elapsed) : clock(elapsed + since));
    say(this.sinceWhat, finished ? "the run took" : isOver ? "until it was cut off" : "since the press");
    const left = forecast && !isOver && (counts.c ?? 0) < codes.length ? forecast.proven_s - since : 0;
    this.goes.hidden = isOver;
    say(this.toGo, left >= 1 ? `≈ ${clock(Math.ceil(left))}` : clock(deadline));
    const isLate = left >= 1 && elapsed + since + left > deadline,
      what = counts.r || counts.k ? "read the rest" : "clear";
    say(
      this.toGoWhat,
      left >= 1
        ? `to ${what} at this pace · ${isLate ? "TOO LONG: it ends" : "ends"} by ${clock(deadline)}`
        : "it ends at the latest",
    );
    this.goes.classList.toggle("is-late", isLate);
    this.goes.title = isOver ? "" : (forecast?.text ?? "");
  }
}
