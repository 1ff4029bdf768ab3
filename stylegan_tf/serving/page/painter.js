// Pictures from what the page says of them: the state of the studio, which need not be shown.

import {between, mixed} from "./state.js";

const KEPT_WS = 128;

export class Painter {
  #ws = new Map(); // key of a face -> its ws

  constructor(model) {
    this.model = model;
  }

  /** Intermediate latents of {seed, label, psi}; those that were asked for lately are not asked for again. */
  async wsOfFaces(faces, signal) {
    const keyOf = ({seed, label, psi}) => `${seed}.${label} ${psi}`;
    const wanted = new Map(faces.map((face) => [keyOf(face), face]));
    const found = new Map([...wanted.keys()].map((key) => [key, this.#ws.get(key)]));
    const missing = [...wanted.keys()].filter((key) => !found.get(key));
    for (let start = 0; start < missing.length; start += this.model.batch) {
      const keys = missing.slice(start, start + this.model.batch);
      const answers = await this.model.ws(keys.map((key) => wanted.get(key)), signal);
      keys.forEach((key, index) => found.set(key, answers[index]));
    }
    if (this.#ws.size > KEPT_WS) this.#ws.clear();
    missing.forEach((key) => this.#ws.set(key, found.get(key)));
    return faces.map((face) => found.get(keyOf(face)));
  }

  /** Intermediate latents of pictures, states of the studio. */
  async ws(pictures, signal) {
    const facesOf = ({a, b, mode, psi}) => (mode === "one" ? [a] : [a, b]).map((face) => ({...face, psi}));
    const found = await this.wsOfFaces(pictures.flatMap(facesOf), signal);
    return pictures.map(({mode, from, to, t}) => {
      const first = found.shift();
      if (mode === "one") return first;
      const second = found.shift();
      return mode === "mix" ? mixed(first, second, from, to) : between(first, second, t);
    });
  }

  /** PNG files, in base64, of {ws, noise, noiseSeed}, a batch at a time; `drew` is told how many there are. */
  async paint(rows, signal, drew = () => {}) {
    const pngs = [];
    while (pngs.length < rows.length) {
      drew(pngs.length);
      pngs.push(...await this.model.pictures(rows.slice(pngs.length, pngs.length + this.model.batch), signal));
    }
    return pngs;
  }

  /** PNG files, in base64, of pictures. */
  async draw(pictures, signal, drew) {
    const ws = await this.ws(pictures, signal);
    return this.paint(pictures.map(({noise, noiseSeed}, index) => ({ws: ws[index], noise, noiseSeed})), signal, drew);
  }
}
