"use strict";
// Draws one chart with plotly, in the colours of the page's scheme, smoothed and zoomed as the reader chose.
// "@name" stands for the CSS variable --name.
const painted = (value, style) => {
  if (typeof value === "string") return value[0] === "@" ? style.getPropertyValue("--" + value.slice(1)).trim() || value : value;
  if (Array.isArray(value)) return value.map((item) => painted(item, style));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, painted(item, style)]));
};

// The reader's choice, for all charts of the page. smoothing: steps that a curve is averaged over, 0 for the page's own choice.
// from, to: first and last step shown, null for all. zoom: changes where the zoom of single charts must not stay; never 0, which
// plotly takes for "do not keep it".
const reader = { smoothing: 0, from: null, to: null, zoom: 1 };

// The centred mean over `width` values, over fewer near the ends and around gaps (null); a gap stays a gap.
const smoothed = (values, width) => {
  const half = Math.floor(width / 2);
  return values.map((value, place) => {
    if (value === null) return null;
    const near = values.slice(Math.max(0, place - half), place + half + 1).filter((other) => other !== null);
    return near.reduce((sum, other) => sum + other, 0) / near.length;
  });
};

const overSteps = (figure) => figure.layout.xaxis?.title?.text === "step";

// A curve is smoothed again from its raw values, which it carries for the hover. On long runs a value stands for several steps.
const smoothTrace = (trace) => {
  if (!reader.smoothing || trace.mode !== "lines" || !Array.isArray(trace.customdata)) return trace;
  const gap = (trace.x[trace.x.length - 1] - trace.x[0]) / (trace.x.length - 1) || 1;
  return { ...trace, y: smoothed(trace.customdata, Math.round(reader.smoothing / gap)) };
};

// Points outside of the chosen steps are removed, so that the other axis fits what is left.
const cutTrace = (trace) => {
  const inside = trace.x.map((x) => x >= (reader.from ?? -Infinity) && x <= (reader.to ?? Infinity));
  const cut = (values) => (Array.isArray(values) ? values.filter((_, place) => inside[place]) : values);
  const bars = trace.error_y && { ...trace.error_y, array: cut(trace.error_y.array), arrayminus: cut(trace.error_y.arrayminus) };
  return { ...trace, x: cut(trace.x), y: cut(trace.y), customdata: cut(trace.customdata), ...(bars && { error_y: bars }) };
};

const adjusted = (figure) => {
  if (!overSteps(figure)) return figure;
  let data = figure.data.map(smoothTrace);
  let xaxis = figure.layout.xaxis;
  if (reader.from !== null || reader.to !== null) {
    const last = Math.max(...data.flatMap((trace) => trace.x));
    data = data.map(cutTrace);
    xaxis = { ...xaxis, range: [reader.from ?? 0, reader.to ?? last], autorange: false };
  }
  return { data, layout: { ...figure.layout, xaxis } };
};

const element = (name, attributes, ...children) => {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
};

// Draws again what is drawn already. What is folded has no size; it is drawn when it is opened.
const redraw = (inside) => {
  for (const box of inside.querySelectorAll(".chart")) {
    if (box.querySelector(".plot").data && !box.closest("details:not([open])")) draw(box, false);
  }
};
document.addEventListener("toggle", (event) => redraw(event.target), true);

// Puts the controls above the first charts. They are made here, because without a script they would do nothing.
const addTools = () => {
  if (document.querySelector(".chart-tools")) return;
  const limit = (text) => (text.trim() === "" || !Number.isFinite(Number(text)) ? null : Number(text));
  const option = (steps) => element("option", { value: steps, textContent: steps === 0 ? "automatic" : steps === 1 ? "none" : `${steps} steps` });
  const select = element("select", {}, ...[0, 1, 5, 11, 21, 51, 101, 201].map(option));
  select.value = reader.smoothing;
  select.addEventListener("change", () => {
    reader.smoothing = Number(select.value);
    redraw(document);
  });
  const input = (label, value) => {
    const made = element("input", { type: "number", min: 0, value: value ?? "", placeholder: label });
    made.setAttribute("aria-label", `${label} step`);
    return made;
  };
  const from = input("first", reader.from);
  const to = input("last", reader.to);
  const zoom = () => {
    Object.assign(reader, { from: limit(from.value), to: limit(to.value), zoom: reader.zoom + 1 });
    redraw(document);
  };
  from.addEventListener("change", zoom);
  to.addEventListener("change", zoom);
  const reset = element("button", { type: "button", textContent: "Show all steps" });
  reset.addEventListener("click", () => {
    from.value = to.value = "";
    zoom();
  });
  const help = touch ? "" : "Drag over a chart to zoom in; double-click to zoom out.";
  const charts = document.querySelector(".chart").parentElement;
  const heading = charts.previousElementSibling;
  (heading?.tagName === "H3" ? heading : charts).before(
    element(
      "div",
      { className: "chart-tools" },
      element("label", {}, "Smoothing ", select),
      element("span", {}, "Steps ", from, " to ", to, " ", reset),
      element("span", { className: "muted", textContent: help }),
    ),
  );
};

const touch = matchMedia("(pointer: coarse)").matches;
const settings = { responsive: true, displayModeBar: false, displaylogo: false, showTips: false };

const draw = (box, printing) => {
  addTools();
  const figure = adjusted(painted(JSON.parse(box.querySelector("script").textContent), getComputedStyle(document.documentElement)));
  const wide = box.classList.contains("wide");
  // uirevision keeps the zoom and the hidden curves of a chart while its data changes.
  const layout = { ...figure.layout, uirevision: reader.zoom, dragmode: touch ? false : "zoom", height: wide ? 380 : 290 };
  if (printing) layout.width = wide ? 660 : 320; // a page of paper
  return Plotly.react(box.querySelector(".plot"), figure.data, layout, settings);
};
