// What helps somebody who waits for a verdict: the screen stays on while a run is under way, and the verdict is heard.

import { h, say } from "./dom.js";

const KEPT = "panic-sound";
const CLEAR = [660, 880]; // hertz: it rises
const NOT_CLEAR = [440, 220, 220]; // it falls
const ASKED = [550];
const TONE_S = 0.22;
let isOn = wasOn();
let isWanted = false;
let isAsking = false;
let lock = null;
let audio = null;

function wasOn() {
  try {
    return localStorage.getItem(KEPT) === "on";
  } catch {
    return false; // this browser keeps nothing
  }
}

/** Keep the screen on, or no longer; a browser lets go of it by itself where nobody sees the page. */
export async function stayAwake(isUnderWay) {
  isWanted = isUnderWay;
  if (!isWanted) lock?.release();
  if (!isWanted || isAsking || (lock && !lock.released) || document.hidden) return;
  isAsking = true;
  lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null; // a low battery comes first
  isAsking = false;
  if (!isWanted) lock?.release();
}

/** Let a verdict be heard, where this browser was asked to. */
export const sound = (verdict) => isOn && play(verdict === "clear" ? CLEAR : NOT_CLEAR);

/** The switch of it: off, until somebody turns it on. */
export function soundSwitch() {
  const words = () => `Sound ${isOn ? "on" : "off"}`;
  const turn = () => {
    isOn = !isOn;
    say(button, words());
    if (isOn) play(ASKED);
    localStorage.setItem(KEPT, isOn ? "on" : "off");
  };
  const title = "Whether this browser plays the verdict";
  const button = h("button", { id: "sound", type: "button", class: "quiet small", title, onclick: turn }, words());
  return button;
}

function play(tones) {
  audio ??= new AudioContext();
  audio.resume();
  for (const [n, hertz] of tones.entries()) {
    const tone = new OscillatorNode(audio, { frequency: hertz, type: "triangle" });
    const volume = new GainNode(audio, { gain: 0.3 });
    tone.connect(volume).connect(audio.destination);
    const at = audio.currentTime + n * TONE_S;
    volume.gain.setTargetAtTime(0, at + TONE_S / 2, TONE_S / 8); // or its end would click
    tone.start(at);
    tone.stop(at + TONE_S);
  }
}
