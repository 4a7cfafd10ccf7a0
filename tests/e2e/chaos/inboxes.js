// `cargo xtask chaos`: a person's inbox while the network, the server and their tab fail: others write, and what is read is
// read here or on another device. With chopped-chat and with the baseline, at the same time and under the same faults.
import { setTimeout as sleep } from 'node:timers/promises'
import { database, faults, introduce, person, threadId, write } from '../project.js'
import { Tab } from './stage.js'
import { AT_AN_INBOX, Weather, dice } from './weather.js'

/** @typedef {import('./stage.js').Stage} Stage */
/** @typedef {import('./stage.js').Client} Client */
/** @typedef {import('./stage.js').Person} Person */
/** @typedef {[other: string, body: string, unread: number]} Line */
/** @typedef {typeof RIGHT} Wrong */

/** Less than storms last: the last word may be the one that is lost. */
const LASTS_MS = 3_000
const ACTIONS = 12
const WHAT = ['writes', 'writes', 'writes', 'is read here', 'is read elsewhere']
/** How long after the faults the first look is; and how long nothing may change before the last one. */
const SOON_MS = 2_000
const STILL_MS = { ours: 60_000, baseline: 8_000 }
/** How many lines show another message than the newest or stand elsewhere; have another count; were read further than the server knows. */
const RIGHT = { stale: 0, miscounted: 0, lost: 0 }

const sum = (/** @type {Wrong} */ a, /** @type {Wrong} */ b) => ({ stale: a.stale + b.stale, miscounted: a.miscounted + b.miscounted, lost: a.lost + b.lost })

/** Calls a function of the database as `person`. @param {Person} person @param {string} call @returns {Promise<any>} */
async function as({ id }, call) {
  const client = await database.connect()
  let broken = true
  try {
    await client.query('begin')
    await client.query(`select set_config('request.jwt.claims', $1, true), set_config('role', 'authenticated', true)`, [JSON.stringify({ sub: id, role: 'authenticated' })])
    const { rows } = await client.query(`select ${call} as answer`)
    await client.query('commit')
    broken = false
    return rows[0].answer
  } finally {
    client.release(broken)
  }
}

/** One client's inbox: Ana's, to whom three others write. */
class Inbox {
  /** How far she has read each, on whichever device. By Mongo id. @type {Map<string, number>} */
  read = new Map()

  /** @param {Client} client @param {Person} ana @param {Person[]} others @param {Tab} tab */
  constructor(client, ana, others, tab) {
    this.client = client
    this.ana = ana
    this.others = others
    this.tab = tab
  }

  /** @param {Stage} stage @param {Client} client */
  static async open(stage, client) {
    const ana = await person('Ana')
    const others = await Promise.all(['Ben', 'Cleo', 'Dan'].map((name) => person(name)))
    for (const other of others) await introduce(ana, other)
    const tab = await Tab.open(stage, `${client}-inbox`, ana, /** @type {Person} */ (others[0]))
    await tab.is('live')
    return new Inbox(client, ana, others, tab)
  }

  /** @param {{ what: string, who: number }} action @param {string} body */
  async act({ what, who }, body) {
    const other = /** @type {Person} */ (this.others[who])
    if (what === 'writes') return write(other, this.ana, [body], { byTurns: false })
    let seq = 0
    if (what === 'is read here') {
      // A tab that is gone reads nothing.
      seq = await this.tab.run(`chat.read('${other.mongoId}')`).catch(() => 0)
    } else {
      const thread = (await this.truth()).threads.find((/** @type {any} */ { other_mongo_id }) => other_mongo_id === other.mongoId)
      seq = thread?.last_seq ?? 0
      if (seq > 0) await as(this.ana, `public.mark_chat('${JSON.stringify([{ thread_id: threadId(this.ana, other), read: seq }])}')`)
    }
    this.read.set(other.mongoId, Math.max(seq, this.read.get(other.mongoId) ?? 0))
  }

  truth() {
    return as(this.ana, 'public.list_chat_threads()')
  }

  /** What there is on the screen, against what there should be. */
  async look() {
    const [shown, { threads }] = await Promise.all([/** @type {Promise<Line[]>} */ (this.tab.run('chat.lines()')), this.truth()])
    return threads.reduce((/** @type {Wrong} */ wrong, /** @type {any} */ { other_mongo_id, message, unread, read }, /** @type {number} */ at) => {
      const line = shown.find(([whose]) => whose === other_mongo_id)
      const isHere = shown[at] === line && line?.[1] === message.body
      const seen = this.read.get(other_mongo_id) ?? 0
      return sum(wrong, { stale: isHere ? 0 : 1, miscounted: line?.[2] === unread ? 0 : 1, lost: read < seen ? 1 : 0 })
    }, RIGHT)
  }

  /** Waits until everything is right, or nothing moves any more. @returns {Promise<Wrong>} */
  async settle() {
    let [picture, since] = ['', Date.now()]
    for (;;) {
      const wrong = await this.look()
      const now = JSON.stringify(wrong)
      if (now !== picture) [picture, since] = [now, Date.now()]
      if (Object.values(wrong).every((count) => count === 0) || Date.now() - since > STILL_MS[this.client]) return wrong
      await sleep(100)
    }
  }
}

/**
 * Plays so many rounds and prints what became of the lines. True if ours were right in the end.
 *
 * @param {Stage} stage @param {Client[]} clients @param {number} rounds @param {number} firstSeed
 */
export async function inboxes(stage, clients, rounds, firstSeed) {
  const totals = new Map(clients.map((client) => [client, { soon: { ...RIGHT }, end: { ...RIGHT } }]))
  for (let round = 0; round < rounds; round++) {
    const { between, one } = dice(firstSeed + round)
    const weather = new Weather(AT_AN_INBOX, { between, one })
    const mishap = { name: one(['offline', 'frozen', 'reloaded', 'killed', 'none']), at: between(400, 2_800), ms: between(800, 2_200) }
    const actions = Array.from({ length: ACTIONS }, () => ({ at: between(0, LASTS_MS), what: one(WHAT), who: between(0, 3) }))
    const plays = await Promise.all(clients.map((client) => Inbox.open(stage, client)))
    await Promise.all([
      weather.passes(),
      ...plays.map((play) => sleep(mishap.at).then(() => play.tab.strike(mishap.name, mishap.ms))),
      ...plays.flatMap((play) => actions.map((action, n) => sleep(action.at).then(() => play.act(action, `${n}`)))),
    ])
    await faults()
    const words = await Promise.all(
      plays.map(async (play) => {
        const start = Date.now()
        await sleep(SOON_MS)
        const soon = await play.look()
        const end = await play.settle()
        const took = ((Date.now() - start) / 1000).toFixed(1)
        await play.tab.context.close()
        const total = totals.get(play.client)
        if (total) Object.assign(total, { soon: sum(total.soon, soon), end: sum(total.end, end) })
        return `${play.client} ${Object.values(soon).join('/')}, after ${took} s ${Object.values(end).join('/')}`
      }),
    )
    console.log(`inbox ${round + 1}, seed ${firstSeed + round}: ${words.join('; ')}   (${[...weather.storms, mishap].map(({ name }) => name).join('; ')})`)
  }
  if (rounds > 0) {
    console.log(`\n${rounds} inboxes of three, ${SOON_MS / 1000} s after the faults and in the end: lines out of date, wrong counts, reads that were lost`)
    for (const [client, { soon, end }] of totals) {
      const name = client === 'ours' ? 'chopped-chat' : 'the baseline'
      console.log(`${name.padEnd(14)}${[...Object.values(soon), ...Object.values(end)].map((cell) => String(cell).padStart(6)).join('')}`)
    }
  }
  return Object.values(totals.get('ours')?.end ?? {}).every((count) => count === 0)
}
