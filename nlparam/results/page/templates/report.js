"use strict";
(() => {
  // Light, dark, or as the system has it.
  const theme = document.getElementById("theme");
  theme.value = document.documentElement.dataset.theme ?? "";
  theme.parentElement.hidden = false;
  theme.addEventListener("change", () => {
    if (theme.value) document.documentElement.dataset.theme = theme.value;
    else delete document.documentElement.dataset.theme;
    try {
      localStorage.setItem("nlparam-theme", theme.value);
    } catch {}
  });

  // Where a window is narrow, names are cut earlier, and panels stand below one another.
  function fitted(specification, space) {
    const view = specification.spec ?? specification;
    const columns = specification.facet ? (specification.columns ?? 1) : 1;
    const names = Math.round(0.35 * space);
    if (typeof view.width !== "number" || columns * (view.width + 20) + 180 <= space) return specification;
    for (const layer of view.layer ?? [view]) {
      for (const channel of Object.values(layer.encoding ?? {})) {
        if (channel.axis?.labelLimit) channel.axis.labelLimit = names;
      }
    }
    if (!specification.facet) return { ...specification, width: space, autosize: { type: "fit-x", contains: "padding" } };
    view.width = Math.max(120, space - names - 40);
    return { ...specification, columns: 1 };
  }

  // Charts: each figure names the JSON element that holds its specification. `ast` makes Vega interpret its expressions
  // instead of compiling them, so that the page's policy can forbid eval. Each is drawn when it comes near the window,
  // so that the page opens at once.
  function draw(figure) {
    near.unobserve(figure);
    const carried = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
    const specification = fitted(carried, figure.clientWidth);
    const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true };
    return vegaEmbed(figure, specification, options).then(
      () => {
        // The element around a drawing names it, and a table beside it has its figures.
        figure.querySelector("svg").setAttribute("aria-hidden", "true");
        figure.dataset.drawn = "yes";
      },
      (error) => (figure.textContent = "This chart could not be drawn: " + error.message),
    );
  }
  const near = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
    { rootMargin: "600px" },
  );
  const figures = [...document.querySelectorAll("[data-chart]")];
  for (const figure of figures) near.observe(figure);
  // The others follow when there is nothing else to do: for paper, and for a search in the page.
  const idle = window.requestIdleCallback ?? ((later) => setTimeout(later, 200));
  function drawNext() {
    const figure = figures.find((each) => !each.firstChild);
    if (figure) draw(figure).then(() => idle(drawNext));
  }
  addEventListener("load", () => idle(drawNext));

  // A link to something folded opens it.
  function openTarget() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at instanceof HTMLDetailsElement) at.open = true;
    target?.scrollIntoView();
  }
  addEventListener("hashchange", openTarget);
  if (location.hash) openTarget();

  const folded = [...document.querySelectorAll("details.predicate")];
  for (const button of document.querySelectorAll("[data-open]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      for (const details of folded) details.open = button.dataset.open === "all";
    });
  }

  // On paper nothing can be opened, so all examples are printed.
  let openBefore = [];
  addEventListener("beforeprint", () => {
    openBefore = folded.map((details) => details.open);
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => {
    folded.forEach((details, index) => (details.open = openBefore[index]));
  });
})();
