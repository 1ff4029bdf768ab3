// A model behind TensorFlow Serving's REST API, as far as the page needs it.

const TIMEOUT_MS = 30_000;
const LARGEST_BATCH = 16;
const PIXELS_A_BATCH = 2 ** 22;

/** What the page tells the user: the server is away, or refuses. */
export class ServerError extends Error {}

export class Model {
  /**
   * Asks the server what it serves.
   * @param {string} server such as http://localhost:8501; "" for the page's own
   * @param {string} name of the model
   */
  static async connect(server, name) {
    const model = new Model();
    model.url = `${server.replace(/\/+$/, "")}/v1/models/${encodeURIComponent(name)}`;
    model.name = name;
    const status = await model.fetch("");
    const available = (status.model_version_status ?? []).filter((version) => version.state === "AVAILABLE");
    if (!available.length) throw new ServerError(`The server has no version of ${name} that is ready.`);
    model.version = Math.max(...available.map((version) => Number(version.version)));
    const signatures = (await model.fetch("/metadata")).metadata.signature_def.signature_def;
    for (const needed of ["from_seed_png", "from_seed_ws", "synthesize_png"]) {
      if (!signatures[needed]) throw new ServerError(`The model ${name} has no signature ${needed}. Export it again.`);
    }
    const sizes = (info) => info.tensor_shape.dim.map((dim) => Number(dim.size));
    model.layers = sizes(signatures.synthesize_png.inputs.ws)[1];
    model.hasClasses = "class_id" in signatures.from_seed_png.inputs;
    model.hasNoise = "synthesize_noise_png" in signatures;
    const [, height, width] = sizes(signatures.synthesize.outputs.images);
    Object.assign(model, {height, width});
    model.description = await model.#describe();
    model.batch = Math.max(1, Math.min(LARGEST_BATCH, Math.floor(PIXELS_A_BATCH / (height * width))));
    return model;
  }

  /** PNG files, in base64, of {seed, label, psi}. */
  async faces(faces, signal) {
    return (await this.#predict("from_seed_png", this.#rows(faces), signal)).map((png) => png.b64);
  }

  /** Intermediate latents, one list of numbers for each layer, of {seed, label, psi}. */
  ws(faces, signal) {
    return this.#predict("from_seed_ws", this.#rows(faces), signal);
  }

  /** PNG files, in base64, of {ws, noise, noiseSeed}: intermediate latents with noise "fixed", "off" or "seed". */
  async pictures(rows, signal) {
    const pngs = Array(rows.length);
    const ask = async (signature, indices, instance) => {
      if (!indices.length) return;
      const answers = await this.#predict(signature, indices.map((index) => instance(rows[index])), signal);
      indices.forEach((index, place) => { pngs[index] = answers[place].b64; });
    };
    const isFixed = ({noise}) => noise === "fixed" || !this.hasNoise;
    const indices = [...rows.keys()];
    await ask("synthesize_png", indices.filter((index) => isFixed(rows[index])), ({ws}) => ({ws}));
    await ask("synthesize_noise_png", indices.filter((index) => !isFixed(rows[index])), ({ws, noise, noiseSeed}) => (
      {ws, noise_seed: noiseSeed, noise_strength: noise === "off" ? 0 : 1}
    ));
    return pngs;
  }

  #rows(faces) {
    return faces.map(({seed, label, psi}) => (
      {seed, truncation_psi: psi, ...(this.hasClasses ? {class_id: label} : {})}
    ));
  }

  async #predict(signature, instances, signal) {
    const body = JSON.stringify({signature_name: signature, instances}, asFloat32);
    return (await this.fetch(":predict", {method: "POST", body}, signal)).predictions;
  }

  /**
   * The JSON that a path of the model answers with. To the page's own server it is sent as such, which that may ask
   * for; to another one as text, which needs no preflight.
   */
  async fetch(path, options = {}, signal = null) {
    const own = new URL(this.url, location.href).origin === location.origin;
    if (own) options = {...options, headers: {"Content-Type": "application/json"}};
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    let response;
    try {
      response = await fetch(this.url + path, {...options, signal: signal ? AbortSignal.any([signal, limit]) : limit});
    } catch (error) {
      if (signal?.aborted) throw error;
      const where = new URL(this.url, location.href).origin;
      throw new ServerError(
        error.name === "TimeoutError" ? `${where} has not answered for ${TIMEOUT_MS / 1000} seconds.`
          : `${where} does not answer. Is the model server running?`
      );
    }
    const answer = await response.json().catch(() => ({error: `status ${response.status}, without JSON`}));
    if (!response.ok || answer.error) throw new ServerError(`The server refuses: ${answer.error ?? response.status}`);
    return answer;
  }

  /** The export's own description, where the page's host has it and it fits the model. */
  async #describe() {
    try {
      const response = await fetch(`versions/${this.version}/model.json`, {signal: AbortSignal.timeout(TIMEOUT_MS)});
      const description = response.ok ? await response.json() : {};
      const {height, width} = description.image ?? this;
      const fits = description.num_ws === this.layers && height === this.height && width === this.width;
      return fits ? description : {};
    } catch {
      return {};
    }
  }
}

/** Nine digits are all that a float32 has; JavaScript would write seventeen. */
function asFloat32(key, value) {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(9)) : value;
}

/**
 * Runs one task at a time; of those asked for meanwhile, the last. A slider then cannot bury a slow server, which
 * computes what it was asked even when nobody waits for the answer.
 */
export class Lane {
  #key = null;
  #next = null;
  #running = false;
  #controller = null;

  /** @param {function(Lane, boolean, ?Error)} listener is told whether it is busy, and what failed last */
  constructor(listener) {
    this.listener = listener;
  }

  /**
   * @param {string} key of the task; the same one again is asked for only after it failed
   * @param {function(AbortSignal, function(): boolean)} task its second argument tells whether another one waits
   * @param {boolean} cancel gives up what is running: nobody wants even a part of it
   */
  ask(key, task, cancel = false) {
    if (key === this.#key) return;
    this.#key = key;
    this.#next = task;
    if (cancel) this.#controller?.abort();
    if (!this.#running) this.#run();
  }

  async #run() {
    this.#running = true;
    this.listener(this, true, null);
    let failure = null;
    while (this.#next) {
      const task = this.#next;
      this.#next = null;
      this.#controller = new AbortController();
      failure = null;
      try {
        await task(this.#controller.signal, () => this.#next !== null);
      } catch (error) {
        failure = error;
      }
    }
    if (failure) this.#key = null;
    this.#running = false;
    this.listener(this, false, failure);
  }
}
