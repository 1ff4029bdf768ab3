// What the page shows, as one plain object; it travels in the address after the #.

export const PAGE_OF_FACES = 48;
export const MOST_FACES = 960;
export const BLEND_STEPS = 32;
const LARGEST_SEED = Number.MAX_SAFE_INTEGER - MOST_FACES;

export const INITIAL = {
  first: 0, count: PAGE_OF_FACES, psi: 0.7, label: 0, // the wall
  a: {seed: 0, label: 0}, b: null, mode: "one", from: 0, to: 1, t: 0.5, noise: "fixed", noiseSeed: 1, // the studio
};

/** The state that an address says; what it does not say, or says wrongly, is the initial state's. */
export function parse(hash, initial, layers) {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (name, low, high, otherwise) => limited(said.get(name), low, high, otherwise);
  const whole = (name, low, high, otherwise) => Math.round(number(name, low, high, otherwise));
  const oneOf = (name, values, otherwise) => (values.includes(said.get(name)) ? said.get(name) : otherwise);
  const face = (name, otherwise) => {
    const match = /^(\d+)(?:\.(\d+))?$/.exec(said.get(name) ?? "");
    return match ? {seed: Math.min(Number(match[1]), LARGEST_SEED), label: Number(match[2] ?? 0)} : otherwise;
  };
  const first = whole("seed", 0, LARGEST_SEED, initial.first);
  const b = face("b", initial.b);
  const layer = (text, otherwise) => Math.round(limited(text, 0, layers - 1, otherwise));
  const [low, high] = (said.get("layers") ?? "").split("-");
  const from = layer(low, initial.from);
  return {
    first,
    count: whole("count", 1, MOST_FACES, initial.count),
    psi: number("psi", -2, 2, initial.psi),
    label: whole("class", 0, Number.MAX_SAFE_INTEGER, initial.label),
    a: face("a", initial.a),
    b,
    mode: b ? oneOf("mode", ["one", "mix", "blend"], initial.mode) : "one",
    from,
    to: Math.max(from, layer(high, initial.to)),
    t: Math.round(number("t", 0, 1, initial.t) * BLEND_STEPS) / BLEND_STEPS,
    noise: oneOf("noise", ["fixed", "off", "seed"], initial.noise),
    noiseSeed: whole("noise_seed", 0, LARGEST_SEED, initial.noiseSeed),
  };
}

/** The address of a state, as short as it can be. */
export function format(state, initial) {
  const said = new URLSearchParams();
  const put = (name, value, otherwise) => value !== null && value !== otherwise && said.set(name, value);
  const face = (value) => value && `${value.seed}${value.label ? `.${value.label}` : ""}`;
  put("seed", state.first, initial.first);
  put("count", state.count, initial.count);
  put("psi", state.psi, initial.psi);
  put("class", state.label, initial.label);
  put("a", face(state.a), face(initial.a));
  put("b", face(state.b), face(initial.b));
  put("mode", state.mode, initial.mode);
  if (state.mode === "mix") said.set("layers", `${state.from}-${state.to}`);
  if (state.mode === "blend") said.set("t", state.t);
  put("noise", state.noise, initial.noise);
  if (state.noise === "seed") said.set("noise_seed", state.noiseSeed);
  return `#${said}`;
}

/** An address of the large picture alone, the same for all states that show it; `parse` reads it. */
export function formatPicture(state) {
  const wall = {first: state.first, count: state.count, label: state.label};
  return format({...state, b: state.mode === "one" ? null : state.b}, {...wall, a: null});
}

/** A whole number that can be a seed of the wall. */
export function toSeed(text, otherwise) {
  return Math.round(limited(text, 0, LARGEST_SEED, otherwise));
}

const STYLES = [
  {name: "Coarse", gist: "shape", changes: "pose and overall shape"},
  {name: "Middle", gist: "features", changes: "features and smaller shapes"},
  {name: "Fine", gist: "colour", changes: "colours and texture"},
];

/** The layers of the coarse, middle and fine styles: the published split, in proportion for fewer resolutions. */
export function presets(layers) {
  const levels = layers / 2;
  const ends = [0, 2 / 9, 4 / 9].map((share, index) => (index ? Math.max(1, Math.round(levels * share)) : 0));
  return STYLES
    .map((style, index) => ({...style, from: 2 * ends[index], to: 2 * (ends[index + 1] ?? levels) - 1}))
    .filter(({from, to}) => to >= from);
}

/** What a range of layers is, and what it changes where it is a preset. */
export function explain(from, to, {layers, width, height}) {
  const sizes = [...new Set([from, to].map((layer) => {
    const halvings = layers / 2 - 1 - Math.floor(layer / 2);
    return `${width / 2 ** halvings}×${height / 2 ** halvings}`;
  }))];
  const range = from === to ? `Layer ${from}` : `Layers ${from}–${to}`;
  const preset = presets(layers).find((one) => one.from === from && one.to === to);
  return `${range}, ${sizes.join(" to ")}${preset ? `: ${preset.changes}` : ""}.`;
}

/** The first's ws with those of some layers from the second. */
export function mixed(a, b, from, to) {
  return a.map((w, layer) => (layer >= from && layer <= to ? b[layer] : w));
}

/** The ws at a share t of the way from the first to the second. */
export function between(a, b, t) {
  return a.map((w, layer) => w.map((value, index) => value + t * (b[layer][index] - value)));
}

/** What the large picture is, in words. */
export function describe(state, nameOf) {
  const {a, b, mode, from, to, t} = state;
  if (mode === "mix") return `${nameOf(a)} with layers ${from}-${to} of ${nameOf(b).toLowerCase()}`;
  if (mode === "blend") return `${nameOf(a)}, ${Math.round(100 * t)}% towards ${nameOf(b).toLowerCase()}`;
  return nameOf(a);
}

/** The name of its file. */
export function fileName(state, hasClasses) {
  const {a, b, mode, from, to, t, psi, noise, noiseSeed} = state;
  const face = ({seed, label}) => `seed${seed}${hasClasses ? `-class${label}` : ""}`;
  const second = {
    one: "",
    mix: b && `_layers${from}-${to}-of-${face(b)}`,
    blend: b && `_${Math.round(100 * t)}percent-${face(b)}`,
    pair: b && `_to-${face(b)}`, // of several pictures
  };
  const noises = {fixed: "", off: "_noise-off", seed: `_noise${noiseSeed}`};
  return `${face(a)}${second[mode]}_psi${psi.toFixed(2)}${noises[noise]}.png`;
}

function limited(text, low, high, otherwise) {
  const value = text === null || text === undefined || String(text).trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
}
