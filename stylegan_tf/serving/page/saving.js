// Several pictures as one file: grids, strips and animations.

import {animate} from "./animation.js";
import {columnsFor, drawSheet, enlarged} from "./sheets.js";
import {BLEND_STEPS, between, fileName} from "./state.js";

const STRIP_STEPS = 8; // from the first to the second, in a strip
const WALK_STEPS = 16; // from one favourite to the next
const FRAME_MS = 60;
const LEAST_WIDTH = 256; // of an animation
const REVOKED_MS = 60_000;

export class Saving {
  #controller = null; // while something is made

  /**
   * @param {HTMLFormElement} form
   * @param {{state, wall, favourites}} sources functions: the state, the wall's PNG files, the states of favourites
   */
  constructor(form, sources) {
    Object.assign(this, {form, sources});
    this.find = (selector) => form.querySelector(selector);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#controller) this.#controller.abort();
      else this.#save(form.elements.what.value);
    });
  }

  prepare(painter) {
    this.painter = painter;
  }

  /** Offers what there is something to make of. */
  show({b}, numFavourites) {
    const has = {wall: true, favourites: numFavourites > 0, walk: numFavourites > 1, blend: Boolean(b)};
    for (const option of this.form.elements.what.options) option.disabled = !has[option.dataset.needs];
    if (this.form.elements.what.selectedOptions[0]?.disabled) this.form.elements.what.value = "wall-grid";
  }

  async #save(what) {
    this.#controller = new AbortController();
    this.#working(true);
    try {
      const {blob, name, note = ""} = await this.#make(what, this.#controller.signal);
      offer(blob, name);
      this.#say(`Saved ${name}, ${inWords(blob.size)}${note}.`);
    } catch (error) {
      this.#say(this.#controller.signal.aborted ? "Stopped." : `Not saved: ${error.message}`);
    }
    this.#controller = null;
    this.#working(false);
  }

  #make(what, signal) {
    const {state} = this.sources;
    const favourites = this.sources.favourites();
    const blend = () => fileName({...state(), mode: "pair"}, this.painter.model.hasClasses).replace(/\.png$/, "");
    return {
      "wall-grid": () => this.#wallGrid(),
      "favourites-grid": () => this.#sheet(favourites, columnsFor(favourites.length), "favourites_grid.png", signal),
      "favourites-strip": () => this.#sheet(favourites, favourites.length, "favourites_strip.png", signal),
      "favourites-walk": () => this.#walk(favourites, signal),
      "blend-strip": () => this.#sheet(this.#blend(STRIP_STEPS), STRIP_STEPS + 1, `${blend()}_strip.png`, signal),
      "blend-film": () => this.#film(blend(), signal),
    }[what]();
  }

  async #wallGrid() {
    const {first, label, psi} = this.sources.state();
    const pngs = this.sources.wall();
    if (!pngs) throw new Error("the wall is not drawn yet. Try again when it is.");
    const seeds = `seeds${first}-${first + pngs.length - 1}`;
    const ofClass = this.painter.model.hasClasses ? `_class${label}` : "";
    return this.#fileOf(pngs, columnsFor(pngs.length), `${seeds}${ofClass}_psi${psi.toFixed(2)}_grid.png`);
  }

  async #sheet(pictures, columns, name, signal) {
    return this.#fileOf(await this.painter.draw(pictures, signal, this.#progress(pictures.length)), columns, name);
  }

  async #fileOf(pngs, columns, name) {
    const {blob, width} = await drawSheet(pngs, columns);
    return {blob, name, note: width < this.painter.model.width ? `, each picture reduced to ${width} pixels` : ""};
  }

  /** From the first to the second. */
  #blend(steps) {
    return Array.from({length: steps + 1}, (_, index) => ({...this.sources.state(), mode: "blend", t: index / steps}));
  }

  async #film(name, signal) {
    const pictures = this.#blend(BLEND_STEPS);
    const pngs = await this.painter.draw(pictures, signal, this.#progress(pictures.length));
    return this.#animation([...pngs, ...pngs.slice(1, -1).reverse()], `${name}_animation.png`);
  }

  /** Through all favourites in w, and from the last to the first; noise is that of the nearest. */
  async #walk(pictures, signal) {
    const ws = await this.painter.ws(pictures, signal);
    const rows = pictures.flatMap((_, index) => {
      const next = (index + 1) % pictures.length;
      return Array.from({length: WALK_STEPS}, (_, step) => {
        const {noise, noiseSeed} = pictures[2 * step < WALK_STEPS ? index : next];
        return {ws: between(ws[index], ws[next], step / WALK_STEPS), noise, noiseSeed};
      });
    });
    return this.#animation(await this.painter.paint(rows, signal, this.#progress(rows.length)), "favourites_walk.png");
  }

  async #animation(pngs, name) {
    const bytes = new Map();
    for (const png of pngs) if (!bytes.has(png)) bytes.set(png, await enlarged(png, LEAST_WIDTH));
    return {blob: animate(pngs.map((png) => bytes.get(png)), FRAME_MS), name, note: ", an animated PNG"};
  }

  #progress(count) {
    return (done) => { this.find("progress").value = done / count; };
  }

  #working(on) {
    this.find("progress").hidden = !on;
    this.find("progress").removeAttribute("value");
    this.find("button").textContent = on ? "Stop" : "Save";
    if (on) this.#say("");
  }

  #say(text) {
    this.find("[role=status]").textContent = text;
  }
}

function offer(blob, name) {
  const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), REVOKED_MS);
}

function inWords(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
