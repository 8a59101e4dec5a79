// Enlarges one picture, tile by tile, as `srutils upscale` does; the page stays awake meanwhile.
// It gets {ort, wasm, onnx, model, picture: {width, height, rgba}, tile} and answers with messages:
// {kind: "before", rgba}, {kind: "tile", x, y, width, height, rgba, done, total}, {kind: "done" | "failed"}.

const LUMA = [65.481, 128.553, 24.966]; // BT.601, as srutils.metrics.luma: black 16/255, white 235/255
const BICUBIC_REACH = 2;

self.onmessage = async ({ data }) => {
  try {
    await enlarge(data);
    self.postMessage({ kind: "done" });
  } catch (error) {
    self.postMessage({ kind: "failed", text: String(error?.message ?? error) });
  }
};

async function enlarge({ ort, wasm, onnx, model, picture, tile }) {
  const { width, height, rgba } = picture;
  const before = bicubicLevels(rgba, width, height, model.scale);
  self.postMessage({ kind: "before", rgba: before.slice() });
  // The worker makes the address itself: on a disk it may not open those that the page makes.
  const runtime = await import(URL.createObjectURL(new Blob([ort], { type: "text/javascript" })));
  runtime.env.wasm.numThreads = 1; // more need headers that neither a disk nor every host sends
  runtime.env.wasm.wasmBinary = wasm;
  const session = await runtime.InferenceSession.create(onnx, { executionProviders: ["wasm"] });
  const network = async (values, h, w, channels) => {
    const input = new runtime.Tensor("float32", values, [1, h, w, channels]);
    return (await session.run({ [session.inputNames[0]]: input }))[session.outputNames[0]].data;
  };
  const all = tiles(width, height, tile, margin(model), model.edges === "repeat");
  for (const [index, one] of all.entries()) {
    const sr = await enlargeRegion(cut(rgba, width, one), one.columns.length, one.rows.length, model, network);
    const place = levels(sr, one, model.scale, before, width);
    self.postMessage({ kind: "tile", ...place, done: index + 1, total: all.length });
  }
}

// How far around a tile its region has to reach, in pixels of the small picture (Upscaler.needs).
function margin(model) {
  const grow = model.input === "lr" ? 1 : model.scale;
  const seen = Math.ceil((Math.floor(model.receptive_field / 2) + 1) / grow);
  return Math.max(seen + (grow > 1 ? BICUBIC_REACH : 0), model.channels === "luma" ? BICUBIC_REACH : 0);
}

// The places of the tiles, and the rows and columns of their regions; outside the picture its edge repeats.
function tiles(width, height, tile, reach, repeat) {
  const spans = (length) => {
    const found = [];
    for (let start = 0; start < length; start += tile) {
      const stop = Math.min(start + tile, length);
      const first = repeat ? start - reach : Math.max(start - reach, 0);
      const last = repeat ? stop + reach : Math.min(stop + reach, length);
      const indices = Array.from({ length: last - first }, (_, i) => clamp(first + i, 0, length - 1));
      found.push({ start, stop, offset: start - first, indices });
    }
    return found;
  };
  const columns = spans(width);
  return spans(height).flatMap((row) =>
    columns.map((column) => ({
      x: column.start,
      y: row.start,
      width: column.stop - column.start,
      height: row.stop - row.start,
      left: column.offset,
      top: row.offset,
      columns: column.indices,
      rows: row.indices,
    })),
  );
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

// A tile's region in RGB, 0 to 1.
function cut(rgba, width, { rows, columns }) {
  const region = new Float32Array(rows.length * columns.length * 3);
  let at = 0;
  for (const y of rows) {
    for (const x of columns) {
      for (let c = 0; c < 3; c++) region[at++] = rgba[(y * width + x) * 4 + c] / 255;
    }
  }
  return region;
}

// RGB, 0 to 1, of a region enlarged by the network.
async function enlargeRegion(region, w, h, model, network) {
  const { scale, channels, input } = model;
  if (channels === "rgb") return network(region, h, w, 3);
  let y = luma(region);
  if (input === "bicubic") y = bicubic(y, w, h, 1, scale);
  y = await network(y, input === "bicubic" ? h * scale : h, input === "bicubic" ? w * scale : w, 1);
  // Equal steps of R, G and B move luma (219 of 255 levels) and leave both colour differences alone.
  const colour = bicubic(region, w, h, 3, scale);
  const old = luma(colour);
  return colour.map((value, i) => value + ((y[Math.floor(i / 3)] - old[Math.floor(i / 3)]) * 255) / 219);
}

function luma(rgb) {
  const y = new Float32Array(rgb.length / 3);
  for (let i = 0; i < y.length; i++) {
    y[i] = (16 + LUMA[0] * rgb[3 * i] + LUMA[1] * rgb[3 * i + 1] + LUMA[2] * rgb[3 * i + 2]) / 255;
  }
  return y;
}

// Levels of the tile inside an enlarged region, and where they belong; transparency is bicubic's.
function levels(sr, one, scale, before, fullWidth) {
  const [width, height, wide] = [one.width * scale, one.height * scale, one.columns.length * scale];
  const [x, y] = [one.x * scale, one.y * scale];
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = ((row + one.top * scale) * wide + column + one.left * scale) * 3;
      const to = (row * width + column) * 4;
      for (let c = 0; c < 3; c++) rgba[to + c] = sr[from + c] * 255; // clamped and rounded by its type
      rgba[to + 3] = before[((y + row) * fullWidth * scale + x + column) * 4 + 3];
    }
  }
  return { x, y, width, height, rgba };
}

function bicubicLevels(rgba, width, height, scale) {
  const large = bicubic(Float32Array.from(rgba), width, height, 4, scale);
  return Uint8ClampedArray.from(large);
}

// Enlarge (height, width, channels) with Keys' kernel, a = -0.5, along the rows and then along the columns.
function bicubic(values, width, height, channels, scale) {
  const wide = along(values, height, width, channels, scale);
  return along(wide, 1, height, width * scale * channels, scale);
}

// Enlarge the middle axis of (outer, length, inner). At an edge the weights inside make up for those outside.
function along(values, outer, length, inner, scale) {
  const result = new Float32Array(outer * length * scale * inner);
  for (let i = 0; i < length * scale; i++) {
    const centre = (i + 0.5) / scale;
    const first = Math.max(0, Math.trunc(centre - BICUBIC_REACH + 0.5));
    const last = Math.min(length, Math.trunc(centre + BICUBIC_REACH + 0.5));
    const weights = [];
    for (let j = first; j < last; j++) weights.push(keys(j - centre + 0.5));
    const sum = weights.reduce((a, b) => a + b, 0);
    for (let o = 0; o < outer; o++) {
      const to = (o * length * scale + i) * inner;
      for (let k = 0; k < inner; k++) {
        let total = 0;
        for (let j = first; j < last; j++) total += weights[j - first] * values[(o * length + j) * inner + k];
        result[to + k] = total / sum;
      }
    }
  }
  return result;
}

function keys(distance) {
  const d = Math.abs(distance);
  const a = -0.5;
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
}
