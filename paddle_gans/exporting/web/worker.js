"use strict";
// Runs the programs, apart from the page, which stays responsive. Images are ImageData. The functions
// do what paddle_gans/inference and data_reader do with images, so that the results are the same.

const MIN_SIDE = 32, MAX_SIZES = 4;
const sessions = {};
let ort, about;

const calls = {
  async start(known, runtime, wasm) {
    about = known;
    const address = URL.createObjectURL(new Blob([runtime], {type: "text/javascript"}));
    ort = await import(address);
    ort.env.wasm.wasmBinary = wasm;
    ort.env.wasm.numThreads = 1;  // several need headers that only a server can send
  },

  async open(name, bytes) {
    const settings = {logSeverityLevel: 3};  // errors only
    sessions[name] = await ort.InferenceSession.create(bytes, settings);
  },

  async images(image, {program}) {
    return (await translate(program, image))[0];
  },

  async photographs(image, {saturation}) {
    return colorize(image, saturation);
  },

  async domains(image, {domain, reference}) {
    const square = centre(image, about.side);
    const y = tensor(BigInt64Array.of(BigInt(domain)), [1]);
    const [styles, inputs] = reference
      ? ["style_encoder", {x: toTensor(centre(reference, about.side)), y}]
      : ["mapping_network", {z: draw(program("mapping_network").inputs[0], 1), y}];
    return (await translate("generator", square, {s: await run(styles, inputs)}))[0];
  },

  async noise(image, {count}) {
    const one = program("generator");
    const inputs = one.inputs.map((field) => [field.name, draw(field, count)]);
    const images = toImages(await run("generator", Object.fromEntries(inputs)));
    return grid(images);
  },

  fit,

  // For the tests.
  lab: (image) => planesToLab(image),
  rgb: (lab, width, height) => labToImage(lab, new ImageData(width, height)),
};

self.onmessage = async ({data: {id, call, values}}) => {
  try {
    self.postMessage({id, result: await calls[call](...values)});
  } catch (error) {
    self.postMessage({id, error: wording(error)});
  }
};

function wording(error) {
  const said = String(error?.message ?? error);
  return /memory|alloc|overflow/i.test(said) || typeof error === "number"
    ? "the image does not fit into the browser's memory; choose a smaller largest side"
    : said;
}

function program(name) {
  return about.programs.find((one) => one.name === name);
}

const tensor = (array, shape) =>
  new ort.Tensor(array instanceof BigInt64Array ? "int64" : "float32", array, shape);

async function run(name, inputs) {
  const results = await sessions[name].run(inputs);
  return Object.values(results)[0];
}

// Random values of an input, as export.json describes it.
function draw(field, count) {
  const shape = field.shape.map((n) => (n === "batch" ? count : n));
  const length = shape.reduce((a, b) => a * b, 1), [low, high] = field.range ?? [0, 1];
  const uniform = () => low + (high - low) * Math.random();
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  if (field.values === "integer") {
    const integer = () => BigInt(low + Math.floor((high - low + 1) * Math.random()));
    return tensor(BigInt64Array.from({length}, integer), shape);
  }
  const one = field.values === "normal" ? normal : uniform;
  return tensor(Float32Array.from({length}, one), shape);
}

const roundUp = (side, multiple) => Math.ceil(Math.max(side, MIN_SIDE) / multiple) * multiple;

// Indices that read a side forwards and backwards, repeatedly.
function mirrored(side, total) {
  const period = Math.max(2 * (side - 1), 1);
  return Array.from({length: total}, (_, i) => Math.min(i % period, period - (i % period)));
}

// RGB in [-1, 1], [1, 3, height, width], mirrored at the right and bottom to these sides.
function toTensor({width, height, data}, wide = width, high = height) {
  const x = new Float32Array(3 * high * wide);
  const rows = mirrored(height, high), columns = mirrored(width, wide);
  let at = 0;
  for (let channel = 0; channel < 3; channel++) {
    for (const row of rows) {
      for (const column of columns) {
        x[at++] = data[4 * (row * width + column) + channel] / 127.5 - 1;
      }
    }
  }
  return tensor(x, [1, 3, high, wide]);
}

// Opaque images of a tensor [N, 3 or 1, H, W] in [-1, 1], cropped to these sides.
function toImages({dims: [count, channels, high, wide], data}, width = wide, height = high) {
  return Array.from({length: count}, (_, n) => {
    const image = new ImageData(width, height), plane = high * wide;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const to = 4 * (row * width + column);
        const from = n * channels * plane + row * wide + column;
        for (let channel = 0; channel < 3; channel++) {
          const level = (data[from + (channels === 3 ? channel * plane : 0)] + 1) * 127.5;
          image.data[to + channel] = level;  // clamped and rounded by the array
        }
        image.data[to + 3] = 255;
      }
    }
    return image;
  });
}

async function translate(name, image, more = {}) {
  const {width, height, data} = image, multiple = program(name).sides_are_multiples_of ?? 1;
  const x = toTensor(image, roundUp(width, multiple), roundUp(height, multiple));
  const results = toImages(await run(name, {x, ...more}), width, height);
  for (const {data: to} of results) {
    for (let i = 3; i < to.length; i += 4) to[i] = data[i];  // keep the input's transparency
  }
  return results;
}

// Images of one size in a square of rows, with a white line between them.
function grid(images) {
  const across = Math.ceil(Math.sqrt(images.length)), down = Math.ceil(images.length / across);
  const {width, height} = images[0], step = [width + 2, height + 2];
  const canvas = new OffscreenCanvas(across * step[0] - 2, down * step[1] - 2);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  images.forEach((image, i) =>
    context.putImageData(image, (i % across) * step[0], Math.floor(i / across) * step[1]));
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// Resizing, as data_reader.transforms does: areas' means to shrink, otherwise cubic.

function taps(from, to, shrinks) {
  const scale = from / to;
  return Array.from({length: to}, (_, i) => {
    if (shrinks) {
      const begin = i * scale, end = Math.min(begin + scale, from), found = [];
      for (let j = Math.floor(begin); j < end; j++) {
        found.push([j, (Math.min(j + 1, end) - Math.max(j, begin)) / (end - begin)]);
      }
      return found;
    }
    const at = (i + 0.5) * scale - 0.5, first = Math.floor(at);
    return [-1, 0, 1, 2].map((k) =>
      [Math.min(Math.max(first + k, 0), from - 1), cubic(Math.abs(at - first - k))]);
  });
}

function cubic(x) {
  const a = -0.75;
  return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

function resizePlane(plane, width, height, wide, high) {
  if (width === wide && height === high) return plane;
  const shrinks = wide < width && high < height;
  const narrow = new Float32Array(height * wide), result = new Float32Array(high * wide);
  taps(width, wide, shrinks).forEach((one, column) => {
    for (let row = 0; row < height; row++) {
      let sum = 0;
      for (const [j, weight] of one) sum += plane[row * width + j] * weight;
      narrow[row * wide + column] = sum;
    }
  });
  taps(height, high, shrinks).forEach((one, row) => {
    for (let column = 0; column < wide; column++) {
      let sum = 0;
      for (const [j, weight] of one) sum += narrow[j * wide + column] * weight;
      result[row * wide + column] = sum;
    }
  });
  return result;
}

function resize(image, wide, high) {
  const {width, height, data} = image;
  if (width === wide && height === high) return image;
  const result = new ImageData(wide, high);
  for (let channel = 0; channel < 4; channel++) {
    const plane = Float32Array.from({length: width * height}, (_, i) => data[4 * i + channel]);
    resizePlane(plane, width, height, wide, high).forEach((level, i) => {
      result.data[4 * i + channel] = level;
    });
  }
  return result;
}

// The image with a longest side of at most so many pixels; 0 is no limit.
function fit(image, longest) {
  const {width, height} = image, scale = longest / Math.max(width, height);
  if (!longest || scale >= 1) return image;
  return resize(image, ...[width, height].map((side) => Math.max(1, Math.round(side * scale))));
}

// The middle square, with sides of so many pixels.
function centre({width, height, data}, side) {
  const least = Math.min(width, height);
  const left = Math.floor((width - least) / 2), top = Math.floor((height - least) / 2);
  const square = new ImageData(least, least);
  for (let row = 0; row < least; row++) {
    const begin = 4 * ((top + row) * width + left);
    square.data.set(data.subarray(begin, begin + 4 * least), 4 * row * least);
  }
  return resize(square, side, side);
}

// CIE Lab of sRGB, as data_reader.colour does: white D65, L 0 to 100.

const TO_XYZ = [
  [0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227],
];
const WHITE = [0.950456, 1, 1.088754];
const TO_RGB = inverse(TO_XYZ);
const DARKEST = -1e-4, BRIGHTEST = 1.002, HALVINGS = 12, BEND = 6 / 29;
const LIGHT = Array.from({length: 256}, (_, i) => {
  const x = i / 255;
  return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
});

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const of = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((x) => x / of));
}

// The planes L, a and b of an image, one after the other.
function planesToLab({width, height, data}) {
  const size = width * height, lab = new Float32Array(3 * size);
  for (let i = 0; i < size; i++) {
    const light = [LIGHT[data[4 * i]], LIGHT[data[4 * i + 1]], LIGHT[data[4 * i + 2]]];
    const [x, y, z] = TO_XYZ.map((row, k) => {
      const t = (row[0] * light[0] + row[1] * light[1] + row[2] * light[2]) / WHITE[k];
      return t > BEND ** 3 ? Math.cbrt(t) : t / (3 * BEND * BEND) + 4 / 29;
    });
    lab[i] = 116 * y - 16;
    lab[size + i] = 500 * (x - y);
    lab[2 * size + i] = 200 * (y - z);
  }
  return lab;
}

// Linear light of a colour with this share of its chroma.
function lightOf(l, a, b, share) {
  const y = (l + 16) / 116;
  const xyz = [y + share * a / 500, y, y - share * b / 200].map(
    (f, k) => WHITE[k] * (f > BEND ? f ** 3 : 3 * BEND * BEND * (f - 4 / 29)));
  return TO_RGB.map((row) => row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2]);
}

const isColour = (light) => light.every((x) => x >= DARKEST && x <= BRIGHTEST);

// Set the colours of an image; those outside RGB keep lightness and hue, and lose chroma.
function labToImage(lab, image) {
  const size = image.width * image.height;
  for (let i = 0; i < size; i++) {
    const colour = [Math.min(Math.max(lab[i], 0), 100), lab[size + i], lab[2 * size + i]];
    let light = lightOf(...colour, 1);
    if (!isColour(light)) {
      let low = 0, high = 1;
      for (let k = 0; k < HALVINGS; k++) {
        const middle = (low + high) / 2;
        if (isColour(lightOf(...colour, middle))) low = middle;
        else high = middle;
      }
      light = lightOf(...colour, low);
    }
    light.forEach((x, channel) => {
      const level = x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055;
      image.data[4 * i + channel] = 255 * level;
    });
  }
  return image;
}

async function colorize(image, saturation) {
  const {width, height} = image, size = width * height, shorter = Math.min(width, height);
  const lab = planesToLab(image);
  let scale = about.side / shorter;
  if (scale > 1) {
    scale = Math.min(scale, Math.max(1, MAX_SIZES * about.side / Math.max(width, height)));
  }
  const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const small = resizePlane(lab.subarray(0, size), width, height, w, h);
  const rows = mirrored(h, roundUp(h, 1)), columns = mirrored(w, roundUp(w, 1)), x = [];
  for (const row of rows) for (const column of columns) x.push(small[row * w + column] / 50 - 1);
  const shape = [1, 1, rows.length, columns.length];
  const {data} = await run("generator", {x: tensor(Float32Array.from(x), shape)});
  for (const channel of [0, 1]) {
    const ab = new Float32Array(h * w), begin = channel * rows.length * columns.length;
    for (let row = 0; row < h; row++) {
      const from = begin + row * columns.length;
      ab.set(data.subarray(from, from + w), row * w);
    }
    const large = resizePlane(ab, w, h, width, height);
    lab.set(large.map((value) => value * 110 * saturation), (channel + 1) * size);
  }
  return labToImage(lab, new ImageData(Uint8ClampedArray.from(image.data), width, height));
}
