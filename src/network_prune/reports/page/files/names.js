/** Say of what column each filter and button of the head is, and which rows are picked. */
function nameParts(table, columns) {
  columns.forEach(({ title }, place) => {
    const names = { button: `Sort by ${title}`, select: `How to filter ${title}`, input: `Filter ${title}` };
    for (const row of [0, 1]) {
      for (const part of table.column(place).header(row).querySelectorAll("button, select, input")) {
        part.setAttribute("aria-label", names[part.localName]);
      }
    }
  });
  const nameRows = () => {
    for (const row of table.rows({ page: "current" }).nodes().toArray()) {
      row.setAttribute("aria-selected", row.classList.contains("selected"));
    }
  };
  table.on("draw select deselect", nameRows);
  nameRows();
}
