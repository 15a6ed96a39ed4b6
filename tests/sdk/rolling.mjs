// Five nodes behind a balancer are restarted one after the other while clients listen and others publish. No client is left
// without a ready node; in each room those that stay are never counted twice, and with those that move nobody is left out; each
// client gets each message once, and misses only what was published while it was on its way to another node.
//
// CLUSTER_ROLLING_CLIENTS says how many clients listen (default 40); each gets ten notifications a second.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { ask, connect, count, figure, publish, run, subscribe, within } from './client.mjs';

const CLIENTS = Number(process.env.CLUSTER_ROLLING_CLIENTS ?? 40);
const A_ROOM = 20;
const ROOMS = CLIENTS / A_ROOM;
/** Messages a second to each room. */
const RATE = 10;
/** How much later one end of a connection may notice what the other end did: this machine may be busy. */
const SLACK = 2_000;
const isMixed = process.env.CLUSTER_NODE_PREVIOUS !== undefined;

const now = () => performance.now();

/** The node that is being restarted. */
let restarting = null;
/** The node that drains or has ended, from when on: it took no new client since then. */
let drained = null;
/** Of clients that were watched as they came to another node than the one that drained. */
let arrivals = 0;

class Listener {
  constructor(room) {
    this.room = room;
    this.received = new Map();
    /** When it was on its way: from the end of a connection to the first message on the next. */
    this.absences = [];
    this.isAway = false;
  }

  async start(port) {
    this.kuzzle = await connect(port, { reconnectionDelay: 50 });
    this.kuzzle.addListener('disconnected', () => this.leave());
    this.kuzzle.addListener('reconnected', () => this.arrive());
    this.roomId = await subscribe(this.kuzzle, { equals: { room: this.room } }, (message) => this.take(message));
  }

  leave() {
    if (!this.isAway) {
      this.isAway = true;
      this.absences.push([now(), Infinity]);
    }
  }

  /** Who left another node while one drained, and is served before that one is back, is served by another. */
  async arrive() {
    const [left] = this.absences.at(-1);
    const before = drained;
    const { node } = await within(this.kuzzle.query({ controller: 'server', action: 'now' }), 'a node that serves');
    if (before !== null && before === drained && left > before.since) {
      assert.notEqual(node, before.node, 'it was sent to the node that drains');
      arrivals++;
    }
  }

  take({ result }) {
    const { seq } = result._source;
    this.received.set(seq, (this.received.get(seq) ?? 0) + 1);
    if (this.isAway) {
      this.isAway = false;
      this.absences.at(-1)[1] = now();
    }
  }

  wasAway(from, to) {
    return this.absences.some(([left, back]) => left - SLACK <= to && from <= back + SLACK);
  }
}

/** Publishes to one room until it is told to stop; which messages were answered, and when. */
class Publisher {
  constructor(room) {
    this.room = room;
    this.sent = [];
    this.unsure = 0;
  }

  async start(port) {
    this.kuzzle = await connect(port, { reconnectionDelay: 50, offlineMode: 'auto' });
  }

  async publish() {
    for (let seq = 0; !this.stopped; seq++) {
      const began = now();
      try {
        await publish(this.kuzzle, { room: this.room, seq });
        this.sent.push({ seq, from: began, to: now() });
      } catch {
        // Its connection ended before the answer came: it may have been published or not.
        this.unsure++;
      }
      await pause(1_000 / RATE);
    }
  }
}

/** Asks the nodes for the counts of a room in turn, but not the one that is away. */
class Observer {
  constructor(ports) {
    this.ports = ports;
    this.seen = [];
  }

  async watch(roomIds) {
    for (let turn = 0; !this.stopped; turn++) {
      const [port, room] = [turn % this.ports.length, turn % roomIds.length];
      const from = now();
      const answer = await this.query(this.ports[port], roomIds[room]);
      if (answer !== null && `node-${port}` !== restarting) {
        this.seen.push({ node: port, room, from, to: now(), ...answer });
      }
      await pause(20);
    }
  }

  async query(port, roomId) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/_query`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Connection: 'close' },
        body: JSON.stringify({ controller: 'realtime', action: 'count', body: { roomId } }),
      });
      const { result } = await response.json();
      return result === null ? { count: 0, moving: 0 } : { moving: 0, ...result };
    } catch {
      return null;
    }
  }
}

function checkCounts(observer, listeners) {
  let [moving, lowest] = [0, A_ROOM];
  for (const { node, room, from, to, ...seen } of observer.seen) {
    const away = listeners.filter((listener) => listener.room === room && listener.wasAway(from, to)).length;
    const what = `node-${node} counts ${seen.count} and ${seen.moving} moving in room ${room}, ${away} are on their way`;
    if (!isMixed) {
      assert.ok(seen.count <= A_ROOM, what);
    }
    assert.ok(seen.count + seen.moving >= A_ROOM - away, what);
    moving = Math.max(moving, seen.moving);
    lowest = Math.min(lowest, seen.count + seen.moving);
  }
  assert.ok(isMixed || moving > 0, 'somebody was seen to move');
  console.log(`${observer.seen.length} counts; at most ${moving} moving, at least ${lowest} of ${A_ROOM} counted`);
}

function checkNotifications(publishers, listeners) {
  let [got, missed, unsure] = [0, 0, 0];
  for (const { room, sent, unsure: doubtful } of publishers) {
    unsure += doubtful;
    for (const listener of listeners.filter((one) => one.room === room)) {
      for (const { seq, from, to } of sent) {
        const times = listener.received.get(seq) ?? 0;
        assert.ok(times <= 1, `message ${seq} of room ${room} came ${times} times`);
        got += times;
        if (times === 0) {
          missed++;
          const when = listener.absences.map(([left, back]) => `${left.toFixed()} to ${back.toFixed()}`);
          const what = `message ${seq} of room ${room}, published at ${from.toFixed()}`;
          assert.ok(listener.wasAway(from, to), `${what}, is missing: the client was away only from ${when}`);
        }
      }
    }
  }
  console.log(`${got} notifications arrived, ${missed} were published while their client was on its way; ` +
    `${unsure} publishes were cut off before their answer`);
}

await run(async ([front, ...nodes]) => {
  const listeners = Array.from({ length: CLIENTS }, (_, number) => new Listener(number % ROOMS));
  for (const listener of listeners) {
    await listener.start(front);
  }
  const publishers = Array.from({ length: ROOMS }, (_, room) => new Publisher(room));
  for (const publisher of publishers) {
    await publisher.start(front);
  }
  const roomIds = publishers.map(({ room }) => listeners.find((one) => one.room === room).roomId);
  const observer = new Observer(nodes);
  const everybodyIsCounted = async () => {
    for (const port of nodes) {
      for (const roomId of roomIds) {
        assert.deepEqual(await observer.query(port, roomId), { count: A_ROOM, moving: 0 });
      }
    }
  };
  await everybodyIsCounted();
  const working = [observer.watch(roomIds), ...publishers.map((publisher) => publisher.publish())];
  const began = now();
  for (const number of nodes.keys()) {
    restarting = `node-${number}`;
    await ask(`drain ${number}`);
    drained = { node: restarting, since: now() };
    await ask(`end ${number}`);
    drained = null;
    await ask(`start ${number}`);
    restarting = null;
  }
  figure('five nodes restarted', now() - began);
  // Everybody is somewhere again, and is told of what is published from now on.
  await within((async () => {
    while (listeners.some((listener) => listener.isAway)) {
      await pause(20);
    }
  })(), 'a ready node for every client');
  for (const worker of [observer, ...publishers]) {
    worker.stopped = true;
  }
  await Promise.all(working);
  await everybodyIsCounted();
  const last = (publisher) => publisher.sent.at(-1);
  await within((async () => {
    const isThere = (one) => one.received.has(last(publishers[one.room]).seq);
    while (!listeners.every((one) => isThere(one) || one.wasAway(last(publishers[one.room]).from, now()))) {
      await pause(20);
    }
  })(), 'the last message');
  checkCounts(observer, listeners);
  checkNotifications(publishers, listeners);
  const away = listeners.flatMap(({ absences }) => absences.map(([left, back]) => back - left));
  figure('longest way to another node, until the next message there', Math.max(0, ...away));
  console.log(`${away.length} moves of ${CLIENTS} clients, ${arrivals} watched at their arrival`);
  assert.ok(arrivals > 0, 'somebody was watched');
  assert.equal(await count(publishers[0].kuzzle, roomIds[0]), A_ROOM);
}, 6);
