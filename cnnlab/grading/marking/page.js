// The marking page: its tabs, its keys, and how it starts.
import { openByHand, drawByHand } from "/byhand.js";
import { $, ask, el } from "/common.js";
import { KEYS, current, drawQuestion, flush, give, listen, openQuestion, putIn } from "/question.js";
import { BY_HAND, drafts, hooks, isMarked, keeper, look, mine, store, takeBack, toMark } from "/store.js";

const POLL = 2000; // milliseconds between two looks at what others decided
const tabs = () => [...store.lab.questions.map((one) => one.name), BY_HAND];

async function open(name, label) {
  if (store.view && store.view !== BY_HAND) flush();
  store.view = name;
  $("marking").hidden = name === BY_HAND;
  $("by-hand").hidden = name !== BY_HAND;
  if (name !== BY_HAND) return openQuestion(label);
  await openByHand().catch((error) => hooks.say(error.message));
  draw();
}

function openNext() {
  const left = store.lab.questions.find((one) => toMark(one.name).some((a) => !isMarked(a, one.name)));
  if (left) open(left.name);
  else say("All answers are marked. Close the page, and end cnnlab mark with Ctrl-C.");
}

/** Take back what was decided last in this tab, else what stands on this answer. */
async function undo() {
  if (store.view !== BY_HAND) flush();
  const here = current() && { label: current().label, item: store.view };
  await keeper.idle();
  const { label, item, top } = mine.pop() ?? here ?? {};
  if (!label) return;
  if (store.view !== BY_HAND && item in store.answers) open(item, label);
  takeBack(label, item, top);
}

function draw() {
  if (!store.lab || !store.view) return;
  drawKept();
  drawTabs();
  if (store.view === BY_HAND) drawByHand();
  else drawQuestion();
}

function drawTabs() {
  if ($("questions").children.length !== tabs().length) {
    $("questions").replaceChildren(...tabs().map((name) => el("button", { type: "button", onclick: () => open(name) })));
  }
  tabs().forEach((name, i) => {
    const button = $("questions").children[i], all = toMark(name);
    const count = all.filter((one) => isMarked(one, name)).length;
    const progress = name === BY_HAND ? "" : `${count}/${all.length}`;
    const title = name === BY_HAND ? "By hand" : store.lab.questions[i].title;
    const done = all.length > 0 && count === all.length;
    button.replaceChildren(title, el("span", { className: done ? "done" : "" }, done ? `✓ ${progress}` : progress));
    if (name === store.view) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  });
}

function drawKept() {
  const waiting = keeper.queue.length, bad = waiting && keeper.trouble;
  $("kept").textContent = bad ? `${waiting} not kept: ${keeper.trouble}` : waiting ? "keeping …" : "all is kept";
  $("kept").classList.toggle("bad", Boolean(bad));
}

function say(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
  if (text) setTimeout(() => ($("trouble").hidden = true), 8000);
}

async function toggleNames() {
  const names = () => ask("/names").catch((error) => (say(error.message), null));
  store.names = store.names ? null : await names();
  $("names").setAttribute("aria-pressed", Boolean(store.names));
  draw();
}

const turn = (step) => {
  const all = tabs();
  open(all[(all.indexOf(store.view) + step + all.length) % all.length]);
};
const ANYWHERE = {
  J: () => turn(1), K: () => turn(-1), n: toggleNames, u: undo,
  "?": () => $("help").showModal(),
};

function onKey(event) {
  const { key, code, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (target.matches("input, textarea")) {
    if (key === "Escape" || (key === "Enter" && target.id === "other")) target.blur();
    return;
  }
  if (key === "Enter" && target.matches("button, summary")) return; // presses it
  const digit = /^Digit[1-9]$/.test(code) && event.shiftKey ? Number(code.at(-1)) : 0;
  const here = store.view === BY_HAND || !current() ? {} : KEYS;
  let act = here[key] ?? ANYWHERE[key];
  if (here === KEYS && digit) act = () => putIn(digit - 1);
  else if (here === KEYS && /^[0-9]$/.test(key)) act = () => give(Number(key));
  if (!act) return;
  event.preventDefault();
  act();
}

function listenToAll() {
  document.addEventListener("keydown", onKey);
  $("undo").onclick = undo;
  $("names").onclick = toggleNames;
  $("help-button").onclick = () => $("help").showModal();
  addEventListener("beforeunload", (event) => {
    if (keeper.queue.length || drafts.size) event.preventDefault();
  });
}

async function poll() {
  try {
    if (!document.hidden) await look();
  } catch { /* said where a decision waits; else it is found again */ }
  setTimeout(poll, POLL);
}

try {
  store.lab = await ask("/class");
  document.title = `Marking · ${store.lab.title}`;
  $("lab").textContent = store.lab.title;
  Object.assign(hooks, { draw, openNext, say });
  await look();
  listen();
  listenToAll();
  if (!store.lab.questions.length) open(BY_HAND);
  else openNext();
  if (!store.view) open(store.lab.questions[0].name);
  poll();
} catch (error) {
  say(`The page cannot be shown: ${error.message}`);
}
