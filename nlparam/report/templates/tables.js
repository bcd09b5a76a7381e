"use strict";
(() => {
  // Tables that can be sorted: each heading becomes a button. A cell may say what it is sorted by in data-value.
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const valueOf = (cell) => {
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text.replace(/,/g, "").replace(/[%+]/g, ""));
    return text === "" || text === "–" ? null : Number.isNaN(number) ? text : number;
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
    const rows = [...body.rows].map((row, index) => ({ row, index, value: valueOf(row.cells[column]) }));
    rows.sort((a, b) => {
      // What has no figure stands last, in either order.
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.index - b.index;
      const less = typeof a.value === "number" && typeof b.value === "number"
        ? a.value - b.value
        : collator.compare(String(a.value), String(b.value));
      return sign * less || a.index - b.index;
    });
    body.append(...rows.map((each) => each.row));
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

  // Tables that can be searched: by words, and by what stands in some columns. Each fills the lists of its own values.
  const count = new Intl.NumberFormat("en");
  for (const controls of document.querySelectorAll("[data-searches]")) {
    const table = document.getElementById(controls.dataset.searches);
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
    const input = controls.querySelector("input");
    const lists = [...controls.querySelectorAll("select")];
    const status = document.getElementById(controls.dataset.searches.replace("table-", "status-"));
    const inColumn = (row, list) => row.cells[list.dataset.column].textContent.trim();
    for (const list of lists) {
      const values = [...new Set(rows.map(({ row }) => inColumn(row, list)))].sort(collator.compare);
      list.append(...values.map((value) => new Option(value, value)));
      if (values.length < 2) list.parentElement.hidden = true;
      list.addEventListener("change", choose);
    }
    function choose() {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = lists.filter((list) => list.selectedIndex > 0);
      let found = 0;
      for (const { row, text } of rows) {
        const fits = words.every((word) => text.includes(word)) && chosen.every((l) => inColumn(row, l) === l.value);
        row.hidden = !fits;
        found += fits;
      }
      const all = found === rows.length ? "" : ` of ${count.format(rows.length)}`;
      status.textContent = found ? `${count.format(found)}${all} rows` : "No row fits.";
    }
    let waiting = 0;
    input.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(choose, 120);
    });
    controls.hidden = status.hidden = false;
    choose();
  }
})();
