"use strict";
// Beside each quoted text: whether the predicate holds for it, as people say.
const nlparamMarks = nlparamDesk && (() => {
  const { data, part, visible, element, call, kept, keep, attempt, save, served } = nlparamDesk;
  const count = new Intl.NumberFormat("en");
  // By text and predicate: who said what. Of texts that are marked without a process, the text itself.
  let marks = new Map();
  const groups = new Set();
  const pair = (text, predicate) => `${text}\n${predicate.toLowerCase()}`;
  const who = () => part("who").value.trim() || part("who").placeholder;

  function take(rows) {
    marks = new Map();
    for (const [text, predicate, label, name] of rows) {
      const key = pair(text, predicate);
      if (!marks.has(key)) marks.set(key, new Map());
      marks.get(key).set(name, label);
    }
    const people = new Set(rows.map((row) => row[3]));
    const where = served ? visible(part("marks").dataset.file) : "this browser";
    part("marks").textContent = rows.length
      ? `${count.format(rows.length)} ${rows.length === 1 ? "mark" : "marks"} by ${count.format(people.size)} ` +
        `${people.size === 1 ? "person" : "people"}, in ${where}.`
      : "No text is marked yet. Say Yes or No beside a quoted text, or in the table of texts.";
    for (const group of groups) show(group);
  }
  const yes = (label) => label === "yes" || Number(label) > 0.5;
  function show(group) {
    const said = marks.get(pair(group.dataset.text, JSON.parse(group.dataset.predicate))) ?? new Map();
    for (const button of group.querySelectorAll("button")) {
      const mine = said.get(who());
      button.setAttribute("aria-pressed", String(mine !== undefined && (button.value === "yes") === yes(mine)));
    }
    const others = [...said].filter(([name]) => name !== who());
    const words = others.map(([name, label]) => `${name || "somebody"}: ${yes(label) ? "yes" : "no"}`);
    group.querySelector(".others").textContent = visible(words.join(", "));
  }
  async function mark(group, button) {
    const label = button.getAttribute("aria-pressed") === "true" ? "" : button.value;
    const given = { text: group.dataset.text, predicate: JSON.parse(group.dataset.predicate), label, who: who() };
    await attempt(async () => {
      if (served) return received(await call("mark", given));
      // Read anew, as another window may have marked texts too.
      const same = (row) => ["text", "predicate", "who"].every((field) => row[field] === given[field]);
      const rows = kept("marks", []).filter((row) => !same(row));
      const exact = typeof group.exact === "function" ? group.exact() : group.exact;
      if (exact === null) throw new Error("The whole texts are still being read: mark it once more.");
      if (label) rows.push({ ...given, exact });
      keep("marks", rows);
      return take(stored());
    });
  }
  const stored = () => kept("marks", []).map((row) => [row.text, row.predicate, row.label, row.who]);
  function received(answer) {
    part("who").placeholder = answer.who;
    part("marks").dataset.file = answer.file;
    take(answer.marks);
  }

  // Buttons for a text and a predicate; `exact` is the text as it goes into a file, or a function that gives it.
  function buttons(text, predicate, exact, name) {
    const question = `Does “${visible(predicate)}” hold for ${name}?`;
    const group = element("p", { className: "marks", role: "group", "aria-label": question });
    group.dataset.text = text;
    group.dataset.predicate = JSON.stringify(predicate);
    group.exact = exact;
    group.append(element("span", { className: "muted" }, "Does it hold?"));
    for (const [value, words] of [["yes", "Yes"], ["no", "No"]]) {
      const button = element("button", { type: "button", value, "aria-pressed": "false" }, words);
      button.addEventListener("click", () => mark(group, button));
      group.append(button);
    }
    group.append(element("span", { className: "muted others" }));
    groups.add(group);
    show(group);
    return group;
  }
  function forget(group) {
    groups.delete(group);
  }

  // A text of the table as it goes into a file; null where the page does not have it as it is.
  const keys = nlparamTexts?.data.keys ?? [];
  const partial = new Set(nlparamTexts?.data.partial);
  const wholly = (at) => (at < 0 || partial.has(at) ? null : () => nlparamTexts.whole(at));

  // Those of the page are made when a predicate is opened.
  function furnish(details) {
    if (!details.open || details.dataset.marked) return;
    details.dataset.marked = "yes";
    const predicate = JSON.parse(details.dataset.predicate);
    for (const item of details.querySelectorAll("li[data-text]")) {
      const quotes = item.querySelectorAll("blockquote");
      // Where the page shows the text as it is, it says nothing; where it has a part of it only, "null".
      const told = item.dataset.exact;
      const shown = told ? JSON.parse(told) : quotes[quotes.length - 1].textContent;
      const exact = shown ?? wholly(keys.indexOf(item.dataset.text));
      const name = item.querySelector(".tags > .muted")?.textContent ?? "this text";
      if (served || exact !== null) item.append(buttons(item.dataset.text, predicate, exact, name));
    }
  }
  for (const details of document.querySelectorAll("details[data-predicate]")) {
    details.addEventListener("toggle", () => furnish(details));
    furnish(details);
  }
  // Those of the table of texts are for the predicate that is chosen in it, which has the same number.
  let listed = [];
  function furnishTable() {
    listed.forEach(forget);
    listed = [];
    const [number] = document.getElementById("texts-predicate").selectedOptions[0].text.split(" ");
    const predicate = data.predicates[data.names.findIndex((name) => name.split(" ")[0] === number)];
    for (const row of document.getElementById("texts-table").tBodies[0].rows) {
      const at = Number(row.dataset.at);
      const exact = wholly(at);
      const cell = row.insertCell();
      if (!predicate || (!served && exact === null)) continue;
      listed.push(buttons(keys[at], predicate, exact, `text ${row.dataset.number}`));
      cell.append(listed.at(-1));
    }
  }
  if (nlparamTexts) {
    const heading = element("th", { scope: "col" }, "People say");
    document.getElementById("texts-table").tHead.rows[0].append(heading);
    nlparamTexts.tool.addEventListener("listed", furnishTable);
    furnishTable();
  }
  part("who").addEventListener("input", () => groups.forEach(show));

  const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  part("save-marks").addEventListener("click", () => {
    const fields = (row) => [row.exact, row.predicate, row.label, row.who, "page"];
    const rows = kept("marks", []).map((row) => fields(row).map(cell).join(","));
    save("labels.csv", ["text,predicate,label,who,how", ...rows, ""].join("\r\n"), "text/csv");
  });
  if (served) attempt(async () => received(await call("marks")));
  else {
    take(stored());
    addEventListener("storage", () => take(stored()));
  }
  return { buttons, forget };
})();
