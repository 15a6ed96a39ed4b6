// A node is stopped as SIGSTOP does, until the others doubt it, and continued: it stays a member, what it has stays counted, and
// its client gets what was published meanwhile, once.
import assert from 'node:assert/strict';
import {
  COLLECTION, INDEX, Inbox, ask, connect, count, figure, list, publish, run, subscribe, until,
} from './client.mjs';

/** What a node knows of another. */
async function member(port, id) {
  const answer = await fetch(`http://127.0.0.1:${port}/_plugin/cluster/status`);
  const { result } = await answer.json();
  return result.pool.find((peer) => peer.id === id);
}

await run(async ([a, b, c]) => {
  // A client that is patient: to be disconnected by its own pings is not what this is about.
  const [onA, onB, onC] = [await connect(a), await connect(b), await connect(c, { pingInterval: 60_000 })];
  const inbox = new Inbox();
  const room = await subscribe(onC, { exists: 'n' }, inbox.take);
  assert.equal(await subscribe(onA, { exists: 'n' }), room);
  await publish(onB, { n: 0 });
  await inbox.until('the first message', () => inbox.messages.length > 0);

  await ask('stop');
  for (const port of [a, b]) {
    await until('the stopped node is in doubt', async () => (await member(port, 'node-c')).state === 'in doubt');
  }
  assert.deepEqual([await count(onA, room), await count(onB, room)], [2, 2], 'it is doubted, not removed');
  await publish(onA, { n: 1 });
  await ask('continue');

  const isBack = (port) => async () => {
    const peer = await member(port, 'node-c');
    return peer?.state === 'connected' && peer.ready && peer.agrees;
  };
  figure('well again for the first node', await until('the node is back', isBack(a)));
  figure('well again for the second node', await until('the node is back', isBack(b)));
  await publish(onB, { n: 2 });
  await inbox.until('all messages', () => inbox.messages.length >= 3);
  const received = inbox.messages.map(({ result }) => result._source.n);
  assert.deepEqual(received.sort(), [0, 1, 2]);
  for (const node of [onA, onB, onC]) {
    assert.deepEqual(await list(node), { [INDEX]: { [COLLECTION]: { [room]: 2 } } });
  }
});
