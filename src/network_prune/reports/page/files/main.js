async function main() {
  const root = document.documentElement;
  const setDark = (isDark) => root.classList.toggle("dark", isDark);
  followDark(setDark);
  setDark(dark.matches);
  await painted();
  const libraries = carried("libraries");
  const records = carried("records");
  const { default: DataTable } = await withScript(libraries.datatables, (address) => import(address));
  DataTable.ext.errMode = "throw";
  watchPicks(showTable(DataTable, records), records, carried("outcomes"));
  await painted();
  const figures = carried("figures");
  if (Object.keys(figures).length) {
    await withScript(libraries.plotly, (address) => new Promise((resolve, reject) => {
      const script = make("script", "", { src: address });
      script.addEventListener("load", resolve);
      script.addEventListener("error", reject);
      document.head.append(script);
    }));
  }
  for (const [name, figure] of Object.entries(figures)) {
    await painted();
    await drawSection(document.getElementById(name), figure);
  }
  root.dataset.ready = "";
}

main();
