// Points by hand: any exercise or question of any student, with a reason.
import { $, ask, el, hour, number, typed } from "/common.js";
import { decide, stateOf, store, takeBack } from "/store.js";

let people = [], seen = ""; // which version of the marks `people` is of
const rows = []; // of the students that are unfolded: how to draw each anew
const facts = new Map(); // by label: where a student's state stands

export async function openByHand() {
  seen = store.version;
  people = await ask("/students");
  $("find").oninput = list;
  list();
}

/** Draw what is kept on every row that is seen, and then what became of the student. */
export async function drawByHand() {
  for (const row of rows) row();
  if (seen === store.version) return;
  seen = store.version;
  people = await ask("/students").catch(() => people);
  for (const student of people) if (facts.has(student.label)) drawFacts(student);
}

function drawFacts({ label, status, total, stale, asked }) {
  const box = facts.get(label);
  const open = status !== "graded" ? status : total === null ? "needs a person" : "";
  const more = [stale.length && `replaced: ${stale.join(", ")}`, asked.length && `asked again: ${asked.join(", ")}`];
  box.textContent = [open || `${number(total)} points`, ...more.filter(Boolean)].join(" · ");
  box.className = open ? "needs" : more.some(Boolean) ? "warn" : "soft";
}

function list() {
  const text = $("find").value.toLowerCase();
  const fits = ({ name, account, label }) => `${name} ${account} ${label}`.toLowerCase().includes(text);
  rows.length = 0;
  $("people").replaceChildren(...people.filter(fits).map(person));
}

function person(student) {
  const { name, account, label, reason, items } = student;
  facts.set(label, el("span"));
  drawFacts(student);
  const known = el("span", { className: "soft" }, account || label);
  const who = el("summary", {}, el("bdi", {}, name), " ", known, " ", facts.get(label));
  const page = el("a", { href: `/feedback?label=${label}`, target: "_blank", rel: "noopener" }, "Page as the student sees it");
  const box = el("details", { className: "person" }, who);
  box.ontoggle = () => {
    if (!box.open || box.children.length > 1) return;
    if (reason) box.append(el("p", { className: "reason soft" }, reason));
    box.append(el("p", {}, page), ...items.map((item) => row(label, item)));
    drawByHand();
  };
  return box;
}

function row(label, item) {
  const points = el("input", { type: "text", inputMode: "decimal", autocomplete: "off", ariaLabel: `Points for ${item.name}` });
  const reason = el("input", { type: "text", autocomplete: "off", ariaLabel: `Reason for ${item.name}`, placeholder: "Why" });
  const told = el("p", { className: "told", role: "status" });
  const button = (text, act) => el("button", { type: "button", onclick: act }, text);
  const give = () => {
    const value = typed(points.value);
    if (!(value >= 0 && value <= item.most)) return void (told.textContent = `Points from 0 to ${number(item.most)}, please.`);
    decide({ label, item: item.name, action: "mark", points: value, comment: reason.value.trim(), sha256: item.sha256 });
  };
  const again = () => decide({ label, item: item.name, action: "ask", comment: reason.value.trim() });
  for (const input of [points, reason]) input.onkeydown = (event) => event.key === "Enter" && give();
  const undo = button("Undo", () => takeBack(label, item.name));
  const buttons = el("div", { className: "buttons" }, button("Give", give), undo, button("Ask again", again));
  rows.push(() => {
    const state = stateOf(label, item.name);
    told.textContent = sentence(item, state);
    told.classList.toggle("bad", Boolean(state.note || (state.waiting && state.trouble)));
    undo.disabled = !state.top && !state.waiting;
  });
  const title = el("span", {}, el("code", {}, item.name), ` of ${number(item.most)}`);
  reason.className = "reason-field";
  return el("div", { className: "item" }, title, points, reason, buttons, told);
}

function sentence(item, { mark, stale, asked, waiting, trouble, note }) {
  const found = item.found === null ? "no points found" : `${number(item.found)} found`;
  const said = [item.blank ? "no answer" : [found, item.verdict].filter(Boolean).join(", ")];
  if (mark) said.unshift(`${number(mark.points)} by ${mark.by ?? "you"}${mark.comment ? `: “${mark.comment}”` : ""} ${hour(mark.when)}`);
  if (stale) said.push(`${number(stale.points)} by ${stale.by} for an answer that was replaced, which does not count`);
  if (asked) said.push(`to be looked at again, says ${asked.by}${asked.comment ? `: “${asked.comment}”` : ""}`);
  if (note) said.push(note);
  if (waiting) said.push(trouble ? `not kept: ${trouble}` : "keeping …");
  return said.join(" · ");
}
