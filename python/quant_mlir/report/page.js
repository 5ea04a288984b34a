// Tables with buttons in their heads sort by the column; a second click turns the order around.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const isText = head.classList.contains("text");
      const key = (row) => {
        const cell = row.children[column];
        if (isText) return cell.textContent.trim().toLowerCase();
        return "value" in cell.dataset ? Number(cell.dataset.value) : null;
      };
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => ({ row, key: key(row) }));
      rows.sort((a, b) => {
        // What has no number stays at the end either way.
        if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
        const order = isText ? a.key.localeCompare(b.key, "en", { numeric: true }) : a.key - b.key;
        return down ? -order : order;
      });
      body.append(...rows.map((entry) => entry.row));
    });
  });
}
