// From send() to the bubble, to sent, to the other person's list: both in Chromium, the server no way off.
import { setTimeout as sleep } from 'node:timers/promises'
import { PEERS } from '../stage.js'
import { median } from '../statistics.js'

const MANY = 1000
/** Rounds of it: it takes long, and is no close call. */
const FLOODS = 3
const SINGLES = 9
/** A lively talk: each side so many, so far apart. */
const TALK = 40
const TALK_PAUSE_MS = 125

export async function measure(stage, pairs, table) {
  const texts = (count, mark) => Array.from({ length: count }, (_, n) => `${mark} ${n}: two onions, and not a tear`)
  const watching = async (peer, who, other, more) => {
    const page = await stage.page(who)
    await page.evaluate(([name, config]) => globalThis.bench.watch(name, config), [peer, stage.config(who, other, more)])
    return page
  }

  async function once(peer, many) {
    const [ana, ben] = await Promise.all(['Ana', 'Ben'].map(stage.person))
    const [here, there] = [await watching(peer, ana, ben), await watching(peer, ben, ana)]
    const send = async (bodies) => {
      await there.evaluate((count) => globalThis.bench.expect(count), bodies.length)
      const { began, bubble, sent } = await here.evaluate((all) => globalThis.bench.send(all), bodies)
      return { bubble: bubble - began, sent: sent - began, shown: (await there.evaluate(() => globalThis.bench.arrived())) - began }
    }
    await send(texts(3, 'warm-up'))
    const singles = []
    for (let n = 0; n < SINGLES; n++) {
      await sleep(30)
      singles.push(await send(texts(1, `single ${n}`)))
    }
    const middle = (what) => median(singles.map((times) => times[what]))
    const one = { bubble: middle('bubble'), sent: middle('sent'), shown: middle('shown') }
    await sleep(30)
    const said = [here, there].map((_, side) => texts(TALK, `side ${side}`))
    const began = await Promise.all([here, there].map((page, side) => page.evaluate(([bodies, pause]) => globalThis.bench.talk(bodies, pause), [said[side], TALK_PAUSE_MS])))
    const heard = await Promise.all([there, here].map((page, side) => page.evaluate((bodies) => globalThis.bench.heard(bodies), said[side])))
    const talk = median(began.flatMap((times, side) => times.map((time, n) => heard[side][n] - time)))
    await sleep(30)
    const queued = many && (await send(texts(MANY, 'queued')))
    await Promise.all([here, there].map((page) => page.context().close()))
    return { one, talk, queued }
  }

  /** Without the outbox that outlives the page, which the others don't have. */
  async function forgetful() {
    const [ana, ben] = await Promise.all(['Ana', 'Ben'].map(stage.person))
    const page = await watching('chopped-chat', ana, ben, { persistOutbox: false })
    const bubbles = []
    for (let n = 0; n < SINGLES; n++) {
      await sleep(30)
      const { began, bubble } = await page.evaluate((all) => globalThis.bench.send(all), texts(1, `single ${n}`))
      bubbles.push(bubble - began)
    }
    await page.context().close()
    return median(bubbles)
  }

  const runs = Object.fromEntries(PEERS.map((peer) => [peer, []]))
  const kept = []
  for (const peer of PEERS) await once(peer, false)
  for (let pair = 0; pair < pairs; pair++) {
    stage.round(pair, pairs)
    for (const peer of PEERS) runs[peer].push(await once(peer, pair < FLOODS))
    kept.push(await forgetful())
  }

  const samples = (take) => Object.fromEntries(PEERS.map((peer) => [peer, runs[peer].map(take)]))
  const row = (name, take, goals = []) => table.row({ name, unit: 'ms', samples: samples(take), goals })
  row('one, bubble, kept beyond the page by us alone', ({ one }) => one.bubble, [{ most: 1 }])
  table.row({ name: 'one, bubble, not kept (persistOutbox: false)', unit: 'ms', samples: { ...samples(({ one }) => one.bubble), 'chopped-chat': kept }, goals: [{ most: 1 }] })
  row('one, sent', ({ one }) => one.sent)
  row('one, shown at the other side', ({ one }) => one.shown)
  row('eight a second each way, shown at the other side', ({ talk }) => talk, [{ against: 'supabase-js', most: 1 }])
  for (const peer of PEERS) runs[peer].splice(FLOODS)
  row('1,000 queued, 3 rounds, last bubble', ({ queued }) => queued.bubble)
  row('1,000 queued, 3 rounds, all sent', ({ queued }) => queued.sent)
  row('1,000 queued, 3 rounds, all shown at the other side', ({ queued }) => queued.shown)
}
