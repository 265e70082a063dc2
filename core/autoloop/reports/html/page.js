"use strict";
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return "order" in cell.dataset ? Number(cell.dataset.order) : cell.textContent.trim();
  };
  // Numbers sort before text, and missing values come last in both directions.
  const compare = (a, b, sign) => {
    const empty = (a === "–" || a === "") - (b === "–" || b === "");
    if (empty) return empty;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => compare(valueOf(a, column), valueOf(b, column), up ? 1 : -1));
      body.append(...rows);
    });
  });
}
// Hovering over a run's row highlights its curves.
for (const row of document.querySelectorAll('tr[id^="run-"]')) {
  const lines = document.querySelectorAll(`.line[data-run="${CSS.escape(row.id.slice(4))}"]`);
  const pick = (on) => {
    for (const line of lines) {
      line.classList.toggle("picked", on);
      line.ownerSVGElement.classList.toggle("picking", on);
    }
  };
  row.addEventListener("mouseenter", () => pick(true));
  row.addEventListener("mouseleave", () => pick(false));
}
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});
