"use strict";
// The page: reads images and options, lets the worker compute, shows the results.

const about = JSON.parse(document.getElementById("about").textContent);
const element = (id) => document.getElementById(id);
const options = element("options"), statusLine = element("status");
const takesImages = about.kind !== "noise";
let source = null, reference = null, stream = null, isBusy = false, isStale = false;

// The worker, as a function that returns promises.
const waiting = new Map();
const worker = new Worker(URL.createObjectURL(
  new Blob([element("worker").textContent], {type: "text/javascript"})));
worker.onmessage = ({data: {id, result, error}}) => {
  const [resolve, reject] = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) resolve(result);
  else reject(new Error(error));
};
function ask(call, ...values) {
  return new Promise((resolve, reject) => {
    const id = ask.count = (ask.count ?? 0) + 1;
    waiting.set(id, [resolve, reject]);
    worker.postMessage({id, call, values});
  });
}

const PART = 2 ** 22;  // characters at a time, a multiple of 4: programs have hundreds of MB

async function unpack(id) {
  const block = element(`data-${id}`), text = block.textContent, parts = [];
  block.remove();
  for (let i = 0; i < text.length; i += PART) {
    const part = atob(text.slice(i, i + PART)), bytes = new Uint8Array(part.length);
    for (let j = 0; j < part.length; j++) bytes[j] = part.charCodeAt(j);
    parts.push(bytes);
  }
  const unpacked = new Blob(parts).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

function show(text, isError = false) {
  statusLine.textContent = text;
  statusLine.classList.toggle("error", isError);
}

const fail = (error) => show(`Not possible: ${error.message}`, true);

// Options.

function addOption(name, label, input) {
  const box = document.createElement("label");
  input.id = name;
  box.append(label, input);
  options.append(box);
  input.addEventListener("change", compute);
  return input;
}

function select(choices) {
  const input = document.createElement("select");
  for (const [value, text] of choices) input.add(new Option(text, value));
  return input;
}

function addButton(text) {
  const button = document.createElement("button");
  button.type = "button";
  button.id = "again";
  button.textContent = text;
  button.addEventListener("click", compute);
  options.append(button);
}

function addOptions() {
  if (about.kind === "images" && about.programs.length > 1) {
    const choices = about.programs.map(({name, label}) => [name, label || name]);
    addOption("program", "Direction", select(choices));
  }
  if (about.kind === "photographs") {
    const input = Object.assign(document.createElement("input"),
      {type: "range", min: 0, max: 2, step: 0.05, value: 1});
    addOption("saturation", "Saturation", input);
  }
  if (about.kind === "domains") {
    addOption("domain", "Show it as", select(about.domains.map((name, i) => [i, name])));
    const input = Object.assign(document.createElement("input"), {type: "file", accept: "image/*"});
    addOption("reference", "Copy the style of (an image of that kind)", input);
    input.addEventListener("change", async () => {
      try {
        reference = input.files[0] ? await decode(input.files[0]) : null;
        compute();
      } catch (error) {
        fail(error);
      }
    });
    addButton("Another random style");
  } else if (about.kind === "noise") {
    const sides = [1, 2, 4, 8].map((side) => [side * side, side * side]);
    addOption("count", "Images", select(sides)).value = 16;
    addButton("Generate");
  } else {
    // A network that sees every pixel would take minutes; colorization's sees a small copy.
    const isFast = about.kind === "photographs";
    const sides = [256, 512, 1024, 2048].map((side) => [side, `${side} pixels`]);
    if (isFast) sides.push([0, "as it is"]);
    addOption("longest", "Largest side", select(sides)).value = isFast ? 0 : 512;
  }
}

const valueOf = (id) => (element(id) ? Number(element(id).value) : undefined);

function chosen() {
  return {
    program: element("program")?.value ?? about.programs[0].name,
    saturation: valueOf("saturation"),
    domain: valueOf("domain"),
    count: valueOf("count"),
    reference,
  };
}

// Images.

async function decode(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file,
      {colorSpaceConversion: "none", premultiplyAlpha: "none"});
  } catch {
    throw new Error(`${file.name || "this"} is not an image that this browser reads`);
  }
  return pixelsOf(bitmap, bitmap.width, bitmap.height);
}

function pixelsOf(drawable, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  if (!context) throw new Error(`${width} x ${height} pixels are too many for this browser`);
  context.drawImage(drawable, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

function put(id, image) {
  const canvas = element(id).querySelector("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
}

async function open(file) {
  if (!file) return;
  stopCamera();
  try {
    source = await decode(file);
    await compute();
  } catch (error) {
    fail(error);
  }
}

// Compute the output of the newest input and options; while one is computed, others are dropped.
async function compute() {
  if (takesImages && !source) return;
  if (isBusy) {
    isStale = true;
    return;
  }
  isBusy = true;
  if (!stream) show("Computing");
  try {
    do {
      isStale = false;
      const start = performance.now();
      const given = source, input = takesImages ? await ask("fit", given, valueOf("longest")) : null;
      const output = await ask(about.kind, input, chosen());
      if (input) put("before", input);
      put("after", output);
      element("download").disabled = false;
      const words = [`${output.width} x ${output.height} pixels`,
        `${((performance.now() - start) / 1000).toFixed(1)} s`];
      if (input && input.width !== given.width) {
        words.push(`reduced from ${given.width} x ${given.height}`);
      }
      show(words.join(" · "));
    } while (isStale);
  } catch (error) {
    stopCamera();
    fail(error);
  }
  isBusy = false;
}

// The webcam: the newest frame, whenever the last one is done.

async function startCamera() {
  show("Waiting for the webcam");
  try {
    stream = await navigator.mediaDevices.getUserMedia({video: true});
  } catch {
    show("Not possible: no webcam, or this browser may not use it", true);
    return;
  }
  element("camera").textContent = "Stop the webcam";
  const video = Object.assign(document.createElement("video"),
    {srcObject: stream, muted: true, playsInline: true});
  await video.play();
  while (stream) {
    source = pixelsOf(video, video.videoWidth, video.videoHeight);
    await compute();
    await new Promise(requestAnimationFrame);
  }
}

function stopCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  element("camera").textContent = "Webcam";
}

function listen() {
  const drop = element("drop"), file = element("file");
  file.addEventListener("change", () => {
    open(file.files[0]);
    file.value = "";  // otherwise the same file, changed meanwhile, cannot be chosen again
  });
  for (const [name, isOver] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", isOver);
    });
  }
  drop.addEventListener("drop", (event) => open(event.dataTransfer.files[0]));
  document.addEventListener("paste", (event) => open(event.clipboardData.files[0]));
  options.addEventListener("submit", (event) => event.preventDefault());
  element("camera").addEventListener("click", () => (stream ? stopCamera() : startCamera()));
  element("download").addEventListener("click", () => {
    element("after").querySelector("canvas").toBlob((blob) => {
      const link = Object.assign(document.createElement("a"),
        {href: URL.createObjectURL(blob), download: "output.png"});
      link.click();
      URL.revokeObjectURL(link.href);
    });
  });
}

async function main() {
  document.title = element("title").textContent = about.title;
  element("source").hidden = element("before").hidden = !takesImages;
  try {
    await ask("start", about, await unpack("runtime"), await unpack("wasm"));
    for (const {name} of about.programs) await ask("open", name, await unpack(name));
  } catch (error) {
    fail(new Error(`this browser cannot run the program (${error.message}); try a newer one`));
    return;
  }
  addOptions();
  listen();
  show(takesImages ? "Ready: choose an image" : "Ready");
  compute();
}

main();
