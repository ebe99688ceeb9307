/** Show the rows of all pages on paper up to `most`; the line below says how many there are. */
function printAll(table, most = 500) {
  let length = null;
  addEventListener("beforeprint", () => {
    if (length !== null || table.rows({ search: "applied" }).count() > most) return;
    length = table.page.len();
    table.page.len(-1).draw(false);
  });
  addEventListener("afterprint", () => {
    if (length === null) return;
    table.page.len(length).draw(false);
    length = null;
  });
}
