// An animated PNG of PNG files, put together of their own compressed pixels (https://www.w3.org/TR/png-3/).

const SIGNATURE_BYTES = 8;
const CRCS = Uint32Array.from({length: 256}, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/**
 * Repeats for ever, and loses nothing.
 * @param {Array<Uint8Array>} pngs one or more, all of one size and type
 * @param {number} delayMs from one to the next
 * @returns {Blob}
 */
export function animate(pngs, delayMs) {
  const films = pngs.map(readChunks);
  const header = ([first]) => first.data.join();
  if (films.some((chunks) => header(chunks) !== header(films[0]))) throw new Error("the pictures differ in size or type");
  const {data: size} = films[0][0];
  const parts = [pngs[0].subarray(0, SIGNATURE_BYTES)];
  let sequence = 0;
  const add = (type, ...data) => parts.push(chunk(type, ...data));
  films[0].slice(0, films[0].findIndex(({type}) => type === "IDAT")).forEach(({type, data}) => add(type, data));
  add("acTL", uint32(films.length), uint32(0));
  films.forEach((chunks, index) => {
    const where = [size.subarray(0, 8), new Uint8Array(8)]; // all of the picture
    add("fcTL", uint32(sequence++), ...where, uint16(delayMs), uint16(1000), new Uint8Array(2));
    for (const {data} of chunks.filter(({type}) => type === "IDAT")) {
      if (index === 0) add("IDAT", data);
      else add("fdAT", uint32(sequence++), data);
    }
  });
  add("IEND");
  return new Blob(parts, {type: "image/png"});
}

function readChunks(png) {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const chunks = [];
  for (let at = SIGNATURE_BYTES; at < png.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    chunks.push({type, data: png.subarray(at + 8, at + 8 + length)});
    at += 12 + length;
  }
  return chunks;
}

function chunk(type, ...data) {
  const length = data.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(12 + length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length);
  [...type].forEach((letter, index) => { bytes[4 + index] = letter.charCodeAt(0); });
  let at = 8;
  for (const part of data) {
    bytes.set(part, at);
    at += part.length;
  }
  let crc = 0xffffffff;
  for (const byte of bytes.subarray(4, at)) crc = CRCS[(crc ^ byte) & 255] ^ (crc >>> 8);
  view.setUint32(at, (crc ^ 0xffffffff) >>> 0);
  return bytes;
}

function uint32(value) {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function uint16(value) {
  return Uint8Array.of(value >>> 8, value);
}
