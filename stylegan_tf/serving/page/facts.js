// What a model is, in words.

/**
 * @param {Model} model whose description may lack anything: other people's exports, or older ones
 * @returns {Array<Array<string>>} a name and a text for each fact that is known
 */
export function facts({version, width, height, description}) {
  const {kimg, config, metrics} = description;
  return [
    ["Family", family(config?.network)],
    ["Resolution", `${width}×${height}`],
    ["Training", kimg > 0 && `${inWords(kimg)} kimg (thousand images)`],
    ["Metric", metric(metrics)],
    ["Version", String(version)],
  ].filter(([, text]) => typeof text === "string" && text);
}

/** What people call networks of these settings; the name in the settings for a family that is not known here. */
function family(network) {
  const first = network?.style === false ? "ProGAN" : "StyleGAN";
  return new Map([["stylegan1", first], ["stylegan2", "StyleGAN2"]]).get(network?.family) ?? network?.family;
}

/** The first of those that were measured of this state, by its first value. */
function metric(metrics) {
  for (const [protocol, values] of Object.entries(metrics ?? {})) {
    const [name, value] = Object.entries(values ?? {})[0] ?? [];
    if (Number.isFinite(value)) return `${name.replaceAll("_", " ")} ${inWords(value)} (${protocol})`;
  }
  return null;
}

function inWords(number) {
  const digits = Math.abs(number) < 1000 ? {maximumSignificantDigits: 4} : {maximumFractionDigits: 0};
  return number.toLocaleString("en", digits);
}
