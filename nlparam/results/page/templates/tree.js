"use strict";
// The tree while it is edited: a form beside a node, what an edit would do before it is done, the list of edits, refit.
nlparamDesk?.data.tree && (() => {
  const { data, part, visible, element, call, reload, kept, keep, say, problem, attempt, save, served } = nlparamDesk;
  const count = new Intl.NumberFormat("en");
  let state = { version: null, made: null, tree: data.tree, changes: [], warnings: [], cost: "", history: [] };
  let first = null;
  // What the form is about: a node by its name in operations, "root" for the first level, null for none.
  let editing = null;

  const nodes = () => [...nlparamOffline.walk(state.tree.children)];
  const found = (node) => nodes().find((one) => one.entry.node === node);
  const said = (entry) => visible(`${entry.id ?? "new:"} ${entry.name}`);

  // Each action: its words, what it does, its fields, and the operation that it makes of them.
  const predicate = ["predicate", "Predicate", "text"];
  const name = ["name", "Name", "text"];
  const into = ["into", "Into", "siblings"];
  const many = ["children", "How many", "number"];
  const under = ["under", "Under", "others"];
  const means = [
    ["clauses", "What counts, and what does not: a sentence a line", "lines"],
    ["holds", "Texts that it holds for, one a line", "lines"],
    ["fails", "Texts that it does not hold for, one a line", "lines"],
  ];
  const lines = (words) => (words ?? "").split("\n").map(nlparamOffline.oneLine).filter(Boolean);
  function definition(node, v) {
    const made = Object.fromEntries(means.map(([key]) => [key, lines(v[key])]));
    return { node, definition: Object.values(made).some((one) => one.length) ? made : null };
  }
  const division = (node, v) => ({ node, children: Number(v.children) || null });
  const addition = (node, v) => ({ predicate: v.predicate, under: node, name: v.name || null });
  const actions = {
    rename: ["Rename", "Another name is shown. No text moves.", [name], (node, v) => ({ node, name: v.name })],
    reword: ["Reword", "Another predicate is judged.", [predicate], (node, v) => ({ node, predicate: v.predicate })],
    define: ["Define", "Language model and people are shown what the predicate means.", means, definition],
    lock: ["Lock", "It stays, whatever else changes.", [], (node) => ({ node })],
    unlock: ["Unlock", "A refit may replace it.", [], (node) => ({ operation: "lock", node, locked: false })],
    merge: ["Merge", "It and a sibling become one.", [into], (node, v) => ({ nodes: [node], into: v.into })],
    split: ["Split", "Children are proposed for it.", [many], division],
    move: ["Move", "It goes under another node.", [under], (node, v) => ({ node, under: v.under })],
    add: ["Add below", "A node of your own; it is locked.", [predicate, name], addition],
    forbid: ["Forbid", "It goes and does not come back. Another may take its place.", [], (node) => ({ node })],
    delete: ["Delete", "It goes with all below it. Nothing takes its place.", [], (node) => ({ node })],
    exclude: ["Forbid everywhere", "No node may have this predicate.", [predicate], (_, v) => v],
  };
  function possible(entry) {
    const not = ["exclude", entry.locked ? "lock" : "unlock"];
    return Object.keys(actions).filter((one) => !not.includes(one));
  }
  // A button whose name says to a screen reader, too, what it is for.
  function button(words, of, act, properties = {}) {
    const made = element("button", { type: "button", ...properties }, words);
    if (of) made.append(element("span", { className: "hidden" }, ` ${visible(of)}`));
    made.addEventListener("click", act);
    return made;
  }

  function label(entry) {
    const tags = [];
    if (!entry.id) tags.push("new");
    if (entry.locked) tags.push("locked");
    if (entry.forbidden) tags.push("forbidden");
    if (entry.merge_into) tags.push(`merged into ${entry.merge_into}`);
    if (entry.split) tags.push(entry.split === true ? "split" : `split into ${entry.split}`);
    const gone = entry.forbidden || entry.merge_into;
    const line = element("div", { className: "desk-node" });
    line.append(element("span", { className: "ordinal" }, visible(entry.id ?? "")));
    line.append(element("span", { className: gone ? "name gone" : "name", dir: "auto" }, visible(entry.name)));
    for (const tag of tags) line.append(element("span", { className: "tag" }, visible(tag)));
    if (entry.texts !== undefined) {
      const size = `${count.format(entry.texts)} text${entry.texts === 1 ? "" : "s"}, ${(100 * entry.share).toFixed(1)}%`;
      line.append(element("span", { className: "muted" }, size));
    }
    const open = editing === entry.node;
    const act = () => (editing === entry.node ? close() : edit(entry.node));
    line.append(button("Edit", said(entry), act, { "aria-expanded": String(open), "data-node": entry.node }));
    return line;
  }
  function branch(entry) {
    const item = element("li", {}, label(entry));
    const [first, ...others] = Object.values(entry.definition ?? {}).flat();
    if (first) {
      const more = others.length ? ` (and ${others.length} more)` : "";
      item.append(element("p", { className: "notes", dir: "auto" }, visible(`defined: ${first}${more}`)));
    }
    if (entry.id) item.id = "edit-" + entry.id;
    if (editing === entry.node) item.append(part("form"));
    if (entry.children.length) item.append(element("ul", {}, ...entry.children.map(branch)));
    return item;
  }
  function show() {
    // The form moves with its node, with what is written in it.
    const focused = part("form").contains(document.activeElement) ? document.activeElement : null;
    if (editing !== null && editing !== "root" && editing !== "exclude" && !found(editing)) close(false);
    part("top").append(part("form"));
    part("tree").replaceChildren(...state.tree.children.map(branch));
    focused?.focus();
    list("forbidden", state.tree.forbid, (one) => {
      const again = { operation: "exclude", predicate: one, excluded: false };
      return [`forbidden: ${one}`, button("Allow again", one, () => commit(again))];
    });
    part("none").hidden = state.changes.length > 0;
    list("changes", state.changes, (words, at) => [words, button("Take back", words, () => takeBack(at))]);
    list("warnings", state.warnings, (words) => [words]);
    part("cost").textContent = visible(state.cost);
    for (const one of ["refit", "save-tree", "all-back-offline"]) part(one).disabled = !state.changes.length;
    part("all-back").disabled = !state.changes.length && !state.problem;
    part("history").hidden = !state.history.length;
    list("kept", state.history, (one) => {
      const why = one.changes.length ? `: ${one.changes.join("; ")}` : "";
      const back = button("Go back to it", `: tree ${one.number}`, () => goBack(one.number));
      return [`Before ${new Date(one.date).toLocaleString()}${why}`, back];
    });
  }
  // A list of items: for each its words, and perhaps a button.
  function list(name, items, made) {
    const lines = items.map((item, at) => {
      const [words, ...more] = made(item, at);
      return element("li", { dir: "auto" }, `${visible(words)} `, ...more);
    });
    part(name).replaceChildren(...lines);
  }

  function close(focus = true) {
    const before = editing;
    editing = null;
    part("form").hidden = true;
    if (!focus) return;
    show();
    const opener = [...part("tree").querySelectorAll("button")].find((one) => one.dataset.node === before);
    (opener ?? part("add")).focus();
  }
  function edit(node, action = null) {
    editing = node;
    const entry = found(node)?.entry;
    const names = entry ? possible(entry) : [node === "exclude" ? "exclude" : "add"];
    part("action").replaceChildren(...names.map((one) => new Option(actions[one][0], one)));
    if (action) part("action").value = action;
    part("action").parentElement.hidden = names.length === 1;
    part("form").hidden = false;
    fields();
    show();
    (entry ? part("action") : part("fields").querySelector("input")).focus();
    part("form").scrollIntoView({ block: "nearest" });
  }
  // The fields of the action that is chosen, filled with what is there.
  function fields() {
    const one = found(editing);
    const beside = one ? (one.above.at(-1)?.children ?? state.tree.children) : [];
    const siblings = beside.filter((each) => each !== one.entry && !each.forbidden);
    const below = new Set(one ? [...nlparamOffline.walk([one.entry])].map((each) => each.entry) : []);
    const others = nodes().map((each) => each.entry).filter((each) => !below.has(each));
    const options = (entries) => entries.map((each) => new Option(said(each), each.node));
    const action = part("action").value;
    const inputs = {
      siblings: (id) => element("select", { id }, ...options(siblings)),
      others: (id) => element("select", { id }, new Option("the first level", "root"), ...options(others)),
      number: (id) => element("input", { id, type: "number", min: 2, max: 50, placeholder: "as many as fit" }),
      text: (id) => element("input", { id, type: "text", autocomplete: "off" }),
      lines: (id) => element("textarea", { id, rows: 3 }),
    };
    const made = actions[action][2].map(([key, words, kind]) => {
      const input = inputs[kind]("desk-field-" + key);
      input.dataset.key = key;
      if (kind === "text" && action !== "add") input.value = one?.entry[key] ?? "";
      if (kind === "lines") input.value = (one?.entry.definition?.[key] ?? []).map(nlparamOffline.oneLine).join("\n");
      input.addEventListener("input", preview);
      return element("p", {}, element("label", { htmlFor: input.id }, words), " ", input);
    });
    part("fields").replaceChildren(...made);
    part("preview").textContent = actions[action][1];
    preview();
  }
  function operation() {
    const action = part("action").value;
    const inputs = [...part("fields").querySelectorAll("[data-key]")];
    const values = Object.fromEntries(inputs.map((one) => [one.dataset.key, one.value]));
    return { operation: action, ...actions[action][3](editing, values) };
  }
  // What an edit would do and ask, before it is done.
  let typing = 0;
  let last = 0;
  function preview() {
    clearTimeout(typing);
    if (served) typing = setTimeout(look, 200);
  }
  async function look() {
    const what = actions[part("action").value][1];
    const mine = ++last;
    let words;
    try {
      const would = await call("check", { operation: operation() });
      const changes = [...would.changes, ...would.gone.map((one) => `no longer: ${one}`)];
      const all = [`${changes.join("; ")}.`, ...would.warnings, would.cost];
      words = changes.length ? all.join(" ") : "This changes nothing.";
    } catch (error) {
      words = error.message;
    }
    if (mine === last && !part("form").hidden) part("preview").textContent = visible(`${what} ${words}`);
  }

  // A window whose tree is old is told what was done elsewhere.
  function differs(before, now) {
    const came = now.filter((one) => !before.includes(one)).map((one) => `+ ${one}`);
    const went = before.filter((one) => !now.includes(one)).map((one) => `− ${one}`);
    return [...came, ...went].join("\n") || "the tree itself";
  }
  function receive(answer) {
    fitting(answer.fitting);
    if (answer.same) return false;
    const other = state.version !== null && answer.version !== state.version;
    const old = other ? differs(state.changes, answer.changes) : "";
    state = answer;
    first ??= answer.made;
    if (answer.made !== first) part("reload").hidden = false;
    show();
    if (answer.problem) problem(answer.problem);
    return old;
  }
  async function ask(name, given, done) {
    const answer = await attempt(() => call(name, { version: state.version, ...given }));
    if (!answer) return false;
    const old = receive(answer);
    if (answer.stale) {
      problem(`The tree was edited elsewhere, so nothing was done here:\n${old}\nLook at it, and do your edit again.`);
      return false;
    }
    if (done) say(done);
    return true;
  }
  async function commit(one) {
    if (!served) return attempt(() => keepOperations([...kept("edits", []), one]));
    return ask("edit", { operation: one }, "The edit is in taxonomy.yaml.");
  }
  function takeBack(at) {
    const left = () => (at === null ? [] : kept("edits", []).filter((_, place) => place !== at));
    const done = served ? ask("take_back", { at }, "The edit is taken back.") : attempt(() => keepOperations(left()));
    done.then(() => part("changes-title").focus());
  }
  async function goBack(number) {
    if (await ask("go_back", { number }, "")) reload();
  }

  // Without a process: edits are kept in the browser, and saved as the file that a refit reads.
  function keepOperations(operations) {
    nlparamOffline.applied(data.tree, operations);
    keep("edits", operations);
    fromStorage();
    return true;
  }
  function plain({ operation: action, ...values }) {
    const given = Object.entries(values).filter((one) => one[1] !== null);
    const shown = (value) => (value.clauses ? Object.values(value).flat().join("; ") : value);
    const words = given.map(([key, value]) => (/^nodes?$/.test(key) ? `${value}` : `${key} ${shown(value)}`));
    return `${action}: ${words.join(", ")}`;
  }
  function fromStorage() {
    const operations = kept("edits", []);
    try {
      state = { ...state, tree: nlparamOffline.applied(data.tree, operations) };
    } catch (error) {
      return problem(error.message);
    }
    state.changes = operations.map(plain);
    const next = "Save taxonomy.yaml, put it into the folder of the tree, and run nlparam refit FOLDER --check: ";
    state.cost = operations.length ? next + "it says what these edits do and ask." : "";
    return show();
  }

  // A refit, while it runs and when it has ended.
  let running = false;
  function fitting(now) {
    const runs = !!now && !now.ended;
    part("fitting").hidden = !runs;
    if (runs) {
      const more = [now.left, now.cost].filter(Boolean).join(", ");
      const words = `Refit, ${Math.round(now.seconds)} s: ${now.what}${more && ` (${more})`}`;
      part("doing").textContent = visible(words);
      if (now.total) Object.assign(part("progress"), { max: now.total, value: Math.min(now.done, now.total) });
      else part("progress").removeAttribute("value");
      part("stop").disabled = now.stopping;
    } else if (running) {
      const done = "The tree is fitted. What was there before is in the history.";
      const words = now.error ? `The refit has ended: ${now.error}` : done;
      part("fitted").textContent = visible([words, ...now.warnings].join(" "));
    }
    running = runs;
  }
  let failing = false;
  async function poll() {
    try {
      if (!document.hidden || running) {
        const answer = await call("tree", { version: state.version, made: state.made });
        if (failing) problem("");
        failing = false;
        const old = receive(answer);
        if (old) say(`The tree was edited elsewhere: ${old}`);
      }
    } catch (error) {
      failing = true;
      problem(error.message);
    }
    setTimeout(poll, running ? 500 : 2000);
  }

  part("add").addEventListener("click", () => edit("root"));
  part("exclude").addEventListener("click", () => edit("exclude"));
  part("action").addEventListener("change", fields);
  part("close").addEventListener("click", () => close());
  part("form").addEventListener("keydown", (event) => event.key === "Escape" && close());
  part("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await commit(operation())) close();
  });
  part("refit").addEventListener("click", () => {
    part("fitted").textContent = "";
    ask("refit", {}, "The refit has begun.");
  });
  part("stop").addEventListener("click", () => attempt(() => call("stop")));
  part("reload").addEventListener("click", reload);
  for (const one of ["all-back", "all-back-offline"]) part(one).addEventListener("click", () => takeBack(null));
  const saved = () => save("taxonomy.yaml", nlparamOffline.yaml(state.tree), "application/yaml");
  part("save-tree").addEventListener("click", saved);
  // Where a node is read, it can be edited.
  for (const details of document.querySelectorAll("details[id^='node-'][data-predicate]")) {
    const node = details.id.slice("node-".length);
    const here = button("Edit this node", "", () => found(node) && edit(node));
    details.querySelector("summary").after(element("p", { className: "notes" }, here));
  }
  if (served) poll();
  else {
    fromStorage();
    addEventListener("storage", fromStorage);
  }
})();
