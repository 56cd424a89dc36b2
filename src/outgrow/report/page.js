// Unpacks plotly, draws every chart, and draws them again when the scheme changes.
(async () => {
  const root = document.documentElement;
  const boxes = [...document.querySelectorAll(".chart")];
  if (!boxes.length) return;

  const unpack = async () => {
    const packed = atob(document.getElementById("plotly").textContent.trim());
    const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    return window.Plotly;
  };

  try {
    const Plotly = await unpack();
    root.classList.add("drawn");
    for (const box of boxes) {
      await draw(box, false);
      await new Promise((resolve) => setTimeout(resolve)); // let the page respond between charts
    }
    const redraw = (printing) => boxes.forEach((box) => draw(box, printing));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(false));
    addEventListener("beforeprint", () => {
      root.dataset.scheme = "light";
      redraw(true);
    });
    addEventListener("afterprint", () => {
      delete root.dataset.scheme;
      redraw(false);
    });
  } catch (error) {
    root.classList.remove("drawn");
    document.getElementById("undrawn").textContent =
      "This browser could not unpack the charts (" + error.message + "); the tables below hold their numbers.";
  }
})();
