// Subscriptions with different filters on two nodes, publishes on the third the moment the answers are there: each
// subscription gets exactly what its filter says, in the order of publishing.
import assert from 'node:assert/strict';
import { Inbox, connect, publish, run, subscribe } from './client.mjs';

const MESSAGES = Array.from({ length: 60 }, (_, n) => ({
  n,
  colour: ['red', 'green', 'blue'][n % 3],
  driver: n % 4 === 0 ? {} : { name: `driver-${n % 5}` },
}));

// Every filter also lets the last message through: behind it nothing is missing any more.
const LAST = { equals: { last: true } };
const FILTERS = [
  [{}, () => true],
  [{ equals: { colour: 'red' } }, ({ colour }) => colour === 'red'],
  [{ in: { 'driver.name': ['driver-1', 'driver-2'] } }, ({ driver }) => ['driver-1', 'driver-2'].includes(driver.name)],
  [{ range: { n: { gte: 10, lt: 20 } } }, ({ n }) => n >= 10 && n < 20],
  [{ missing: { field: 'driver.name' } }, ({ driver }) => driver.name === undefined],
  [
    { and: [{ exists: 'driver.name' }, { not: { equals: { colour: 'green' } } }] },
    ({ colour, driver }) => driver.name !== undefined && colour !== 'green',
  ],
];

async function everyFilter([a, b, c]) {
  const listeners = [await connect(a), await connect(b)];
  const publisher = await connect(c);
  const inboxes = [];
  for (const [number, [filter, isWanted]] of FILTERS.entries()) {
    const inbox = new Inbox();
    const filters = number === 0 ? filter : { or: [filter, LAST] };
    await subscribe(listeners[number % 2], filters, inbox.take);
    inboxes.push({ inbox, isWanted, filter });
  }
  for (const message of MESSAGES) {
    await publish(publisher, message);
  }
  await publish(publisher, { last: true, driver: {} });
  for (const { inbox, isWanted, filter } of inboxes) {
    const name = JSON.stringify(filter);
    await inbox.until(`the last message for ${name}`, () => inbox.messages.at(-1)?.result._source.last);
    const received = inbox.messages.slice(0, -1).map(({ result }) => result._source.n);
    assert.deepEqual(received, MESSAGES.filter(isWanted).map(({ n }) => n), name);
  }
}

async function theMomentOfTheAnswer([a, b, c]) {
  const nodes = [await connect(a), await connect(b), await connect(c)];
  for (let round = 0; round < 60; round++) {
    const [listener, publisher] = [nodes[round % 3], nodes[(round + 1) % 3]];
    const inbox = new Inbox();
    await subscribe(listener, { equals: { round } }, inbox.take);
    await publish(publisher, { round });
    await inbox.until(`the message of round ${round}`, () => inbox.messages.length > 0);
    assert.deepEqual(inbox.messages.map(({ result }) => result._source.round), [round]);
  }
}

await run(async (ports) => {
  await everyFilter(ports);
  await theMomentOfTheAnswer(ports);
});
