// Lets plotly draw on a page whose policy allows no inline styles. It runs before plotly, with the ids of style elements to hold back.
((ids) => {
  // A style attribute that a script sets is refused as if it stood in the page; the same text, set on the style object, is not.
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === "style" && this.style) this.style.cssText = value;
    else set.call(this, name, value);
  };
  // plotly adds the styles of its maps, which no chart here uses, unless there is an element with their id.
  for (const id of ids) document.head.append(Object.assign(document.createElement("style"), { id }));
})
