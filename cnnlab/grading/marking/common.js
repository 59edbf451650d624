// What both views of the page are made of.
export const $ = (id) => document.getElementById(id);

/** An element with properties and children; text never becomes HTML. */
export function el(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Data from the server, null where nothing is new; throws an Error with its reason. */
export async function ask(path) {
  const reply = await fetch(path);
  if (!reply.ok) throw new Error(await reply.text());
  return reply.status === 204 ? null : reply.json();
}

/** Points as they are written: 0.5, 2. */
export const number = (points) => String(Math.round(points * 100) / 100);

/** Points that a person typed, decimal comma or not; NaN for anything else. */
export const typed = (text) => (text.trim() ? Number(text.trim().replace(",", ".")) : NaN);

/** The hour of a decision, with its day where that is another. */
export function hour(when) {
  if (!when) return "";
  const then = new Date(when), today = new Date().toDateString() === then.toDateString();
  const time = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? time : `${then.toLocaleDateString()} ${time}`;
}
