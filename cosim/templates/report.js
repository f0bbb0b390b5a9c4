"use strict";
// Zoomable drawings in the place of pictures with time on their axis, and words under the pointer.
// Without this script, and on paper, the page shows the pictures themselves.
(() => {
  const LEFT = 68, RIGHT = 22, TOP = 8, BOTTOM = 36, PICKED = "#0072B2", PALE = "#C4C4C4", SIDE = "#8C8C8C";
  const viewers = [];
  const span = { from: 0, to: 1, all: 1 }; // ms; all drawings show the same stretch of time

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const element = (name, parent, text) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };
  const button = (parent, text, words, act) => {
    const made = element("button", parent, text);
    made.type = "button";
    made.title = words;
    made.setAttribute("aria-label", words);
    made.addEventListener("click", act);
    return made;
  };
  const numbers = (packed) => Float64Array.from(
    new Uint16Array(bytes(packed.data)),
    (step) => (step === 65535 ? NaN : packed.low + (step / 65534) * packed.span),
  );
  const shown = (value) => {
    if (!Number.isFinite(value)) return "unknown";
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : String(+value.toPrecision(4));
  };
  const ticks = (low, high, most) => {
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((n) => n * power >= rough * 0.999);
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(n * step);
    return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  };
  const firstFrom = (times, value) => {
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < value) low = middle + 1; else high = middle;
    }
    return low;
  };

  const show = (from, to) => {
    const width = Math.min(Math.max(to - from, span.all * 1e-4, 0.5), span.all);
    const start = Math.min(Math.max(from, 0), span.all - width);
    span.from = start;
    span.to = start + width;
    for (const one of viewers) one.redraw();
  };
  const zoom = (factor, around = (span.from + span.to) / 2) => {
    const width = (span.to - span.from) * factor;
    const share = (around - span.from) / (span.to - span.from);
    show(around - share * width, around + (1 - share) * width);
  };
  const pan = (share) => {
    const by = share * (span.to - span.from);
    show(span.from + by, span.to + by);
  };

  class Viewer {
    constructor(place, data) {
      this.data = data;
      this.picked = -1;
      this.pending = false;
      this.ready = false;
      this.box = element("div", place);
      this.box.className = "viewer";
      const head = element("div", this.box);
      head.className = "viewer-head";
      element("strong", head, data.title || "");
      if (data.pick) this.offerPick(head);
      button(head, "−", "Zoom out", () => zoom(2));
      button(head, "+", "Zoom in", () => zoom(0.5));
      button(head, "◀", "Earlier", () => pan(-0.5));
      button(head, "▶", "Later", () => pan(0.5));
      button(head, "All", "Show the whole run", () => show(0, span.all));
      this.key(element("div", this.box));
      this.canvas = element("canvas", this.box);
      this.canvas.tabIndex = 0;
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", `${data.title || data.label}: zoom with + and -, move with the arrows, 0 shows all`);
      this.output = element("output", this.box, viewers.length ? "" : "Drag to zoom into all time courses of the page, double-click for the whole run; with the keyboard + − ← → 0.");
      this.height = data.kind === "raster" ? Math.min(Math.max(140 + 1.6 * this.cells(), 200), 520) : 230;
      this.canvas.style.height = `${this.height}px`;
      this.listen();
      new ResizeObserver(() => this.redraw()).observe(this.canvas);
      new IntersectionObserver((entries) => {
        this.visible = entries.some((entry) => entry.isIntersecting);
        if (this.visible) this.redraw();
      }, { rootMargin: "300px" }).observe(this.canvas);
    }

    cells() { return this.data.populations.reduce((sum, one) => sum + one.cells, 0); }

    offerPick(head) {
      const label = element("label", head, `show ${this.data.pick} `);
      const select = element("select", label);
      element("option", select, "–").value = "-1";
      this.data.names.forEach((name, i) => { element("option", select, name).value = String(i); });
      select.addEventListener("change", () => { this.picked = +select.value; this.redraw(); });
    }

    key(place) {
      place.className = "viewer-key";
      const { kind, names, colours, populations } = this.data;
      const entries = kind === "raster"
        ? populations.map((one) => [one.name, one.colour])
        : names.map((name, i) => [name, colours[i]]).filter(([, colour], i) => colour !== PALE && !(i && colour === colours[i - 1] && colour === SIDE));
      for (const [name, colour] of this.data.key === false ? [] : entries.slice(0, 12)) {
        const entry = element("span", place);
        element("i", entry).style.background = colour;
        entry.append(name);
      }
      if (entries.length > 12 && this.data.key !== false) element("span", place, `and ${entries.length - 12} more`);
      this.blocks = element("span", place, "");
    }

    // The numbers are unpacked when the drawing first comes near the screen.
    unpack() {
      if (this.ready) return;
      this.times = new Float32Array(bytes(this.data.times));
      if (this.data.kind === "raster") {
        this.rows = new (this.data.wide ? Uint32Array : Uint16Array)(bytes(this.data.rows));
      } else {
        const all = numbers(this.data), n = this.times.length;
        this.lines = this.data.names.map((_, i) => all.subarray(i * n, (i + 1) * n));
      }
      this.ready = true;
    }

    listen() {
      const canvas = this.canvas;
      let start = null;
      const at = (event) => event.clientX - canvas.getBoundingClientRect().left;
      canvas.addEventListener("pointerdown", (event) => {
        start = at(event);
        canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener("pointermove", (event) => {
        this.selection = start === null ? null : [start, at(event)];
        if (start === null) this.tell(event.offsetX, event.offsetY);
        this.redraw();
      });
      canvas.addEventListener("pointerup", (event) => {
        const [from, to] = [start, at(event)].sort((a, b) => a - b).map((x) => this.time(x));
        const wide = start !== null && Math.abs(at(event) - start) > 5;
        start = this.selection = null;
        if (wide) show(from, to); else this.redraw();
      });
      canvas.addEventListener("pointercancel", () => { start = this.selection = null; this.redraw(); });
      canvas.addEventListener("pointerleave", () => { this.mark = null; this.redraw(); });
      canvas.addEventListener("dblclick", () => show(0, span.all));
      canvas.addEventListener("keydown", (event) => {
        const act = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "0": () => show(0, span.all), ArrowLeft: () => pan(-0.25), ArrowRight: () => pan(0.25) }[event.key];
        if (!act || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        act();
      });
    }

    get inner() { return Math.max(this.canvas.clientWidth - LEFT - RIGHT, 1); }
    time(x) { return span.from + ((x - LEFT) / this.inner) * (span.to - span.from); }
    x(time) { return LEFT + ((time - span.from) / (span.to - span.from)) * this.inner; }

    tell(x, y) {
      if (!this.ready || x < LEFT || x > LEFT + this.inner) return;
      const time = this.time(x);
      let i = Math.min(firstFrom(this.times, time), this.times.length - 1);
      if (this.data.kind === "raster") { this.output.textContent = this.nearestSpike(x, y) || `t = ${shown(time)} ms`; return; }
      if (i > 0 && time - this.times[i - 1] < this.times[i] - time) i--;
      this.mark = this.times[i];
      const named = this.lines.map((line, k) => [this.data.names[k], line[i], this.data.colours[k] !== PALE || k === this.picked]);
      const words = named.filter(([, , chosen]) => chosen).slice(0, 7).map(([name, value]) => `${name} ${shown(value)}`);
      const value = this.low + (1 - (y - TOP) / (this.height - TOP - BOTTOM)) * (this.high - this.low);
      const grey = named.filter(([, , chosen]) => !chosen);
      if (grey.length) {
        const near = grey.reduce((best, one) => (Math.abs(one[1] - value) < Math.abs(best[1] - value) ? one : best));
        words.push(`nearest: ${near[0]} ${shown(near[1])}`);
      }
      this.output.textContent = `t = ${shown(this.mark)} ms: ${words.join(", ")}`;
    }

    nearestSpike(x, y) {
      const inner = this.height - TOP - BOTTOM, n = this.cells();
      let best = 36, words = "", offset = 0, first = 0;
      for (const one of this.data.populations) {
        for (let i = first; i < first + one.count; i++) {
          const away = (this.x(this.times[i]) - x) ** 2 + (TOP + ((this.rows[i] + 0.5) / n) * inner - y) ** 2;
          if (away < best) { best = away; words = `${one.name}, cell ${this.rows[i] - offset}, t = ${this.times[i].toFixed(2)} ms`; }
        }
        first += one.count;
        offset += one.cells;
      }
      return words;
    }

    redraw() {
      if (this.pending || !this.visible) return;
      this.pending = true;
      requestAnimationFrame(() => { this.pending = false; this.draw(); });
    }

    draw() {
      this.unpack();
      const ratio = window.devicePixelRatio || 1, width = this.canvas.clientWidth;
      if (!width) return;
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(this.height * ratio);
      const pen = this.canvas.getContext("2d");
      pen.scale(ratio, ratio);
      pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
      pen.save();
      pen.beginPath();
      pen.rect(LEFT, TOP - 2, this.inner, this.height - TOP - BOTTOM + 4);
      pen.clip();
      if (this.data.kind === "raster") this.drawSpikes(pen); else this.drawLines(pen);
      if (this.mark != null) { pen.strokeStyle = "#00000055"; pen.lineWidth = 1; pen.strokeRect(this.x(this.mark), TOP, 0, this.height - TOP - BOTTOM); }
      if (this.selection) {
        pen.fillStyle = "#0072B233";
        pen.fillRect(this.selection[0], TOP, this.selection[1] - this.selection[0], this.height - TOP - BOTTOM);
      }
      pen.restore();
      this.drawAxes(pen);
      Object.assign(this.canvas.dataset, { from: span.from, to: span.to });
    }

    drawSpikes(pen) {
      const inner = this.height - TOP - BOTTOM, n = this.cells();
      const tall = Math.max((inner / n) * 0.85, 1);
      let first = 0;
      for (const one of this.data.populations) {
        pen.fillStyle = one.colour;
        const end = first + one.count;
        for (let i = first; i < end; i++) {
          const t = this.times[i];
          if (t >= span.from && t <= span.to) pen.fillRect(this.x(t) - 0.6, TOP + (this.rows[i] / n) * inner, 1.3, tall);
        }
        first = end;
      }
    }

    // Rates from spikes are ragged: of many samples in sight, means over blocks are drawn.
    smoothed(from, to) {
      const size = this.data.smooth ? Math.ceil((to - from) / Math.min(this.data.smooth, this.inner / 2)) : 1;
      this.note(size);
      if (size <= 1) return { times: this.times, lines: this.lines, begin: from, end: to };
      const first = Math.floor(from / size), n = Math.ceil(to / size) - first;
      const mean = (line) => Float64Array.from({ length: n }, (_, k) => {
        const block = line.subarray((first + k) * size, Math.min((first + k + 1) * size, line.length));
        return block.reduce((sum, value) => sum + value, 0) / block.length;
      });
      return { times: mean(Float64Array.from(this.times)), lines: this.lines.map(mean), begin: 0, end: n };
    }

    note(size) {
      const step = this.times.length > 1 ? this.times[1] - this.times[0] : 0;
      const block = size > 1 ? size * step : this.data.block_ms;
      this.blocks.textContent = block ? `means over ${shown(+block.toFixed(3))} ms` : "";
    }

    drawLines(pen) {
      const { times, lines, begin, end } = this.smoothed(
        Math.max(firstFrom(this.times, span.from) - 1, 0),
        Math.min(firstFrom(this.times, span.to) + 1, this.times.length),
      );
      let low = Infinity, high = -Infinity;
      for (const line of lines) for (let i = begin; i < end; i++) { if (line[i] < low) low = line[i]; if (line[i] > high) high = line[i]; }
      if (!(low <= high)) { low = 0; high = 1; }
      const room = (high - low || Math.abs(high) || 1) * 0.04;
      this.low = low >= 0 && low < 0.3 * high ? 0 : low - room;
      this.high = high + room;
      const inner = this.height - TOP - BOTTOM;
      const y = (value) => TOP + (1 - (value - this.low) / (this.high - this.low)) * inner;
      const stroke = (line, colour, thick) => {
        pen.strokeStyle = colour;
        pen.lineWidth = thick;
        pen.beginPath();
        let down = false;
        for (let i = begin; i < end; i++) {
          if (Number.isNaN(line[i])) { down = false; continue; }
          if (down) pen.lineTo(this.x(times[i]), y(line[i])); else pen.moveTo(this.x(times[i]), y(line[i]));
          down = true;
        }
        pen.stroke();
        if (end - begin < 40) for (let i = begin; i < end; i++) pen.fillRect(this.x(times[i]) - 1.5, y(line[i]) - 1.5, 3, 3);
      };
      const order = lines.map((_, i) => i).sort((a, b) => this.rank(a) - this.rank(b));
      for (const i of order) {
        const pale = this.data.colours[i] === PALE;
        pen.fillStyle = i === this.picked ? PICKED : this.data.colours[i];
        stroke(lines[i], i === this.picked ? PICKED : this.data.colours[i], i === this.picked ? 2 : pale ? 0.6 : 1.2);
      }
    }

    rank(i) { return i === this.picked ? 2 : this.data.colours[i] === PALE ? 0 : this.data.colours[i] === SIDE ? 0.5 : 1; }

    drawAxes(pen) {
      const bottom = this.height - BOTTOM, inner = bottom - TOP;
      pen.strokeStyle = "#333";
      pen.fillStyle = "#333";
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(LEFT + 0.5, TOP);
      pen.lineTo(LEFT + 0.5, bottom + 0.5);
      pen.lineTo(LEFT + this.inner, bottom + 0.5);
      pen.stroke();
      pen.textBaseline = "top";
      pen.textAlign = "center";
      const time = ticks(span.from, span.to, Math.max(this.inner / 90, 2));
      for (const t of time.found) {
        pen.fillRect(this.x(t), bottom, 1, 4);
        pen.fillText(t.toFixed(time.digits), this.x(t), bottom + 6);
      }
      pen.fillText("time [ms]", LEFT + this.inner / 2, bottom + 21);
      pen.textBaseline = "middle";
      if (this.data.kind === "raster") {
        const n = this.cells();
        let offset = 0;
        for (const one of this.data.populations) {
          const edge = TOP + (offset / n) * inner, tall = (one.cells / n) * inner;
          pen.fillStyle = "#b0b0b0";
          if (offset) pen.fillRect(LEFT, edge, this.inner, 0.7);
          pen.fillStyle = one.colour;
          pen.textAlign = "right";
          if (tall >= 11) pen.fillText(one.name, LEFT - 5, edge + tall / 2, LEFT - 8);
          offset += one.cells;
        }
        return;
      }
      pen.textAlign = "right";
      const values = ticks(this.low, this.high, 5);
      for (const value of values.found) {
        const y = TOP + (1 - (value - this.low) / (this.high - this.low)) * inner;
        pen.fillRect(LEFT - 4, y, 4, 1);
        pen.fillText(Math.abs(value) >= 1e5 || values.digits > 5 ? value.toExponential(1) : value.toFixed(values.digits), LEFT - 7, y);
      }
      pen.save();
      pen.translate(11, TOP + inner / 2);
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "center";
      pen.fillText(this.data.label, 0, 0, inner);
      pen.restore();
    }
  }

  const hints = (place, spots) => {
    const image = place.querySelector("img");
    const hint = element("div", place);
    hint.className = "hint";
    hint.hidden = true;
    const grids = spots.map((one) => (one.box ? { ...one, values: numbers(one) } : one));
    const find = (x, y, box) => {
      let best = 144, words = "";
      for (const one of grids) {
        if (one.box) {
          const [left, top, right, bottom] = one.box;
          const row = Math.floor(((y - top) / (bottom - top)) * one.rows.length);
          const column = Math.floor(((x - left) / (right - left)) * one.columns.length);
          if (row >= 0 && row < one.rows.length && column >= 0 && column < one.columns.length) {
            const value = shown(one.values[row * one.columns.length + column]);
            return one.words.replace("{row}", () => one.rows[row]).replace("{column}", () => one.columns[column]).replace("{value}", () => value);
          }
          continue;
        }
        one.points.forEach(([px, py], i) => {
          const away = ((px - x) * box.width) ** 2 + ((py - y) * box.height) ** 2;
          if (away < best) { best = away; words = one.labels[i]; }
        });
      }
      return words;
    };
    image.addEventListener("pointermove", (event) => {
      const box = image.getBoundingClientRect();
      const x = event.clientX - box.left, y = event.clientY - box.top;
      const words = find(x / box.width, y / box.height, box);
      hint.hidden = !words;
      hint.textContent = words;
      hint.style.left = `${Math.min(x + 12, Math.max(box.width - hint.offsetWidth, 0))}px`;
      hint.style.top = `${y + 16}px`;
    });
    image.addEventListener("pointerleave", () => { hint.hidden = true; });
  };

  for (const place of document.querySelectorAll(".picture")) {
    const viewer = place.querySelector("script.viewer"), spots = place.querySelector("script.spots");
    if (spots) hints(place, JSON.parse(spots.textContent));
    if (viewer) {
      const data = JSON.parse(viewer.textContent);
      span.all = span.to = Math.max(span.all, data.duration);
      viewers.push(new Viewer(place, data));
      place.classList.add("live");
    }
  }
  const command = document.getElementById("command");
  if (command && navigator.clipboard) {
    const copy = button(command.parentElement, "Copy", "Copy the command", () => {
      navigator.clipboard.writeText(command.textContent).then(() => { copy.textContent = "Copied"; });
    });
  }
})();
