// One question across the class: its answers, one at a time, and the mark of each.
import { $, ask, el, hour, number, typed } from "/common.js";
import { decide, drafts, hooks, isMarked, keyOf, note, stateOf, store, takeBack, toMark } from "/store.js";

const PAUSE = 700; // milliseconds without a key until a comment is kept
const FIGURES_KEPT = 20;
const at = {}; // by question, label of the answer on display
const figures = new Map();
let writing = null; // timer of the comment that is being written
let asking = false;

const question = () => store.lab.questions.find((one) => one.name === store.view);
const list = () => store.answers[store.view] ?? [];
const index = () => Math.max(0, list().findIndex((one) => one.label === at[store.view]));
export const current = () => list()[index()];

export function show(number) {
  if (!list().length) return;
  flush();
  asking = false;
  at[store.view] = list()[(number + list().length) % list().length].label;
  hooks.draw();
  if ($("answer-side").getBoundingClientRect().top < 0) $("answer-side").scrollIntoView();
  $("who").focus({ preventScroll: true });
  drawFigures();
}

function onward() {
  flush();
  const order = [...list().slice(index() + 1), ...list().slice(0, index() + 1)];
  const next = order.find((one) => !one.blank && !isMarked(one, store.view));
  if (next) show(list().indexOf(next));
  else hooks.openNext();
}

export function give(points, comment = $("comment").value) {
  const answer = current(), most = question()?.most;
  if (!answer) return;
  if (!(points >= 0 && points <= most)) {
    return note(answer.label, store.view, `from 0 to ${number(most)} points`);
  }
  clearTimeout(writing);
  writing = null;
  drafts.delete(keyOf(answer.label, store.view));
  const { label, sha256 } = answer;
  decide({ label, item: store.view, action: "mark", points, comment: comment.trim(), sha256 });
}

function half() {
  const points = stateOf(current().label, store.view).mark?.points ?? 0;
  give(points + 0.5 <= question().most ? points + 0.5 : points - 0.5);
}

function confirmStale() {
  const { stale } = stateOf(current().label, store.view);
  if (stale) give(stale.points, $("comment").value || stale.comment);
}

function write() {
  drafts.set(keyOf(current().label, store.view), $("comment").value);
  clearTimeout(writing);
  writing = setTimeout(flush, PAUSE);
  hooks.draw();
}

/** Keep the comment as far as it is written. One without points waits for them. */
export function flush() {
  if (writing === null) return;
  clearTimeout(writing);
  writing = null;
  const { mark } = stateOf(current().label, store.view), text = $("comment").value.trim();
  if (mark && mark.comment !== text) return give(mark.points);
  if (mark || !text) drafts.delete(keyOf(current().label, store.view));
  hooks.draw();
}

export function putIn(number) {
  const comment = store.comments[store.view]?.[number], box = $("comment");
  if (!comment) return;
  const lines = box.value ? box.value.split("\n\n") : [];
  const rest = lines.filter((line) => line !== comment);
  box.value = (rest.length < lines.length ? rest : [...lines, comment]).join("\n\n");
  write();
  flush();
}

export function drawQuestion() {
  drawStrip();
  const answer = current();
  $("answer-side").classList.toggle("empty", !answer);
  if (!answer) return void ($("who").textContent = "Nobody answered.");
  $("who").textContent = [answer.label, store.names?.[answer.label]].filter(Boolean).join(" · ");
  $("place").textContent = `${index() + 1} of ${list().length}`;
  if ($("answer").dataset.of !== keyOf(answer.label, store.view) + answer.sha256) {
    $("answer").dataset.of = keyOf(answer.label, store.view) + answer.sha256;
    $("answer").classList.toggle("blank", answer.blank);
    // rendered by the server, which escapes what a student wrote; and nothing may run
    $("answer").innerHTML = answer.blank ? "No answer." : answer.html;
    for (const link of $("answer").querySelectorAll("a")) {
      Object.assign(link, { target: "_blank", rel: "noopener noreferrer" }); // the page stays
    }
  }
  drawMark(answer, stateOf(answer.label, store.view));
}

function drawMark(answer, state) {
  const { mark, stale, asked } = state, most = question().most;
  for (const button of $("points").children) {
    button.setAttribute("aria-checked", mark?.points === Number(button.value));
  }
  const shown = [...$("points").children].some((b) => mark?.points === Number(b.value));
  if (document.activeElement !== $("other")) $("other").value = mark && !shown ? number(mark.points) : "";
  const draft = drafts.get(keyOf(answer.label, store.view));
  const text = draft ?? mark?.comment ?? "";
  if (document.activeElement !== $("comment") || $("comment").dataset.of !== answer.label) {
    if ($("comment").value !== text) $("comment").value = text;
  }
  $("comment").dataset.of = answer.label;
  drawState(answer, state, draft && !mark, most);
  $("stale").hidden = !stale;
  if (stale) {
    const why = ` by ${stale.by} for an answer that was replaced since${stale.comment ? `: “${stale.comment}”` : "."}`;
    const confirm = el("button", { type: "button", onclick: confirmStale }, el("kbd", {}, "y"), " Confirm for this answer");
    $("stale").replaceChildren(`${number(stale.points)} of ${number(most)}`, why, el("br"), confirm);
  }
  drawAsked(answer, asked);
  drawComments(store.comments[store.view] ?? []);
}

function drawComments(comments) {
  const box = $("comments"), seen = JSON.stringify(comments);
  if (box.dataset.seen === seen) return; // else the focus would be lost
  box.dataset.seen = seen;
  const list = comments.map((comment, i) => {
    const text = el("bdi", {}, comment), key = el("kbd", {}, `⇧${i + 1}`);
    return el("li", {}, el("button", { type: "button", onclick: () => putIn(i) }, key, text));
  });
  box.replaceChildren(...list);
}

function drawState(answer, { mark, waiting, trouble, note }, isDraft, most) {
  let text = "waits for a mark", tone = "";
  if (waiting) [text, tone] = trouble ? [`not kept: ${trouble}`, "bad"] : ["keeping …", ""];
  else if (note) [text, tone] = [note, "bad"];
  else if (mark) [text, tone] = [`kept: ${number(mark.points)} of ${number(most)}, ${mark.by}, ${hour(mark.when)}`, "fine"];
  else if (answer.blank) text = "no answer: 0 points, and no mark is needed";
  else if (isDraft) text = "the comment waits for points";
  $("state").textContent = text;
  $("state").className = tone;
}

function drawAsked(answer, asked) {
  $("asked").hidden = !asked && !asking;
  if (asked) {
    const back = el("button", { type: "button", onclick: () => takeBack(answer.label, store.view) }, "Take it back");
    const said = `To be looked at again, says ${asked.by}${asked.comment ? `: “${asked.comment}”` : "."}`;
    $("asked").replaceChildren(said, el("br"), back);
  } else if (asking && !$("asked").querySelector("form")) {
    const reason = el("input", { type: "text", ariaLabel: "Why it is to be looked at again", placeholder: "Why?" });
    const form = el("form", {}, "To be looked at again: ", reason, " ", el("button", {}, "Ask"));
    form.onsubmit = (event) => {
      event.preventDefault();
      asking = false;
      $("asked").replaceChildren();
      decide({ label: answer.label, item: store.view, action: "ask", comment: reason.value });
    };
    $("asked").replaceChildren(form);
    reason.focus();
  } else if (!asking) $("asked").replaceChildren();
}

function drawStrip() {
  const strip = $("strip");
  if (strip.children.length !== list().length) {
    strip.replaceChildren(...list().map((_, i) => el("button", { type: "button", tabIndex: -1, onclick: () => show(i) })));
  }
  list().forEach((answer, i) => {
    const state = stateOf(answer.label, store.view), button = strip.children[i];
    const kind = state.mark ? "marked" : state.stale ? "stale" : answer.blank ? "blank" : "open";
    button.className = kind;
    button.ariaLabel = button.title = `${answer.label}: ${kind === "open" ? "to mark" : kind}`;
    button.setAttribute("aria-current", i === index());
  });
}

async function figuresOf(label) {
  const key = keyOf(label, store.view) + store.version.split("-")[0];
  if (!figures.has(key)) {
    if (figures.size > FIGURES_KEPT) figures.delete(figures.keys().next().value);
    const where = new URLSearchParams({ label, question: store.view });
    const found = ask(`/figures?${where}`).catch(() => (figures.delete(key), []));
    figures.set(key, found);
  }
  return figures.get(key);
}

async function drawFigures() {
  const answer = current(), asked = store.view;
  if (!answer) return;
  const found = await figuresOf(answer.label);
  if (asked !== store.view || answer !== current()) return;
  const near = found.filter((one) => one.near), far = found.filter((one) => !one.near);
  const image = ({ src, under }) =>
    el("figure", {}, el("img", { src, loading: "lazy", alt: `The student’s own figure, under “${under}”` }), el("figcaption", {}, under));
  const folded = far.length ? el("details", {}, el("summary", {}, `${far.length} more, from other sections`), ...far.map(image)) : null;
  const title = el("h2", {}, "The student’s own figures, as handed in: not made by the grader");
  $("figures").replaceChildren(title, ...near.map(image), folded ?? "");
  $("figures").hidden = !found.length;
  const next = list()[index() + 1];
  if (next) figuresOf(next.label);
}

/** Show a question, at `label` or at the first answer without a mark. */
export function openQuestion(label) {
  const name = store.view, first = toMark(name).find((one) => !isMarked(one, name));
  at[name] = label ?? at[name] ?? (first ?? list()[0])?.label;
  $("prompt").innerHTML = question().prompt;
  $("rubric").innerHTML = question().rubric;
  const { most } = question(), step = most <= 5 ? 0.5 : 1;
  const steps = most <= 10 ? Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step) : [];
  $("points").replaceChildren(
    ...steps.map((points) => {
      const button = el("button", { type: "button", value: points, onclick: () => give(points) }, number(points));
      button.setAttribute("role", "radio");
      return button;
    }),
  );
  show(index());
}

/** What the keys and the buttons of this view do. */
export const KEYS = {
  j: () => show(index() + 1), ArrowRight: () => show(index() + 1),
  k: () => show(index() - 1), ArrowLeft: () => show(index() - 1),
  Enter: onward, ".": half, ",": half, h: half, y: confirmStale,
  c: () => $("comment").focus(), p: () => $("other").select(),
  r: () => { asking = true; hooks.draw(); },
};

export function listen() {
  $("previous").onclick = KEYS.k;
  $("next").onclick = KEYS.j;
  $("onward").onclick = onward;
  $("comment").oninput = write;
  $("comment").onblur = flush;
  $("other").onchange = () => give(typed($("other").value));
  $("asked").onkeydown = ({ key }) => { if (key === "Escape") asking = false, hooks.draw(); };
}
