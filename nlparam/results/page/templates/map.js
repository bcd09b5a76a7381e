"use strict";
(() => {
  // The map of the texts: a canvas, drawn anew when other texts are found. tables.js says which, and has the data.
  const canvas = document.getElementById("map");
  const tool = document.getElementById("texts-tool");
  if (!canvas) return;
  const said = document.getElementById("map-said");
  const listed = [...document.querySelectorAll("#map-corners li")];
  const buttons = listed.map((line) => line.querySelector("button")).filter(Boolean);
  const count = new Intl.NumberFormat("en");
  const EDGE = 0.86;
  let [data, found, places, at] = [null, [], [], -1];

  // Corners whose predicates hold together stand beside one another.
  function around(columns) {
    const both = (a, b, i) => Math.max(columns[a][i], 0) * Math.max(columns[b][i], 0);
    const together = (a, b) => columns[a].reduce((sum, _, i) => sum + both(a, b, i), 0);
    const order = [0];
    const left = columns.map((_, k) => k).slice(1);
    while (left.length) {
      const last = order[order.length - 1];
      const next = left.reduce((best, k) => (together(last, k) > together(last, best) ? k : best));
      order.push(...left.splice(left.indexOf(next), 1));
    }
    const angle = (k) => (2 * Math.PI * order.indexOf(k)) / columns.length - Math.PI / 2;
    return columns.map((_, k) => [Math.cos(angle(k)), Math.sin(angle(k))]);
  }

  // Each text lies at the mean of the corners, weighted by its denotations, and in the middle if these are small. A
  // little disorder, the same each time, tells texts of one place apart.
  function lay() {
    const columns = data.map.map((k) => data.denotations[k]);
    const corners = around(columns);
    const chance = (i, salt) => ((Math.imul(i + 1, 2654435761) >>> salt) % 1000) / 1000 - 0.5;
    places = data.numbers.map((_, i) => {
      const held = columns.map((column) => Math.max(column[i], 0) / 100);
      const sum = Math.max(1, held.reduce((a, b) => a + b, 0));
      const [x, y] = [0, 1].map((axis) => held.reduce((mean, value, k) => mean + (value * corners[k][axis]) / sum, 0));
      const surest = held.indexOf(Math.max(...held));
      const of = held[surest] >= 0.5 ? surest : columns.length;
      return { x: x + 0.05 * chance(i, 4), y: y + 0.05 * chance(i, 14), of };
    });
    listed.forEach((line, k) => {
      const n = places.filter((place) => place.of === k).length;
      line.lastElementChild.textContent = `${count.format(n)} of ${count.format(places.length)} text${places.length === 1 ? "" : "s"}`;
    });
    return corners;
  }

  let corners = null;
  const onto = (size, x) => (size / 2) * (1 + EDGE * x);
  function draw() {
    const size = canvas.clientWidth;
    if (!size || !data) return;
    const scale = devicePixelRatio || 1;
    canvas.width = canvas.height = size * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const colours = listed.map((line) => getComputedStyle(line.querySelector(".dot")).backgroundColor);
    const ink = getComputedStyle(canvas).color;
    const shown = new Set(found);
    for (const some of [false, true]) {
      pen.globalAlpha = some ? 0.75 : 0.12;
      places.forEach((place, i) => {
        if (shown.has(i) !== some) return;
        pen.fillStyle = colours[place.of];
        pen.fillRect(onto(size, place.x) - 1.5, onto(size, place.y) - 1.5, 3, 3);
      });
    }
    pen.globalAlpha = 1;
    pen.fillStyle = ink;
    pen.font = "600 13px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    corners.forEach(([x, y], k) => {
      const name = data.predicates[data.map[k]].split(" ")[0].replace(/\.$/, "");
      pen.fillText(name, (size / 2) * (1 + 0.95 * x), (size / 2) * (1 + 0.95 * y));
    });
    if (at >= 0) {
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.strokeRect(onto(size, places[at].x) - 5, onto(size, places[at].y) - 5, 10, 10);
    }
  }

  function go(to) {
    at = to;
    const text = data.texts[at];
    const name = listed[places[at].of].querySelector("span:nth-of-type(2)").textContent;
    const begins = text.length > 160 ? `${text.slice(0, 160)}…` : text;
    said.textContent = `Text ${count.format(data.numbers[at])}, ${name}: ${begins}`;
    draw();
  }
  const away = (x, y) => (i) => (places[i].x - x) ** 2 + (places[i].y - y) ** 2;
  const nearest = (items, distance) =>
    items.reduce((best, i) => (best < 0 || distance(i) < distance(best) ? i : best), -1);
  const orderBy = (i) => tool.dispatchEvent(new CustomEvent("near", { detail: away(places[i].x, places[i].y) }));

  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && at >= 0) return orderBy(at);
    const step = steps[event.key];
    if (!step || !found.length) return;
    event.preventDefault();
    if (at < 0) return go(found[0]);
    // The nearest text that lies more in this direction than to its side.
    const { x, y } = places[at];
    const ahead = found.filter((i) => {
      const [right, down] = [places[i].x - x, places[i].y - y];
      const forward = right * step[0] + down * step[1];
      return forward > 0 && forward >= Math.abs(right * step[1] + down * step[0]);
    });
    if (ahead.length) go(nearest(ahead, away(x, y)));
  });
  function under(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top].map((p) => (p / (box.width / 2) - 1) / EDGE);
    const distance = away(x, y);
    const i = nearest(found, distance);
    return i >= 0 && distance(i) < 0.01 ? i : -1;
  }
  canvas.addEventListener("pointermove", (event) => {
    const i = data ? under(event) : -1;
    if (i >= 0 && i !== at) go(i);
  });
  canvas.addEventListener("click", (event) => {
    const i = under(event);
    if (i >= 0) orderBy(i);
  });
  for (const button of buttons) {
    button.addEventListener("click", () => {
      tool.dispatchEvent(new CustomEvent("corner", { detail: button.dataset.corner }));
    });
  }
  tool.addEventListener("found", (event) => {
    const first = data === null;
    ({ data, found } = event.detail);
    corners ??= lay();
    if (first) {
      // It has no size before it is seen.
      new ResizeObserver(draw).observe(canvas);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
      document.getElementById("theme").addEventListener("change", draw);
    }
    draw();
  });
})();
