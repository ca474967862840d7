// Puts it together.

function rowLabels() {
  rows.forEach((row, at) => {
    const label = make("button", `row ${row.kind}`);
    label.type = "button";
    label.dataset.row = at;
    label.style.top = `${row.top}px`;
    label.style.height = `${row.height}px`;
    label.append(make("b", "", row.name));
    const note = row.kind === "lane" ? "" : row.note;
    if (note) label.append(make("span", "", note.split("//").pop()));
    label.title = [row.name, row.note].filter(Boolean).join(" · ");
    label.onclick = () => chooseRow(at);
    by("rows").append(label);
  });
  by("rows").style.height = `${tall}px`;
  // Axis and tools stand above the rows; a short run leaves its room to the lines.
  document.documentElement.style.setProperty("--tall", `${tall + 78}px`);
}

/** Each entry is a small picture of its mark, painted as the timeline paints it. */
function legend() {
  const sample = { delivered: "bar", retried: "bar", fault: "bar", failed: "ended", lost: "hatch", open: "frame" };
  for (const [kind, name] of LEGEND) {
    const item = make("li");
    item.append(make("i", `swatch ${kind} ${sample[kind] ?? ""}`), make("span", "", name));
    by("legend").append(item);
  }
}

function flag() {
  if (!broken) return;
  const button = make("button", "flag", broken.promise);
  button.type = "button";
  button.id = "flag";
  button.setAttribute("aria-label", `Where it broke: ${broken.promise}, at ${clock(broken.at)}`);
  button.onclick = chooseBroken;
  canvas.closest(".time").querySelector(".axis").append(button);
  by("to-violation").onclick = chooseBroken;
}

function resized() {
  view.width = Math.max(60, canvas.parentElement.clientWidth);
  view.height = Math.max(40, stage.clientHeight);
  draw();
  fillLines();
}

function savePlan() {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([data.plan], { type: "application/json" }));
  link.download = "PLAN.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

readInk();
rowLabels();
legend();
flag();
hands();
listHands();
by("save-plan").onclick = savePlan;
const squeezed = new Scale(lines.at, data.end, true);
resized();
squeeze(squeezed.length < squeezed.end / 3);
by("compress").disabled = !squeezed.idle.length;
refilter();
new ResizeObserver(resized).observe(stage);
new ResizeObserver(fillLines).observe(list);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readInk(); draw(); });
chooseNothing();
stage.scrollTop = 0;
fit();

/** For tests, and for whoever looks from the console. */
window.report = { data, view, chosen, boxOf, across, markAt };
