"use strict";
// Texts from the process behind the page, some at a time, with where each belongs.
nlparamDesk?.served && (() => {
  const { data, part, visible, element, call, attempt } = nlparamDesk;
  const count = new Intl.NumberFormat("en");
  let page = 0;
  let last = 0;
  let shown = [];
  data.names.forEach((name, at) => part("column").append(new Option(visible(name), at)));

  function item(text, column) {
    const under = element("p", { className: "under" });
    for (const [at, value] of text.under) {
      const link = element("a", { href: "#" + data.places[at] }, visible(data.names[at]));
      under.append(element("span", { className: "tag" }, link, ` ${value.toFixed(2)}`));
    }
    if (!text.under.length) under.append(element("span", { className: "muted" }, `no ${data.noun} holds`));
    const where = text.place ? `${text.place}, ` : "";
    under.append(element("span", { className: "muted", dir: "auto" }, visible(`${where}text ${count.format(text.number)}`)));
    const made = element("li", {}, under, element("blockquote", { dir: "auto" }, visible(text.text)));
    if (text.left) {
      const left = `${count.format(text.left)} more characters are not shown; the search looks at them too.`;
      made.append(element("p", { className: "muted" }, left));
    }
    const predicate = column === null ? "" : data.predicates[column];
    if (predicate) {
      const group = nlparamMarks.buttons(text.key, predicate, "", `text ${text.number}`);
      shown.push(group);
      made.append(group);
    }
    return made;
  }
  async function find() {
    const column = part("column").value === "" ? null : Number(part("column").value);
    const given = { words: part("words").value, column, holds: part("side").value === "yes", page };
    const mine = ++last;
    const found = await attempt(() => call("texts", given));
    // A later search may have been faster.
    if (!found || mine !== last) return;
    shown.forEach(nlparamMarks.forget);
    shown = [];
    part("texts").replaceChildren(...found.texts.map((text) => item(text, column)));
    const from = page * found.perPage;
    part("found").textContent = found.n
      ? `${count.format(found.n)} text${found.n === 1 ? "" : "s"}, ${count.format(from + 1)} to ${count.format(from + found.texts.length)} shown`
      : "No text fits.";
    const pages = Math.max(1, Math.ceil(found.n / found.perPage));
    part("page").textContent = `Page ${count.format(page + 1)} of ${count.format(pages)}`;
    part("pages").hidden = pages === 1;
    part("previous").disabled = page === 0;
    part("next").disabled = page + 1 >= pages;
  }
  function anew() {
    page = 0;
    find();
  }
  let typing = 0;
  part("words").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(anew, 150);
  });
  for (const name of ["column", "side"]) part(name).addEventListener("change", anew);
  part("find").addEventListener("submit", (event) => (event.preventDefault(), anew()));
  part("previous").addEventListener("click", () => (page--, find()));
  part("next").addEventListener("click", () => (page++, find()));
})();
