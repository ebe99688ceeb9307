const dark = matchMedia("screen and (prefers-color-scheme: dark)");
// Pixels that fit between the margins of A4 and of US Letter.
const PAPER_WIDTH = 680;
const LOOKS = {
  light: { ink: "#1a1a1a", line: "#d9d9d9", paper: "#ffffff" },
  dark: { ink: "#ececec", line: "#444a52", paper: "#1c2026" },
};

/** Call a function with whether the page is dark whenever that may have changed; paper is light. */
function followDark(use) {
  dark.addEventListener("change", () => use(dark.matches));
  addEventListener("beforeprint", () => use(false));
  addEventListener("afterprint", () => use(dark.matches));
}

/** Return a layout in the colours that the page has. */
function inLook(layout, look) {
  const axis = { gridcolor: look.line, zerolinecolor: look.line, linecolor: look.line };
  return {
    ...layout,
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: look.ink, family: "system-ui, sans-serif", size: 13 },
    margin: { l: 48, r: 12, t: 16, b: 48 },
    hoverlabel: { bgcolor: look.paper, bordercolor: look.ink, font: { color: look.ink }, align: "left" },
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
  };
}

const CONFIG = {
  displaylogo: false,
  responsive: true,
  showLink: false,
  showSendToCloud: false,
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "sendDataToCloud"],
  toImageButtonOptions: { format: "svg", filename: "network-prune" },
};

/** Add what picks a value, and call `picked` when it is. */
function addChoice(box, title, values, picked) {
  const label = make("label", `${title} `);
  const choice = make("select");
  for (const value of values) choice.append(make("option", value));
  choice.addEventListener("change", () => picked(choice.value));
  label.append(choice);
  box.append(label);
}

/** Show a section's figure, what picks its views, and its numbers. */
async function drawSection(section, { views, choices }) {
  const [plot, note, lists, numbers] = [".plot", ".note", ".names", "details"].map((s) => section.querySelector(s));
  let shown = views[0];

  async function draw() {
    note.textContent = shown.note;
    lists.replaceChildren(...shown.names.map(({ title, names, more }) => namesBox(title, names, more)));
    plot.hidden = !shown.figure;
    numbers.open ||= !shown.figure;
    fill();
    if (!shown.figure) return;
    const { data, layout } = shown.figure;
    plot.style.height = `${layout.height || 460}px`;
    await Plotly.react(plot, data, inLook(layout, dark.matches ? LOOKS.dark : LOOKS.light), CONFIG);
  }

  function fill() {
    if (!numbers.open) return;
    const { head, rows } = shown.numbers;
    numbers.querySelector(".scroll").replaceChildren(makeTable(head, rows));
  }

  function relook(isDark) {
    if (plot.data) Plotly.relayout(plot, inLook(shown.figure.layout, isDark ? LOOKS.dark : LOOKS.light));
  }

  choices.forEach((title, part) => {
    const values = [...new Set(views.map((view) => view.label[part]))];
    if (values.length < 2) return;
    addChoice(section.querySelector(".choices"), title, values, (value) => {
      const wanted = shown.label.map((old, place) => (place === part ? value : old));
      const fits = (view) => view.label.every((each, place) => each === wanted[place]);
      shown = views.find(fits) || views.find((view) => view.label[part] === value);
      draw();
    });
  });
  numbers.addEventListener("toggle", fill);
  followDark(relook);
  addEventListener("beforeprint", () => { plot.style.zoom = Math.min(1, PAPER_WIDTH / plot.clientWidth); });
  addEventListener("afterprint", () => { plot.style.zoom = ""; });
  await draw();
}
