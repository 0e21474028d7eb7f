// Elements made from values. Text is only ever text: an account named <script> is an account.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: attributes by name, `on…` functions as listeners, true and false as present and absent. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put these in place of whatever an element holds. */
export function put(element, ...children) {
  element.replaceChildren(
    ...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** Make an element's children be like those of a fresh one; what is the same stays, and so does the focus. */
export function renew(element, fresh) {
  [...fresh.children].forEach((child, i) => {
    const old = element.children[i];
    if (!old) element.append(child);
    else if (old.tagName !== child.tagName) old.replaceWith(child);
    else if (!old.isEqualNode(child)) {
      for (const { name, value } of child.attributes) old.setAttribute(name, value);
      old.replaceChildren(...child.childNodes);
    }
  });
}

/** Set an element's text, if it is another: what did not change is not drawn, and not read out, again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  return element;
}

/** @returns {any} */
export const byId = (id) => document.getElementById(id);

let lastSaid = 0;
let toSay = 0;

/** Tell a screen reader, at most every five seconds; the latest words win. */
export function announce(text) {
  clearTimeout(toSay);
  const wait = Math.max(0, lastSaid + 5000 - Date.now());
  toSay = setTimeout(() => {
    lastSaid = Date.now();
    byId("said").textContent = text;
  }, wait);
}

/** Tell a screen reader at once: a press, a verdict, a lost connection. */
export function shout(text) {
  clearTimeout(toSay);
  lastSaid = Date.now();
  byId("shouted").textContent = text;
}

/** The mistakes that a refusal lists, the first few. */
export const mistakes = ({ errors }) =>
  errors?.length
    ? h(
        "ul",
        {},
        errors.slice(0, 5).map((one) => h("li", {}, `${one.where}: ${one.what}`)),
      )
    : null;

/** A button that copies a text and says that it did. */
export function copies(text, label = "Copy") {
  const button = h(
    "button",
    {
      type: "button",
      class: "quiet small",
      onclick: async () => {
        try {
          await navigator.clipboard.writeText(text);
          say(button, "Copied");
        } catch {
          say(button, "Select it and copy");
        }
        setTimeout(() => say(button, label), 2000);
      },
    },
    label,
  );
  return button;
}

/** A command to type, with a button that copies it. */
export function command(text) {
  return h("span", { class: "command" }, h("code", {}, text), copies(text));
}
