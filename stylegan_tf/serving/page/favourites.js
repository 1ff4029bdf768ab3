// Favourites: pictures that the user keeps, as addresses that make them again, in the browser's storage.

import {INITIAL, describe, parse} from "./state.js";

export const MOST_FAVOURITES = 100;

/** The addresses that are kept of one model, also over reloads where the browser lets it. */
export class Favourites {
  /** Is told of every change, those in other windows included. */
  onChange = () => {};
  lasting = true;
  #key;
  #list = [];

  /** @param {string} key of the model */
  constructor(key) {
    this.#key = key;
    this.#read();
    addEventListener("storage", (event) => {
      if (event.key !== this.#key) return;
      this.#read();
      this.onChange();
    });
  }

  get list() {
    return [...this.#list];
  }

  has(address) {
    return this.#list.includes(address);
  }

  /** Puts one where it is given, at the end otherwise. */
  add(address, index = this.#list.length) {
    if (this.has(address)) return;
    this.#list.splice(index, 0, address);
    this.#write();
  }

  /** Takes one away; returns where it was. */
  remove(address) {
    const index = this.#list.indexOf(address);
    if (index >= 0) this.#list.splice(index, 1);
    this.#write();
    return index;
  }

  #read() {
    try {
      const said = JSON.parse(localStorage.getItem(this.#key) ?? "[]");
      this.#list = said.filter((address) => typeof address === "string").slice(0, MOST_FAVOURITES);
    } catch (error) {
      this.lasting = error instanceof SyntaxError || error instanceof TypeError; // what is stored is no list
    }
  }

  #write() {
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#list));
      this.lasting = true;
    } catch {
      this.lasting = false;
    }
    this.onChange();
  }
}

/** Shows favourites as a row of pictures, each with a button that removes it. */
export class FavouritesRow {
  /** Is told the address of one that the user opens. */
  onOpen = () => {};
  #pngs = new Map(); // by address
  #removed = null; // {address, index}: what Undo puts back

  /**
   * @param {Element} element
   * @param {Lane} lane that asks for the pictures
   * @param {function({seed, label}): string} nameOf
   */
  constructor(element, lane, nameOf) {
    Object.assign(this, {element, lane, nameOf});
    this.find = (selector) => element.querySelector(selector);
    this.list = this.find("ul");
    this.list.addEventListener("click", ({target}) => {
      const address = target.closest("li")?.dataset.address;
      if (!address) return;
      if (target.closest(".remove")) this.#remove(address);
      else if (target.closest(".open")) this.onOpen(address);
    });
    this.list.addEventListener("keydown", (event) => {
      if (event.key === "Delete") this.#remove(event.target.closest("li").dataset.address);
    });
    this.find("#undo").addEventListener("click", () => {
      const {address, index} = this.#removed;
      this.#say(`${this.#nameOfAddress(address)} is kept again.`);
      this.favourites.add(address, index);
      this.#item(address)?.querySelector(".open").focus();
    });
  }

  /**
   * @param {Painter} painter
   * @param {Favourites} favourites
   */
  prepare(painter, favourites) {
    Object.assign(this, {painter, favourites});
  }

  /** @param {string} shown the address of the large picture */
  show(shown) {
    const addresses = this.favourites.list;
    const items = addresses.map((address) => this.#item(address) ?? this.#make(address));
    if (items.some((item, index) => item !== this.list.children[index]) || items.length < this.list.children.length) {
      this.list.replaceChildren(...items);
    }
    for (const item of items) item.querySelector(".open").setAttribute("aria-pressed", item.dataset.address === shown);
    this.list.hidden = !items.length;
    this.find(".none").hidden = Boolean(items.length);
    this.find("#fleeting").hidden = this.favourites.lasting;
    if (addresses.some((address) => !this.#pngs.has(address))) {
      this.lane.ask(JSON.stringify(addresses), (signal, stale) => this.#load(addresses, signal, stale));
    }
  }

  /** Adds a picture, or removes it. */
  toggle(address) {
    if (this.favourites.has(address)) return this.#remove(address);
    if (this.favourites.list.length >= MOST_FAVOURITES) {
      return this.#say(`There is room for ${MOST_FAVOURITES} favourites. Remove one first.`);
    }
    this.#say(`${this.#nameOfAddress(address)} is kept.`);
    this.favourites.add(address);
    this.list.scrollLeft = this.list.scrollWidth; // the page itself stays where it is
  }

  /** The states of favourites. */
  pictures() {
    return this.favourites.list.map((address) => this.#parse(address));
  }

  #parse(address) {
    return parse(address, INITIAL, this.painter.model.layers);
  }

  #nameOfAddress(address) {
    return describe(this.#parse(address), this.nameOf);
  }

  #item(address) {
    return [...this.list.children].find((item) => item.dataset.address === address);
  }

  #make(address) {
    const item = document.createElement("li");
    item.dataset.address = address;
    const {psi, noise} = this.#parse(address);
    const name = this.#nameOfAddress(address);
    const noises = {off: "no noise", seed: "other noise"};
    const title = [name, `psi ${psi.toFixed(2)}`, noises[noise]].filter(Boolean).join(", ");
    const makeButton = (className, words) => (
      Object.assign(document.createElement("button"), {type: "button", className, title: words})
    );
    const open = makeButton("open", title);
    open.append(Object.assign(new Image(), {alt: title, className: "blank"}));
    const remove = makeButton("remove", "Remove");
    remove.setAttribute("aria-label", `Remove ${name}`);
    remove.append(Object.assign(document.createElement("span"), {textContent: "×"}));
    item.append(open, remove);
    this.#draw(item);
    return item;
  }

  #remove(address) {
    const item = this.#item(address);
    const hadFocus = item.contains(document.activeElement);
    const next = item.nextElementSibling ?? item.previousElementSibling;
    this.#removed = {address, index: this.favourites.remove(address)};
    this.#say(`${this.#nameOfAddress(address)} is removed.`, true);
    if (hadFocus) (next?.querySelector(".open") ?? this.find("#undo")).focus();
  }

  #say(text, canUndo = false) {
    this.find("#kept").textContent = text;
    this.find("#undo").hidden = !canUndo;
  }

  async #load(addresses, signal, stale) {
    const missing = addresses.filter((address) => !this.#pngs.has(address));
    const size = this.painter.model.batch;
    for (let start = 0; start < missing.length && !stale(); start += size) {
      const some = missing.slice(start, start + size);
      const pngs = await this.painter.draw(some.map((address) => this.#parse(address)), signal);
      some.forEach((address, index) => this.#pngs.set(address, pngs[index]));
      [...this.list.children].forEach((item) => this.#draw(item));
    }
  }

  #draw(item) {
    const png = this.#pngs.get(item.dataset.address);
    const image = item.querySelector("img");
    if (!png || image.src) return;
    image.src = `data:image/png;base64,${png}`;
    image.classList.remove("blank");
  }
}
