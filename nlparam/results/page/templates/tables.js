"use strict";
// The texts of the page, for the scripts that follow; nothing where there is no table of them.
const nlparamTexts = (() => {
  // Tables are sorted by their headings, searched by words, filtered by lists, and shown a page at a time.
  const PER_PAGE = 25;
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const count = new Intl.NumberFormat("en");

  // Items by their values. What has none stands last, in either order.
  function ordered(items, valueOf, order) {
    const sign = order === "ascending" ? 1 : -1;
    const keyed = items.map((item, index) => ({ item, index, value: valueOf(item) }));
    keyed.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.index - b.index;
      const less = typeof a.value === "number" && typeof b.value === "number"
        ? a.value - b.value
        : collator.compare(String(a.value), String(b.value));
      return sign * less || a.index - b.index;
    });
    return keyed.map((each) => each.item);
  }

  // Marks a heading as the one that orders its table, at first in the order given and then in the other.
  function turn(heading, first) {
    const before = heading.getAttribute("aria-sort");
    const order = before ? (before === "ascending" ? "descending" : "ascending") : first;
    for (const other of heading.parentElement.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    return order;
  }

  // Shows what is found by pages: the function that is returned takes the items. `part` finds an element by its name.
  function pager(part, noun, total, show) {
    let found = [];
    let page = 0;
    function display() {
      const from = page * PER_PAGE;
      const shown = found.slice(from, from + PER_PAGE);
      show(shown);
      const all = found.length === total ? "" : ` of ${count.format(total)}`;
      part("status").textContent = found.length
        ? `${count.format(found.length)}${all} ${noun}${(all ? total : found.length) === 1 ? "" : "s"}, ${count.format(from + 1)} to ${count.format(from + shown.length)} shown`
        : `No ${noun} fits.`;
      const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
      part("page").textContent = `Page ${count.format(page + 1)} of ${count.format(pages)}`;
      part("previous").disabled = page === 0;
      part("next").disabled = page + 1 >= pages;
      if (part("pages")) part("pages").hidden = pages === 1;
    }
    part("previous").addEventListener("click", () => (page--, display()));
    part("next").addEventListener("click", () => (page++, display()));
    return (items) => {
      found = items;
      page = 0;
      display();
    };
  }

  // Calls `choose` when nothing more is typed; the function that is returned gives the words in the field.
  function words(field, choose) {
    let waiting = 0;
    field.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(choose, 120);
    });
    return () => field.value.toLowerCase().split(/\s+/).filter(Boolean);
  }

  // Rows that stand in the page: each heading becomes a button. A cell may say what it is sorted by in data-value.
  const valueOf = (cell, numeric) => {
    const text = cell.dataset.value ?? cell.textContent.trim();
    if (text === "" || text === "–") return null;
    // Other columns have no figures: the node 1.10 comes after 1.2.
    const figure = numeric || "value" in cell.dataset;
    const number = figure ? Number(text.replace(/,/g, "").replace(/[%+]/g, "")) : NaN;
    return Number.isNaN(number) ? text : number;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      if (heading.tagName !== "TH" || !heading.textContent.trim()) return;
      const numeric = heading.classList.contains("number");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        // Figures are of most interest where they are large.
        const order = turn(heading, numeric ? "descending" : "ascending");
        const body = table.tBodies[0];
        body.append(...ordered([...body.rows], (row) => valueOf(row.cells[column], numeric), order));
        table.dispatchEvent(new Event("sorted"));
      });
    });
  }
  for (const controls of document.querySelectorAll("[data-searches]")) {
    const part = (name) => document.getElementById(`${name}-${controls.dataset.searches}`);
    const table = part("table");
    const texts = new Map([...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]));
    const lists = [...controls.querySelectorAll("select")];
    const inColumn = (row, list) => row.cells[list.dataset.column].textContent.trim();
    const show = pager(part, "row", texts.size, (rows) => {
      const shown = new Set(rows);
      for (const row of texts.keys()) row.hidden = !shown.has(row);
    });
    function choose() {
      const sought = searched();
      const chosen = lists.filter((list) => list.selectedIndex > 0);
      // In the order in which they stand, which sorting changes.
      const rows = [...table.tBodies[0].rows];
      const fits = (row) => chosen.every((list) => inColumn(row, list) === list.value);
      show(rows.filter((row) => sought.every((word) => texts.get(row).includes(word)) && fits(row)));
    }
    const searched = words(part("search"), choose);
    for (const list of lists) {
      const values = [...new Set([...texts.keys()].map((row) => inColumn(row, list)))].sort(collator.compare);
      list.append(...values.map((value) => new Option(value, value)));
      if (values.length < 2) list.parentElement.hidden = true;
      list.addEventListener("change", choose);
    }
    table.addEventListener("sorted", choose);
    controls.hidden = part("status").hidden = false;
    choose();
  }

  // The table of texts, made from its data. Texts become text nodes, never HTML.
  const tool = document.getElementById("texts-tool");
  if (!tool) return;
  const part = (name) => document.getElementById("texts-" + name);
  const data = JSON.parse(part("data").textContent);
  const headings = [...part("table").tHead.rows[0].cells];
  const shownAs = data.texts.map((text) => text.toLowerCase());
  // What is searched and downloaded: the whole texts, as soon as they are unpacked.
  let whole = data.texts;
  let folded = shownAs;
  const answers = data.answers.map(([places, values]) => new Map(places.map((place, i) => [place, values[i]])));
  const known = (figure) => (figure < 0 ? null : figure);
  let predicate = 0;
  let sorted = {};
  let sought = [];
  let found = [];
  // How far a text lies from one that was chosen on the map.
  let near = null;

  const value = {
    number: (i) => data.numbers[i],
    times: (i) => data.times[i],
    place: (i) => data.places[i],
    text: (i) => folded[i],
    denotation: (i) => known(data.denotations[predicate][i]),
    answer: (i) => answers[predicate]?.get(i) ?? null,
    gap: (i) => {
      const [denotation, answer] = [value.denotation(i), value.answer(i)];
      return denotation === null || answer === null ? null : Math.abs(denotation - answer);
    },
    cluster: (i) => known(data.clusters[i]),
    group: (i) => known(data.groups[i]),
  };
  const holds = {
    all: () => true,
    for: (i) => value.denotation(i) >= 50,
    against: (i) => value.denotation(i) !== null && value.denotation(i) < 50,
    known: (i) => value.denotation(i) !== null,
    judged: (i) => value.answer(i) !== null,
    disagree: (i) => value.gap(i) !== null && value.denotation(i) >= 50 !== value.answer(i) >= 50,
    assigned: (i) => data.clusters[i] === predicate,
  };
  const probability = (hundredths) => (hundredths === null ? "–" : (hundredths / 100).toFixed(2));
  const print = {
    number: (i) => count.format(data.numbers[i]),
    times: (i) => count.format(data.times[i]),
    place: (i) => data.places[i],
    denotation: (i) => probability(value.denotation(i)),
    answer: (i) => probability(value.answer(i)),
    gap: (i) => probability(value.gap(i)),
    cluster: (i) => (value.cluster(i) === null ? "–" : value.cluster(i) + 1),
    group: (i) => data.groupNames[data.groups[i]] ?? "–",
  };

  // The text with the words that were searched for marked; where these come later, so does what is shown.
  function marked(i) {
    const spans = [];
    let [text, small] = [data.texts[i], shownAs[i]];
    const later = sought.find((word) => !small.includes(word) && folded[i].includes(word));
    if (later !== undefined && folded[i].length === whole[i].length) {
      const at = Math.max(0, folded[i].indexOf(later) - 100);
      text = `${text.slice(0, 100)} … ${whole[i].slice(at, at + 300)} …`;
      small = text.toLowerCase();
    }
    // Where a capital has another length than its small letter, places do not correspond.
    for (const word of small.length === text.length ? sought : []) {
      for (let at = small.indexOf(word); at >= 0; at = small.indexOf(word, at + word.length)) {
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
  function rowOf(i) {
    const row = document.createElement("tr");
    row.dataset.number = data.numbers[i];
    row.dataset.at = i;
    for (const heading of headings) {
      const cell = row.insertCell();
      if (heading.dataset.by === "text") {
        cell.className = "quoted";
        cell.dir = "auto";
        cell.append(...marked(i));
      } else {
        cell.className = heading.className;
        cell.textContent = print[heading.dataset.by](i);
      }
    }
    return row;
  }
  const show = pager(part, "text", folded.length, (shown) => {
    part("table").tBodies[0].replaceChildren(...shown.map(rowOf));
    tool.dispatchEvent(new Event("listed"));
  });
  const searched = words(part("search"), choose);
  function choose() {
    predicate = Number(part("predicate").value);
    sought = searched();
    const side = holds[part("side").value];
    const group = part("group")?.value ?? "";
    const fits = (i) => side(i) && (group === "" || data.groups[i] === Number(group));
    found = [...folded.keys()].filter((i) => fits(i) && sought.every((word) => folded[i].includes(word)));
    found = near ? ordered(found, near, "ascending") : ordered(found, value[sorted.by], sorted.order);
    show(found);
    tool.dispatchEvent(new CustomEvent("found", { detail: { data, found, predicate } }));
  }
  function sortBy(heading, first) {
    near = null;
    sorted = { by: heading.dataset.by, order: turn(heading, first) };
  }
  for (const heading of headings) {
    heading.querySelector("button").addEventListener("click", () => {
      sortBy(heading, ["number", "place", "text"].includes(heading.dataset.by) ? "ascending" : "descending");
      choose();
    });
  }
  for (const name of ["predicate", "side", "group"]) part(name)?.addEventListener("change", choose);
  sortBy(headings.find((heading) => heading.dataset.by === "denotation"), "descending");
  // What is chosen on the map: a predicate, or a text that the others are ordered by.
  tool.addEventListener("corner", (event) => {
    part("predicate").value = event.detail;
    part("side").value = "for";
    sortBy(headings.find((heading) => heading.dataset.by === "denotation"), "descending");
    choose();
  });
  tool.addEventListener("near", (event) => {
    near = event.detail;
    for (const heading of headings) heading.removeAttribute("aria-sort");
    choose();
  });

  if (data.whole) {
    const packed = Uint8Array.from(atob(data.whole), (letter) => letter.charCodeAt(0));
    new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"))).text().then((text) => {
      whole = text.split("\0");
      folded = whole.map((each) => each.toLowerCase());
      tool.dataset.whole = "yes";
      if (sought.length) choose();
    });
  }

  // The texts that were found with all their figures. A cell that a spreadsheet would take for a formula begins with an
  // apostrophe instead.
  const safe = (words) => words.replace(/^(?=\s*[=+\-@\uFF0B\uFF0D\uFF1D\uFF20]|[\t\r])/, "'");
  const cell = (words) => `"${safe(words).replace(/"/g, '""')}"`;
  const decimal = (hundredths) => (hundredths == null ? "" : (hundredths / 100).toFixed(2));
  function csv() {
    const columns = [["number", (i) => data.numbers[i]], ["text", (i) => cell(whole[i])]];
    if (data.places) columns.push(["where", (i) => cell(data.places[i])]);
    if (data.times) columns.push(["occurs", value.times]);
    data.predicates.forEach((name, k) => {
      columns.push([name, (i) => decimal(known(data.denotations[k][i]))]);
      if (answers[k]?.size) columns.push([`language model: ${name}`, (i) => decimal(answers[k].get(i))]);
    });
    if (data.clusters) columns.push(["assigned to", (i) => cell(data.predicates[data.clusters[i]] ?? "")]);
    if (data.groups) columns.push(["group", (i) => cell(data.groupNames[data.groups[i]] ?? "")]);
    const lines = [columns.map(([name]) => cell(name)), ...found.map((i) => columns.map(([, of]) => of(i)))];
    return lines.map((line) => line.join(",") + "\r\n").join("");
  }
  part("save").addEventListener("click", () => {
    const link = document.createElement("a");
    // The mark at the beginning tells spreadsheets that it is UTF-8.
    link.href = URL.createObjectURL(new Blob(["\uFEFF", csv()], { type: "text/csv" }));
    link.download = "texts.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  tool.hidden = false;
  // A browser may have kept what was entered before the page was loaded anew.
  choose();
  // A whole text, or null before they are unpacked.
  return { data, tool, whole: (i) => (data.whole && whole === data.texts ? null : whole[i]) };
})();
