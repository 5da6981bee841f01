'use strict';
(() => {
  const sections = JSON.parse(document.getElementById('figures').textContent);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const narrow = matchMedia('(max-width: 600px)');
  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const rateText = rate => rate.toExponential().replace('e-', 'e−');
  const axis = (title, more) => ({ title: { display: !!title, text: title }, grid: { color: style('--line') }, border: { color: style('--line') }, ...more });
  const has = points => points.some(p => p.y !== null);

  // Long names, such as those with settings, break at spaces rather than be cut.
  const broken = (text, width) => {
    const lines = [''];
    for (const word of text.split(' ')) {
      const last = lines[lines.length - 1];
      if (last && (last + ' ' + word).length > width) lines.push(word);
      else lines[lines.length - 1] = last ? last + ' ' + word : word;
    }
    return lines;
  };

  const fixed = v => v.toFixed(2).replace(/^-(?=[0.]+$)/, '');
  const interval = d => d.low === null ? `${fixed(d.mean)}, n = ${d.pairs}` : `${fixed(d.mean)} [${fixed(d.low)}, ${fixed(d.high)}], n = ${d.pairs}`;

  // One task: differences to LoRA with their intervals, sorted.
  const effect = (title, found) => {
    found.sort((a, b) => b.value.mean - a.value.mean);
    const colour = v => v.mark > 0 ? style('--better') : v.mark < 0 ? style('--worse') : style('--soft');
    const labels = found.map(f => f.label);
    return {
      title,
      height: 58 + 22 * labels.reduce((sum, l) => sum + Math.max(1, 0.7 * broken(l, 20).length), 0),
      type: 'bar',
      data: {
        labels,
        datasets: [
          { data: found.map(f => f.value.low === null ? null : [f.value.low, f.value.high]), backgroundColor: found.map(f => colour(f.value)), barThickness: 2, order: 2 },
          {
            type: 'scatter', data: found.map(f => ({ x: f.value.mean, y: f.label })), pointRadius: 4, pointHoverRadius: 6, borderWidth: 1.5, order: 1,
            borderColor: found.map(f => colour(f.value)), backgroundColor: found.map(f => f.value.low === null ? style('--page') : colour(f.value)),
          },
        ],
      },
      options: {
        indexAxis: 'y',
        scales: {
          x: axis('', { grid: { color: c => c.tick && c.tick.value === 0 ? style('--text') : style('--line') }, ticks: { maxTicksLimit: 6, maxRotation: 0 } }),
          y: { type: 'category', labels, offset: true, grid: { display: false }, border: { display: false }, ticks: { autoSkip: false, color: style('--text'), callback: i => broken(labels[i], 20) } },
        },
        plugins: { tooltip: { callbacks: { title: items => found[items[0].dataIndex].label, label: item => interval(found[item.dataIndex].value) } } },
      },
    };
  };

  // One strategy against the field of all others.
  const field = (section, task, points, x, y, title) => {
    const lines = section.rows.map(row => ({ row, data: row.cells[task] ? points(row.cells[task]) : [] })).filter(l => has(l.data));
    const values = lines.flatMap(l => l.data.map(p => p.y)).filter(v => v !== null);
    const room = 0.05 * (Math.max(...values) - Math.min(...values) || 1);
    const range = { min: Math.min(...values) - room, max: Math.max(...values) + room };
    return lines.map(own => ({
      title: own.row.label + (own.row.reference ? ' (reference)' : ''),
      height: 170,
      type: 'line',
      data: {
        datasets: [
          { data: own.data, borderColor: style('--best'), backgroundColor: style('--best'), borderWidth: 2.5, pointRadius: 2.5, order: 0 },
          ...lines.filter(l => l !== own).map(l => ({
            data: l.data, borderWidth: l.row.reference ? 1.5 : 1, pointRadius: 0, pointHoverRadius: 0, order: l.row.reference ? 1 : 2,
            borderColor: l.row.reference ? style('--text') : style('--field'), borderDash: l.row.reference ? [4, 3] : [],
          })),
        ],
      },
      options: {
        scales: { x: x(lines), y: axis('', { ...range, ticks: { maxTicksLimit: 5, includeBounds: false } }) },
        plugins: { tooltip: { filter: item => item.datasetIndex === 0, callbacks: { title: items => items.length ? title(items[0].parsed.x) : '', label: item => y(item.parsed.y) } } },
      },
    }));
  };
  const epochs = () => axis('epoch', { type: 'linear', ticks: { precision: 0, maxTicksLimit: 8, maxRotation: 0 } });
  const percent = v => `${fixed(v)} %`;

  const makers = {
    effects: section => [
      ...section.tasks.map(t => effect(t.title, section.rows.map(r => ({ label: r.label, value: r.cells[t.name] && r.cells[t.name].difference })).filter(f => f.value))),
      effect('mean over the tasks', section.rows.map(r => ({ label: r.label, value: r.difference })).filter(f => f.value)),
    ].filter(p => p.data.labels.length),
    curves: (section, task) => field(section, task, c => c.curve.map(([x, y]) => ({ x, y })), epochs, percent, x => `epoch ${x}`),
    losses: (section, task) => field(section, task, c => c.curve.map(([x, , y]) => ({ x, y })), epochs, v => v.toFixed(4), x => `epoch ${x}`),
    sensitivity: (section, task) => field(section, task, c => c.rates.map(([x, y]) => ({ x, y })), lines => {
      const rates = [...new Set(lines.flatMap(l => l.data.map(p => p.x)))].sort((a, b) => a - b);
      return axis('learning rate', {
        type: 'logarithmic',
        min: rates[0] / 1.2,
        max: rates[rates.length - 1] * 1.2,
        // The rates tried are the only places that mean something.
        afterBuildTicks: scale => { scale.ticks = rates.map(value => ({ value })); },
        ticks: { callback: rateText, maxRotation: 60 },
      });
    }, percent, x => `rate ${rateText(x)}`),
    time: section => section.tasks.map(task => {
      const found = section.rows.filter(r => r.cells[task.name] && r.cells[task.name].mean !== null);
      return {
        title: task.title,
        height: 240,
        type: 'scatter',
        data: {
          datasets: [{
            data: found.map(r => ({ x: r.cells[task.name].seconds, y: r.cells[task.name].mean })), pointRadius: 5, pointHoverRadius: 8, borderWidth: 1.5,
            borderColor: style('--best'), backgroundColor: found.map(r => r.reference ? style('--best') : 'transparent'),
          }],
        },
        options: {
          scales: { x: axis('seconds', { ticks: { maxTicksLimit: 6, maxRotation: 0 } }), y: axis('', { ticks: { maxTicksLimit: 6 } }) },
          plugins: { tooltip: { callbacks: { label: i => `${found[i.dataIndex].label}: ${percent(i.parsed.y)} in ${i.parsed.x.toFixed(0)} s, n = ${found[i.dataIndex].cells[task.name].seeds}` } } },
        },
      };
    }).filter(p => p.data.datasets[0].data.length),
  };

  const figures = [];
  const draw = figure => {
    figure.charts.forEach(c => c.destroy());
    figure.panels.replaceChildren();
    figure.charts = makers[figure.kind](figure.section, figure.select && figure.select.value).map(config => {
      const panel = document.createElement('div');
      const title = document.createElement('h4');
      const chart = document.createElement('div');
      const canvas = document.createElement('canvas');
      title.textContent = config.title;
      chart.className = 'chart';
      chart.style.height = config.height + 'px';
      canvas.setAttribute('role', 'img');
      canvas.setAttribute('aria-label', config.title);
      chart.append(canvas);
      panel.append(title, chart);
      figure.panels.append(panel);
      config.options = {
        responsive: true,
        maintainAspectRatio: false,
        animation: false,
        layout: { padding: { left: 4, right: 6 } },
        ...config.options,
        plugins: { legend: { display: false }, ...config.options.plugins },
      };
      return new Chart(canvas, config);
    });
  };
  const theme = () => {
    Chart.defaults.color = style('--soft');
    Chart.defaults.borderColor = style('--line');
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 11;
    // What rounds to zero has no sign.
    Chart.defaults.scales.linear.ticks = { ...Chart.defaults.scales.linear.ticks, format: { signDisplay: 'negative' } };
    figures.forEach(draw);
  };

  document.querySelectorAll('section').forEach(element => {
    const section = sections[Number(element.dataset.section)];
    element.querySelectorAll('figure').forEach(place => {
      const figure = { kind: place.dataset.chart, section, select: place.querySelector('select'), panels: place.querySelector('.panels'), charts: [] };
      if (figure.select) figure.select.addEventListener('change', () => draw(figure));
      figures.push(figure);
    });
  });
  dark.addEventListener('change', theme);
  narrow.addEventListener('change', theme);
  addEventListener('beforeprint', () => figures.forEach(f => f.charts.forEach(c => c.resize())));
  theme();
})();
