// The page docs/enlarge.md: a picture in, the same picture larger beside bicubic, and a file to take away.
// tools/book_browser.py writes the scripts that are loaded here: models.js with the page, the others when
// they are needed. All of them are scripts, since a page on a disk may load these and nothing else.

(() => {
  const HOME = new URL(".", document.currentScript.src).href;
  const MOST = 2 ** 20; // pixels of the small picture: x4 makes sixteen million of them, as a canvas may have
  const TILE = Number(new URLSearchParams(location.search).get("tile")) || 160;
  const $ = (id) => document.getElementById(`enlarge-${id}`);
  let picture = null; // {name, width, height, rgba}
  let worker = null;
  let started = 0;

  function say(text) {
    $("status").textContent = text;
  }

  function load(file) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = HOME + file;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${file} is missing: build the book anew`));
      document.head.append(script);
    });
  }

  function bytes(base64) {
    const text = atob(base64);
    const found = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) found[i] = text.charCodeAt(i);
    return found;
  }

  async function unpacked(base64) {
    const stream = new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  // The runtime, as addresses and bytes that a worker takes; it is read once.
  let runtime = null;
  async function ready() {
    if (runtime) return runtime;
    await load("runtime.js");
    const { worker, ort, wasm } = window.ENLARGE.runtime;
    const address = URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));
    runtime = { address, ort, wasm: await unpacked(wasm) };
    return runtime;
  }

  async function take(file) {
    stop();
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    } catch {
      say(`${file.name} is no picture that this browser can read.`);
      return;
    }
    const shrink = Math.min(1, Math.sqrt(MOST / (bitmap.width * bitmap.height)));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.floor(side * shrink)));
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(bitmap, -Math.floor((bitmap.width - width) / 2), -Math.floor((bitmap.height - height) / 2));
    picture = { name: file.name, width, height, rgba: pen.getImageData(0, 0, width, height).data };
    $("start").disabled = false;
    const size = `${bitmap.width} x ${bitmap.height} pixels`;
    say(
      shrink < 1
        ? `${file.name} has ${size}, more than a browser enlarges in good time: this takes its middle, ` +
            `${width} x ${height}. The whole: srutils upscale ${file.name} large.png`
        : `${file.name}, ${size}.`,
    );
  }

  async function start() {
    stop();
    const model = window.ENLARGE.models.find((one) => one.name === $("model").value);
    const given = picture;
    busy(true);
    say("Getting ready.");
    try {
      const { address, ort, wasm } = await ready();
      if (!window.ENLARGE.weights?.[model.name]) await load(`${model.name}.js`);
      const size = [given.width * model.scale, given.height * model.scale];
      for (const name of ["before", "after"]) [$(name).width, $(name).height] = size;
      $("result").style.setProperty("--width", `${size[0]}px`);
      $("label").textContent = model.name;
      worker = new Worker(address);
      worker.onmessage = ({ data }) => answer(data, model, given);
      worker.onerror = (event) => fail(event.message ?? "the browser does not start a worker here");
      started = performance.now();
      const onnx = bytes(window.ENLARGE.weights[model.name]);
      const { width, height, rgba } = given;
      worker.postMessage({ ort, wasm, onnx, model, picture: { width, height, rgba }, tile: TILE });
    } catch (error) {
      fail(error.message);
    }
  }

  function answer(data, model, given) {
    if (data.kind === "failed") fail(data.text);
    if (data.kind === "before") {
      for (const name of ["before", "after"]) draw($(name), { ...data, x: 0, y: 0 }, $(name).width);
      $("result").hidden = false;
    }
    if (data.kind === "tile") {
      draw($("after"), data, data.width);
      const seconds = (performance.now() - started) / 1000;
      const left = Math.ceil((seconds / data.done) * (data.total - data.done));
      [$("progress").value, $("progress").max] = [data.done, data.total];
      say(`Tile ${data.done} of ${data.total} is done, ${left} s to go.`);
    }
    if (data.kind === "done") {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      say(`${$("after").width} x ${$("after").height} pixels, ${model.name}, ${seconds} s.`);
      $("download").dataset.name = `${given.name.replace(/\.[^.]*$/, "")}_${model.name}.png`;
      $("download").disabled = false;
      end();
    }
  }

  function draw(canvas, { rgba, x, y }, width) {
    canvas.getContext("2d").putImageData(new ImageData(rgba, width), x, y);
  }

  function fail(text) {
    end();
    say(`It did not work: ${text}`);
  }

  function end() {
    worker?.terminate();
    worker = null;
    busy(false);
  }

  function stop() {
    if (worker) say("Cancelled.");
    end();
    $("download").disabled = true;
  }

  function busy(is) {
    $("start").disabled = is || !picture;
    $("cancel").disabled = !is;
    $("progress").hidden = !is;
    $("progress").removeAttribute("value");
    if (is) $("download").disabled = true;
  }

  function download() {
    $("after").toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = $("download").dataset.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    }, "image/png");
  }

  function begin() {
    for (const { name, scale, words } of window.ENLARGE.models) {
      $("model").add(new Option(`x${scale} · ${name} · ${words}`, name));
    }
    $("model").value = window.ENLARGE.first;
    $("file").onchange = ({ target }) => target.files[0] && take(target.files[0]);
    $("sample").onclick = () =>
      take(new File([bytes(window.ENLARGE.sample)], "cat.png", { type: "image/png" }));
    $("start").onclick = start;
    $("cancel").onclick = stop;
    $("download").onclick = download;
    $("slider").oninput = ({ target }) => $("result").style.setProperty("--place", `${target.value}%`);
    $("fit").onchange = ({ target }) => $("result").classList.toggle("fit", target.checked);
    const place = $("drop");
    for (const kind of ["dragenter", "dragover"]) {
      place.addEventListener(kind, (event) => (event.preventDefault(), place.classList.add("over")));
    }
    for (const kind of ["dragleave", "drop"]) place.addEventListener(kind, () => place.classList.remove("over"));
    place.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", ({ clipboardData }) => {
      const file = [...clipboardData.files].find((one) => one.type.startsWith("image/"));
      if (file) take(file);
    });
    busy(false);
    say("No picture yet.");
  }

  begin();
})();
