"use strict";
// What the scripts of the desk share: the data of the page, the process behind it if there is one, and the storage of
// the browser where there is none.
const nlparamDesk = (() => {
  const place = document.getElementById("desk-data");
  if (!place) return null;
  const data = JSON.parse(place.textContent);
  const how = document.documentElement.dataset.served ?? "";
  const part = (name) => document.getElementById("desk-" + name);

  // Control characters, and those that reorder text, as the library makes them visible.
  const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g;
  const visible = (text) =>
    String(text).replace(hidden, (found) => `[U+${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);

  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in made && !name.includes("-")) made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  // Over HTTP to the address that the page came from, whose path has the token.
  async function overHttp(name, given) {
    const base = location.pathname.replace(/\/?$/, "/");
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(`${base}api/${name}`, { method: "POST", headers, body: JSON.stringify(given) });
    return response.json();
  }
  // To the notebook around the page. Another view of the same widget gets the answer too.
  const waiting = new Map();
  function overWidget(name, given) {
    const mine = `${Date.now()} ${Math.random()}`;
    return new Promise((resolve, reject) => {
      waiting.set(mine, resolve);
      setTimeout(reject, 60_000);
      parent.postMessage({ nlparam: mine, name, given }, "*");
    });
  }
  addEventListener("message", (event) => {
    const resolve = event.source === parent && waiting.get(event.data?.nlparam);
    if (!resolve) return;
    waiting.delete(event.data.nlparam);
    resolve(event.data.answer);
  });
  // The page anew, of the result that is there by now.
  const reload = () => (how === "widget" ? overWidget("reload", {}) : location.reload());
  async function call(name, given = {}) {
    let answer;
    try {
      answer = await (how === "widget" ? overWidget : overHttp)(name, given);
    } catch {
      throw new Error(
        "The process behind this page does not answer. What it acknowledged is kept in the folder: run nlparam open " +
          "again, open the address that it prints, and do the last step again.",
      );
    }
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  // What was done without a process. Storage may be forbidden: then it lasts as long as the page does.
  const memory = new Map();
  const named = (what) => `nlparam-${what}-${data.key}`;
  function kept(what, otherwise) {
    try {
      const found = localStorage.getItem(named(what));
      if (found !== null) return JSON.parse(found);
    } catch {}
    return memory.get(what) ?? otherwise;
  }
  function keep(what, value) {
    memory.set(what, value);
    try {
      localStorage.setItem(named(what), JSON.stringify(value));
      problem("");
    } catch {
      problem("This browser keeps nothing for this page: save what you did as a file before you close it.");
    }
  }

  function problem(words) {
    part("problem").textContent = visible(words);
    part("problem").hidden = !words;
  }
  const say = (words) => (part("said").textContent = visible(words));
  // Runs what may fail, and says why it did.
  async function attempt(work) {
    try {
      const done = await work();
      problem("");
      return done;
    } catch (error) {
      problem(error.message);
      return null;
    }
  }
  function save(name, text, type) {
    const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  part("who").value = kept("who", "");
  part("who").addEventListener("change", () => keep("who", part("who").value.trim()));
  for (const one of document.querySelectorAll("#desk [data-for]")) {
    one.hidden = (one.dataset.for === "served") !== !!how;
  }
  document.getElementById("desk").hidden = false;
  return { data, served: !!how, part, visible, element, call, reload, kept, keep, problem, say, attempt, save };
})();
