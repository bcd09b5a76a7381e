"use strict";
// The theme that the reader chose is set before the page is drawn. Storage may be forbidden: then it lasts as long as
// the page does.
try {
  const chosen = localStorage.getItem("nlparam-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {}
