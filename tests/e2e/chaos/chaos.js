// `cargo xtask chaos`: two people type while the network, the server and their tabs fail, once with chopped-chat and once
// with the plan's client, at the same time and under the same faults. Prints what became of their messages.
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { SEND, admin, faults, rows } from '../project.js'
import { Stage, Tab, pair } from './stage.js'

/** @typedef {import('./stage.js').Client} Client */
/** @typedef {import('./stage.js').Person} Person */

const TYPING_MS = 4_000
const MESSAGES = 8
/**
 * A client that has shown the same for `still`, with nothing on its way, will not get further. Ours must, so that a busy
 * machine is given all the time it takes.
 */
const PATIENCE_MS = { ours: { still: 120_000, atMost: 240_000 }, plan: { still: 8_000, atMost: 45_000 } }

const { values: flags } = parseArgs({ options: { rounds: { type: 'string', default: '50' }, seed: { type: 'string' } } })
const rounds = Number(flags.rounds)
const firstSeed = flags.seed === undefined ? Date.now() % 1_000_000 : Number(flags.seed)

/** Mulberry32: what strikes, when and how often is the same for the same seed. @param {number} seed */
function dice(seed) {
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

const sending = (/** @type {object} */ effect, probability = 0.5) => ({ on: 'request', match: { method: 'POST', path: SEND }, do: effect, probability })
// The table, which the plan's client reads, and the function, which ours calls.
const reading = (/** @type {object} */ effect, probability = 0.5) => ['/rest/v1/chat_messages', '/rest/v1/rpc/list_chat_messages'].map((path) => ({ on: 'request', match: { path }, do: effect, probability }))

/** What the server and the network do for a while. @type {Record<string, object | object[]>} */
const WEATHER = {
  'sends answered 503': sending({ status: 503, body: { message: 'chaos' } }),
  'sends cut before they run': sending({ cut: true }),
  'answers of sends lost': sending({ lose_answer: true }, 0.6),
  'sends slow': sending({ delay_ms: 900 }),
  'reads answered 503': reading({ status: 503, body: { message: 'chaos' } }),
  'reads cut': reading({ cut: true }),
  'broadcasts lost': { on: 'broadcast', do: { drop: true }, probability: 0.4 },
  'broadcasts late': { on: 'broadcast', do: { delay_ms: 600 }, probability: 0.4 },
  'broadcasts twice': { on: 'broadcast', do: { duplicate: true }, probability: 0.6 },
  'replication silent': { on: 'broadcast', do: { silent: true } },
  'sockets cut at random': { on: 'frame-out', do: { cut: true }, probability: 0.1 },
  'sockets refused': { on: 'connect', do: { status: 503 } },
}
/** What happens at one moment. */
const BLOWS = ['every socket cut', 'realtime restarts', 'tokens expire', 'token endpoint fails for 1 s']
/** What happens to a person's tab; the same to the same person of both clients. */
const MISHAPS = ['offline', 'frozen', 'reloaded', 'killed', 'none']

/** One client's two people in one round. */
class Play {
  /** @type {Map<string, string[]>} what each person typed, in order, of which a bubble was on the screen */
  typed = new Map()
  /** What was being typed when the tab died: it may be there or not, once. @type {string[]} */
  uncertain = []
  away = [false, false]

  /** @param {Stage} stage @param {Client} client @param {[Person, Person]} people @param {[Tab, Tab]} tabs */
  constructor(stage, client, people, tabs) {
    this.stage = stage
    this.client = client
    this.people = people
    this.tabs = tabs
    for (const { mongoId } of people) this.typed.set(mongoId, [])
  }

  /** @param {Stage} stage @param {Client} client */
  static async start(stage, client) {
    const people = await pair()
    const [a, b] = people
    const tabs = /** @type {[Tab, Tab]} */ (await Promise.all([Tab.open(stage, client, a, b), Tab.open(stage, client, b, a)]))
    await Promise.all(tabs.map((tab) => tab.is('live')))
    return new Play(stage, client, people, tabs)
  }

  end() {
    return Promise.all(this.tabs.map((tab) => tab.context.close()))
  }

  /** @param {number} who @param {number[]} pauses */
  async type(who, pauses) {
    const tab = /** @type {Tab} */ (this.tabs[who])
    const typed = this.typed.get(tab.me.mongoId) ?? []
    for (const [n, pause] of pauses.entries()) {
      await sleep(pause)
      while (this.away[who]) await sleep(20)
      const body = `${who === 0 ? 'a' : 'b'}${n}`
      try {
        await tab.send(body)
        typed.push(body)
      } catch {
        this.uncertain.push(body)
      }
    }
  }

  /** @param {number} who @param {string} mishap @param {number} ms */
  async strike(who, mishap, ms) {
    const tab = /** @type {Tab} */ (this.tabs[who])
    if (mishap === 'offline') {
      await tab.context.setOffline(true)
      await sleep(ms)
      await tab.context.setOffline(false)
      return
    }
    if (mishap === 'none') return
    this.away[who] = true
    if (mishap === 'frozen') {
      await tab.freeze(true)
      await sleep(ms)
      await tab.freeze(false)
    } else if (mishap === 'reloaded') {
      await tab.reload()
    } else {
      tab.swappedBefore = await tab.swapped()
      await tab.kill()
      await sleep(300)
      await tab.load()
    }
    this.away[who] = false
  }

  /** What there is now, against what there should be. */
  async look() {
    const [a, b] = this.people
    const [table, ...screens] = await Promise.all([rows(a, b), ...this.tabs.map((tab) => tab.bubbles())])
    const count = (/** @type {{ body: string }[]} */ list, /** @type {string} */ body) => list.filter((one) => one.body === body).length
    const places = [table, ...screens]
    const typed = [...this.typed.values()].flat()
    const bodies = new Set([...typed, ...this.uncertain, ...table.map(({ body }) => body)])
    const missing = [...typed, ...table.map(({ body }) => body)].filter((body) => places.some((place) => count(place, body) === 0))
    const doubled = [...bodies].filter((body) => places.some((place) => count(place, body) > 1))
    const unfinished = screens.flat().filter(({ status }) => status !== 'sent').length
    let resent = 0
    for (const [author, order] of this.typed) {
      const at = table.filter((row) => row.sender_mongo_id === author && order.includes(row.body)).map((row) => order.indexOf(row.body))
      resent += at.filter((place, index) => index > 0 && place < /** @type {number} */ (at[index - 1])).length
    }
    const seqs = new Map(table.map(({ id, seq }) => [id, seq]))
    const swapped = screens.map((screen) => screen.filter((bubble, index) => index > 0 && (seqs.get(bubble.id) ?? Infinity) < (seqs.get(screen[index - 1]?.id ?? '') ?? 0)).length)
    return {
      lost: new Set(missing),
      doubled,
      swapped: swapped.reduce((sum, one) => sum + one, 0),
      resent,
      complete: missing.length === 0 && unfinished === 0 && screens.every((screen) => screen.length >= table.length),
      picture: JSON.stringify([table.length, screens]),
    }
  }

  /** Waits until everything is where it belongs, or nothing moves any more. */
  async settle() {
    const start = Date.now()
    const { still, atMost } = PATIENCE_MS[this.client]
    let [picture, since, retried] = ['', start, start]
    for (;;) {
      const seen = await this.look()
      const now = Date.now()
      if (seen.picture !== picture) [picture, since] = [seen.picture, now]
      if (seen.complete) return { ...seen, ms: now - start }
      if (now - since > still || now - start > atMost) return { ...seen, ms: null }
      if (now - retried > 1_000) {
        retried = now
        for (const tab of this.tabs) await tab.retryErrors()
      }
      await sleep(40)
    }
  }
}

/** @param {Stage} stage @param {number} seed @param {Client[]} clients */
async function play(stage, seed, clients) {
  const { between, one } = dice(seed)
  const plays = await Promise.all(clients.map((client) => Play.start(stage, client)))
  const [names, weather] = [/** @type {string[]} */ ([]), /** @type {Set<object>} */ (new Set())]
  const forecast = () => faults(...weather)

  const storms = Array.from({ length: 3 }, () => ({ name: one(Object.keys(WEATHER)), from: between(0, 2_500), lasts: between(700, 2_000) }))
  const blow = { name: one(BLOWS), at: between(500, TYPING_MS) }
  const mishap = { name: one(MISHAPS), who: between(0, 2), at: between(400, 2_800), ms: between(800, 2_200) }
  const pauses = [0, 1].map(() => Array.from({ length: MESSAGES }, () => between(50, (2 * TYPING_MS) / MESSAGES)))
  names.push(...storms.map(({ name }) => name), blow.name, mishap.name)

  await Promise.all([
    ...storms.map(async ({ name, from, lasts }) => {
      const rules = [WEATHER[name]].flat().map((rule) => ({ ...rule }))
      await sleep(from)
      for (const rule of rules) weather.add(rule)
      await forecast()
      await sleep(lasts)
      for (const rule of rules) weather.delete(rule)
      await forecast()
    }),
    sleep(blow.at).then(async () => {
      if (blow.name === 'every socket cut') await admin('POST', '/faults', [...weather, { do: { cut: true } }])
      else if (blow.name === 'realtime restarts') await admin('POST', '/restart-realtime')
      else if (blow.name === 'tokens expire') await admin('POST', '/faults', [...weather, { do: { expire: true } }])
      else {
        stage.tokensFail = true
        await sleep(1_000)
        stage.tokensFail = false
      }
    }),
    ...plays.flatMap((play) => [
      sleep(mishap.at).then(() => play.strike(mishap.who, mishap.name, mishap.ms)),
      ...pauses.map((pauses, who) => play.type(who, pauses)),
    ]),
  ])
  await faults()
  const results = await Promise.all(
    plays.map(async (play) => {
      const settled = await play.settle()
      const moments = await Promise.all(play.tabs.map((tab) => tab.swapped()))
      const [a, b] = moments
      return { client: play.client, ...settled, swapped: Math.max(settled.swapped, (a ?? 0) + (b ?? 0)), typed: [...play.typed.values()].flat().length }
    }),
  )
  await Promise.all(plays.map((play) => play.end()))
  return { names, results }
}

const stage = await Stage.open()
/** Short enough for renewals while people type. */
stage.tokenLife = 90
/** @type {Client[]} */
const clients = ['ours', 'plan']
const totals = new Map(clients.map((client) => [client, { typed: 0, lost: 0, doubled: 0, swapped: 0, resent: 0, incomplete: 0, times: /** @type {number[]} */ ([]) }]))
let failed = false
try {
  for (let round = 0; round < rounds; round++) {
    const seed = firstSeed + round
    const { names, results } = await play(stage, seed, clients)
    const words = results.map(({ client, lost, doubled, swapped, ms }) => `${client} ${lost.size}/${doubled.length}/${swapped} ${ms === null ? 'never' : `${ms} ms`}`)
    console.log(`round ${round + 1}, seed ${seed}: ${words.join(', ')}   (${names.join('; ')})`)
    for (const { client, lost, doubled, swapped, resent, typed, ms } of results) {
      const total = totals.get(client)
      if (!total) continue
      total.typed += typed
      total.lost += lost.size
      total.doubled += doubled.length
      total.swapped += swapped
      total.resent += resent
      if (ms === null) total.incomplete += 1
      else total.times.push(ms)
      if (client === 'ours' && (lost.size || doubled.length || swapped || resent || ms === null)) {
        failed = true
        console.log(`  lost ${[...lost]}, doubled ${doubled}, sent out of order ${resent}`)
      }
    }
  }
} finally {
  await faults()
  await stage.close()
}

/** @param {number[]} sorted @param {number} part */
const quantile = (sorted, part) => (sorted.length === 0 ? '-' : `${((sorted[Math.floor(part * (sorted.length - 1))] ?? 0) / 1000).toFixed(1)} s`)
const cells = (/** @type {(string | number)[]} */ ...all) => all.map((cell) => String(cell).padStart(11)).join('')
console.log(`\n${rounds} rounds, first seed ${firstSeed}; complete: how long after the faults every message was in the table and on both screens`)
console.log(`${''.padEnd(14)}${cells('typed', 'lost', 'doubled', 'swapped', 'out of turn', 'median', 'slowest', 'never')}`)
for (const [client, { typed, lost, doubled, swapped, resent, incomplete, times }] of totals) {
  times.sort((a, b) => a - b)
  const name = client === 'ours' ? 'chopped-chat' : 'the plan’s'
  console.log(`${name.padEnd(14)}${cells(typed, lost, doubled, swapped, resent, quantile(times, 0.5), quantile(times, 1), incomplete)}`)
}
console.log(failed ? '0 passed, 1 failed' : '1 passed, 0 failed')
process.exitCode = failed ? 1 : 0
