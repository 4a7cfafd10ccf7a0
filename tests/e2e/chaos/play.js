// Two people who type to each other with one client, each in a tab of their own, and what becomes of their messages.
import { setTimeout as sleep } from 'node:timers/promises'
import { rows } from '../project.js'
import { Tab, acquainted } from './stage.js'

/** @typedef {import('./stage.js').Stage} Stage */
/** @typedef {import('./stage.js').Client} Client */
/** @typedef {import('./stage.js').Person} Person */

/**
 * A client that has shown the same for `still`, with nothing on its way, will not get further. Ours must, so that a busy
 * machine is given all the time it takes.
 */
const PATIENCE_MS = { ours: { still: 120_000, atMost: 240_000 }, baseline: { still: 8_000, atMost: 45_000 } }

/** One client's two people. */
export class Play {
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
    const people = await acquainted()
    const [a, b] = people
    const tabs = /** @type {[Tab, Tab]} */ (
      // One of them is the build that records, and the other the one that ships.
      await Promise.all([Tab.open(stage, client, a, b, { records: client === 'ours' }), Tab.open(stage, client, b, a)])
    )
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
    // Without a network one can type.
    this.away[who] = mishap !== 'offline'
    await this.tabs[who]?.strike(mishap, ms)
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
