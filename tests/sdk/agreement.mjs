// Clients on three nodes in many rooms: every node counts and lists the same, and what the clients really did.
import assert from 'node:assert/strict';
import { COLLECTION, INDEX, connect, count, list, run, subscribe, until } from './client.mjs';

const ROOMS = 40;

await run(async (ports) => {
  const clients = [];
  for (const port of ports) {
    clients.push(await connect(port), await connect(port));
  }
  const expected = {};
  for (let room = 0; room < ROOMS; room++) {
    // Some rooms have clients of all nodes, some of one; the order of operands makes no difference.
    const members = clients.filter((_, number) => room % (number + 1) === 0);
    for (const [number, client] of members.entries()) {
      const operands = [{ equals: { room } }, { exists: 'colour' }];
      const roomId = await subscribe(client, { and: number % 2 === 0 ? operands : operands.reverse() });
      expected[roomId] = (expected[roomId] ?? 0) + 1;
    }
  }
  assert.equal(Object.keys(expected).length, ROOMS);
  for (const client of clients) {
    assert.deepEqual(await list(client), { [INDEX]: { [COLLECTION]: expected } });
    for (const [roomId, members] of Object.entries(expected)) {
      assert.equal(await count(client, roomId), members);
    }
  }

  const [roomId] = Object.keys(expected);
  for (const client of clients.slice(0, expected[roomId])) {
    await client.realtime.unsubscribe(roomId);
  }
  delete expected[roomId];
  // A subscription is answered once the others have heard of it, the end of one at once.
  for (const client of clients) {
    await until('the room is gone everywhere', async () => (await count(client, roomId)) === null);
    assert.deepEqual(await list(client), { [INDEX]: { [COLLECTION]: expected } });
  }
});
