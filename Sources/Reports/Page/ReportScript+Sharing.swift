extension ReportScript {
  /// The layers that share a B, and their distances when they merged.
  static let sharing = #"""
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
    """#

  /// Configs and runs as tables.
  static let tables = #"""
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
    """#

  /// Builds the page.
  static let start = #"""
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
    """#
}
