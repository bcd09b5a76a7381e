"use strict";
(() => {
  // Tables that can be sorted: each heading becomes a button. A cell may say what it is sorted by in data-value.
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const valueOf = (cell, numeric) => {
    const text = cell.dataset.value ?? cell.textContent.trim();
    if (text === "" || text === "–") return null;
    // Other columns have no figures: the node 1.10 comes after 1.2.
    const figure = numeric || "value" in cell.dataset;
    const number = figure ? Number(text.replace(/,/g, "").replace(/[%+]/g, "")) : NaN;
    return Number.isNaN(number) ? text : number;
  };

  function sort(table, heading, column) {
    const body = table.tBodies[0];
    const numeric = heading.classList.contains("number");
    const before = heading.getAttribute("aria-sort");
    // Figures are of most interest where they are large.
    const order = before ? (before === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
    for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row, index) => ({ row, index, value: valueOf(row.cells[column], numeric) }));
    rows.sort((a, b) => {
      // What has no figure stands last, in either order.
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.index - b.index;
      const less = typeof a.value === "number" && typeof b.value === "number"
        ? a.value - b.value
        : collator.compare(String(a.value), String(b.value));
      return sign * less || a.index - b.index;
    });
    body.append(...rows.map((each) => each.row));
    table.dispatchEvent(new Event("sorted"));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      if (heading.tagName !== "TH" || !heading.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, heading, column));
    });
  }

  // Tables that can be searched: by words, and by what stands in some columns; shown a page at a time. Each fills the
  // lists with its own values.
  const PER_PAGE = 25;
  const count = new Intl.NumberFormat("en");
  for (const controls of document.querySelectorAll("[data-searches]")) {
    const key = controls.dataset.searches;
    const part = (name) => document.getElementById(`${name}-${key}`);
    const table = part("table");
    const texts = new Map([...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]));
    const lists = [...controls.querySelectorAll("select")];
    const inColumn = (row, list) => row.cells[list.dataset.column].textContent.trim();
    let found = [];
    let page = 0;

    function show() {
      const from = page * PER_PAGE;
      const shown = new Set(found.slice(from, from + PER_PAGE));
      for (const row of texts.keys()) row.hidden = !shown.has(row);
      const all = found.length === texts.size ? "" : ` of ${count.format(texts.size)}`;
      part("status").textContent = found.length
        ? `${count.format(found.length)}${all} rows, ${count.format(from + 1)} to ${count.format(from + shown.size)} shown`
        : "No row fits.";
      const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
      part("page").textContent = `Page ${count.format(page + 1)} of ${count.format(pages)}`;
      part("previous").disabled = page === 0;
      part("next").disabled = page + 1 >= pages;
      part("pages").hidden = pages === 1;
    }
    function choose() {
      const words = part("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = lists.filter((list) => list.selectedIndex > 0);
      // In the order in which they stand, which sorting changes.
      found = [...table.tBodies[0].rows].filter(
        (row) =>
          words.every((word) => texts.get(row).includes(word)) &&
          chosen.every((list) => inColumn(row, list) === list.value),
      );
      page = 0;
      show();
    }
    for (const list of lists) {
      const values = [...new Set([...texts.keys()].map((row) => inColumn(row, list)))].sort(collator.compare);
      list.append(...values.map((value) => new Option(value, value)));
      if (values.length < 2) list.parentElement.hidden = true;
      list.addEventListener("change", choose);
    }
    let waiting = 0;
    part("search").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(choose, 120);
    });
    part("previous").addEventListener("click", () => (page--, show()));
    part("next").addEventListener("click", () => (page++, show()));
    table.addEventListener("sorted", choose);
    controls.hidden = part("status").hidden = false;
    choose();
  }
})();
