// What the dashboard knows, and in which words it says it. Nothing here touches the page.

const GHOST_FOR = 60_000; // for how long a node that is gone is still shown, in ms

export const state = {
  status: null,
  matrix: { nodes: [], rows: {}, silent: {} },
  changes: new Map(),
  traffic: [],
  last: null,
  heard: 0,
  chosen: null,
  announced: 0,
};

// ---- words for figures

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
export const count = (value) => (value < 100_000 ? whole.format(value) : short.format(value));
export const rate = (value) => (value >= 10 || value === 0 ? count(Math.round(value)) : value.toFixed(1));
export const bytes = (value) => {
  if (value === 0) return '0';
  if (value < 1024) return `${value} B`;
  return value < 1024 * 1024 ? `${(value / 1024).toFixed(0)} KiB` : `${(value / 1024 / 1024).toFixed(1)} MiB`;
};
export const micros = (value) => {
  if (value === null || value === undefined) return '–';
  return value < 10_000 ? `${(value / 1000).toFixed(2)} ms` : `${Math.round(value / 1000)} ms`;
};
export const span = (ms) => {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
};
export const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');

// ---- what is known of each node

/** Every node, with a kind (`ready`, `waiting`, `doubt`, `gone`), a word and the reason. */
export function nodes() {
  const { status, matrix } = state;
  if (!status) return [];
  const known = new Map();
  const me = status.current;
  known.set(me.id, { id: me.id, me: true, ready: me.ready, reasons: status.reasons, state: 'connected' });
  for (const peer of status.pool) {
    const reasons = matrix.rows[peer.id]?.reasons ?? [];
    known.set(peer.id, { id: peer.id, ready: peer.ready, reasons, state: peer.state, peer });
  }
  for (const change of ghosts(known)) {
    known.set(change.node, { id: change.node, state: 'gone', text: change.text, left: change.text.endsWith('it left'), reasons: [] });
  }
  for (const id of matrix.nodes) {
    if (!known.has(id)) known.set(id, { id, state: 'elsewhere', reasons: [] });
  }
  const all = [...known.values()].sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  return all.map((node) => ({ ...node, ...judge(node) }));
}

/** The last word on nodes that went a short while ago. */
function ghosts(known) {
  const last = new Map();
  for (const change of state.changes.values()) {
    if (change.node && (change.event === 'joined' || change.event === 'removed')) last.set(change.node, change);
  }
  const now = Date.now();
  return [...last.values()].filter(
    (change) => change.event === 'removed' && !known.has(change.node) && now - change.atMs < GHOST_FOR,
  );
}

function judge(node) {
  if (node.state === 'gone') {
    const why = node.text.replace(/^removed [^:]*: /, '');
    return { kind: 'gone', word: node.left ? 'left' : 'gone', why };
  }
  if (node.state === 'elsewhere') {
    return { kind: 'doubt', word: 'not seen from here', why: state.matrix.silent[node.id] ?? 'others see it' };
  }
  if (node.state !== 'connected') {
    const doubt = node.peer?.doubt;
    const why = doubt ? `${doubt.cause}, for ${span(doubt.forMs)}` : 'no session';
    return { kind: 'doubt', word: node.state, why };
  }
  if (node.peer?.draining) return { kind: 'waiting', word: 'draining', why: 'its clients move, then it leaves' };
  if (!node.ready) return { kind: 'waiting', word: 'not ready', why: node.reasons.join('; ') };
  const notes = [];
  if (node.peer?.degraded) notes.push('did not let this node catch up');
  if (node.peer?.overBudget) notes.push('over budget');
  if (node.peer?.heldForMs) notes.push(`verdicts held for ${span(node.peer.heldForMs)}`);
  return { kind: 'ready', word: 'ready', why: notes.join('; ') };
}

export const GLYPHS = { ready: '✓', waiting: '!', doubt: '?', gone: '✕' };
export const TONES = { ready: 'good', waiting: 'warn', doubt: 'warn', gone: 'bad' };

export const lagOf = (peer) =>
  Object.values(peer?.lag ?? {}).reduce((sum, lane) => sum + lane.unsentBytes + lane.unacknowledgedBytes, 0);
export const shedOf = (status) =>
  status.pool.reduce((sum, peer) => sum + Object.values(peer.lag).reduce((all, lane) => all + lane.shed, 0), 0);

/** How two nodes see each other: `null` if neither has a session with the other. */
export function link(a, b) {
  const { rows } = state.matrix;
  const ends = [sight(a, b), sight(b, a)];
  const asked = [a, b].map((end) => end.me || (end.id in rows && end.kind !== 'gone'));
  const seen = ends.filter((end) => end?.state === 'connected').length;
  const told = asked.filter(Boolean).length;
  if (a.kind === 'gone' || b.kind === 'gone' || ends.every((end) => !end)) return null;
  const lag = Math.max(0, ...ends.map((end) => end?.lagBytes ?? 0));
  const trip = ends.map((end) => end?.roundTripUs).find((trip) => typeof trip === 'number');
  return { ok: seen > 0 && seen === told, lag, trip };
}

/** How one node sees another; of this node it is known at once, of others from the matrix. */
function sight(from, to) {
  if (from.me) {
    const { peer } = to;
    return peer && { state: peer.state, lagBytes: lagOf(peer), roundTripUs: peer.roundTripUs };
  }
  return state.matrix.rows[from.id]?.sees[to.id];
}
