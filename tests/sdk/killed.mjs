// A node with 50 subscriptions is killed and started again on the same address. What it had is gone from the others at once,
// what they had stays; it sees everything as soon as it is ready; its client goes on at another node.
import assert from 'node:assert/strict';
import { connect as dial, createServer } from 'node:net';
import { once } from 'node:events';
import {
  COLLECTION, INDEX, Inbox, ask, connect, count, figure, list, publish, run, subscribe, until, within,
} from './client.mjs';

const SUBSCRIPTIONS = 50;

/** What stands before the nodes and sends each new connection to the one that it points at. */
async function balancer(port) {
  const server = createServer((client) => {
    const node = dial(server.target, '127.0.0.1');
    client.on('error', () => node.destroy()).on('close', () => node.destroy()).pipe(node);
    node.on('error', () => client.destroy()).on('close', () => client.destroy()).pipe(client);
  });
  server.target = port;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

await run(async ([a, b, c]) => {
  const [onA, onB, onC] = [await connect(a), await connect(b), await connect(c)];
  const kept = await subscribe(onA, { exists: 'kept' });
  const front = await balancer(c);
  const mover = await connect(front.address().port);
  const inbox = new Inbox();
  const moved = await subscribe(mover, { exists: 'moved' }, inbox.take);
  await subscribe(onC, { exists: 'kept' });
  const lost = [];
  for (let n = 1; n < SUBSCRIPTIONS; n++) {
    lost.push(await subscribe(onC, { equals: { n } }));
  }
  assert.equal(await count(onA, kept), 2);
  assert.equal(Object.keys((await list(onA))[INDEX][COLLECTION]).length, SUBSCRIPTIONS + 1);

  // From here on the front sends everybody to another node.
  front.target = b;
  const reconnected = new Promise((resolve) => mover.addListener('reconnected', resolve));
  onC.protocol.autoReconnect = false;
  await ask('kill');
  const cleanUp = async (name, node) => {
    const isClean = async () => (await count(node, kept)) === 1 && (await count(node, lost.at(-1))) === null;
    figure(`gone from count on ${name}`, await until(`${name} counts clean`, isClean));
  };
  await Promise.all([cleanUp('the first node', onA), cleanUp('the second node', onB)]);
  for (const room of lost) {
    assert.deepEqual([await count(onA, room), await count(onB, room)], [null, null]);
  }

  await within(reconnected, 'the client finds another node');
  // The SDK does not tell when its new subscription stands: the first message that comes tells it.
  let sent = 0;
  await until('the client is notified again', async () => {
    await publish(onA, { moved: ++sent });
    return inbox.messages.length > 0;
  });
  const [first] = inbox.messages.map(({ result }) => result._source.moved);

  figure('started again and ready', Number(await ask('restart')));
  const back = await connect(c);
  const expected = { [INDEX]: { [COLLECTION]: { [kept]: 1, [moved]: 1 } } };
  for (const node of [back, onA, onB]) {
    assert.deepEqual(await list(node), expected);
  }
  await publish(back, { moved: ++sent });
  // Messages of two nodes have no order between them.
  const expectedMessages = Array.from({ length: sent - first + 1 }, (_, n) => first + n);
  await inbox.until('all messages', () => inbox.messages.length >= expectedMessages.length);
  const received = inbox.messages.map(({ result }) => result._source.moved);
  assert.deepEqual(received.sort((one, other) => one - other), expectedMessages);
});
