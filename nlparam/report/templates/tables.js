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
})();
