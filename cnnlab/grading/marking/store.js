// What this page knows: answers, what stands on them, and what waits to be kept.
import { ask, number } from "/common.js";
import { Keeper } from "/keeper.js";

export const store = {
  lab: null, names: null, version: "", marks: {}, comments: {},
  answers: {}, // by question, in their order
  view: null, // name of the question on display, or BY_HAND
};
export const BY_HAND = "by hand";
/** What the views do when something has changed, when all is marked, to tell of trouble. */
export const hooks = { draw() {}, openNext() {}, say() {} };
export const drafts = new Map(); // comments that wait for points
export const mine = []; // what was decided in this tab, for undo: {label, item, top}
const notes = new Map();

export const keyOf = (label, item) => `${item} ${label}`;
export const keeper = new Keeper({
  known: (label, item) => store.marks[label]?.[item] ?? null,
  kept({ label, item, action }, { state, over, fresh }) {
    (store.marks[label] ??= {})[item] = state;
    if (fresh && action !== "undo") mine.push({ label, item, top: state.top });
    if (over) note(label, item, `replaces ${number(over.points ?? 0)} by ${over.by}, given meanwhile`);
    hooks.draw();
  },
  refused(job, reason) {
    note(job.label, job.item, `not kept: ${reason}`);
  },
  changed: () => hooks.draw(),
});

/** Say something on one item, until it is decided again. */
export function note(label, item, text) {
  notes.set(keyOf(label, item), text);
  hooks.draw();
}

/** What stands on an item, with what this page has said and nobody has kept yet. */
export function stateOf(label, item) {
  const known = store.marks[label]?.[item];
  const state = { mark: known?.mark, stale: known?.stale, asked: known?.asked };
  const waiting = keeper.waiting(label, item);
  for (const { action, points, comment } of waiting) {
    if (action === "mark") Object.assign(state, { mark: { points, comment }, stale: null, asked: null });
    if (action === "ask") state.asked = { comment, by: store.lab.by };
  }
  const said = notes.get(keyOf(label, item)) ?? "";
  return { ...state, waiting: waiting.length > 0, trouble: keeper.trouble, note: said, top: known?.top };
}

export const isMarked = (answer, item) => Boolean(stateOf(answer.label, item).mark);
export const toMark = (item) => (store.answers[item] ?? []).filter((one) => !one.blank);

export function decide(job) {
  notes.delete(keyOf(job.label, job.item));
  keeper.put(job);
}

/** Take a decision back: the one made at `top`, or else the latest. */
export function takeBack(label, item, top) {
  drafts.delete(keyOf(label, item));
  notes.delete(keyOf(label, item));
  keeper.put({ label, item, action: "undo", top });
}

/** Read what others decided since, in another tab or at another machine. */
export async function look() {
  const found = await ask(`/marks?${new URLSearchParams({ known: store.version })}`);
  if (!found) return;
  const [before, now] = [store.version, found.version].map((version) => version.split("-")[0]);
  Object.assign(store, found);
  if (before !== now) await readAnswers(); // the class was graded again
  hooks.draw();
}

async function readAnswers() {
  for (const { name } of store.lab.questions) {
    store.answers[name] = await ask(`/answers?${new URLSearchParams({ question: name })}`);
  }
}
