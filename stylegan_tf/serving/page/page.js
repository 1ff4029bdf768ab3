// The page: a wall of pictures and a studio for one or two of them. The state is in `state`; `change` changes it.

import {enableDragging} from "./drag.js";
import {facts} from "./facts.js";
import {Favourites, FavouritesRow} from "./favourites.js";
import {Painter} from "./painter.js";
import {Saving} from "./saving.js";
import {Lane, Model, ServerError} from "./server.js";
import * as states from "./state.js";
import {Studio} from "./studio.js";
import {Wall} from "./wall.js";

const find = (selector) => document.querySelector(selector);
const REMEMBER_MS = 300;
const query = new URLSearchParams(location.search);

let model = null;
let initial = states.INITIAL;
let state = initial;
let slot = "a"; // what a choice on the wall becomes
let remembering = null;

const lanes = [0, 1, 2].map(() => new Lane(tell));
const wall = new Wall(find("#faces"), lanes[0], nameOf);
const studio = new Studio(find("#studio"), lanes[1], nameOf);
const row = new FavouritesRow(find("#favourites"), lanes[2], nameOf);
const saving = new Saving(find("#save"), {
  state: () => state,
  wall: () => wall.drawn(),
  favourites: () => row.pictures(),
});
const controls = find("#controls").elements;

/** Changes some of the state, and shows it. */
function change(some) {
  state = {...state, ...some};
  show();
  // Browsers refuse addresses that change too often.
  clearTimeout(remembering);
  remembering = setTimeout(() => history.replaceState(null, "", states.format(state, initial)), REMEMBER_MS);
}

function show() {
  controls.psi.value = state.psi;
  controls.psi.previousElementSibling.value = state.psi.toFixed(2);
  controls.first.value = state.first;
  if (controls.class_id) controls.class_id.value = state.label;
  find("#more").disabled = state.count >= states.MOST_FACES;
  if (!model) return;
  wall.show(model, state);
  studio.show(state, slot);
  const shown = states.formatPicture(state);
  row.show(shown);
  saving.show(state, row.favourites.list.length);
  find("#star").setAttribute("aria-pressed", row.favourites.has(shown));
}

/** One picture alone becomes the first; the second is mixed or blended with it. */
function choose(face, as = slot) {
  change(as === "a" ? {a: face} : {b: face, mode: state.mode === "one" ? "mix" : state.mode});
}

function drop(source, target) {
  if (target.dataset.slot === "a") return choose(wall.faceOf(source), "a");
  slot = "b";
  if (!target.dataset.slot) state.a = wall.faceOf(target);
  choose(wall.faceOf(source));
}

function nameOf({seed, label}) {
  if (!model?.hasClasses) return `Seed ${seed}`;
  return `Seed ${seed}, ${model.description.label_names?.[label] ?? `class ${label}`}`;
}

async function connect() {
  if (!model) {
    model = await Model.connect(query.get("server") ?? "", query.get("model") ?? "stylegan");
    initial = {...initial, psi: model.description.truncation_psi ?? initial.psi, to: states.presets(model.layers)[0].to};
    document.documentElement.classList.toggle("small", model.width <= 64);
    showFacts();
    if (model.hasClasses) makeClassField(find("#class"), model.description);
    const painter = new Painter(model);
    for (const part of [studio, saving]) part.prepare(painter);
    row.prepare(painter, new Favourites(keyOfModel()));
    row.favourites.onChange = show;
    follow();
  }
  show();
}

/** Says what the model is. */
function showFacts() {
  const name = model.description.run ?? model.name;
  find("#model").textContent = name;
  document.title = `${name}: a wall of pictures`;
  find("#looking").hidden = true;
  find("#facts").hidden = false;
  find("#facts").replaceChildren(...facts(model).map(([term, text]) => {
    const [fact, dt, dd] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    [dt.textContent, dd.textContent] = [term, text];
    fact.append(dt, " ", dd);
    return fact;
  }));
}

/** Tells favourites of models apart that are shown under the same address, one after the other. */
function keyOfModel() {
  const {run, dataset} = model.description;
  const of = [model.url, run, `${model.width}x${model.height}`, model.layers, dataset?.fingerprint];
  return `favourites ${of.filter(Boolean).join(" ")}`;
}

/** Takes the state from the address. */
function follow() {
  state = states.parse(location.hash, initial, model.layers);
  slot = state.b ? "b" : "a";
}

function makeClassField(label, description) {
  const names = description.label_names ?? [];
  const field = document.createElement(names.length ? "select" : "input");
  field.name = "class_id";
  if (names.length) field.append(...names.map((name, index) => new Option(name, index)));
  else Object.assign(field, {type: "number", min: 0, max: (description.num_classes ?? 1000) - 1, value: 0});
  label.append(" ", field);
  label.hidden = false;
}

/** Shows whether a lane is busy, and what failed. */
function tell(lane, busy, failure) {
  Object.assign(lane, {busy, failure});
  find("#busy").hidden = !lanes.some((one) => one.busy);
  if (busy) return;
  const failed = lanes.find((one) => one.failure)?.failure;
  if (failed && !(failed instanceof ServerError)) console.error(failed);
  find("#alert").hidden = !failed;
  find("#message").textContent = failed ? failed.message : "";
}

const start = () => lanes[0].ask("connect", connect);

enableDragging(find("#faces"), drop);
find("#faces").addEventListener("click", (event) => {
  const face = event.target.closest("[data-seed]");
  if (face) choose(wall.faceOf(face));
});
find("#star").addEventListener("click", () => model && row.toggle(states.formatPicture(state)));
row.onOpen = (address) => {
  const opened = states.parse(address, state, model.layers);
  slot = opened.mode === "one" ? "a" : "b";
  change(opened);
};
find("#studio").addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-slot]");
  if (!pressed) return;
  slot = pressed.dataset.slot;
  show();
});
studio.onChange = (some) => {
  if (some.mode) slot = some.mode === "one" ? "a" : "b";
  // The next picture will do until another is chosen.
  const b = state.b ?? (some.mode ? {...state.a, seed: state.a.seed + 1} : null);
  change({b, ...some});
};
find("#controls").addEventListener("submit", (event) => event.preventDefault());
controls.psi.addEventListener("input", () => change({psi: Number(controls.psi.value)}));
controls.first.addEventListener("change", () => {
  controls.first.value = states.toSeed(controls.first.value, state.first);
  change({first: Number(controls.first.value), count: states.PAGE_OF_FACES});
});
find("#class").addEventListener("change", () => change({label: states.toSeed(controls.class_id.value, 0)}));
find("#shuffle").addEventListener("click", () => change({
  first: Math.floor(Math.random() * 1_000_000), count: states.PAGE_OF_FACES,
}));
find("#more").addEventListener("click", () => change({count: state.count + states.PAGE_OF_FACES}));
find("#retry").addEventListener("click", start);
addEventListener("hashchange", () => {
  if (!model) return;
  follow();
  show();
});
start();
