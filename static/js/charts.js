// Charts of the usage page: each is drawn from the table underneath it, once the page stands. Without this the
// server's own drawing remains.

const script = document.getElementById("charts-script");
const language = document.documentElement.lang || undefined;
const drawn = new Map(); // the section of a chart, and its Chart

let library;

function load() {
  library ??= import(script.dataset.library).then(() => window.Chart);
  return library;
}

// What is figured in the table: layers by column, slots by row.
function read(plot) {
  const names = JSON.parse(plot.dataset.slots);
  const heads = [...plot.querySelectorAll("th[data-layer]")];
  const layers = heads.map((head) => ({
    label: head.textContent,
    swatch: head.querySelector(".swatch"),
    data: new Array(names.length).fill(null),
    texts: new Array(names.length).fill(""),
  }));
  const titles = [...names];
  const totals = new Array(names.length).fill("");
  for (const row of plot.querySelectorAll("tr[data-slot]")) {
    const slot = Number(row.dataset.slot);
    titles[slot] = row.cells[0].textContent;
    totals[slot] = row.cells[row.cells.length - 1].textContent;
    layers.forEach((layer, index) => {
      const figure = row.cells[index + 1].querySelector("data");
      if (!figure) return;
      layer.texts[slot] = figure.textContent;
      if (figure.value) layer.data[slot] = Number(figure.value);
    });
  }
  return { names, titles, totals, layers };
}

// The page's own colours as the canvas and its library know them.
const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", {
  willReadFrequently: true,
});

function plain(colour) {
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = pixel.getImageData(0, 0, 1, 1).data;
  return `rgba(${red}, ${green}, ${blue}, ${alpha / 255})`;
}

const probe = document.createElement("span");
probe.hidden = true;

function token(name) {
  probe.className = `colour-${name}`;
  return plain(getComputedStyle(probe).color);
}

function paint(chart, layers) {
  document.body.append(probe);
  const [ink, line, back, strong] = ["faint", "line", "raised", "ink"].map(token);
  probe.remove();
  chart.data.datasets.forEach((set, index) => {
    set.backgroundColor = plain(getComputedStyle(layers[index].swatch).backgroundColor);
    set.hoverBackgroundColor = set.backgroundColor;
  });
  const { x, y } = chart.options.scales;
  x.ticks.color = y.ticks.color = ink;
  x.border.color = y.grid.color = line;
  Object.assign(chart.options.plugins.tooltip, {
    backgroundColor: back,
    borderColor: line,
    titleColor: strong,
    bodyColor: strong,
    footerColor: strong,
  });
}

function options(plot, { titles, totals, layers }) {
  const money = "money" in plot.dataset;
  const tick = new Intl.NumberFormat(language, {
    notation: "compact",
    maximumSignificantDigits: 3,
    ...(money ? { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" } : {}),
  });
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12 };
  return {
    animation: false,
    maintainAspectRatio: false,
    events: ["mousemove", "mouseout", "click", "touchstart", "touchmove"],
    interaction: { mode: "index", intersect: false },
    scales: {
      x: {
        stacked: true,
        border: {},
        grid: { display: false },
        ticks: { font, maxRotation: 0, autoSkipPadding: 16 },
      },
      y: {
        stacked: true,
        beginAtZero: true,
        border: { display: false },
        grid: {},
        ticks: { font, maxTicksLimit: 5, callback: (value) => tick.format(value) },
      },
    },
    plugins: {
      // Ours alone.
      colors: { enabled: false },
      legend: { display: false },
      tooltip: {
        borderWidth: 1,
        boxPadding: 4,
        padding: 10,
        titleFont: font,
        bodyFont: font,
        footerFont: font,
        filter: (item) => item.raw !== null,
        itemSort: (one, other) => other.raw - one.raw,
        callbacks: {
          title: (items) => (items.length ? titles[items[0].dataIndex] : ""),
          label: (item) => `${layers[item.datasetIndex].label}: ${layers[item.datasetIndex].texts[item.dataIndex]}`,
          footer: (items) => (items.length > 1 ? totals[items[0].dataIndex] : ""),
        },
      },
    },
  };
}

function datasets({ layers }) {
  return layers.map(({ label, data }) => ({
    label,
    data,
    categoryPercentage: 1,
    barPercentage: 0.72,
    maxBarThickness: 44,
  }));
}

function draw(Chart, plot) {
  const figures = read(plot);
  const box = plot.querySelector(".plot-box");
  const holder = document.createElement("div");
  holder.className = "plot-canvas";
  holder.dataset.liveKeep = ""; // live.js leaves it where it is
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", plot.querySelector(".table-scroll").getAttribute("aria-label"));
  holder.append(canvas);
  box.append(holder);
  const chart = new Chart(canvas, {
    type: "bar",
    data: { labels: figures.names, datasets: datasets(figures) },
    options: options(plot, figures),
  });
  drawn.set(plot, { chart, layers: figures.layers });
  paint(chart, figures.layers);
  chart.update();
  box.dataset.drawn = "";
}

async function drawAll() {
  for (const [plot, { chart }] of drawn) {
    if (plot.isConnected) continue;
    chart.destroy();
    drawn.delete(plot);
  }
  if (!document.querySelector("[data-plot]")) return;
  const Chart = window.Chart ?? (await load());
  for (const plot of document.querySelectorAll("[data-plot]")) if (!drawn.has(plot)) draw(Chart, plot);
}

// The tables hold newer figures.
function redraw() {
  for (const [plot, { chart }] of drawn) {
    if (!plot.isConnected) continue;
    const figures = read(plot);
    chart.data = { labels: figures.names, datasets: datasets(figures) };
    chart.options = options(plot, figures);
    drawn.set(plot, { chart, layers: figures.layers });
    paint(chart, figures.layers);
    chart.update();
  }
  drawAll();
}

function repaint() {
  for (const { chart, layers } of drawn.values()) {
    paint(chart, layers);
    chart.update();
  }
}

// After the first paint: the server's drawing is seen at once.
requestAnimationFrame(() => setTimeout(drawAll));
// Within the swap, so that the drawing of the server is not seen between two of ours.
document.addEventListener("htmx:afterSwap", drawAll);
document.addEventListener("live:refreshed", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
