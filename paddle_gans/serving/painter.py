"""A small canvas to draw label maps on, whose pixels have the labels' colours and no others."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping

import numpy as np

from data_reader._opencv import cv2

RGB = tuple[int, int, int]


def data_url(picture: np.ndarray) -> str:
    """A picture, uint8 [H, W, 3], as an address that holds all of it."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return "data:image/png;base64," + base64.b64encode(encoded.tobytes()).decode()


def markup(name: str, palette: Mapping[str, RGB], examples: list[np.ndarray], button: str) -> str:
    """The painter: labels, canvas, tools, examples. ``button`` is pressed after an example."""
    labels = "".join(
        f'<button type="button" class="label" data-colour="rgb({r},{g},{b})" aria-pressed="false">'
        f'<span style="background:rgb({r},{g},{b})"></span>{html.escape(label)}</button>'
        for label, (r, g, b) in palette.items()
    )
    shown = "".join(
        f'<img class="example" alt="example {i}" title="use this map" src="{data_url(picture)}">'
        for i, picture in enumerate(examples, 1)
    )
    shown = f'<p>Maps to start from</p><div class="examples">{shown}</div>' if shown else ""
    return f"""
<div class="painter" id="{name}" data-button="{button}">
  <div class="labels">{labels}</div>
  <canvas width="128" height="128" aria-label="label map"></canvas>
  <div class="tools">
    <label>brush <input type="range" class="width" min="0" max="12" value="4"></label>
    <label><input type="checkbox" class="fill"> fill an area</label>
    <button type="button" class="undo">undo</button>
    <button type="button" class="clear">all of one label</button>
    <label class="upload">upload a map
      <input type="file" accept="image/*" class="file"></label>
  </div>
  {shown}
  <p class="told" role="status"></p>
</div>"""


def drawing_of(name: str) -> str:
    """The JavaScript function that gives the canvas' picture in the place of an input."""
    return f"() => document.querySelector('#{name} canvas').toDataURL('image/png')"


def script(largest_bytes: int, largest_pixels: int) -> str:
    """The painter's script, for the page's head."""
    limits = f"const LARGEST_BYTES = {largest_bytes}, LARGEST_PIXELS = {largest_pixels};"
    return f"<script>(() => {{\n{limits}\n{SCRIPT}\n}})();</script>"


SCRIPT = """
const states = new WeakMap();  // canvas: its undo steps, and the point that is drawn from
const of = (element) => element.closest(".painter");
const canvasOf = (painter) => painter.querySelector("canvas");
const pen = (canvas) => canvas.getContext("2d", {willReadFrequently: true});
const tell = (painter, text) => { painter.querySelector(".told").textContent = text; };

function colourOf(painter) {
  return painter.querySelector('.label[aria-pressed="true"]').dataset.colour;
}
function choose(label) {
  for (const one of of(label).querySelectorAll(".label"))
    one.setAttribute("aria-pressed", String(one === label));
}
function keep(canvas) {
  const {undo} = states.get(canvas);
  undo.push(pen(canvas).getImageData(0, 0, canvas.width, canvas.height));
  if (undo.length > 30) undo.shift();
}
function paintAll(canvas, colour) {
  pen(canvas).fillStyle = colour;
  pen(canvas).fillRect(0, 0, canvas.width, canvas.height);
}

// A disc of whole pixels: a filled path would have a soft edge, of colours that are no label's.
function stamp(canvas, x, y, radius, colour) {
  const context = pen(canvas);
  context.fillStyle = colour;
  for (let down = -radius; down <= radius; down++) {
    const half = Math.floor(Math.sqrt(radius * radius - down * down));
    context.fillRect(x - half, y + down, 2 * half + 1, 1);
  }
}
function stroke(canvas, from, to, radius, colour) {
  const count = Math.max(1, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]));
  for (let i = 0; i <= count; i++) {
    const [x, y] = from.map((start, axis) => start + (to[axis] - start) * i / count);
    stamp(canvas, Math.round(x), Math.round(y), radius, colour);
  }
}
function fill(canvas, [x, y], colour) {
  const {width, height} = canvas, context = pen(canvas);
  const image = context.getImageData(0, 0, width, height);
  const pixels = new Uint32Array(image.data.buffer), old = pixels[y * width + x];
  stamp(canvas, x, y, 0, colour);
  const fresh = new Uint32Array(context.getImageData(x, y, 1, 1).data.buffer)[0];
  if (fresh === old) return;
  const open = [y * width + x];
  while (open.length) {
    const at = open.pop();
    if (pixels[at] !== old) continue;
    pixels[at] = fresh;
    if (at % width) open.push(at - 1);
    if (at % width < width - 1) open.push(at + 1);
    if (at >= width) open.push(at - width);
    if (at < width * (height - 1)) open.push(at + width);
  }
  context.putImageData(image, 0, 0);
}
function place(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const cut = (value, size) => Math.min(size - 1, Math.max(0, Math.floor(value * size)));
  return [cut((event.clientX - box.left) / box.width, canvas.width),
          cut((event.clientY - box.top) / box.height, canvas.height)];
}

// A picture becomes the drawing, at its size; hard edges stay hard where it has to be reduced.
function show(painter, source) {
  return new Promise((done, failed) => {
    const picture = new Image();
    picture.onerror = () => failed(new Error("this file is no picture that the browser reads"));
    picture.onload = () => {
      const canvas = canvasOf(painter), {naturalWidth: width, naturalHeight: height} = picture;
      const scale = Math.min(1, Math.sqrt(LARGEST_PIXELS / (width * height)));
      canvas.width = Math.max(1, Math.floor(width * scale));
      canvas.height = Math.max(1, Math.floor(height * scale));
      states.get(canvas).undo.length = 0;
      paintAll(canvas, colourOf(painter));
      pen(canvas).imageSmoothingEnabled = false;
      pen(canvas).drawImage(picture, 0, 0, canvas.width, canvas.height);
      tell(painter, scale < 1 ? `reduced from ${width} x ${height}` : "");
      done();
    };
    picture.src = source;
  });
}
function upload(painter, file) {
  if (!file) return;
  if (file.size > LARGEST_BYTES) {
    const [has, takes] = [file.size, LARGEST_BYTES].map((bytes) => (bytes / 1e6).toFixed(1));
    tell(painter, `${file.name} has ${has} MB, and ${takes} MB are taken here; save it smaller`);
    return;
  }
  const reader = new FileReader();
  reader.onload = () => show(painter, reader.result).catch((error) => tell(painter, error.message));
  reader.readAsDataURL(file);
}

function begin(painter) {
  const canvas = canvasOf(painter);
  if (states.has(canvas)) return;
  states.set(canvas, {undo: [], last: null});
  choose(painter.querySelector(".label"));
  paintAll(canvas, colourOf(painter));
  const example = painter.querySelector(".example");
  if (example) show(painter, example.src);
}
new MutationObserver(() => document.querySelectorAll(".painter").forEach(begin))
  .observe(document, {childList: true, subtree: true});

document.addEventListener("pointerdown", (event) => {
  const canvas = event.target;
  if (!(canvas instanceof HTMLCanvasElement) || !states.has(canvas)) return;
  event.preventDefault();
  const painter = of(canvas), at = place(canvas, event);
  keep(canvas);
  if (painter.querySelector(".fill").checked) return fill(canvas, at, colourOf(painter));
  canvas.setPointerCapture(event.pointerId);
  states.get(canvas).last = at;
  move(event);
});
function move(event) {
  const canvas = event.target, state = states.get(canvas);
  if (!state || !state.last) return;
  const at = place(canvas, event), painter = of(canvas);
  const unit = Math.max(1, Math.round(canvas.width / 128));
  stroke(canvas, state.last, at, unit * painter.querySelector(".width").value, colourOf(painter));
  state.last = at;
}
document.addEventListener("pointermove", move);
for (const end of ["pointerup", "pointercancel"])
  document.addEventListener(end, (event) => {
    if (states.has(event.target)) states.get(event.target).last = null;
  });
document.addEventListener("click", (event) => {
  const painter = event.target.closest && of(event.target);
  if (!painter) return;
  const canvas = canvasOf(painter), label = event.target.closest(".label");
  if (label) choose(label);
  else if (event.target.matches(".example"))
    show(painter, event.target.src)
      .then(() => document.getElementById(painter.dataset.button).click());
  else if (event.target.matches(".clear")) { keep(canvas); paintAll(canvas, colourOf(painter)); }
  else if (event.target.matches(".undo")) {
    const before = states.get(canvas).undo.pop();
    if (before) pen(canvas).putImageData(before, 0, 0);
  }
});
document.addEventListener("change", (event) => {
  if (event.target.matches(".painter .file")) upload(of(event.target), event.target.files[0]);
});
"""
