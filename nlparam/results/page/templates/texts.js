"use strict";
(() => {
  // The table of texts: searched, filtered, sorted, and shown a page at a time. Texts become text nodes, never HTML.
  const tool = document.getElementById("texts-tool");
  if (!tool) return;
  const PER_PAGE = 25;
  const element = (name) => document.getElementById("texts-" + name);
  const data = JSON.parse(element("data").textContent);
  const body = element("table").tBodies[0];
  const headings = [...element("table").tHead.rows[0].cells];
  const folded = data.texts.map((text) => text.toLowerCase());
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const answers = data.answers.map(([places, values]) => new Map(places.map((place, i) => [place, values[i]])));
  const number = new Intl.NumberFormat("en");
  const state = { by: "", order: "", page: 0, predicate: 0, words: [] };
  let found = [];

  const value = {
    number: (i) => data.numbers[i],
    text: (i) => folded[i],
    denotation: (i) => (data.denotations[state.predicate][i] < 0 ? null : data.denotations[state.predicate][i]),
    answer: (i) => answers[state.predicate]?.get(i) ?? null,
    gap: (i) => {
      const [denotation, answer] = [value.denotation(i), value.answer(i)];
      return denotation === null || answer === null ? null : Math.abs(denotation - answer);
    },
    cluster: (i) => (data.clusters[i] < 0 ? null : data.clusters[i] + 1),
    group: (i) => (data.groups[i] < 0 ? null : data.groups[i]),
  };
  const holds = {
    all: () => true,
    for: (i) => value.denotation(i) >= 50,
    against: (i) => value.denotation(i) !== null && value.denotation(i) < 50,
    known: (i) => value.denotation(i) !== null,
    judged: (i) => value.answer(i) !== null,
    disagree: (i) => value.gap(i) !== null && value.denotation(i) >= 50 !== value.answer(i) >= 50,
    assigned: (i) => data.clusters[i] === state.predicate,
  };

  function choose() {
    const side = holds[element("side").value];
    const group = element("group")?.value ?? "";
    found = [];
    for (let i = 0; i < folded.length; i++) {
      if (!side(i) || (group !== "" && data.groups[i] !== Number(group))) continue;
      if (state.words.every((word) => folded[i].includes(word))) found.push(i);
    }
    if (state.by) {
      const sign = state.order === "ascending" ? 1 : -1;
      const keys = new Map(found.map((i) => [i, value[state.by](i)]));
      found.sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        // What has no figure stands last, in either order.
        if (x === null || y === null) return (x === null) - (y === null) || a - b;
        return sign * (typeof x === "string" ? collator.compare(x, y) : x - y) || a - b;
      });
    }
    state.page = 0;
    show();
  }

  // The text with the words that were searched for marked.
  function marked(i) {
    const text = data.texts[i];
    // Where a capital has another length than its small letter, places do not correspond.
    const words = folded[i].length === text.length ? state.words : [];
    const spans = [];
    for (const word of words) {
      for (let at = folded[i].indexOf(word); at >= 0; at = folded[i].indexOf(word, at + word.length)) {
        spans.push([at, at + word.length]);
      }
    }
    const parts = [];
    let end = 0;
    for (const [from, to] of spans.sort((a, b) => a[0] - b[0])) {
      if (from < end) continue;
      const mark = document.createElement("mark");
      mark.textContent = text.slice(from, to);
      parts.push(text.slice(end, from), mark);
      end = to;
    }
    return [...parts, text.slice(end)];
  }

  const probability = (hundredths) => (hundredths === null ? "–" : (hundredths / 100).toFixed(2));
  const print = {
    number: (i) => number.format(data.numbers[i]),
    denotation: (i) => probability(value.denotation(i)),
    answer: (i) => probability(value.answer(i)),
    gap: (i) => probability(value.gap(i)),
    cluster: (i) => value.cluster(i) ?? "–",
    group: (i) => data.groupNames[data.groups[i]] ?? "–",
  };

  function show() {
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    const from = state.page * PER_PAGE;
    const rows = found.slice(from, from + PER_PAGE).map((i) => {
      const row = document.createElement("tr");
      for (const heading of headings) {
        const by = heading.dataset.by;
        const cell = document.createElement("td");
        if (by === "text") {
          cell.className = "quoted";
          cell.dir = "auto";
          cell.append(...marked(i));
        } else {
          cell.className = heading.className;
          cell.textContent = print[by](i);
        }
        row.append(cell);
      }
      return row;
    });
    body.replaceChildren(...rows);
    const all = found.length === folded.length ? "" : ` of ${number.format(folded.length)}`;
    element("status").textContent = found.length
      ? `${number.format(found.length)}${all} texts, ${number.format(from + 1)} to ${number.format(from + rows.length)} shown`
      : "No text fits.";
    element("page").textContent = `Page ${number.format(state.page + 1)} of ${number.format(pages)}`;
    element("previous").disabled = state.page === 0;
    element("next").disabled = state.page + 1 >= pages;
  }

  function sortBy(heading, order) {
    for (const other of headings) other.removeAttribute("aria-sort");
    state.by = heading.dataset.by;
    state.order = order;
    heading.setAttribute("aria-sort", order);
  }
  for (const heading of headings) {
    heading.querySelector("button").addEventListener("click", () => {
      const before = heading.getAttribute("aria-sort");
      const first = heading.dataset.by === "number" || heading.dataset.by === "text" ? "ascending" : "descending";
      sortBy(heading, before ? (before === "ascending" ? "descending" : "ascending") : first);
      choose();
    });
  }
  let waiting = 0;
  element("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      state.words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      choose();
    }, 120);
  });
  for (const name of ["predicate", "side", "group"]) {
    element(name)?.addEventListener("change", () => {
      state.predicate = Number(element("predicate").value);
      choose();
    });
  }
  element("previous").addEventListener("click", () => (state.page--, show()));
  element("next").addEventListener("click", () => (state.page++, show()));
  // A browser may have kept what was entered before the page was loaded anew.
  state.predicate = Number(element("predicate").value);
  state.words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  sortBy(headings.find((heading) => heading.dataset.by === "denotation"), "descending");
  tool.hidden = false;
  choose();
})();
