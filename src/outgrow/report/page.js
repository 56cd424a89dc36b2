// Unpacks plotly and draws the charts: those in sight at once, those in a folded part when it is opened or printed.
(async () => {
  const root = document.documentElement;
  const boxes = [...document.querySelectorAll(".chart")];

  // A link to a folded part opens it.
  const reveal = () => {
    const part = document.getElementById(location.hash.slice(1));
    if (part?.matches("details")) part.open = true;
  };
  addEventListener("hashchange", reveal);
  document.querySelector("nav")?.addEventListener("click", () => setTimeout(reveal)); // also where the hash stays the same
  reveal();
  if (!boxes.length) return;

  // The page counts as loaded once its charts are drawn: a browser that prints it without a person waits for nothing else.
  const delayLoad = () => {
    const frame = document.createElement("iframe");
    frame.hidden = true;
    document.body.append(frame);
    const inner = frame.contentDocument;
    inner.open();
    return () => {
      inner.close();
      frame.remove();
    };
  };

  const unpack = async () => {
    const packed = atob(document.getElementById("plotly").textContent.trim());
    const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  };

  const folded = (box) => Boolean(box.closest("details:not([open])"));
  const drawn = new Set();
  const drawUnfolded = () => {
    for (const box of boxes) {
      if (folded(box)) drawn.delete(box); // it has the colours of the other scheme, or the width of paper
      else draw(box, false);
    }
  };

  const loaded = delayLoad();
  try {
    await unpack();
    root.classList.add("drawn");
    for (const box of boxes) {
      if (folded(box)) continue;
      drawn.add(box);
      await draw(box, false);
      await new Promise((resolve) => setTimeout(resolve)); // let the page respond between charts
    }
    const opened = (event) => {
      for (const box of event.target.querySelectorAll(".chart")) {
        if (folded(box) || drawn.has(box)) continue;
        drawn.add(box);
        draw(box, false);
      }
    };
    document.addEventListener("toggle", opened, true);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawUnfolded);

    let unfolded = [];
    addEventListener("beforeprint", () => {
      unfolded = [...document.querySelectorAll("details:not([open])")].filter((part) => part.querySelector(".chart"));
      for (const part of unfolded) part.open = true;
      root.dataset.scheme = "light";
      for (const box of boxes) {
        drawn.add(box);
        draw(box, true);
      }
    });
    addEventListener("afterprint", () => {
      delete root.dataset.scheme;
      for (const part of unfolded) part.open = false;
      drawUnfolded();
    });
  } catch (error) {
    root.classList.remove("drawn");
    document.getElementById("undrawn").textContent =
      "This browser could not unpack the charts (" + error.message + "); the tables hold their numbers.";
  } finally {
    loaded();
  }
})();
