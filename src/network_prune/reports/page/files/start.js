"use strict";

/** Return what the page carries under a name. */
function carried(name) {
  return JSON.parse(document.getElementById(`${name}-data`).textContent);
}

/** Return an element that shows a text as it is. */
function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Return a table of texts. */
function makeTable(head, rows) {
  const table = make("table");
  const top = table.createTHead().insertRow();
  for (const title of head) top.append(make("th", title, { scope: "col" }));
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    row.forEach((text, place) =>
      line.append(place ? make("td", text) : make("th", text, { scope: "row" })));
  }
  return table;
}

/** Return a box of names that opens. */
function namesBox(title, names, more = 0) {
  const box = make("details");
  const list = make("ul", "", { class: "images" });
  for (const name of names) list.append(make("li", name));
  if (more) list.append(make("li", `… and ${more} more`));
  box.append(make("summary", title), list);
  return box;
}

/** Return the bytes that were packed by zlib and written in base64. */
async function unpack(text) {
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let place = 0; place < packed.length; place++) bytes[place] = packed.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Call a function with the address of a packed script. */
async function withScript(text, use) {
  const address = URL.createObjectURL(new Blob([await unpack(text)], { type: "text/javascript" }));
  try {
    return await use(address);
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Resolve once what is there has been painted. */
function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}
