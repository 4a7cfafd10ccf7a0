// What a genuine project does to its clients for a while: by name, the faults of the stand-in that stand for it.

/** A gateway whose services are gone answers like this, preflights too. */
const rest = (/** @type {object} */ effect) => ['POST', 'GET', 'OPTIONS'].map((method) => ({ on: 'request', match: { method, path: '/rest/*' }, do: effect }))
const CUT = { do: { cut: true } }

/** @type {Record<string, object[]>} */
export const OUTAGES = {
  // The disk is full: nothing can be written, and Realtime, which writes to ask who may join, refuses everybody.
  'database read-only, a socket cut': [{ on: 'database', do: { read_only: true } }, CUT],
  // Channels stay joined and heartbeats are answered; no broadcast arrives, and who joins is not told that they will.
  'replication away': [{ on: 'replication', do: { drop: true } }, CUT],
  'REST answers 502': rest({ status: 502, body: { message: 'Bad Gateway' } }),
  'REST does not answer': rest({ hang: true }),
  'Realtime away': [{ on: 'connect', do: { cut: true } }, CUT],
  'policies not evaluable, a socket cut': [{ on: 'join', do: { raise: true } }, CUT],
}
