const data = JSON.parse(document.getElementById("data").textContent);
const NS = "http://www.w3.org/2000/svg";
const put = (node, attributes, children) => {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
};
const html = (name, attributes, ...children) => put(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => put(document.createElementNS(NS, name), attributes, children);
const at = id => document.getElementById(id);

const whole = value => value.toLocaleString("en-US");
const show = value => {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return whole(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(2);
  return size >= 1000 ? whole(Math.round(value)) : String(Number(value.toPrecision(4)));
};
const score = value => value === null || value === undefined ? "–" : value.toFixed(4);
const short = value => {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (Math.abs(value) >= size) return String(Number((value / size).toPrecision(3))) + unit;
  return show(value);
};
// Round numbers that cover low … high.
const ticks = (low, high, count) => {
  const raw = (high - low) / count, size = 10 ** Math.floor(Math.log10(raw));
  const step = size * ([1, 2, 2.5, 5, 10].find(f => f * size >= raw * .999) || 10);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++)
    found.push(Number((k * step).toPrecision(12)));
  return found;
};
const widened = (values, share) => {
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) { const by = Math.abs(low) * .05 || 1; return [low - by, high + by]; }
  return [low - (high - low) * share, high + (high - low) * share];
};

const color = group => `var(--g${group % 8})`;
const dash = group => [null, "7 3", "2 3", "9 3 2 3"][Math.floor(group / 8) % 4];
const shapes = [
  (x, y, r) => `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0`,
  (x, y, r) => `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (x, y, r) => `M${x},${y - r * 1.25}l${r * 1.2},${r * 2.1}h${-r * 2.4}z`,
  (x, y, r) => `M${x},${y - r * 1.35}l${r * 1.35},${r * 1.35}l${-r * 1.35},${r * 1.35}l${-r * 1.35},${-r * 1.35}z`,
];
const swatch = group => svg("svg", { class: "swatch", viewBox: "0 0 18 10", style: "width:18px", "aria-hidden": "true" },
  svg("line", { x1: 0, y1: 5, x2: 18, y2: 5, stroke: color(group), "stroke-width": 2.5, "stroke-dasharray": dash(group) }),
  svg("path", { d: shapes[group % 4](9, 5, 3.4), fill: color(group) }));

const groupOf = [];
data.groups.forEach((group, index) => group.runs.forEach(run => { groupOf[run] = index; }));
const runLabel = run => `${data.runs[run].id} ${data.runs[run].name}`;
const hidden = new Set();

const tip = at("tip");
const showTip = (x, y, title, rows) => {
  tip.replaceChildren(html("b", {}, title), ...rows.map(row => html("div", {},
    row.group === undefined ? null : swatch(row.group), html("span", {}, row.text),
    row.value === undefined ? null : html("span", {}, row.value))));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(6, x + 16 + box.width > innerWidth ? x - box.width - 14 : x + 16)}px`;
  tip.style.top = `${Math.max(6, Math.min(y + 14, innerHeight - box.height - 8))}px`;
};
const hideTip = () => { tip.hidden = true; };

// Everything that is redrawn when a group is toggled or the window is resized.
const drawings = [];
const draw = (node, height, paint) => {
  const again = () => {
    const width = Math.max(280, node.clientWidth - parseFloat(getComputedStyle(node).paddingLeft) * 2);
    const canvas = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img" });
    node.querySelectorAll(":scope > svg").forEach(old => old.remove());
    node.append(canvas);
    paint(canvas, width, height);
  };
  drawings.push(again);
  again();
};
const redraw = () => drawings.forEach(again => again());
const frame = (canvas, width, height, x, y, xLabel, format) => {
  const left = 58, right = 14, top = 10, bottom = 40;
  const px = value => left + (x.at(value)) * (width - left - right);
  const py = value => height - bottom - (value - y[0]) / (y[1] - y[0]) * (height - bottom - top);
  for (const tick of ticks(y[0], y[1], Math.max(3, height / 60))) canvas.append(
    svg("line", { class: "gridline", x1: left, x2: width - right, y1: py(tick), y2: py(tick) }),
    svg("text", { x: left - 8, y: py(tick) + 4, "text-anchor": "end" }, (format || show)(tick)));
  for (const tick of x.ticks) canvas.append(
    svg("line", { class: "axis", x1: px(tick), x2: px(tick), y1: height - bottom, y2: height - bottom + 5 }),
    svg("text", { x: px(tick), y: height - bottom + 19, "text-anchor": "middle" }, short(tick)));
  canvas.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, xLabel));
  return { px, py, left, right: width - right, top, bottom: height - bottom };
};
const linear = (low, high, count) => ({ at: v => (v - low) / (high - low || 1), ticks: ticks(low, high, count) });

// The mean over a group's runs, at the steps that all of them have.
const meanLine = lines => {
  if (lines.length < 2) return null;
  const rest = lines.slice(1).map(line => new Map(line.points));
  const points = lines[0].points.filter(([step]) => rest.every(map => map.has(step)))
    .map(([step, value]) => [step, (value + rest.reduce((sum, map) => sum + map.get(step), 0)) / lines.length]);
  return points.length > 1 ? points : null;
};

const lineChart = (node, key) => draw(node, 270, (canvas, width, height) => {
  const lines = data.runs.map((run, index) => ({
    run: index, group: groupOf[index], points: (run.series[key] || []).filter(p => p[1] !== null),
  })).filter(line => line.points.length && !hidden.has(line.group));
  canvas.setAttribute("aria-label", `${key} over steps, ${lines.length} runs`);
  if (!lines.length) {
    canvas.append(svg("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "nothing to show"));
    return;
  }
  const steps = [...new Set(lines.flatMap(line => line.points.map(p => p[0])))].sort((a, b) => a - b);
  const y = widened(lines.flatMap(line => line.points.map(p => p[1])), .06);
  const first = Math.min(0, steps[0]), last = steps[steps.length - 1] || 1;
  const box = frame(canvas, width, height, linear(first, last, width / 90), y, "optimiser step");
  const path = points => points.map((p, i) => `${i ? "L" : "M"}${box.px(p[0]).toFixed(1)},${box.py(p[1]).toFixed(1)}`).join("");
  for (const line of lines) {
    const alone = data.groups[line.group].runs.length === 1;
    canvas.append(svg("path", { class: "series", d: path(line.points), fill: "none", stroke: color(line.group),
      "stroke-width": alone ? 2 : 1.2, opacity: alone ? 1 : .55, "stroke-dasharray": dash(line.group),
      "stroke-linejoin": "round" }));
    if (line.points.length <= 25) for (const p of line.points) canvas.append(svg("path", {
      d: shapes[line.group % 4](box.px(p[0]), box.py(p[1]), alone ? 3 : 2.4), fill: color(line.group),
      opacity: alone ? 1 : .6 }));
  }
  data.groups.forEach((group, index) => {
    const mean = meanLine(lines.filter(line => line.group === index));
    if (mean) canvas.append(svg("path", { class: "mean", d: path(mean), fill: "none", stroke: color(index),
      "stroke-width": 2.4, "stroke-dasharray": dash(index), "stroke-linejoin": "round" }));
  });

  const rule = svg("line", { class: "rule", y1: box.top, y2: box.bottom, visibility: "hidden" });
  const dots = svg("g", {});
  canvas.append(rule, dots);
  let current = -1;
  const select = (index, x, y) => {
    current = Math.max(0, Math.min(steps.length - 1, index));
    const step = steps[current];
    rule.setAttribute("x1", box.px(step));
    rule.setAttribute("x2", box.px(step));
    rule.setAttribute("visibility", "visible");
    const hits = lines.map(line => ({ line, point: line.points.find(p => p[0] === step) })).filter(hit => hit.point)
      .sort((a, b) => b.point[1] - a.point[1]);
    dots.replaceChildren(...hits.map(hit => svg("path", {
      d: shapes[hit.line.group % 4](box.px(step), box.py(hit.point[1]), 4.2), fill: color(hit.line.group),
      stroke: "var(--card)", "stroke-width": 1.5 })));
    showTip(x, y, `step ${whole(step)}`, hits.map(hit => ({
      group: hit.line.group, text: runLabel(hit.line.run), value: show(hit.point[1]) })));
  };
  const leave = () => { rule.setAttribute("visibility", "hidden"); dots.replaceChildren(); hideTip(); };
  canvas.setAttribute("tabindex", "0");
  canvas.addEventListener("pointermove", event => {
    const area = canvas.getBoundingClientRect();
    const at = (event.clientX - area.left) * width / area.width;
    let best = 0;
    steps.forEach((step, i) => { if (Math.abs(box.px(step) - at) < Math.abs(box.px(steps[best]) - at)) best = i; });
    select(best, event.clientX, event.clientY);
  });
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("blur", leave);
  canvas.addEventListener("keydown", event => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const area = canvas.getBoundingClientRect();
    select(current + by, area.left + box.px(steps[Math.max(0, Math.min(steps.length - 1, current + by))]), area.top + 20);
  });
});

const curves = () => {
  const keys = [...new Set(data.runs.flatMap(run => Object.keys(run.series)))];
  const order = ["train/loss", `validation/${data.metric}`, "validation/loss"];
  const rank = key => order.includes(key) ? order.indexOf(key)
    : key.startsWith("validation") ? 4 : key.startsWith("test") ? 5 : key.endsWith("_per_second") ? 7 : 6;
  keys.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  const add = (key, parent) => {
    const [split, name] = key.split("/");
    const card = html("figure", { class: "card chart", "data-key": key },
      html("h3", {}, `${name.replaceAll("_", " ")}, ${split.replaceAll("_", " ")}`));
    parent.append(card);
    lineChart(card, key);
  };
  keys.forEach(key => add(key, at("charts")));
  if (!keys.length) at("charts").append(html("p", {}, "These runs have not recorded anything yet."));
};
const scatter = () => {
  const node = at("scatter"), metric = data.metric;
  let key = "trainable";
  const scored = data.groups.map((group, index) => ({ ...group, index })).filter(group => group.mean !== null);
  node.append(html("h3", {}, `${metric ? metric.replaceAll("_", " ") : "score"} against parameters`));
  if (!scored.length) { node.append(html("p", {}, "No completed run has a score.")); return; }
  const choices = [["trainable", "adapter and head"], ["adapter", "adapter only"]].map(([value, text]) =>
    html("button", { class: "choice", type: "button", "aria-pressed": value === key, onclick: event => {
      key = value;
      choices.forEach(choice => choice.setAttribute("aria-pressed", choice === event.currentTarget));
      redraw();
    } }, text));
  node.append(html("p", {}, "mean over the seeds; bars: ± one standard deviation; small marks: single runs"),
    html("div", { class: "row" }, choices));
  draw(node, 330, (canvas, width, height) => {
    const groups = scored.filter(group => !hidden.has(group.index));
    canvas.setAttribute("aria-label", `${metric} against ${key} parameters`);
    if (!groups.length) return;
    const seeds = group => group.runs.map(run => ({ run, value: data.runs[run].scores[metric] }))
      .filter(seed => seed.value !== undefined && seed.value !== null && data.runs[seed.run].status === "completed");
    const y = widened(groups.flatMap(group => [group.mean - (group.deviation || 0), group.mean + (group.deviation || 0),
      ...seeds(group).map(seed => seed.value)]), .12);
    const sizes = groups.map(group => group[key]);
    const low = Math.min(...sizes), high = Math.max(...sizes), isLog = low > 0 && high / low > 3;
    let x;
    if (isLog) {
      const from = Math.log10(low) - .12, to = Math.log10(high) + .12, marks = [];
      for (let power = Math.floor(from); power <= to; power++) for (const f of [1, 2, 5]) {
        const value = f * 10 ** power;
        if (Math.log10(value) >= from && Math.log10(value) <= to) marks.push(value);
      }
      x = { at: v => (Math.log10(v) - from) / (to - from), ticks: marks };
    } else {
      const [from, to] = widened(sizes, .15);
      x = linear(from, to, width / 110);
    }
    const box = frame(canvas, width, height, x, y,
      `${key === "trainable" ? "trained parameters, including the head" : "adapter parameters"}${isLog ? " (logarithmic)" : ""}`);
    for (const group of groups) {
      const cx = box.px(group[key]), cy = box.py(group.mean), ink = color(group.index);
      for (const seed of seeds(group)) canvas.append(svg("path", { class: "seed", fill: ink, opacity: .45,
        d: shapes[group.index % 4](cx, box.py(seed.value), 3) }));
      if (group.deviation) {
        const top = box.py(group.mean + group.deviation), low = box.py(group.mean - group.deviation);
        canvas.append(svg("path", { class: "error-bar", stroke: ink, "stroke-width": 1.8, fill: "none",
          d: `M${cx},${top}V${low}M${cx - 6},${top}h12M${cx - 6},${low}h12` }));
      }
      const isRight = cx > width * .7;
      canvas.append(svg("path", { class: "point", d: shapes[group.index % 4](cx, cy, 6), fill: ink,
        stroke: "var(--card)", "stroke-width": 1.5 }),
        svg("text", { class: "strong", x: cx + (isRight ? -12 : 12), y: cy - 8, "text-anchor": isRight ? "end" : "start" },
          group.label),
        svg("circle", { cx, cy, r: 18, fill: "transparent",
          onpointermove: event => showTip(event.clientX, event.clientY, group.label, [
            { text: metric, value: score(group.mean) + (group.deviation === null ? "" : ` ± ${score(group.deviation)}`) },
            { text: "adapter", value: whole(group.adapter) }, { text: "with head", value: whole(group.trainable) },
            ...seeds(group).map(seed => ({ group: group.index, text: `seed ${data.runs[seed.run].seed}`, value: score(seed.value) }))]),
          onpointerleave: hideTip }));
    }
  });
};

const summary = () => {
  const best = data.metric === "loss" || data.metric === "perplexity" ? Math.min : Math.max;
  const top = best(...data.groups.map(group => group.mean).filter(mean => mean !== null));
  at("summary").append(html("table", {},
    html("thead", {}, html("tr", {}, ["group", "seeds", data.metric || "score", "adapter", "trained"].map((title, i) =>
      html("th", { class: i ? "number" : null }, title.replaceAll("_", " "))))),
    html("tbody", {}, data.groups.map((group, index) => html("tr", {},
      html("td", { class: "wrap" }, html("span", { style: "display:inline-flex;gap:8px;align-items:center" },
        swatch(index), group.mean === top ? html("b", {}, group.label) : group.label)),
      html("td", { class: "number" }, `${group.count} of ${group.runs.length}`),
      html("td", { class: "number" }, score(group.mean), group.deviation === null ? null : ` ± ${score(group.deviation)}`),
      html("td", { class: "number" }, whole(group.adapter)), html("td", { class: "number" }, whole(group.trainable)))))));
};
// Viridis, without its ends.
const ramp = [[72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43]];
const layerColor = (layer, layers) => {
  const place = layers < 2 ? 0 : layer / (layers - 1) * (ramp.length - 1);
  const from = ramp[Math.floor(place)], to = ramp[Math.min(ramp.length - 1, Math.floor(place) + 1)], t = place % 1;
  return `rgb(${from.map((v, i) => Math.round(v + (to[i] - v) * t)).join(",")})`;
};
const lastStep = run => Math.max(1, ...Object.values(run.series).flatMap(points => points.map(p => p[0])),
  ...run.sharing.flatMap(map => map.merges.map(merge => merge.step)));
const span = layers => {
  const parts = [];
  for (const layer of layers) {
    const part = parts[parts.length - 1];
    if (part && part[1] === layer - 1) part[1] = layer; else parts.push([layer, layer]);
  }
  return parts.map(([from, to]) => from === to ? String(from) : `${from}–${to}`).join(", ");
};

const lanes = (node, run, map) => draw(node, map.layers * 22 + 62, (canvas, width, height) => {
  const left = 64, right = 86, top = 8, lane = 22, end = lastStep(run);
  const px = step => left + step / end * (width - left - right);
  const py = layer => top + (map.layers - 1 - layer) * lane + lane / 2;
  canvas.setAttribute("aria-label", `${map.module}: which layers share a B over ${end} steps`);
  const owners = Array.from({ length: map.layers }, (_, layer) => layer);
  let from = 0;
  const bars = to => owners.forEach((owner, layer) => canvas.append(svg("rect", { class: "lane", x: px(from),
    y: py(layer) - 7, width: Math.max(.5, px(to) - px(from)), height: 14, fill: layerColor(owner, map.layers),
    onpointermove: event => showTip(event.clientX, event.clientY, `layer ${layer}`,
      [{ text: owner === layer ? "uses its own B" : `uses layer ${owner}'s B` }]),
    onpointerleave: hideTip })));
  const links = [];
  for (const merge of map.merges) {
    bars(merge.step);
    from = merge.step;
    const joined = owners.map((owner, layer) => layer).filter(layer => owners[layer] === merge.lower || owners[layer] === merge.upper);
    owners.forEach((owner, layer) => { if (owner === merge.lower) owners[layer] = merge.upper; });
    const text = [{ text: "layers", value: span(joined) }, { text: "use the B of layer", value: String(merge.upper) },
      { text: "distance", value: show(merge.distance) }, { text: "B's left", value: String(merge.left) }];
    links.push(svg("g", { class: "merge" },
      svg("line", { x1: px(merge.step), x2: px(merge.step), y1: py(Math.min(...joined)) + 9, y2: py(Math.max(...joined)) - 9,
        stroke: "var(--ink)", "stroke-width": 2 }),
      svg("circle", { cx: px(merge.step), cy: py(merge.upper), r: 4.5, fill: "var(--ink)" }),
      svg("circle", { cx: px(merge.step), cy: py(merge.lower), r: 4, fill: "var(--card)", stroke: "var(--ink)", "stroke-width": 2 }),
      svg("rect", { x: px(merge.step) - 8, width: 16, y: py(Math.max(...joined)) - 11, fill: "transparent",
        height: py(Math.min(...joined)) - py(Math.max(...joined)) + 22,
        onpointermove: event => showTip(event.clientX, event.clientY, `step ${whole(merge.step)}`, text),
        onpointerleave: hideTip })));
  }
  bars(end);
  canvas.append(...links);
  for (let layer = 0; layer < map.layers; layer++) canvas.append(
    svg("text", { x: left - 8, y: py(layer) + 4, "text-anchor": "end" }, `layer ${layer}`));
  for (const group of map.groups) canvas.append(svg("text", { class: "strong", x: width - right + 8, y: py(group.owner) + 4 },
    `B ${group.owner}${group.layers.length > 1 ? ` (${group.layers.length} ×)` : ""}`));
  const bottom = top + map.layers * lane + 6;
  for (const tick of ticks(0, end, width / 100)) canvas.append(
    svg("line", { class: "axis", x1: px(tick), x2: px(tick), y1: bottom, y2: bottom + 5 }),
    svg("text", { x: px(tick), y: bottom + 19, "text-anchor": "middle" }, short(tick)));
  canvas.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: bottom, y2: bottom }),
    svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, "optimiser step"));
});

const distances = (node, run) => draw(node, 240, (canvas, width, height) => {
  const points = run.sharing.flatMap((map, index) => map.merges.filter(merge => merge.distance !== null)
    .map(merge => ({ index, map, merge })));
  canvas.setAttribute("aria-label", "distance of merged groups by step");
  if (!points.length) return;
  const y = widened([0, ...points.map(point => point.merge.distance)], .05);
  const box = frame(canvas, width, height, linear(0, lastStep(run), width / 90), [Math.max(0, y[0]), y[1]], "optimiser step");
  run.sharing.forEach((map, index) => {
    const own = points.filter(point => point.index === index);
    canvas.append(svg("path", { class: "distance", fill: "none", stroke: color(index), "stroke-width": 2, "stroke-dasharray": dash(index),
      d: own.map((p, i) => `${i ? "L" : "M"}${box.px(p.merge.step)},${box.py(p.merge.distance)}`).join("") }));
    for (const p of own) canvas.append(svg("path", { d: shapes[index % 4](box.px(p.merge.step), box.py(p.merge.distance), 4.5),
      fill: color(index), stroke: "var(--card)", "stroke-width": 1,
      onpointermove: event => showTip(event.clientX, event.clientY, `step ${whole(p.merge.step)}`, [
        { group: index, text: map.module, value: show(p.merge.distance) },
        { text: `layer ${p.merge.lower} uses layer ${p.merge.upper}'s B` }]),
      onpointerleave: hideTip }));
  });
});

const sharingMaps = () => {
  const merged = data.runs.map((run, index) => ({ run, index })).filter(entry => entry.run.sharing.length);
  const section = at("sharing"), maps = at("maps");
  if (!merged.length) { section.hidden = true; return; }
  const view = html("div", { class: "grid", id: "map" });
  const choose = chosen => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", merged[i] === chosen));
    drawings.length = sharingStart;
    view.replaceChildren();
    for (const map of chosen.run.sharing) {
      const card = html("figure", { class: "card map" }, html("h3", {}, map.module),
        html("p", {}, `${map.layers} layers, ${map.groups.length} B's at the end: ${map.groups.map(group => span(group.layers)).join(" | ")}`));
      view.append(card);
      lanes(card, chosen.run, map);
    }
    const card = html("figure", { class: "card" }, html("h3", {}, "distance of the two groups at each merge"),
      html("div", { class: "row" }, chosen.run.sharing.map((map, index) =>
        html("span", { style: "display:inline-flex;gap:6px;align-items:center" }, swatch(index), map.module))));
    view.append(card);
    distances(card, chosen.run);
    redraw();
  };
  const buttons = merged.map(entry => html("button", { class: "choice", type: "button", onclick: () => choose(entry) },
    swatch(groupOf[entry.index]), runLabel(entry.index)));
  maps.append(html("p", {}, "Each row is a layer; its colour shows the layer whose B it uses. At a merge, layer ○ starts to use the B of layer ●."),
    html("div", { class: "row" }, buttons), view);
  const sharingStart = drawings.length;
  choose(merged[0]);
};
const configTable = () => {
  const onlyDifferences = at("differences").checked;
  const rows = data.configs.filter(row => !onlyDifferences || !row.same);
  at("config-table").replaceChildren(rows.length ? html("table", {},
    html("thead", {}, html("tr", {}, html("th", {}, "value"), data.runs.map((run, index) => html("th", {}, runLabel(index))))),
    html("tbody", {}, rows.map(row => html("tr", { class: row.same || onlyDifferences ? null : "differs" },
      html("td", {}, row.path), row.values.map(value => html("td", { class: "wrap" }, value === null ? "–" : value)))))
    ) : html("p", {}, "The configs are the same."));
};
const seconds = run => run.finished_at ? (Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000 : null;
const runTable = () => at("run-table").append(html("table", {},
  html("thead", {}, html("tr", {}, ["id", "name", "status", "strategy", "r", "seed", data.metric || "score", "adapter", "seconds", "started", "output"]
    .map(title => html("th", { class: ["id", "r", "seed", data.metric, "adapter", "seconds"].includes(title) ? "number" : null }, title.replaceAll("_", " "))))),
  html("tbody", {}, data.runs.map((run, index) => html("tr", {},
    html("td", { class: "number" }, String(run.id)),
    html("td", { class: "wrap" }, html("span", { style: "display:inline-flex;gap:8px;align-items:center" }, swatch(groupOf[index]), run.name)),
    html("td", { class: `status-${run.status}` }, run.status), html("td", {}, run.strategy),
    html("td", { class: "number" }, String(run.r)), html("td", { class: "number" }, String(run.seed)),
    html("td", { class: "number" }, score(run.scores[data.metric])), html("td", { class: "number" }, whole(run.adapter)),
    html("td", { class: "number" }, seconds(run) === null ? "–" : seconds(run).toFixed(seconds(run) < 10 ? 1 : 0)),
    html("td", {}, run.started_at.slice(0, 19).replace("T", " ")), html("td", { class: "wrap" }, run.output_dir))))));
at("title").textContent = data.title;
const models = [...new Set(data.runs.map(run => run.model))], tasks = [...new Set(data.runs.map(run => run.task))];
at("subtitle").textContent = [`${data.runs.length} ${data.runs.length === 1 ? "run" : "runs"}`, tasks.join(", "), models.join(", ")].join(" · ");
at("footer").textContent = `Made by swift-peft ${data.version} on ${data.generated_at.slice(0, 10)}. Times are UTC.`;
at("legend").append(...data.groups.map((group, index) => html("button", { type: "button", "aria-pressed": "true",
  title: "show or hide", onclick: event => {
    if (hidden.has(index)) hidden.delete(index); else hidden.add(index);
    event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(index)));
    redraw();
  } }, swatch(index), group.label)));
scatter();
summary();
curves();
sharingMaps();
configTable();
runTable();
// Again: a card's width is known only once its whole row exists.
redraw();
at("differences").addEventListener("change", configTable);
let width = innerWidth;
addEventListener("resize", () => { if (width !== innerWidth) { width = innerWidth; redraw(); } });
addEventListener("scroll", hideTip, { passive: true });
document.body.dataset.ready = "true";
