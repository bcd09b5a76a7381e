"use strict";
// Charts: each figure names the JSON element that holds its specification. `ast` makes Vega interpret its expressions
// instead of compiling them, so that the page's policy can forbid eval.
for (const figure of document.querySelectorAll("[data-chart]")) {
  const specification = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, tooltip: { theme: dark ? "dark" : "light" } };
  vegaEmbed(figure, specification, options).catch((error) => {
    figure.textContent = "This chart could not be drawn: " + error.message;
  });
}

// A link to a predicate opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();

const predicates = [...document.querySelectorAll("details.predicate")];
for (const button of document.querySelectorAll("[data-open]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    for (const details of predicates) details.open = button.dataset.open === "all";
  });
}

// On paper nothing can be opened, so all examples are printed.
let openBefore = [];
addEventListener("beforeprint", () => {
  openBefore = predicates.map((details) => details.open);
  for (const details of predicates) details.open = true;
});
addEventListener("afterprint", () => {
  predicates.forEach((details, index) => (details.open = openBefore[index]));
});
