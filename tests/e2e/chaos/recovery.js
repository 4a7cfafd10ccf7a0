// After an outage: how long until each client says that it is connected, and until every message typed meanwhile is in
// the table and on both screens. Both clients in the same outage, at the same time.
import { setTimeout as sleep } from 'node:timers/promises'
import { faults } from '../project.js'
import { OUTAGES } from './outages.js'
import { Play } from './play.js'

/** @typedef {import('./stage.js').Stage} Stage */
/** @typedef {import('./stage.js').Client} Client */

/** Long enough for every backoff to be at its cap. */
const LASTS_MS = 20_000
const AT_MOST_MS = 45_000
const TYPED = 10

/** @param {Play} play @returns {Promise<{ live: number | null, complete: number | null }>} ms after now */
async function recovered(play) {
  const start = Date.now()
  /** @type {{ live: number | null, complete: number | null }} */
  const at = { live: null, complete: null }
  for (let retried = start; (at.live === null || at.complete === null) && Date.now() - start < AT_MOST_MS; await sleep(40)) {
    const states = await Promise.all(play.tabs.map((tab) => tab.state()))
    if (states.every(({ status }) => status === 'live')) at.live ??= Date.now() - start
    // The baseline client leaves it to the person to try again.
    if (Date.now() - retried > 1_000) {
      retried = Date.now()
      for (const tab of play.tabs) await tab.retryErrors()
    }
    if (at.complete === null && (await play.look()).complete) at.complete = Date.now() - start
  }
  return at
}

const median = (/** @type {(number | null)[]} */ times) => {
  const sorted = times.map((ms) => ms ?? Infinity).sort((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Infinity
}
const seconds = (/** @type {number} */ ms) => (ms === Infinity ? `> ${AT_MOST_MS / 1000} s` : `${(ms / 1000).toFixed(1)} s`)

/** Plays each outage so often and prints the medians. @param {Stage} stage @param {Client[]} clients @param {number} times */
export async function recoveries(stage, clients, times) {
  const cells = (/** @type {string[]} */ ...all) => all.map((cell) => cell.padStart(18)).join('')
  console.log(`\nrecovery after ${LASTS_MS / 1000} s, medians of ${times}: until both say that they are connected / until every message is everywhere`)
  console.log(`${''.padEnd(38)}${cells('chopped-chat', 'the baseline', 'goal')}`)
  for (const [name, rules] of Object.entries(OUTAGES)) {
    const all = new Map(clients.map((client) => [client, /** @type {Awaited<ReturnType<typeof recovered>>[]} */ ([])]))
    for (let time = 0; time < times; time++) {
      const plays = await Promise.all(clients.map((client) => Play.start(stage, client)))
      await faults(...rules)
      const pauses = Array.from({ length: TYPED }, () => LASTS_MS / TYPED - 50)
      await Promise.all([sleep(LASTS_MS), ...plays.flatMap((play) => [0, 1].map((who) => play.type(who, pauses)))])
      await faults()
      await Promise.all(plays.map(async (play) => all.get(play.client)?.push(await recovered(play))))
      await Promise.all(plays.map((play) => play.end()))
    }
    const of = (/** @type {Client} */ client, /** @type {'live' | 'complete'} */ what) => median((all.get(client) ?? []).map((times) => times[what]))
    const words = clients.map((client) => `${seconds(of(client, 'live'))} / ${seconds(of(client, 'complete'))}`)
    // The baseline client is silent about much: who never notices an outage is never late to say that it is over.
    const held = Math.max(of('ours', 'live'), of('ours', 'complete')) <= Math.max(of('baseline', 'live'), of('baseline', 'complete'))
    console.log(`${name.padEnd(38)}${cells(...words, held ? 'held' : 'missed')}`)
  }
}
