'use strict';
(() => {
  const charts = JSON.parse(document.getElementById('figures').textContent);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = series => style(series.colour === null ? '--quiet' : `--s${series.colour % 6}`);
  const line = kind => kind !== 'Bar' && kind !== 'Dots';

  const dataset = (series, labels) => {
    const own = colour(series);
    const points = series.points.map(([x, y]) => labels ? { x: labels[x], y } : { x, y });
    if (series.kind === 'Bar') return { type: 'bar', label: series.name, data: points, backgroundColor: own, borderRadius: 2, minBarLength: 1, maxBarThickness: 28 };
    return {
      type: line(series.kind) ? 'line' : 'scatter', label: series.name, data: points, borderColor: own, backgroundColor: own,
      borderWidth: { Dashed: 1.5, Thin: 1 }[series.kind] || 2, borderDash: series.kind === 'Dashed' ? [5, 4] : [], clip: 6,
      pointRadius: { Dashed: 0, Thin: 0, Dots: 3 }[series.kind] ?? 2.5, pointHoverRadius: series.kind === 'Dashed' ? 0 : 5,
      showLine: line(series.kind),
    };
  };

  const axis = (spec, shownBelow) => ({
    ...(spec.labels ? { type: 'category', labels: spec.labels } : { type: 'linear' }),
    ...(spec.least === null ? {} : { min: spec.least }),
    ...(spec.most === null ? {} : { max: spec.most }),
    title: { display: !!spec.title, text: spec.title },
    grid: { color: style('--line'), display: !(shownBelow && spec.labels) },
    border: { color: style('--line') },
    ticks: { maxTicksLimit: shownBelow ? 12 : 6, maxRotation: shownBelow && spec.labels ? 60 : 0, includeBounds: spec.least !== null || spec.most !== null },
  });

  const number = v => v === null ? '–' : Number(v.toPrecision(4)).toString();
  const figures = [...document.querySelectorAll('[data-chart]')].map(place => ({ place, spec: charts[place.dataset.chart], chart: null }));

  const draw = figure => {
    const { spec, place } = figure;
    if (figure.chart) figure.chart.destroy();
    place.style.height = spec.height + 'px';
    figure.chart = new Chart(place.querySelector('canvas'), {
      data: { datasets: spec.series.map(s => dataset(s, spec.x.labels)) },
      options: {
        responsive: true, maintainAspectRatio: false, animation: false, layout: { padding: { right: 6 } },
        interaction: { mode: 'nearest', intersect: false },
        scales: { x: axis(spec.x, true), y: axis(spec.y, false) },
        plugins: {
          legend: { display: spec.series.length > 1, position: 'bottom', align: 'start', labels: { boxWidth: 12, boxHeight: 12 } },
          tooltip: {
            filter: item => spec.series[item.datasetIndex].colour !== null,
            callbacks: {
              title: items => items.length ? `${spec.x.title || ''} ${items[0].label || ''}`.trim() : '',
              label: item => {
                const series = spec.series[item.datasetIndex];
                return `${series.name}: ${series.texts ? series.texts[item.dataIndex] : number(item.parsed.y)}`;
              },
            },
          },
        },
      },
    });
  };

  const theme = () => {
    Chart.defaults.color = style('--soft');
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 11;
    // What rounds to zero has no sign.
    Chart.defaults.scales.linear.ticks = { ...Chart.defaults.scales.linear.ticks, format: { signDisplay: 'negative' } };
    figures.forEach(draw);
    document.documentElement.dataset.drawn = figures.length;
  };
  dark.addEventListener('change', theme);
  addEventListener('beforeprint', () => figures.forEach(f => f.chart.resize()));
  theme();
})();
