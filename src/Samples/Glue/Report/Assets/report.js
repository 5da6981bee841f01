'use strict';
(() => {
  const sections = JSON.parse(document.getElementById('figures').textContent);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const narrow = matchMedia('(max-width: 600px)');
  // Okabe and Ito's colours, readable with colour blindness, without their yellow and black; dashes tell the rest apart.
  const colours = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8c8c8c'];
  const dashes = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
  const shapes = ['circle', 'triangle', 'rect', 'rectRot', 'star'];
  const look = i => ({
    borderColor: colours[i % colours.length],
    backgroundColor: colours[i % colours.length],
    borderDash: dashes[Math.floor(i / colours.length) % dashes.length],
    pointStyle: shapes[Math.floor(i / colours.length) % shapes.length],
    pointRadius: 3,
    pointHoverRadius: 6,
    borderWidth: 2,
  });
  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = (title, more) => ({ title: { display: true, text: title }, grid: { color: style('--line') }, ...more });
  const present = points => points.some(p => p.y !== null);

  const lines = (section, task, points, x, tooltip) => ({
    type: 'line',
    data: {
      datasets: section.rows.map((row, i) => ({ label: row.label, data: row.cells[task] ? points(row.cells[task]) : [], ...look(i) })).filter(d => present(d.data)),
    },
    options: { scales: { x, y: axis('percent') }, plugins: { tooltip: { callbacks: tooltip } } },
  });

  const makers = {
    curves: (section, task) => lines(section, task, c => c.curve.map(([x, y]) => ({ x, y })),
      axis('epoch', { type: 'linear', ticks: { precision: 0 } }), { title: items => `epoch ${items[0].parsed.x}` }),
    sensitivity: (section, task) => {
      const rates = [...new Set(section.rows.flatMap(r => r.cells[task] ? r.cells[task].rates.map(p => p[0]) : []))].sort((a, b) => a - b);
      const text = rate => rate.toExponential().replace('e-', 'e−');
      const logarithmic = axis('learning rate', {
        type: 'logarithmic',
        min: rates[0] / 1.2,
        max: rates[rates.length - 1] * 1.2,
        // The rates tried are the only places that mean something.
        afterBuildTicks: scale => { scale.ticks = rates.map(value => ({ value })); },
        ticks: { callback: text },
      });
      return lines(section, task, c => c.rates.map(([x, y]) => ({ x, y })), logarithmic, { title: items => `rate ${text(items[0].parsed.x)}` });
    },
    time: (section, task) => ({
      type: 'scatter',
      data: {
        datasets: section.rows.map((row, i) => ({
          label: row.label,
          data: row.cells[task] ? [{ x: row.cells[task].seconds, y: row.cells[task].mean }] : [],
          ...look(i), pointRadius: 5, pointHoverRadius: 8,
        })).filter(d => present(d.data)),
      },
      options: { scales: { x: axis('seconds', { beginAtZero: true }), y: axis('percent') } },
    }),
    differences: (section, task) => {
      const found = section.rows.map(row => ({ label: row.label, value: task ? row.cells[task] && row.cells[task].difference : row.difference })).filter(r => r.value);
      const labels = found.map(r => r.label);
      const colour = v => v[1] > 0 ? style('--better') : v[2] !== null && v[2] < 0 ? style('--worse') : style('--soft');
      return {
        type: 'bar',
        data: {
          labels,
          datasets: [
            { label: 'interval', data: found.map(r => r.value[1] === null ? null : [r.value[1], r.value[2]]), backgroundColor: found.map(r => colour(r.value) + '66'), barThickness: 10, borderRadius: 4, borderSkipped: false, order: 2 },
            { label: 'mean', type: 'scatter', data: found.map(r => ({ x: r.value[0], y: r.label })), backgroundColor: found.map(r => colour(r.value)), pointRadius: 5, order: 1 },
          ],
        },
        options: {
          indexAxis: 'y',
          scales: {
            x: axis('percentage points against LoRA (kaiming)', { grid: { color: c => c.tick && c.tick.value === 0 ? style('--text') : style('--line') } }),
            y: { type: 'category', labels, offset: true, grid: { display: false }, ticks: { autoSkip: false } },
          },
          plugins: { legend: { display: false } },
        },
        height: 90 + 34 * found.length,
      };
    },
  };

  const charts = [];
  const draw = entry => {
    const { canvas, section, select } = entry;
    const config = makers[canvas.dataset.chart](section, select.value);
    if (entry.chart) entry.chart.destroy();
    if (config.height) canvas.parentElement.style.height = config.height + 'px';
    config.options = {
      responsive: true,
      maintainAspectRatio: false,
      animation: false,
      ...config.options,
      plugins: {
        legend: { position: narrow.matches ? 'bottom' : 'right', labels: config.type === 'line' ? { boxWidth: 28, boxHeight: 0 } : { usePointStyle: true, boxWidth: 8, boxHeight: 8 } },
        ...config.options.plugins,
      },
    };
    entry.chart = new Chart(canvas, config);
  };
  const theme = () => {
    Chart.defaults.color = style('--soft');
    Chart.defaults.borderColor = style('--line');
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    charts.forEach(draw);
  };

  document.querySelectorAll('section').forEach(element => {
    const section = sections[Number(element.dataset.section)];
    element.querySelectorAll('canvas').forEach(canvas => {
      const select = canvas.closest('figure').querySelector('select');
      const entry = { canvas, section, select };
      select.addEventListener('change', () => draw(entry));
      charts.push(entry);
    });
  });
  dark.addEventListener('change', theme);
  narrow.addEventListener('change', theme);
  addEventListener('beforeprint', () => charts.forEach(c => c.chart.resize()));
  theme();
})();
