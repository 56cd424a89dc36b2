// Shows the surprise and the effects of the chosen layer and head. Colours, titles and numbers change; the text stays.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const layer = document.getElementById("layer");
  const head = document.getElementById("head");
  const kinds = ["surprise", "effect"].filter((kind) => data[kind]);
  const all = (kind) => [...document.querySelectorAll(`#${kind} .token`)];
  const heats = Object.fromEntries([...kinds, "loss"].map((kind) => [kind, all(kind)]));
  const number = (value) => String(Number(value.toPrecision(3)));

  const show = () => {
    const key = `${layer.value},${head.value}`;
    for (const kind of kinds) {
      const { values, low, high, said } = data[kind][key];
      for (const [index, token] of heats[kind].entries()) {
        const value = kind === "effect" ? Math.abs(values[index]) : values[index];
        const share = high > low ? (value - low) / (high - low) : 0;
        token.style.setProperty("--v", `${Math.round(100 * Math.min(1, Math.max(0, share)))}%`);
        if (kind === "effect") token.classList.toggle("for", values[index] > 0);
      }
      document.getElementById(`${kind}-low`).textContent = number(kind === "effect" ? -high : low);
      document.getElementById(`${kind}-high`).textContent = number(high);
      if (kind === "surprise") document.getElementById("said").textContent = said;
    }
    for (const tokens of Object.values(heats)) {
      for (const [index, token] of tokens.entries()) {
        const loss = data.losses[index];
        const effect = data.effect ? `, effect ${number(data.effect[key].values[index])} nats` : "";
        const plain = loss === null ? "" : `, loss ${number(loss)} nats`;
        token.title = `surprise ${number(data.surprise[key].values[index])}${plain}${effect}, position ${data.first + index}`;
      }
    }
  };

  document.documentElement.classList.add("scripted");
  layer.addEventListener("change", show);
  head.addEventListener("change", show);
  show(); // a browser keeps a choice when the page is loaded again
})();
