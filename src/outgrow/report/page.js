"use strict";
// Unpacks plotly, draws every chart in the colours of the page's scheme, and draws them again when the scheme changes.
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

  // "@name" stands for the CSS variable --name.
  const painted = (value, style) => {
    if (typeof value === "string") return value[0] === "@" ? style.getPropertyValue("--" + value.slice(1)).trim() || value : value;
    if (Array.isArray(value)) return value.map((item) => painted(item, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, painted(item, style)]));
  };

  const touch = matchMedia("(pointer: coarse)").matches;
  const settings = { responsive: true, displayModeBar: false, displaylogo: false, showTips: false };

  const draw = (box, printing) => {
    const figure = painted(JSON.parse(box.querySelector("script").textContent), getComputedStyle(root));
    const wide = box.classList.contains("wide");
    const layout = { ...figure.layout, dragmode: touch ? false : "zoom", height: wide ? 380 : 290 };
    if (printing) layout.width = wide ? 660 : 320; // a page of paper
    return Plotly.react(box.querySelector(".plot"), figure.data, layout, settings);
  };

  try {
    const Plotly = await unpack();
    root.classList.add("drawn");
    for (const box of boxes) {
      await draw(box, false);
      await new Promise((resolve) => setTimeout(resolve)); // the page stays alive between charts
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
      "This browser could not unpack the charts (" + error.message + "); their figures are in the tables under them.";
  }
})();
