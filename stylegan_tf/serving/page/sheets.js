// Sheets of pictures as PNG files, and enlarged pictures.

const MOST_PIXELS = 2 ** 24; // of a canvas, on every browser
const LONGEST_SIDE = 2 ** 14;

/** How many columns make a grid close to a square, without gaps where that can be. */
export function columnsFor(count) {
  const side = Math.ceil(Math.sqrt(count));
  for (let columns = side; columns <= 2 * side; columns += 1) {
    if (count % columns === 0) return columns;
  }
  return side;
}

/** The bytes of a PNG file in base64. */
export function toBytes(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/**
 * Pictures side by side, each in its own size, or smaller where they would be more than a canvas holds.
 * @param {Array<string>} pngs in base64, all of one size
 * @returns {{blob: Blob, width: number}} the file, and how wide each picture is in it
 */
export async function drawSheet(pngs, columns) {
  const images = await Promise.all(pngs.map(decode));
  const rows = Math.ceil(images.length / columns);
  const {width, height} = images[0];
  const scale = Math.min(
    1, LONGEST_SIDE / (columns * width), LONGEST_SIDE / (rows * height),
    Math.sqrt(MOST_PIXELS / (columns * width * rows * height)),
  );
  const [tileWidth, tileHeight] = [width, height].map((side) => Math.max(1, Math.floor(side * scale)));
  const canvas = makeCanvas(columns * tileWidth, rows * tileHeight);
  const context = canvas.getContext("2d");
  images.forEach((image, index) => {
    const [column, row] = [index % columns, Math.floor(index / columns)];
    context.drawImage(image, column * tileWidth, row * tileHeight, tileWidth, tileHeight);
  });
  return {blob: await encode(canvas), width: tileWidth};
}

/** The bytes of a PNG file, its picture enlarged by whole pixels until it is so wide. */
export async function enlarged(png, leastWidth) {
  const image = await decode(png);
  const times = Math.ceil(leastWidth / image.width);
  if (times <= 1) return toBytes(png);
  const canvas = makeCanvas(times * image.width, times * image.height);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Uint8Array(await (await encode(canvas)).arrayBuffer());
}

function decode(png) {
  return createImageBitmap(new Blob([toBytes(png)], {type: "image/png"}));
}

function makeCanvas(width, height) {
  return Object.assign(document.createElement("canvas"), {width, height});
}

async function encode(canvas) {
  const blob = await new Promise((done) => { canvas.toBlob(done, "image/png"); });
  if (!blob) throw new Error("the browser has no room for a picture of this size");
  return blob;
}
