// The dashboard: draws what this node's server-sent events tell. No library, no build step.
import { GLYPHS, TONES, bytes, clock, count, lagOf, link, micros, nodes, rate, shedOf, span, state } from './model.js';

const HISTORY = 300; // seconds of traffic that are kept
const SILENT_AFTER = 2_500; // without a word from this node for so long, the page says so, in ms

const $ = (id) => document.getElementById(id);
const put = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
const set = (element, name, value) => {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
};
const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const draw = (name, attributes = {}, ...children) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

// ---- drawing

function render() {
  const { status } = state;
  if (!status) return;
  const all = nodes();
  renderHead(status, all);
  renderTiles(status, all);
  renderMesh(all);
  renderRows(status, all);
  renderDetails(status);
  renderAgreement(status, all);
  renderTimeline();
}

function renderHead(status, all) {
  put($('cluster'), status.cluster);
  put($('me'), status.current.id);
  put($('software'), `, version ${status.current.software}, up ${span(status.current.uptimeMs)}`);
  const ready = all.filter((node) => node.kind === 'ready').length;
  const there = all.filter((node) => node.kind !== 'gone').length;
  const troubled = all.filter((node) => node.kind !== 'ready').map((node) => node.id);
  const verdict = status.failure
    ? ['bad', '✕', 'this node has ended']
    : !status.current.ready
      ? ['bad', '!', 'this node is not ready']
      : ready < there
        ? ['warn', '!', `${troubled.slice(0, 2).join(', ')}${troubled.length > 2 ? ' and others' : ''} in trouble`]
        : troubled.length > 0
          ? ['warn', '✕', `${troubled[0]} is gone`]
          : !status.converged && (status.differsForMs ?? 0) > 1_500
            ? ['warn', '≠', 'nodes differ']
            : ['good', '✓', 'all is well'];
  set($('verdict'), 'data-tone', verdict[0]);
  put($('verdict').firstElementChild, verdict[1]);
  put($('verdict-text'), verdict[2]);
  document.title = `${verdict[1]} ${ready}/${there} ${status.cluster}`;
}

function renderTiles(status, all) {
  const ready = all.filter((node) => node.kind === 'ready').length;
  const there = all.filter((node) => node.kind !== 'gone').length;
  put($('tile-ready'), `${ready} of ${there}`);
  put($('tile-ready-note'), `${status.minimumNodes} needed`);
  put($('tile-rooms'), count(status.rooms));
  put($('tile-subscriptions'), count(status.subscriptions));
  put($('tile-subscriptions-note'), status.moving > 0 ? `${count(status.moving)} of them moving` : 'on all nodes');
  const { sent, avoided } = status.notifications;
  put($('tile-avoided'), sent + avoided === 0 ? '–' : `${Math.round((100 * avoided) / (sent + avoided))} %`);
  const shed = shedOf(status);
  put($('tile-shed'), count(shed));
  set($('tile-shed'), 'data-tone', shed > 0 ? 'bad' : '');
}

/** Two pictures: one for a wide place, one whose words can still be read on a telephone. */
const WIDE = { width: 640, height: 430, middle: [320, 218], reach: [235, 148] };
const NARROW = { width: 340, height: 370, middle: [170, 185], reach: [112, 112] };
const picture = () => ($('mesh').clientWidth < 480 ? NARROW : WIDE);

const place = ({ middle, reach }, index, total) => {
  if (total === 1) return middle;
  const angle = (2 * Math.PI * index) / total - Math.PI / 2;
  return [middle[0] + reach[0] * Math.cos(angle), middle[1] + reach[1] * Math.sin(angle)];
};

function renderMesh(all) {
  const radius = all.length <= 8 ? 24 : all.length <= 20 ? 15 : 8;
  const frame = picture();
  set($('mesh'), 'viewBox', `0 0 ${frame.width} ${frame.height}`);
  const spots = new Map(all.map((node, index) => [node.id, place(frame, index, all.length)]));
  const links = [];
  const labels = [];
  all.forEach((a, index) => {
    for (const b of all.slice(index + 1)) {
      const between = link(a, b);
      if (!between || (all.length > 40 && between.ok && between.lag === 0)) continue;
      const [x1, y1] = spots.get(a.id);
      const [x2, y2] = spots.get(b.id);
      const lags = between.lag > 64 * 1024;
      const dim = state.chosen && ![a.id, b.id].includes(state.chosen) ? ' dim' : '';
      const kind = `link ${between.ok ? 'ok' : 'doubt'}${lags ? ' lagging' : ''}${dim}`;
      links.push({ key: `${a.id} ${b.id}`, kind, path: `M${x1} ${y1}L${x2} ${y2}` });
      const chosen = state.chosen ? !dim : all.length <= 5;
      if (chosen && all.length <= 24) {
        const words = [between.trip === undefined ? null : micros(between.trip), lags ? `${bytes(between.lag)} behind` : null];
        // Off the middle, so that the labels of crossing links do not lie on each other.
        const at = (from, to) => from + (to - from) * (index % 2 ? 0.42 : 0.5);
        labels.push({ key: `${a.id} ${b.id}`, x: at(x1, x2), y: at(y1, y2), text: words.filter(Boolean).join(', ') });
      }
    }
  });
  keyed($('links'), links, () => draw('path'), (path, it) => {
    set(path, 'class', it.kind);
    set(path, 'd', it.path);
  });
  keyed($('labels'), labels, () => draw('text', { class: 'link-label' }), (text, it) => {
    set(text, 'x', it.x.toFixed(1));
    set(text, 'y', it.y.toFixed(1));
    put(text, it.text);
  });
  const dots = all.map((node) => {
    // Words on the outer side, so that no link goes through them.
    const above = all.length > 1 && spots.get(node.id)[1] < frame.middle[1] - 1;
    return { ...node, above, key: `${node.id} ${node.kind} ${node.word} ${radius} ${above}` };
  });
  keyed($('dots'), dots, (node) => dot(node, radius), (group, node) => {
    const [x, y] = spots.get(node.id);
    set(group, 'transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    set(group, 'class', `dot-node ${node.kind}${state.chosen === node.id ? ' chosen' : ''}`);
  });
  const words = all.map((node) => `${node.id}: ${node.word}`).join('. ');
  const broken = links.filter((it) => it.kind.includes('doubt')).map((it) => it.key.replace(' ', ' and '));
  put($('mesh-words'), `${words}. ${broken.length ? `Not well: the link of ${broken.join('; of ')}.` : `${links.length} links, all well.`}`);
}

function dot(node, radius) {
  const r = radius;
  const shapes = {
    ready: draw('circle', { r, class: 'shape' }),
    waiting: draw('rect', { x: -r * 0.95, y: -r * 0.95, width: r * 1.9, height: r * 1.9, rx: r * 0.3, class: 'shape' }),
    doubt: draw('path', { d: `M0 ${-r * 1.2}L${r * 1.2} 0 0 ${r * 1.2} ${-r * 1.2} 0Z`, class: 'shape' }),
    gone: draw('circle', { r, class: 'shape' }),
  };
  const signs = {
    ready: 'M-9 0l6 6 12-12',
    waiting: 'M0-11V3M0 10v.5',
    doubt: 'M-5-4c0-8 11-8 11-1C6 0 0 1 0 5M0 11v.5',
    gone: 'M-8-8L8 8M8-8L-8 8',
  };
  const sign = draw('path', { d: signs[node.kind], class: 'sign', transform: `scale(${r / 24})` });
  const name = draw('text', { y: node.above ? -r - 22 : r + 18 });
  name.textContent = node.id.length > 18 ? `${node.id.slice(0, 17)}…` : node.id;
  const sub = draw('text', { y: node.above ? -r - 8 : r + 33, class: 'sub' });
  sub.textContent = node.me ? `${node.word}, this node` : node.word;
  return draw('g', {}, shapes[node.kind], sign, ...(radius > 8 ? [name] : []), ...(radius > 15 ? [sub] : []));
}

function renderRows(status, all) {
  keyed($('rows'), all.map((node) => ({ ...node, key: node.id })), row, (line, node) => {
    const [name, condition, trip, seen, lag, rooms, copy] = line.children;
    const { peer } = node;
    set(name.firstElementChild, 'aria-pressed', state.chosen === node.id);
    set(condition.firstElementChild, 'data-tone', TONES[node.kind]);
    put(condition.firstElementChild.firstElementChild, GLYPHS[node.kind]);
    put(condition.firstElementChild.lastElementChild, node.word);
    put(condition.lastElementChild, node.why || (node.me ? 'this node' : '\u00a0'));
    put(trip.firstElementChild, node.me ? '–' : micros(peer?.roundTripUs));
    put(seen.firstElementChild, peer ? span(peer.lastSeenMs) : '–');
    put(lag.firstElementChild, peer ? bytes(lagOf(peer)) : '–');
    put(rooms.firstElementChild, peer ? count(peer.heldRooms) : '–');
    const words = !peer ? (node.me ? 'the owner' : '–') : peer.agrees ? '= equal' : peer.behind > 0 ? `≠ ${count(peer.behind)} changes behind` : '≠ differs';
    put(copy.firstElementChild, words);
  });
}

function row(node) {
  const button = make('button', { type: 'button', 'aria-pressed': 'false' }, node.id);
  button.addEventListener('click', () => {
    state.chosen = state.chosen === node.id ? null : node.id;
    schedule();
  });
  const cell = (label, kind) => make('td', { class: kind, 'data-label': label }, make('span'));
  return make(
    'tr', {}, make('th', { scope: 'row' }, button),
    make('td', { class: 'state' }, make('b', {}, make('i', { 'aria-hidden': 'true' }), make('em')), make('span')),
    cell('Round trip', 'number'), cell('Last heard', 'number'), cell('Lag', 'number'), cell('Rooms', 'number'), cell('Copy here', 'copy'),
  );
}

function renderDetails(status) {
  const { chosen } = state;
  const peer = status.pool.find((it) => it.id === chosen);
  const me = status.current.id === chosen;
  $('details').hidden = !chosen;
  if (!chosen) return;
  put($('details-title'), chosen);
  const facts = me
    ? [['Incarnation', status.current.incarnation], ['Listens on', Object.entries(status.current.bindings).map(([name, at]) => `${at} (${name})`).join(', ')], ['Own changes', count(status.current.version)], ['Timers', status.health === 1 ? 'on time' : `late, ${status.health} of 4`], ...status.discovery.map((it) => [`Provider ${it.provider}`, `${it.answers ? 'answers' : it.answers === null ? 'not asked yet' : 'does not answer'}, ${it.addresses} addresses${it.answers === false && it.lastError ? `: ${it.lastError}` : ''}`])]
    : peer
      ? [['Incarnation', peer.incarnation], ['Addresses', peer.addresses.join(', ')], ['Carried by', peer.transport ? `${peer.transport}${peer.tls ? '' : ', not encrypted'}, ${peer.dialled ? 'dialled by this node' : 'dialled by it'}` : 'no session'], ['Wall clock', peer.clockSkewMs === null ? '–' : `${peer.clockSkewMs} ms from this node's`], ['State', `it says ${count(peer.claimedVersion)}, here is ${count(peer.version)}`], ...Object.entries(peer.lag).map(([lane, lag]) => [`Lane ${lane}`, `${bytes(lag.unsentBytes)} unsent, ${bytes(lag.unacknowledgedBytes)} on the way, ${count(lag.shed)} messages gave way`])]
      : [['State', state.matrix.silent[chosen] ?? 'it is gone']];
  keyed($('details-list'), facts.flatMap(([name, value]) => [{ key: `t ${name}`, tag: 'dt', text: name }, { key: `d ${name}`, tag: 'dd', text: value }]), (it) => make(it.tag), (element, it) => put(element, it.text));
}

const RUNGS = { duplicates: 'repeats, ignored', gaps: 'gaps, asked again', passesFinished: 'passes over an owner', sweptRooms: 'rooms found gone', unrepaired: 'not repaired' };

function renderAgreement(status, all) {
  const there = all.filter((node) => node.kind !== 'gone');
  const agreeing = there.filter((node) => node.me || (node.kind === 'ready' && node.peer?.agrees) || (node.kind === 'waiting' && node.peer?.agrees));
  const share = Math.round((100 * agreeing.length) / Math.max(1, there.length));
  const good = share === 100 && status.converged;
  put($('agreement'), good ? '= equal' : status.differsForMs ? `≠ for ${span(status.differsForMs)}` : '≠ catching up');
  set($('agreement'), 'data-tone', good ? 'good' : 'warn');
  set($('meter'), 'data-tone', good ? 'good' : 'warn');
  set($('meter'), 'aria-valuenow', share);
  set($('meter'), 'aria-valuetext', `${agreeing.length} of ${there.length} nodes hold the same state`);
  $('meter-bar').style.width = `${share}%`;
  const others = there.filter((node) => !agreeing.includes(node)).map((node) => node.id);
  const equal = there.length === 1 ? 'this node is alone' : `all ${there.length} nodes hold the same ${count(status.rooms)} rooms`;
  const differ = others.length ? `differs from ${others.slice(0, 3).join(', ')}` : 'the next heartbeats will tell';
  put($('agreement-note'), good ? equal : differ);
  keyed($('repairs'), Object.entries(RUNGS).flatMap(([key, words]) => [{ key: `t ${key}`, tag: 'dt', text: words }, { key: `d ${key}`, tag: 'dd', text: count(status.repairs[key] ?? 0) }]), (it) => make(it.tag), (element, it) => put(element, it.text));
}

const MARKS = { joined: ['+', 'good'], recovered: ['✓', 'good'], ready: ['✓', 'good'], agreed: ['=', 'good'], removed: ['✕', 'bad'], doubted: ['?', 'warn'], 'not ready': ['!', 'warn'], draining: ['↓', 'warn'], drains: ['↓', 'warn'], diverged: ['≠', 'bad'], paused: ['Ⅱ', 'warn'], vetoed: ['?', 'warn'] };

function renderTimeline() {
  const shown = [...state.changes.values()].sort((a, b) => b.number - a.number).slice(0, 50);
  if (shown.length === 0) return;
  keyed($('timeline'), shown.map((change) => ({ ...change, key: String(change.number) })), (change) => {
    const [mark, tone] = MARKS[change.event] ?? ['·', 'quiet'];
    return make('li', {}, make('span', { class: 'mark', 'data-tone': tone, 'aria-hidden': 'true' }, mark), make('time', { datetime: new Date(change.atMs).toISOString() }, clock(change.atMs)), make('span', {}, change.text));
  }, () => {});
}

/** Makes the children of an element those of a list, by key and in its order, and keeps those that are there. */
function keyed(parent, list, create, update) {
  const there = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  list.forEach((it, index) => {
    let child = there.get(it.key);
    if (!child) {
      child = create(it);
      child.dataset.key = it.key;
    }
    there.delete(it.key);
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
    update(child, it);
  });
  there.forEach((child) => child.remove());
}

function renderTraffic() {
  const { traffic } = state;
  const peak = Math.max(1, ...traffic.flatMap(({ sent, received }) => [sent, received]));
  const x = (index) => 600 - ((traffic.length - 1 - index) * 600) / (HISTORY - 1);
  const y = (value) => 178 - (170 * value) / peak;
  const points = (name) => traffic.map((it, index) => `${x(index).toFixed(1)} ${y(it[name]).toFixed(1)}`).join('L');
  const last = traffic.at(-1) ?? { sent: 0, received: 0 };
  if (traffic.length > 1) {
    set($('line-sent'), 'd', `M${points('sent')}`);
    set($('area-sent'), 'd', `M${x(0).toFixed(1)} 178L${points('sent')}L600 178Z`);
    set($('line-received'), 'd', `M${points('received')}`);
  }
  const top = traffic.length ? Math.max(...traffic.flatMap(({ sent, received }) => [sent, received])) : 0;
  put($('peak'), `peak ${rate(top)}/s`);
  put($('now-sent'), rate(last.sent));
  put($('now-received'), rate(last.received));
  put($('tile-rate'), rate(last.sent));
  put($('chart-words'), `Now ${rate(last.sent)} sent and ${rate(last.received)} received a second; the peak of the last five minutes is ${rate(top)}.`);
}

// ---- what comes in

let scheduled = false;
function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    render();
  });
}

/** The traffic between all nodes where the matrix has it, else this node's. */
function takeTraffic(rows, now) {
  const sums = Object.values(rows).reduce((sum, row) => ({ sent: sum.sent + row.notificationsSent, received: sum.received + row.notificationsReceived }), { sent: 0, received: 0 });
  const nodes = Object.keys(rows).sort().join(' ');
  const { last } = state;
  state.last = { now, nodes, ...sums };
  // A node that came or went moves the sums without a message.
  if (!last || last.nodes !== nodes) return;
  const seconds = (now - last.now) / 1000;
  if (seconds < 0.5) {
    state.last = last;
    return;
  }
  const sample = { sent: Math.max(0, (sums.sent - last.sent) / seconds), received: Math.max(0, (sums.received - last.received) / seconds) };
  for (let i = 0; i < Math.max(1, Math.round(seconds)); i += 1) state.traffic.push(sample);
  state.traffic.splice(0, state.traffic.length - HISTORY);
  renderTraffic();
}

function takeChange(change) {
  if (state.changes.has(change.number)) return;
  state.changes.set(change.number, change);
  if (state.changes.size > 200) state.changes.delete(Math.min(...state.changes.keys()));
  if (change.number > state.announced) {
    state.announced = change.number;
    put($('announcements'), change.text);
  }
}

function live(tone, words) {
  set($('live'), 'data-tone', tone);
  put($('live-text'), words);
}

function listen() {
  const events = new EventSource('events');
  const take = (kind, handle) =>
    events.addEventListener(kind, (event) => {
      state.heard = Date.now();
      live('good', 'live');
      handle(JSON.parse(event.data));
      schedule();
    });
  take('status', (status) => {
    if (state.status && state.status.current.incarnation !== status.current.incarnation) state.changes.clear();
    state.announced ||= status.activity.at(-1)?.number ?? 0;
    state.status = status;
    status.activity.forEach(takeChange);
  });
  take('matrix', (matrix) => {
    state.matrix = matrix;
    takeTraffic(matrix.rows, Date.now());
  });
  take('change', takeChange);
  take('shed', () => live('warn', 'was too slow'));
  events.addEventListener('error', () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 1_000);
  });
}

setInterval(() => {
  const silent = Date.now() - state.heard;
  if (state.heard > 0 && silent > SILENT_AFTER) {
    live('bad', `silent for ${span(silent)}`);
    set($('verdict'), 'data-tone', 'bad');
    put($('verdict').firstElementChild, '✕');
    put($('verdict-text'), 'this node does not answer');
    document.title = '✕ no answer';
  } else schedule();
}, 1_000);

// ---- colours

const THEMES = ['auto', 'light', 'dark'];
function theme(name) {
  if (name === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  const words = { auto: 'as the system has them', light: 'light', dark: 'dark' };
  put($('theme'), name[0].toUpperCase() + name.slice(1));
  set($('theme'), 'aria-label', `Colours: ${words[name]}`);
  try {
    localStorage.setItem('cluster-theme', name);
  } catch {
    // It is forgotten with the page.
  }
}
$('theme').addEventListener('click', () => {
  const now = document.documentElement.dataset.theme ?? 'auto';
  theme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
});
try {
  const kept = localStorage.getItem('cluster-theme');
  if (THEMES.includes(kept)) theme(kept);
} catch {
  // As the system has them.
}

listen();
