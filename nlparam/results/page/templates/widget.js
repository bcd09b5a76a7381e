// The page of a result in a notebook. It is of an origin of its own, so that no text in it reaches the notebook.
export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    frame.title = "nlparam: a result to mark and edit";
    frame.setAttribute("sandbox", "allow-scripts allow-downloads");
    frame.style.cssText = "display: block; width: 100%; height: min(80vh, 60rem); border: 1px solid #8888;";
    const show = () => (frame.srcdoc = model.get("html"));
    const ask = (event) => {
      if (event.source === frame.contentWindow && event.data?.nlparam) model.send(event.data);
    };
    const answer = (said) => frame.contentWindow?.postMessage(said, "*");
    addEventListener("message", ask);
    model.on("msg:custom", answer);
    model.on("change:html", show);
    show();
    el.append(frame);
    return () => {
      removeEventListener("message", ask);
      model.off("msg:custom", answer);
      model.off("change:html", show);
    };
  },
};
