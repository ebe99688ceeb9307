/** Return a cell as people read it. */
function shownAs(kind, value) {
  if (value === null || value === "") return "–";
  if (typeof value !== "number") return String(value);
  if (kind === "ratio") return `${(100 * value).toFixed(2)}%`;
  if (kind === "figure") return value.toFixed(3);
  return String(Number(value.toPrecision(12)));
}

/** Return a text that no spreadsheet takes for a formula, as exports.py does. */
function forSpreadsheet(value) {
  return typeof value === "string" ? value.replace(/(^|;)(?=\s*[=+\-@\t\r\n＝＋－＠'])/g, "$1'") : value;
}

/** Return how DataTables shows a column and what it sorts, searches and copies. */
function columnOf(DataTable, column, place) {
  const text = DataTable.render.text();
  return {
    data: place,
    visible: column.shown,
    className: column.kind === "text" ? "dt-left" : "dt-right",
    type: column.kind === "text" ? "string" : "num",
    render: (value, use) => {
      if (use === "display") return text.display(shownAs(column.kind, value));
      if (use === "filter") return value === null ? "" : text.filter(shownAs(column.kind, value));
      return use === "sort" && value === null ? "" : value;
    },
  };
}

const COPIED = {
  columns: ":visible",
  orthogonal: "export",
  modifier: { search: "applied", order: "applied" },
  stripHtml: false,
  stripNewlines: false,
  decodeEntities: false,
  trim: false,
};

/** Put a text on the clipboard. */
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = make("textarea", text);
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
}

// What Markdown would take for more than the character, as markdown.py has it.
const MARKUP = new RegExp(
  "&(?=[#\\p{L}\\p{N}_])|[<`|$~]|\\](?=[(\\[:])|(?<!\\S)\\*(?=\\S)|(?<=\\S)\\*"
    + "|(?<![\\p{L}\\p{N}])_|_(?![\\p{L}\\p{N}])|\\\\(?=[!-\\/:-@\\[-`{-~])",
  "gu",
);

/** Return rows as a Markdown table. */
function markdown(head, rows, areWords) {
  const escaped = (cell) => String(cell).replace(MARKUP, "\\$&");
  const line = (cells) => `| ${cells.map(escaped).join(" | ")} |`;
  const rule = areWords.map((isWord) => (isWord ? ":--" : "--:"));
  return [line(head), `|${rule.join("|")}|`, ...rows.map(line)].join("\n") + "\n";
}

/** Copy the rows that are shown and filtered as Markdown, as they are shown. */
async function copyMarkdown(table, columns) {
  const shown = columns.map((_, place) => place).filter((place) => table.column(place).visible());
  const rows = table.rows({ search: "applied", order: "applied" }).data().toArray();
  const cells = rows.map((row) => shown.map((place) => shownAs(columns[place].kind, row[place])));
  const heads = shown.map((place) => columns[place].title);
  await toClipboard(markdown(heads, cells, shown.map((place) => columns[place].kind === "text")));
  table.buttons.info("Copied", `${rows.length} rows as Markdown`, 2000);
}

/** Return a box that opens, in which columns are picked. */
function columnsBox(table, columns) {
  const box = make("details", "", { class: "columns" });
  const list = make("div");
  columns.forEach(({ title, shown }, place) => {
    const label = make("label");
    const check = make("input", "", { type: "checkbox" });
    check.checked = shown;
    check.addEventListener("change", () => table.column(place).visible(check.checked));
    label.append(check, ` ${title}`);
    list.append(label);
  });
  box.append(make("summary", "Columns"), list);
  return box;
}

/** Show the table of records and return it. */
function showTable(DataTable, { columns, rows }) {
  const box = document.getElementById("table-box");
  const element = make("table", "", { id: "records", class: "display compact stripe", "aria-labelledby": "table-title" });
  const head = element.createTHead().insertRow();
  for (const column of columns) head.append(make("th", column.title, { scope: "col" }));
  box.replaceChildren(element);
  const spreadsheet = {
    ...COPIED,
    format: { body: forSpreadsheet, header: (_, __, cell) => forSpreadsheet(cell.querySelector(".dt-column-title").textContent) },
    // The second row of the head holds the filters.
    customizeData: (data) => { data.headerStructure.length = 1; },
  };
  filterNumbers(DataTable);
  const table = new DataTable(element, {
    data: rows,
    columns: columns.map((column, place) => columnOf(DataTable, column, place)),
    order: [],
    pageLength: 25,
    lengthMenu: [10, 25, 100, { label: "all", value: -1 }],
    autoWidth: false,
    columnControl: [{ target: 0, content: ["order"] }, { target: 1, content: ["search"] }],
    ordering: { indicators: false },
    select: { style: "multi", selector: "tr", info: false, keys: true, headerCheckbox: false },
    layout: {
      topStart: {
        buttons: [
          { extend: "copyHtml5", text: "Copy as CSV", title: null, messageTop: null, fieldSeparator: ",", fieldBoundary: '"', escapeChar: '"', exportOptions: spreadsheet },
          { text: "Copy as Markdown", action: () => copyMarkdown(table, columns) },
          { extend: "csvHtml5", text: "Save CSV", filename: "records", title: null, exportOptions: spreadsheet },
        ],
      },
      topEnd: "search",
      bottomStart: ["info", "pageLength"],
      bottomEnd: "paging",
    },
  });
  box.prepend(columnsBox(table, columns));
  nameParts(table, columns);
  printAll(table);
  return table;
}
