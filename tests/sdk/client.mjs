// Clients of the official SDK, and what the scenarios share.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import sdk from 'kuzzle-sdk';

const { Kuzzle, WebSocket } = sdk;

export const INDEX = 'city';
export const COLLECTION = 'taxis';

/** How long anything may take before a scenario gives up: ten times the longest figure. */
export const PATIENCE = 20_000;

/** A client that is connected to the node that serves on this port. */
export async function connect(port, options = {}) {
  const kuzzle = new Kuzzle(new WebSocket('127.0.0.1', { port, ...options }));
  await within(kuzzle.connect(), 'a connection');
  return kuzzle;
}

export async function subscribe(kuzzle, filters, callback = () => {}, options = {}) {
  return await within(kuzzle.realtime.subscribe(INDEX, COLLECTION, filters, callback, options), 'a subscription');
}

export async function publish(kuzzle, message) {
  assert.equal(await within(kuzzle.realtime.publish(INDEX, COLLECTION, message), 'a publish'), true);
}

export async function list(kuzzle) {
  const { result } = await within(kuzzle.query({ controller: 'realtime', action: 'list' }), 'a list');
  return result;
}

/** How many are in a room; null if no node knows it. */
export async function count(kuzzle, roomId) {
  try {
    return await within(kuzzle.realtime.count(roomId), 'a count');
  } catch (error) {
    assert.equal(error.id, 'core.realtime.room_not_found', error.stack);
    return null;
  }
}

/** Asks again, without a pause, until it is so; how long that took in milliseconds. */
export async function until(what, isSo) {
  const began = performance.now();
  while (!(await isSo())) {
    if (performance.now() - began > PATIENCE) {
      throw new Error(`not within ${PATIENCE} ms: ${what}`);
    }
  }
  return performance.now() - began;
}

export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${PATIENCE} ms: ${what}`)), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Collects what arrives, and says when it is so many. */
export class Inbox {
  constructor() {
    this.messages = [];
    this.waiting = [];
    this.take = (message) => {
      this.messages.push(message);
      this.waiting = this.waiting.filter(({ isSo, done }) => !isSo() || done());
    };
  }

  async until(what, isSo) {
    if (!isSo()) {
      await within(new Promise((done) => this.waiting.push({ isSo, done })), what);
    }
  }
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the test that started this scenario do something to a node; its answer. */
export async function ask(request) {
  console.log(`ask ${request}`);
  const { value } = await within(answers.next(), request);
  return value;
}

/** A figure for the record. */
export function figure(name, milliseconds) {
  console.log(`figure ${name}: ${milliseconds.toFixed(1)} ms`);
}

/** Runs a scenario on the ports of so many nodes. */
export async function run(scenario, nodes = 3) {
  const ports = process.argv.slice(2).map(Number);
  assert.equal(ports.length, nodes, `${nodes} ports`);
  try {
    await scenario(ports);
    console.log('passed');
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
