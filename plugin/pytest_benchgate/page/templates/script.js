"use strict";
// Sorts and filters the rows of all tables; without it, the page shows everything.
{
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const results = all("tr[id], article[id]");
  const text = new Map(results.map((one) => [one, one.querySelector("th, h3").textContent.toLowerCase()]));
  const search = document.getElementById("search");
  const chips = all("button[data-verdict]");
  // The worst first.
  const verdicts = chips.map((chip) => chip.dataset.verdict);

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.dataset.verdict));
    let shown = 0, rows = 0;
    for (const one of results) {
      const matches = words.every((word) => text.get(one).includes(word));
      one.hidden = !(matches && (!wanted.size || wanted.has(one.dataset.verdict)));
      rows += one.matches("tr");
      shown += one.matches("tr") && !one.hidden;
    }
    for (const table of all(".table")) table.hidden = !table.querySelector("tr[id]:not([hidden])");
    document.getElementById("shown").value = words.length || wanted.size ? `${shown} of ${rows} rows` : "";
  };

  const clear = () => {
    search.value = "";
    for (const chip of chips) chip.ariaPressed = "false";
    filter();
  };

  const sort = (button) => {
    const header = button.closest("th"), body = header.closest("table").tBodies[0];
    const index = [...header.parentNode.children].indexOf(header);
    const isNumber = header.classList.contains("n"), isVerdict = header.classList.contains("v");
    const first = isNumber ? "descending" : "ascending", second = isNumber ? "ascending" : "descending";
    const order = header.ariaSort === first ? second : first;
    const sign = order === "ascending" ? 1 : -1;
    const keys = new Map([...body.rows].map((row) => {
      const cell = row.cells[index];
      // What has no verdict comes last.
      if (isVerdict) return [row, verdicts.indexOf(row.dataset.verdict ?? "") >>> 0];
      return [row, isNumber ? parseFloat(cell.dataset.v ?? cell.textContent.replaceAll(",", "")) : cell.textContent.toLowerCase()];
    }));
    // What has no value comes last in either order.
    const compare = (one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return sign * (a < b ? -1 : a > b ? 1 : 0);
    };
    body.append(...[...body.rows].sort(compare));
    for (const cell of header.parentNode.children) cell.removeAttribute("aria-sort");
    header.ariaSort = order;
  };

  // A link to a result shows it, whatever is filtered.
  const follow = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.hidden || target?.closest("[hidden]")) {
      clear();
      target.scrollIntoView();
    }
  };

  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.ariaPressed = String(chip.ariaPressed !== "true");
      filter();
    });
  }
  for (const button of all("th button")) button.addEventListener("click", () => sort(button));
  search.addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape") clear();
  });
  addEventListener("hashchange", follow);

  const theme = document.getElementById("theme");
  theme.addEventListener("click", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  });

  // What is closed on the screen is open on paper.
  addEventListener("beforeprint", () => all("details").forEach((one) => (one.open = true)));
  for (const one of all("#search, #theme, label[for=search]")) one.hidden = false;
  follow();
}
