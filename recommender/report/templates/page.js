const json = id => { const e = document.getElementById(id); return e ? JSON.parse(e.textContent) : null; };
const specs = json('specs') || {}, examples = json('examples');
const dark = matchMedia('(prefers-color-scheme: dark)'), views = {};
const look = (ink, dim, line) => ({
  background: 'transparent', font: 'system-ui, sans-serif', view: {stroke: null},
  axis: {labelColor: dim, titleColor: ink, gridColor: line, domainColor: dim, tickColor: dim, labelFontSize: 12,
         labelOverlap: 'greedy', labelSeparation: 8, titleFontSize: 12, titleFontWeight: 'normal'},
  legend: {labelColor: ink, titleColor: ink, labelFontSize: 12}, header: {labelColor: ink, titleColor: ink},
  text: {color: ink}, title: {color: ink}});
const light_look = look('#1b1f24', '#57606a', '#e4e8ec'), dark_look = look('#e6e9ee', '#a3adb9', '#2c323b');
// On dark ground every colour is mixed with white until it stands out.
const bright = hex => { const c = [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
  const low = .2126 * c[0] + .7152 * c[1] + .0722 * c[2] < 120, mix = low ? .45 : 0;
  return '#' + c.map(v => Math.round(v + (255 - v) * mix).toString(16).padStart(2, '0')).join(''); };
const shades = spec => dark.matches ? JSON.parse(JSON.stringify(spec).replace(/"#[0-9a-fA-F]{6}"/g, h => `"${bright(h.slice(1, -1))}"`)) : spec;
async function draw(id) {
  const made = await vegaEmbed('#' + CSS.escape(id), shades(specs[id]),
    {mode: 'vega-lite', renderer: 'svg', actions: false, config: dark.matches ? dark_look : light_look});
  // The figure says what it shows; a screen reader is spared its hundred marks.
  document.querySelector('#' + CSS.escape(id) + ' svg').setAttribute('aria-hidden', 'true');
  views[id] = made.view; filter();
}
// What lies in a closed fold has no width: it is drawn when the fold opens.
const drawable = () => Object.keys(specs).filter(id => { const e = document.getElementById(id); return e && e.clientWidth > 0; });
const open_ones = () => drawable().filter(id => !views[id]).forEach(draw);
function filter() {
  const chosen = [...document.querySelectorAll('[data-signal]')].map(e => [e.dataset.signal, e.value]);
  for (const view of Object.values(views)) for (const [name, value] of chosen)
    try { view.signal(name, value).runAsync(); } catch { /* a chart without this filter */ }
  const wanted = document.querySelector('[data-signal=rung]');
  const known = wanted ? [...wanted.options].map(o => o.value) : [];
  for (const row of wanted ? document.querySelectorAll('tr[data-rung]') : [])
    row.hidden = wanted.value !== '' && row.dataset.rung !== wanted.value && known.includes(row.dataset.rung);
}
const text = (tag, content, css = '') => { const e = document.createElement(tag); e.textContent = content; e.className = css; return e; };
function list() {
  const u = examples.users[+document.getElementById('who').value], of = document.getElementById('of').value;
  const box = document.getElementById('list'), columns = text('div', '', 'columns'), left = text('div', ''), right = text('div', '');
  left.append(text('h3', of === 'router' ? 'What ships' : of), text('ol', ''));
  for (const e of u.lists[of]) {
    const row = text('li', (e.taken ? '✔ ' : '') + e.title, e.taken ? 'taken' : '');
    const source = e.source === 'fallback' ? 'filled by the fallback' : e.source.startsWith('new') ? 'place for new items'
      : e.source === 'pinned' ? 'pinned by the editors' : 'ranked by ' + e.source.replace('+', ' and ');
    row.append(text('small', [source, e.new ? 'nobody took it before' : '', e.common ? 'in common: ' + e.common : ''].filter(Boolean).join(' · ')));
    left.lastChild.append(row);
  }
  right.append(text('h3', `Took before (${u.n_history})`), text('ul', ''));
  for (const t of u.history.length ? u.history : ['nothing']) right.lastChild.append(text('li', t));
  right.append(text('h3', `Then took (${u.n_taken}); ✔ in the list`), text('ul', ''));
  for (const t of u.taken) right.lastChild.append(text('li', t));
  columns.append(left, right); box.replaceChildren(columns);
}
function seen() {
  const wanted = document.getElementById('item').value.toLowerCase(), box = document.getElementById('seen');
  const found = examples.items.filter(i => i.title.toLowerCase().includes(wanted)).slice(0, 6), names = Object.keys(examples.asked);
  const table = text('table', ''), head = text('tr', ''), frame = text('div', '', 'wide');
  const heads = {all: 'all users', '0': 'no history', '1_2': '1–2 earlier', '3_9': '3–9 earlier', '10_plus': '10+ earlier'};
  for (const h of ['Item', 'taken before', ...names.map(n => heads[n])]) { const th = text('th', h); th.scope = 'col'; head.append(th); }
  table.append(head);
  for (const i of found) {
    const row = text('tr', ''), name = text('th', i.title); name.scope = 'row'; row.append(name, text('td', i.n));
    i.seen.forEach((n, k) => row.append(text('td', examples.asked[names[k]] ? (100 * n / examples.asked[names[k]]).toFixed(1) + '%' : '–')));
    table.append(row);
  }
  frame.append(table); frame.tabIndex = 0; box.replaceChildren(found.length ? frame : text('p', 'No item of this title is shown to many.'));
}
const unfold = () => { const e = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let d = e; d; d = d.parentElement) if (d.tagName === 'DETAILS') d.open = true;
  const own = e && e.querySelector(':scope > details'); if (own) own.open = true; if (e) e.scrollIntoView(); };
document.addEventListener('toggle', open_ones, true);
document.querySelectorAll('[data-signal]').forEach(e => e.addEventListener('change', filter));
addEventListener('hashchange', unfold);
addEventListener('beforeprint', () => { document.querySelectorAll('main > section > details').forEach(d => { d.open = true; }); open_ones(); });
dark.addEventListener('change', () => { for (const id in views) delete views[id]; open_ones(); });
if (examples) { for (const id of ['who', 'of']) document.getElementById(id).addEventListener('change', list);
  document.getElementById('item').addEventListener('input', seen); list(); seen(); }
open_ones(); unfold();
