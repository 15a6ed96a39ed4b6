// Writes table.json: what npm koncorde answers to filters, documents, pairs of filters and malformed filters.
//
//   npm ci && npm run generate
//
// The output is a function of this file and of the koncorde version in package-lock.json: the random part has a fixed
// seed. Every row records Koncorde's own answer; where the node means to answer otherwise, the test that reads the
// table says so.

import { writeFileSync } from 'node:fs';
import { Koncorde } from 'koncorde';

const MAX_CONDITIONS = 100;
const engine = () => new Koncorde({ maxConditions: MAX_CONDITIONS, seed: Buffer.alloc(32, 7) });

// A document as Kuzzle hands it to Koncorde: the id, if there is one, is laid over the body.
const withId = (id, document) => (id ? { ...document, _id: id } : document);

function koncordeMatches(filter, id, document) {
  const koncorde = engine();
  const room = koncorde.register(filter, 'index/collection');
  return koncorde.test(withId(id, document), 'index/collection').includes(room);
}

const roomOf = (filter) => engine().normalize(filter, 'index/collection').id;

// --- filters against documents, by hand ---

const groups = {
  everything: {
    filters: [{}],
    documents: [{}, { a: 1 }, { a: null }, { nested: { deep: true } }, { list: [1, 2] }],
  },
  'equals text': {
    filters: [{ equals: { name: 'ada' } }],
    documents: [{ name: 'ada' }, { name: 'Ada' }, { name: 'ada ' }, { name: ['ada'] }, { name: { ada: 'ada' } }, {}],
  },
  'equals number': {
    filters: [{ equals: { n: 1 } }, { equals: { n: 0 } }, { equals: { n: -0 } }, { equals: { n: 1.5 } }],
    documents: [{ n: 1 }, { n: 1.0 }, { n: '1' }, { n: true }, { n: 0 }, { n: -0 }, { n: false }, { n: null }, { n: 1.5 }],
  },
  'equals large number': {
    filters: [{ equals: { n: 9007199254740992 } }, { equals: { n: 1e300 } }, { equals: { n: 0.1 } }],
    documents: [{ n: 9007199254740992 }, { n: 9007199254740994 }, { n: 1e300 }, { n: 0.1 }, { n: 0.30000000000000004 }],
  },
  'equals boolean': {
    filters: [{ equals: { b: true } }, { equals: { b: false } }],
    documents: [{ b: true }, { b: false }, { b: 'true' }, { b: 1 }, { b: 0 }, {}],
  },
  'equals null': {
    filters: [{ equals: { x: null } }, { not: { equals: { x: null } } }],
    documents: [{ x: null }, { x: 0 }, { x: '' }, { x: [] }, { x: {} }, {}],
  },
  'not equals': {
    filters: [{ not: { equals: { name: 'ada' } } }],
    documents: [{ name: 'ada' }, { name: 'grace' }, { name: ['ada'] }, { name: null }, {}],
  },
  'nested fields': {
    filters: [{ equals: { 'a.b.c': 1 } }, { exists: 'a.b' }, { missing: 'a.b.c' }, { range: { 'a.b.c': { gt: 0 } } }],
    documents: [{ a: { b: { c: 1 } } }, { a: { b: { c: 2 } } }, { a: { b: 1 } }, { a: [{ b: { c: 1 } }] }, { b: { c: 1 } }, {}],
  },
  'dots in keys': {
    filters: [{ equals: { 'a.b.c': 1 } }],
    documents: [{ 'a.b.c': 1 }, { 'a.b': { c: 1 } }, { a: { 'b.c': 1 } }, { 'a.b': { d: 1 } }, { a: { 'b.c': 2 }, 'a.b': { c: 1 } }],
  },
  'later key wins': {
    filters: [{ equals: { 'a.b': 1 } }],
    documents: [{ 'a.b': 1, a: { b: 2 } }, { 'a.b': 2, a: { b: 1 } }],
  },
  'empty keys': {
    filters: [{ equals: { '': 1 } }, { equals: { a: 1 } }, { equals: { 'a.': 1 } }],
    documents: [{ '': 1 }, { '': { a: 1 } }, { a: { '': 1 } }, { 'a.': 1 }],
  },
  'unusual names': {
    filters: [{ equals: { 'é ü': '☃' } }, { exists: '$where' }, { equals: { constructor: 1 } }, { exists: 'toString' }],
    documents: [{ 'é ü': '☃' }, { $where: 1 }, { constructor: 1 }, { toString: null }, {}],
  },
  in: {
    filters: [{ in: { role: ['admin', 'editor'] } }, { in: { role: ['admin'] } }, { not: { in: { role: ['admin', 'editor'] } } }],
    documents: [{ role: 'admin' }, { role: 'editor' }, { role: 'reader' }, { role: ['admin'] }, { role: null }, {}],
  },
  exists: {
    filters: [{ exists: 'x' }, { exists: { field: 'x' } }, { missing: 'x' }, { missing: { field: 'x' } }, { not: { missing: 'x' } }],
    documents: [{ x: 1 }, { x: null }, { x: false }, { x: '' }, { x: {} }, { x: [] }, { y: 1 }, {}],
  },
  'exists in a list': {
    filters: [
      { exists: 'tags["red"]' }, { missing: 'tags["red"]' }, { exists: 'tags[1]' }, { exists: 'tags[true]' },
      { exists: 'tags[null]' }, { exists: 'box.tags["red"]' },
    ],
    documents: [
      { tags: ['red'] }, { tags: ['blue', 'red'] }, { tags: ['blue'] }, { tags: 'red' }, { tags: { red: 1 } }, { tags: [] },
      { tags: [1, true, null] }, { tags: [['red'], '1'] }, { box: { tags: ['red', 'red'] } }, {},
    ],
  },
  'escaped brackets': {
    filters: [{ exists: 'a\\[0\\]' }, { exists: '[a]' }, { exists: 'a]' }, { exists: 'a["]"]' }, { exists: '[[1]' }],
    documents: [{ 'a[0]': 1 }, { '[a]': 1 }, { 'a]': 1 }, { a: [']'] }, { '[': [1] }, { a: [0] }],
  },
  range: {
    filters: [
      { range: { n: { gt: 1 } } }, { range: { n: { gte: 1 } } }, { range: { n: { lt: 3 } } }, { range: { n: { lte: 3 } } },
      { range: { n: { gt: 1, lt: 3 } } }, { range: { n: { gte: 1, lte: 3 } } }, { not: { range: { n: { gt: 1, lte: 3 } } } },
      { not: { range: { n: { gte: 1 } } } },
    ],
    documents: [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: '2' }, { n: null }, {}],
  },
  'narrow range': {
    filters: [{ range: { n: { gt: 1 } } }, { range: { n: { lt: 1 } } }, { not: { range: { n: { lte: 1 } } } }],
    documents: [{ n: 1.00000000001 }, { n: 0.99999999999 }, { n: 1.0001 }, { n: 0.9999 }],
  },
  'far range': {
    filters: [{ range: { n: { gt: 1e12 } } }, { range: { n: { lt: 1e12 } } }],
    documents: [{ n: 1e12 }, { n: 1e12 + 1 }, { n: 1e12 - 1 }],
  },
  ids: {
    filters: [{ ids: { values: ['one', 'two'] } }, { not: { ids: { values: ['one'] } } }, { equals: { _id: 'one' } }, { exists: '_id' }],
    documents: [{}, { _id: 'one' }, { _id: 'three', a: 1 }],
    ids: [null, 'one', 'two', 'three'],
  },
  and: {
    filters: [
      { and: [{ equals: { a: 1 } }, { exists: 'b' }] }, { and: [{ equals: { a: 1 } }] },
      { and: [{ equals: { a: 1 } }, { and: [{ exists: 'b' }, { missing: 'c' }] }] },
      { not: { and: [{ equals: { a: 1 } }, { exists: 'b' }] } },
    ],
    documents: [{ a: 1 }, { a: 1, b: 1 }, { b: 1 }, { a: 1, b: 1, c: 1 }, {}],
  },
  or: {
    filters: [
      { or: [{ equals: { a: 1 } }, { exists: 'b' }] }, { or: [{ equals: { a: 1 } }] },
      { or: [{ equals: { a: 1 } }, { or: [{ exists: 'b' }, { missing: 'c' }] }] },
      { not: { or: [{ equals: { a: 1 } }, { exists: 'b' }] } },
    ],
    documents: [{ a: 1 }, { a: 1, b: 1 }, { b: 1, c: 1 }, { c: 1 }, {}],
  },
  mixed: {
    filters: [
      { and: [{ or: [{ equals: { a: 1 } }, { equals: { a: 2 } }] }, { not: { exists: 'b' } }] },
      { or: [{ and: [{ equals: { a: 1 } }, { exists: 'b' }] }, { and: [{ not: { equals: { a: 1 } } }, { missing: 'b' }] }] },
      { not: { or: [{ and: [{ equals: { a: 1 } }, { exists: 'b' }] }, { range: { c: { gt: 2 } } }] } },
      { not: { not: { equals: { a: 1 } } } }, { not: { not: { not: { equals: { a: 1 } } } } },
    ],
    documents: [{ a: 1 }, { a: 2 }, { a: 1, b: 1 }, { a: 2, b: 1 }, { c: 3 }, { a: 1, c: 2 }, {}],
  },
  contradictions: {
    filters: [
      { and: [{ equals: { a: 1 } }, { equals: { a: 2 } }] }, { and: [{ exists: 'a' }, { missing: 'a' }] },
      { and: [{ equals: { a: 1 } }, { missing: 'a' }] }, { and: [{ equals: { a: 1 } }, { range: { a: { gt: 5 } } }] },
    ],
    documents: [{ a: 1 }, { a: 2 }, {}],
  },
  tautologies: {
    filters: [{ or: [{ exists: 'a' }, { missing: 'a' }] }, { or: [{ equals: { a: 1 } }, { not: { equals: { a: 1 } } }] }],
    documents: [{ a: 1 }, {}],
  },
  'list and its elements': {
    filters: [
      { and: [{ exists: 'a' }, { missing: 'a["x"]' }] }, { and: [{ exists: 'a["x"]' }, { missing: 'a["y"]' }] },
      { and: [{ exists: 'a["x"]' }, { exists: 'a["y"]' }] }, { and: [{ exists: 'a["x"]' }, { missing: 'a' }] },
    ],
    documents: [{ a: ['x'] }, { a: ['x', 'y'] }, { a: ['y'] }, { a: 1 }, {}],
  },
};

// --- filters against documents, at random ---

function randomly(seed) {
  // mulberry32
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomly(20240917);
const upTo = (n) => Math.floor(random() * n);
const pick = (list) => list[upTo(list.length)];
const times = (n, make) => Array.from({ length: n }, make);

const FIELDS = ['a', 'b', 'c.d'];
const SCALARS = [0, 1, 2, 'x', 'y', true, null];

function randomFilter(depth) {
  if (depth === 0 || random() < 0.3) {
    const field = pick(FIELDS);
    return pick([
      () => ({ equals: { [field]: pick(SCALARS) } }),
      () => ({ in: { [field]: times(1 + upTo(2), () => pick(['x', 'y', 'z'])) } }),
      () => ({ exists: field }),
      () => ({ missing: field }),
      () => ({ range: { [field]: pick([{ gt: 0 }, { gte: 1 }, { lt: 2 }, { lte: 1 }, { gte: 0, lt: 2 }]) } }),
      () => ({ ids: { values: [pick(['one', 'two'])] } }),
    ])();
  }
  return pick([
    () => ({ not: randomFilter(depth - 1) }),
    () => ({ and: times(2 + upTo(2), () => randomFilter(depth - 1)) }),
    () => ({ or: times(2 + upTo(2), () => randomFilter(depth - 1)) }),
  ])();
}

function randomDocument() {
  const document = {};
  if (random() < 0.7) document.a = pick([...SCALARS, ['x']]);
  if (random() < 0.7) document.b = pick([...SCALARS, ['x']]);
  if (random() < 0.7) document.c = random() < 0.7 ? { d: pick(SCALARS) } : pick(SCALARS);
  return document;
}

// --- pairs of filters: do they mean the same, and does Koncorde give them the same room? ---

const a = { equals: { a: 1 } };
const b = { exists: 'b' };
const c = { range: { c: { gt: 0, lte: 5 } } };
const not = (filter) => ({ not: filter });

const samePairs = [
  ['in is or of equals', { in: { f: ['x', 'y'] } }, { or: [{ equals: { f: 'x' } }, { equals: { f: 'y' } }] }],
  ['in of one is equals', { in: { f: ['x'] } }, { equals: { f: 'x' } }],
  ['ids is in of _id', { ids: { values: ['one', 'two'] } }, { in: { _id: ['one', 'two'] } }],
  ['missing is not exists', { missing: 'f' }, { not: { exists: 'f' } }],
  ['both ways to write exists', { exists: 'f' }, { exists: { field: 'f' } }],
  ['both ways to write missing', { missing: 'f' }, { missing: { field: 'f' } }],
  ['order of bounds', { range: { f: { gt: 1, lt: 2 } } }, { range: { f: { lt: 2, gt: 1 } } }],
  ['one and 1.0', { equals: { f: 1 } }, { equals: { f: 1.0 } }],
  ['zero and minus zero', { equals: { f: 0 } }, { equals: { f: -0 } }],
  ['double negation', a, not(not(a))],
  ['triple negation', not(a), not(not(not(a)))],
  ['and of one', a, { and: [a] }],
  ['or of one', a, { or: [a] }],
  ['and in and', { and: [a, { and: [b, c] }] }, { and: [a, b, c] }],
  ['or in or', { or: [a, { or: [b, c] }] }, { or: [a, b, c] }],
  ['de morgan and', not({ and: [a, b] }), { or: [not(a), not(b)] }],
  ['de morgan or', not({ or: [a, b] }), { and: [not(a), not(b)] }],
  ['order of and, other operators', { and: [a, b] }, { and: [b, a] }],
  ['order of and, same operator', { and: [a, { equals: { z: 1 } }] }, { and: [{ equals: { z: 1 } }, a] }],
  ['order of or', { or: [a, b] }, { or: [b, a] }],
  ['order of in', { in: { f: ['x', 'y'] } }, { in: { f: ['y', 'x'] } }],
  ['order of ids', { ids: { values: ['one', 'two'] } }, { ids: { values: ['two', 'one'] } }],
  ['repeated operand of and', { and: [a, a] }, a],
  ['repeated operand of or', { or: [a, a] }, a],
  ['repeated value of in', { in: { f: ['x', 'x'] } }, { equals: { f: 'x' } }],
  ['distributed', { and: [a, { or: [b, c] }] }, { or: [{ and: [a, b] }, { and: [a, c] }] }],
  ['absorbed', { or: [a, { and: [a, b] }] }, a],
  ['resolved', { or: [{ and: [a, b] }, { and: [a, not(b)] }] }, a],
  ['consensus', { or: [{ and: [a, b] }, { and: [not(a), c] }, { and: [b, c] }] }, { or: [{ and: [a, b] }, { and: [not(a), c] }] }],
  ['two impossible filters', { and: [a, { equals: { a: 2 } }] }, { and: [b, { missing: 'b' }] }],
  ['equals and missing is impossible', { and: [a, { missing: 'a' }] }, { and: [a, not(a)] }],
  ['equals outside a range is impossible', { and: [{ equals: { c: 9 } }, c] }, { and: [c, { missing: 'c' }] }],
  ['impossible alternative', { or: [b, { and: [a, { equals: { a: 2 } }] }] }, b],
  ['everything and a tautology', {}, { or: [a, not(a)] }],
];

const differentPairs = [
  ['other value', { equals: { f: 1 } }, { equals: { f: 2 } }],
  ['other type', { equals: { f: 1 } }, { equals: { f: '1' } }],
  ['number and boolean', { equals: { f: 1 } }, { equals: { f: true } }],
  ['null and missing', { equals: { f: null } }, { missing: 'f' }],
  ['other field', { equals: { f: 1 } }, { equals: { g: 1 } }],
  ['dot or no dot', { equals: { 'f.g': 1 } }, { equals: { fg: 1 } }],
  ['exists and missing', { exists: 'f' }, { missing: 'f' }],
  ['and or or', { and: [a, b] }, { or: [a, b] }],
  ['negated', a, not(a)],
  ['gt and gte', { range: { f: { gt: 1 } } }, { range: { f: { gte: 1 } } }],
  ['lower and upper bound', { range: { f: { gt: 1 } } }, { range: { f: { lt: 1 } } }],
  ['one bound more', { range: { f: { gt: 1 } } }, { range: { f: { gt: 1, lt: 9 } } }],
  ['everything and exists', {}, { exists: 'f' }],
  ['field and element', { exists: 'f' }, { exists: 'f["x"]' }],
  ['elements of other types', { exists: 'f["1"]' }, { exists: 'f[1]' }],
  ['grouping', { and: [a, { or: [b, c] }] }, { or: [{ and: [a, b] }, c] }],
  ['_id and id', { ids: { values: ['one'] } }, { equals: { id: 'one' } }],
  ['exclusive or and its opposite',
    { or: [{ and: [a, not(b)] }, { and: [not(a), b] }] }, { or: [{ and: [a, b] }, { and: [not(a), not(b)] }] }],
];

// The same filter with the operands of every `and`, `or`, `in` and `ids` in another order.
function shuffled(filter) {
  const mix = (list) => list.map((item) => [random(), item]).sort(([x], [y]) => x - y).map(([, item]) => item);
  const [[operator, operand]] = Object.entries(filter);
  switch (operator) {
    case 'and':
    case 'or':
      return { [operator]: mix(operand.map(shuffled)) };
    case 'not':
      return { not: shuffled(operand) };
    case 'in': {
      const [[field, values]] = Object.entries(operand);
      return { in: { [field]: mix(values) } };
    }
    default:
      return filter;
  }
}

// --- filters that are refused ---

const malformed = [
  { equals: { a: 1 }, exists: 'a' },
  { equals: {} }, { equals: { a: 1, b: 2 } }, { equals: 'a' }, { equals: ['a'] }, { equals: null }, { equals: { a: {} } }, { equals: { a: [] } },
  { exists: '' }, { exists: 1 }, { exists: null }, { exists: [] }, { exists: {} }, { exists: { field: '' } }, { exists: { field: 1 } },
  { exists: { field: 'a', x: 1 } }, { exists: { name: 'a' } }, { exists: 'a[x]' }, { exists: 'a[]' }, { exists: 'a["x]' },
  { missing: '' }, { missing: 1 }, { missing: {} }, { missing: { field: [] } }, { missing: 'a[x]' },
  { in: {} }, { in: { a: [] } }, { in: { a: 'x' } }, { in: { a: [1] } }, { in: { a: ['x', null] } }, { in: { a: ['x'], b: ['y'] } }, { in: [] },
  { ids: {} }, { ids: { values: [] } }, { ids: { values: 'one' } }, { ids: { values: [1] } }, { ids: ['one'] }, { ids: { values: ['one'], x: 1 } },
  { range: {} }, { range: { a: {} } }, { range: { a: 1 } }, { range: { a: { gt: '1' } } }, { range: { a: { gt: null } } },
  { range: { a: { over: 1 } } }, { range: { a: { gt: 1, gte: 1 } } }, { range: { a: { lt: 1, lte: 1 } } }, { range: { a: { gt: 2, lt: 1 } } },
  { range: { a: { gte: 1, lte: 1 } } }, { range: { a: { gt: 1 }, b: { gt: 1 } } }, { range: 'a' },
  { and: [] }, { and: {} }, { and: [{}] }, { and: [1] }, { and: [[]] }, { and: 'x' }, { and: [{ equals: { a: 1 } }, {}] },
  { or: [] }, { or: {} }, { or: [{}] }, { or: [null] }, { or: [{ unknown: 1 }] },
  { not: {} }, { not: [] }, { not: 'x' }, { not: { equals: { a: 1 }, exists: 'a' } }, { not: { unknown: 1 } },
  { unknown: 1 }, { term: { a: 1 } }, { Equals: { a: 1 } }, { '': 1 }, { constructor: { a: 1 } }, { standardize: {} },
  { or: Array.from({ length: MAX_CONDITIONS + 1 }, (_, i) => ({ equals: { a: i } })) },
];

// Accepted by Koncorde, and refused by the node: operators outside its subset, and values that can never match.
const beyond = [
  { bool: { must: [{ equals: { a: 1 } }] } }, { regexp: { a: '^x' } }, { match: { a: 1 } }, { nothing: true },
  { select: { field: 'a', index: 0, query: { equals: { b: 1 } } } }, { geoDistance: { a: { lat: 1, lon: 1 }, distance: '1km' } },
  { geoBoundingBox: { a: { top: 1, left: 0, bottom: 0, right: 1 } } },
  { geoDistanceRange: { a: { lat: 1, lon: 1 }, from: '1km', to: '2km' } }, { geoPolygon: { a: { points: [[0, 0], [0, 1], [1, 1]] } } },
  { exists: 'a[[1]]' }, { exists: 'a[{}]' }, [], 5, null,
];

function refusal(filter) {
  try {
    engine().validate(filter);
    roomOf(filter);
    return null;
  } catch (error) {
    return error.message;
  }
}

// --- the table ---

const matches = [];
for (const [group, { filters, documents, ids = [null] }] of Object.entries(groups)) {
  let number = 0;
  for (const filter of filters) {
    for (const document of documents) {
      for (const id of ids) {
        matches.push({ name: `${group} ${++number}`, filter, id, document, koncorde: koncordeMatches(filter, id, document) });
      }
    }
  }
}

const samples = times(150, () => randomFilter(3)).filter((filter) => refusal(filter) === null);
samples.forEach((filter, sample) => {
  times(2, (_, i) => {
    const [id, document] = [pick([null, 'one']), randomDocument()];
    matches.push({ name: `random ${sample}.${i}`, filter, id, document, koncorde: koncordeMatches(filter, id, document) });
  });
});

const pairs = [
  ...samePairs.map(([name, left, right]) => ({ name, left, right, equivalent: true })),
  ...differentPairs.map(([name, left, right]) => ({ name, left, right, equivalent: false })),
  ...samples.slice(0, 60).map((filter, i) => ({ name: `shuffled ${i}`, left: filter, right: shuffled(filter), equivalent: true })),
].map((pair) => ({ ...pair, koncorde: roomOf(pair.left) === roomOf(pair.right) }));

const refused = [...malformed, ...beyond].map((filter) => ({ filter, koncorde: refusal(filter) }));

const rows = (list) => `[\n${list.map((row) => JSON.stringify(row)).join(',\n')}\n]`;
writeFileSync(
  new URL('table.json', import.meta.url),
  `{"matches":${rows(matches)},\n"pairs":${rows(pairs)},\n"refused":${rows(refused)}}\n`,
);
console.log(`${matches.length} matches, ${pairs.length} pairs, ${refused.length} refused`);
