// The studio: the first picture, a mix or a blend of two, large; its noise and its file.

import {BLEND_STEPS as STEPS, between, describe, explain, fileName, mixed, presets} from "./state.js";

const FRAME_MS = 60;

export class Studio {
  /** Is told what the user changes. */
  onChange = () => {};
  #film = {key: null, state: null, frames: []}; // PNG files of a blend
  #timer = null; // while a blend plays

  /**
   * @param {Element} element
   * @param {Lane} lane that asks for the pictures
   * @param {function({seed, label}): string} nameOf
   */
  constructor(element, lane, nameOf) {
    Object.assign(this, {element, lane, nameOf});
    this.find = (selector) => element.querySelector(selector);
    element.addEventListener("input", (event) => this.#input(event.target));
    this.find("#swap").addEventListener("click", () => this.onChange({a: this.state.b, b: this.state.a}));
    this.find("#play").addEventListener("click", () => this.#play(!this.#timer));
    // A radio button that is on already gives no input event.
    this.find("[value=seed]").addEventListener("click", () => {
      this.onChange({noise: "seed", noiseSeed: Math.floor(Math.random() * 10_000)});
    });
  }

  /** Sets up what depends on the model. */
  prepare(painter) {
    const {model} = painter;
    Object.assign(this, {painter, model});
    this.find("#noise").hidden = !model.hasNoise;
    for (const name of ["from", "to"]) this.find(`[name=${name}]`).max = model.layers - 1;
    this.find(".presets").replaceChildren(...presets(model.layers).map(({name, gist, from, to}) => {
      const button = Object.assign(document.createElement("button"), {type: "button", textContent: name});
      button.append(Object.assign(document.createElement("small"), {textContent: gist}));
      button.title = explain(from, to, model);
      Object.assign(button.dataset, {from, to});
      button.addEventListener("click", () => this.onChange({from, to}));
      return button;
    }));
  }

  /** @param {string} slot "a" or "b": what a choice on the wall becomes */
  show(state, slot) {
    this.state = state;
    const {a, b, mode, from, to, psi, noise, noiseSeed} = state;
    if (mode !== "blend") this.#play(false);
    this.#showControls(slot);
    const key = JSON.stringify([a, b, psi, noise, noise === "seed" && noiseSeed, mode === "mix" && [from, to], mode]);
    if (mode === "blend") {
      if (this.#film.key !== key) this.#film = {key, state, frames: []};
      this.#drawFrame();
    }
    const film = this.#film;
    this.lane.ask(key, (signal, stale) => this.#load(state, film, signal, stale));
  }

  #showControls(slot) {
    const {a, b, mode, from, to, t, noise} = this.state;
    for (const [name, face] of [["a", a], ["b", b]]) {
      const button = this.find(`[data-slot=${name}]`);
      button.setAttribute("aria-pressed", slot === name);
      button.querySelector("b").textContent = face ? this.nameOf(face) : slot === name ? "choose one" : "none yet";
    }
    this.find("#swap").disabled = !b;
    this.find(`[name=mode][value=${mode}]`).checked = true;
    for (const panel of ["mix", "blend"]) this.find(`#${panel}`).hidden = mode !== panel;
    for (const [name, value, text] of [["from", from, from], ["to", to, to], ["t", t, `${Math.round(100 * t)}%`]]) {
      this.find(`[name=${name}]`).value = value;
      this.find(`[name=${name}]`).previousElementSibling.value = text;
    }
    for (const preset of this.find(".presets").children) {
      preset.setAttribute("aria-pressed", Number(preset.dataset.from) === from && Number(preset.dataset.to) === to);
    }
    this.find("#styles").textContent = mode === "mix" ? explain(from, to, this.model) : "";
    this.find(`[name=noise][value=${noise}]`).checked = true;
  }

  #input({name, value}) {
    const {from, to} = this.state;
    if (name === "from") this.onChange({from: Number(value), to: Math.max(to, Number(value))});
    else if (name === "to") this.onChange({from: Math.min(from, Number(value)), to: Number(value)});
    else if (name === "t") this.onChange({t: Number(value)});
    else if (name === "mode" || (name === "noise" && value !== "seed")) this.onChange({[name]: value});
  }

  async #load(state, film, signal, stale) {
    const {a, b, mode, from, to, psi, noise, noiseSeed} = state;
    const faces = (b ? [a, b] : [a]).map((face) => ({...face, psi}));
    const [first, second] = await this.painter.wsOfFaces(faces, signal);
    if (mode === "blend") return this.#loadFilm(film, first, second, signal, stale);
    if (stale()) return;
    const shown = mode === "mix" ? mixed(first, second, from, to) : first;
    const rows = (b ? [shown, first, second] : [shown, first]).map((ws) => ({ws, noise, noiseSeed}));
    this.#draw(state, await this.model.pictures(rows, signal));
  }

  /** Loads the frames of a blend: the one to show and the two ends, then all others. */
  async #loadFilm(film, first, second, signal, stale) {
    const {frames, state: {noise, noiseSeed}} = film;
    const order = [...new Set([this.#frame(), 0, STEPS, ...Array(STEPS).keys()])].filter((index) => !frames[index]);
    for (let size = 3; order.length && !stale(); size = this.model.batch) {
      const indices = order.splice(0, Math.min(size, this.model.batch));
      const rows = indices.map((index) => ({ws: between(first, second, index / STEPS), noise, noiseSeed}));
      const pngs = await this.model.pictures(rows, signal);
      indices.forEach((index, place) => { frames[index] = pngs[place]; });
      if (film === this.#film) this.#drawFrame();
    }
  }

  #frame() {
    return Math.round(this.state.t * STEPS);
  }

  #drawFrame() {
    const {state, frames} = this.#film;
    const index = this.#frame();
    if (frames[index]) this.#draw({...state, t: index / STEPS}, [frames[index], frames[0], frames[STEPS]]);
  }

  /** Shows PNG files: the large picture, and the first and second small. */
  #draw(state, pngs) {
    const images = [this.find("#picture"), ...this.element.querySelectorAll(".slot img")];
    images.forEach((image, index) => {
      image.classList.toggle("blank", !pngs[index]);
      if (pngs[index]) image.src = `data:image/png;base64,${pngs[index]}`;
      else image.removeAttribute("src");
    });
    images[0].alt = describe(state, this.nameOf);
    if (!this.#timer) this.find("#caption").textContent = images[0].alt; // is read aloud
    const link = this.find("#download");
    Object.assign(link, {href: images[0].src, download: fileName(state, this.model.hasClasses)});
    link.removeAttribute("aria-disabled");
  }

  /** Plays a blend to and fro; waits where a frame is missing. */
  #play(on) {
    if (on === Boolean(this.#timer)) return;
    clearInterval(this.#timer);
    let step = this.#frame() < STEPS ? 1 : -1;
    this.#timer = on ? setInterval(() => {
      const next = this.#frame() + step;
      if (!this.#film.frames[next]) return;
      if (next === 0 || next === STEPS) step = -step;
      this.onChange({t: next / STEPS});
    }, FRAME_MS) : null;
    this.find("#play").setAttribute("aria-pressed", on);
    this.find("#play").textContent = on ? "Pause" : "Play";
    if (!on) this.find("#caption").textContent = this.find("#picture").alt;
  }
}
