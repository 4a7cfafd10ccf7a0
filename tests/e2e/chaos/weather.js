// What the server and the network do to everybody for a while, by the dice.
import { setTimeout as sleep } from 'node:timers/promises'
import { SEND, faults } from '../project.js'

/** Mulberry32: what strikes, when and how often is the same for the same seed. @param {number} seed */
export function dice(seed) {
  let state = seed >>> 0
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    /** From `from` up to `to`. @param {number} from @param {number} to */
    between: (from, to) => from + Math.floor(random() * (to - from)),
    /** @template T @param {T[]} all @returns {T} */
    one: (all) => /** @type {T} */ (all[Math.floor(random() * all.length)]),
  }
}

const asking = (/** @type {string} */ path) => (/** @type {object} */ effect, probability = 0.5) => ({ on: 'request', match: { method: 'POST', path }, do: effect, probability })
const sending = asking(SEND)
const marking = asking('/rest/v1/rpc/mark_chat')
// The table and the list, which the baseline reads, and the functions, which ours calls.
const READS = ['/rest/v1/chat_messages', '/rest/v1/rpc/list_chat_messages', '/rest/v1/rpc/list_chat_page', '/rest/v1/rpc/sync_chat', '/rest/v1/rpc/list_chat_threads']
const reading = (/** @type {object} */ effect, probability = 0.5) => READS.map((path) => ({ on: 'request', match: { path }, do: effect, probability }))

/** What the server and the network do for a while. @typedef {Record<string, object | object[]>} Kinds */
/** @type {Kinds} */
const BOTH = {
  'reads answered 503': reading({ status: 503, body: { message: 'chaos' } }),
  'reads cut': reading({ cut: true }),
  'broadcasts lost': { on: 'broadcast', do: { drop: true }, probability: 0.4 },
  'broadcasts late': { on: 'broadcast', do: { delay_ms: 600 }, probability: 0.4 },
  'broadcasts twice': { on: 'broadcast', do: { duplicate: true }, probability: 0.6 },
  'replication silent': { on: 'broadcast', do: { silent: true } },
  'sockets cut at random': { on: 'frame-out', do: { cut: true }, probability: 0.1 },
  'sockets refused': { on: 'connect', do: { status: 503 } },
}
/** @type {Kinds} */
export const AT_A_CHAT = {
  'sends answered 503': sending({ status: 503, body: { message: 'chaos' } }),
  'sends cut before they run': sending({ cut: true }),
  'answers of sends lost': sending({ lose_answer: true }, 0.6),
  'sends slow': sending({ delay_ms: 900 }),
  ...BOTH,
}
/** @type {Kinds} */
export const AT_AN_INBOX = {
  'marks answered 503': marking({ status: 503, body: { message: 'chaos' } }),
  'marks cut': marking({ cut: true }),
  'answers of marks lost': marking({ lose_answer: true }),
  ...BOTH,
}

/** Three storms that pass at once or one after the other. */
export class Weather {
  /** @type {Set<object>} */
  #standing = new Set()

  /** @param {Kinds} kinds @param {ReturnType<typeof dice>} dice */
  constructor(kinds, { between, one }) {
    this.kinds = kinds
    this.storms = Array.from({ length: 3 }, () => ({ name: one(Object.keys(kinds)), from: between(0, 2_500), lasts: between(700, 2_000) }))
  }

  /** Sets what stands now, and what strikes at once. @param {object[]} blows */
  set(...blows) {
    return faults(...this.#standing, ...blows)
  }

  passes() {
    return Promise.all(
      this.storms.map(async ({ name, from, lasts }) => {
        const rules = [this.kinds[name]].flat().map((rule) => ({ ...rule }))
        await sleep(from)
        for (const rule of rules) this.#standing.add(rule)
        await this.set()
        await sleep(lasts)
        for (const rule of rules) this.#standing.delete(rule)
        await this.set()
      }),
    )
  }
}
