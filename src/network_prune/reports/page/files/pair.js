const Z = 1.959963984540054;
const MOST_NAMES = 200;

/** Return the 95 % interval of (gained - lost) / n in points (Agresti and Min 2005). */
function matchedInterval(gained, lost, n) {
  const [total, net, changed] = [n + 2, gained - lost, gained + lost + 1];
  const centre = net / total;
  const half = (Z * Math.sqrt(changed - net ** 2 / total)) / total;
  return [100 * Math.max(-1, centre - half), 100 * Math.min(1, centre + half)];
}

/** Return McNemar's exact two-sided p: of so uneven a split, were each way as likely. */
function mcnemar(gained, lost) {
  const n = gained + lost;
  let term = -n * Math.LN2; // log of C(n, k) / 2 ** n
  let sum = 0;
  for (let k = 0; k <= Math.min(gained, lost); k++) {
    sum += Math.exp(term);
    term += Math.log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * sum);
}

/** Return what changed from one row to another, image by image; null without their outcomes. */
async function paired(pieces, one, other) {
  const piece = pieces.find(({ rows }) => rows.includes(one) && rows.includes(other));
  if (!piece) return null;
  piece.bytes ??= await unpack(piece.bits);
  const width = Math.ceil(piece.n / 8);
  const [first, second] = [one, other].map((row) => piece.rows.indexOf(row));
  const isRight = (row, place) => {
    const byte = place >> 3;
    const dense = piece.bytes[byte];
    const own = row ? piece.bytes[row * width + byte] ^ dense : dense;
    return (own >> (place & 7)) & 1;
  };
  const leftOut = new Set([one, other].flatMap((row) => piece.left_out[row] || []));
  const [gained, lost] = [[], []];
  for (let place = 0; place < piece.n; place++) {
    if (leftOut.has(place)) continue;
    const [before, after] = [isRight(first, place), isRight(second, place)];
    if (before !== after) (after ? gained : lost).push(place);
  }
  const n = piece.n - leftOut.size;
  const named = (places) => places.map((place) => (piece.names ? piece.names[place] : `image ${place}`));
  return {
    n,
    difference: (100 * (gained.length - lost.length)) / n,
    interval: matchedInterval(gained.length, lost.length, n),
    p: mcnemar(gained.length, lost.length),
    gained: named(gained),
    lost: named(lost),
  };
}

const signed = (value) => `${value < 0 ? "" : "+"}${value.toFixed(3)}`;
const asProbability = (p) => (p < 1e-4 ? p.toExponential(2) : p.toFixed(4));

/** Return a box of images' names that opens. */
function imagesBox(title, names) {
  return namesBox(`${title}: ${names.length}`, names.slice(0, MOST_NAMES), Math.max(0, names.length - MOST_NAMES));
}

/** Return what two rows differ in: settings, and figures that the table shows at first. */
function differences({ columns, rows }, one, other) {
  const found = columns
    .map((column, place) => [column, rows[one][place], rows[other][place]])
    .filter(([column, a, b]) => a !== b && (column.decides || (column.shown && column.kind !== "text")));
  return found.map(([{ title, kind }, a, b]) => {
    const isFigure = kind === "figure" && typeof a === "number" && typeof b === "number";
    return [title, shownAs(kind, a), shownAs(kind, b), isFigure ? signed(b - a) : ""];
  });
}

/** Return the sentences on what changed image by image. */
function verdict(found) {
  const [low, high] = found.interval;
  const list = make("dl", "", { class: "verdict" });
  for (const [title, text] of [
    ["Acc@1, second less first", `${signed(found.difference)} points`],
    ["95% interval, paired", `[${signed(low)}, ${signed(high)}]`],
    ["McNemar's exact p", asProbability(found.p)],
    ["images", `${found.n}: ${found.gained.length} won, ${found.lost.length} lost`],
  ]) list.append(make("dt", title), make("dd", text));
  return list;
}

/** Show how two rows compare. */
async function showPair(box, records, pieces, [one, other]) {
  const found = await paired(pieces, one, other);
  const parts = [make("h3", "The two rows picked")];
  if (found) parts.push(verdict(found), imagesBox("Images won", found.gained), imagesBox("Images lost", found.lost));
  else if (records.images[one] !== records.images[other]) {
    parts.push(make("p", "They are on other images, so their figures can't be compared."));
  } else parts.push(make("p", "This page doesn't carry their outcomes; the command below compares them image by image."));
  const scroll = make("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What the two rows differ in" });
  scroll.append(makeTable(["", "first", "second", "difference"], differences(records, one, other)));
  const command = `network-prune compare ${records.names[one]} ${records.names[other]}`;
  parts.push(scroll, make("pre", command, { tabindex: "0" }));
  box.replaceChildren(...parts);
}

/** Compare the two rows that were picked last. */
function watchPicks(table, records, pieces) {
  const box = document.getElementById("pair");
  let picked = [];
  table.on("select", (_, __, type, places) => {
    picked.push(...places.filter((place) => !picked.includes(place)));
    while (picked.length > 2) table.row(picked[0]).deselect();
    if (picked.length === 2) showPair(box, records, pieces, picked);
    else box.replaceChildren(make("p", "One row is picked; pick another."));
  });
  table.on("deselect", (_, __, type, places) => {
    picked = picked.filter((place) => !places.includes(place));
    box.replaceChildren();
  });
}
