const specs = JSON.parse(document.getElementById('specs').textContent);
const dark = matchMedia('(prefers-color-scheme: dark)');
const look = (ink, dim, line, category) => ({
  background: 'transparent', font: 'system-ui, sans-serif', range: {category}, view: {stroke: null},
  axis: {labelColor: dim, titleColor: ink, gridColor: line, domainColor: dim, tickColor: dim,
         labelFontSize: 12, labelOverlap: 'greedy', labelSeparation: 8, titleFontSize: 13, titleFontWeight: 'normal'},
  legend: {labelColor: ink, titleColor: ink, labelFontSize: 12}, text: {color: ink}});
const light_look = look('#1b1f24', '#57606a', '#e4e8ec',
  ['#0a58ca', '#b45309', '#047857', '#9d174d', '#6d28d9', '#0e7490']);
const dark_look = look('#e6e9ee', '#a3adb9', '#2c323b',
  ['#79b8ff', '#f5b041', '#4fd1a5', '#f78fb3', '#c4a7ff', '#67d6e8']);
function draw() {
  const config = dark.matches ? dark_look : light_look;
  for (const [id, spec] of Object.entries(specs))
    vegaEmbed('#' + id, spec, {mode: 'vega-lite', renderer: 'svg', actions: false, config});
}
dark.addEventListener('change', draw);
draw();
