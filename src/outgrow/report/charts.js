"use strict";
// Draws one chart with plotly, in the colours of the page's scheme.
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
  const figure = painted(JSON.parse(box.querySelector("script").textContent), getComputedStyle(document.documentElement));
  const wide = box.classList.contains("wide");
  const layout = { ...figure.layout, dragmode: touch ? false : "zoom", height: wide ? 380 : 290 };
  if (printing) layout.width = wide ? 660 : 320; // a page of paper
  return Plotly.react(box.querySelector(".plot"), figure.data, layout, settings);
};
