// What filters of numbers can ask: its name, what it is called, and whether a number fits.
const NUMBER_FILTERS = [
  ["equal", "Equals", (value, asked) => value === asked],
  ["notEqual", "Does not equal", (value, asked) => value !== asked],
  ["greater", "Greater than", (value, asked) => value > asked],
  ["greaterOrEqual", "Greater or equal", (value, asked) => value >= asked],
  ["less", "Less than", (value, asked) => value < asked],
  ["lessOrEqual", "Less or equal", (value, asked) => value <= asked],
];

/** Return the number that a text says, NaN where it says none. */
function numberIn(text) {
  const digits = text.replace(/[%\s]/g, "");
  return digits === "" ? NaN : Number(digits);
}

/** Return whether a cell's text passes a filter of numbers; "" where nothing is asked. */
function numberFilter(name, asked) {
  if (name === "empty") return (text) => text === "";
  if (name === "notEmpty") return (text) => text !== "";
  if (asked.trim() === "") return "";
  const [, , fits] = NUMBER_FILTERS.find(([each]) => each === name);
  const wanted = numberIn(asked);
  return (text) => !Number.isNaN(numberIn(text)) && !Number.isNaN(wanted) && fits(numberIn(text), wanted);
}

/** Make DataTables' filters of numbers let no cell pass that has none; they take it for -Infinity. */
function filterNumbers({ ColumnControl }) {
  ColumnControl.content.searchNumber.init = function ({ clear }) {
    const table = this.dt();
    const named = NUMBER_FILTERS.map(([value, label]) => ({ value, label }));
    const filter = new ColumnControl.SearchInput(table, this.idx(), this.idxOriginal())
      .type("num")
      .addClass("dtcc-searchNumber")
      .clearable(clear)
      .options([...named, { value: "empty", label: "Empty" }, { value: "notEmpty", label: "Not empty" }])
      .search((name, asked, isClearing) => {
        table.column(this.idx()).search.fixed("dtcc", numberFilter(name, asked));
        if (!isClearing) table.draw();
      });
    filter.input().setAttribute("inputmode", "decimal");
    return filter.element();
  };
}
