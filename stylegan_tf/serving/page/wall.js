// The wall: one button for each seed.

export class Wall {
  /**
   * @param {Element} element that holds the buttons
   * @param {Lane} lane that asks for the pictures
   * @param {function({seed, label}): string} nameOf
   */
  constructor(element, lane, nameOf) {
    Object.assign(this, {element, lane, nameOf});
  }

  /** The {seed, label} of a button. */
  faceOf(button) {
    return {seed: Number(button.dataset.seed), label: Number(button.dataset.label)};
  }

  show(model, {first, count, psi, label, a, b}) {
    const others = this.first !== first || this.label !== label;
    const buttons = this.#buttons(count);
    buttons.forEach((button, index) => {
      const face = {seed: first + index, label};
      const marks = [a, b].map((chosen) => chosen?.seed === face.seed && chosen.label === label);
      button.classList.toggle("first", marks[0]);
      button.classList.toggle("second", Boolean(marks[1]));
      button.setAttribute("aria-pressed", marks.some(Boolean));
      if (Number(button.dataset.seed) === face.seed && Number(button.dataset.label) === label) return;
      Object.assign(button.dataset, face);
      button.title = this.nameOf(face);
      const image = button.firstChild;
      image.alt = this.nameOf(face);
      image.removeAttribute("src");
      image.classList.add("blank");
      button.drawnPsi = null;
    });
    Object.assign(this, {first, label});
    this.psi = psi;
    const key = JSON.stringify([first, count, label, psi]);
    this.lane.ask(key, (signal, stale) => this.#load(model, psi, signal, stale), others);
  }

  /** Its PNG files, in base64; null while some are missing. */
  drawn() {
    const buttons = [...this.element.children];
    if (buttons.some((button) => button.drawnPsi !== this.psi)) return null;
    return buttons.map((button) => button.firstChild.src.split(",")[1]);
  }

  #buttons(count) {
    while (this.element.children.length > count) this.element.lastChild.remove();
    while (this.element.children.length < count) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "face";
      button.append(new Image());
      this.element.append(button);
    }
    return [...this.element.children];
  }

  async #load(model, psi, signal, stale) {
    // Those that can be seen first.
    const distance = (button) => Math.abs(button.getBoundingClientRect().top - innerHeight / 3);
    const missing = [...this.element.children].filter((button) => button.drawnPsi !== psi)
      .map((button) => [distance(button), button]).sort((one, other) => one[0] - other[0]).map(([, button]) => button);
    for (let start = 0; start < missing.length && !stale(); start += model.batch) {
      const buttons = missing.slice(start, start + model.batch);
      const pngs = await model.faces(buttons.map((button) => ({...this.faceOf(button), psi})), signal);
      buttons.forEach((button, index) => {
        button.firstChild.src = `data:image/png;base64,${pngs[index]}`;
        button.firstChild.classList.remove("blank");
        button.drawnPsi = psi;
      });
    }
  }
}
