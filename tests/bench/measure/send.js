// From the key press to the bubble, to sent, to the other person's list: both in Chromium, the server no way off.
import { setTimeout as sleep } from 'node:timers/promises'
import { OURS, PEERS } from '../stage.js'
import { median } from '../statistics.js'

const MANY = 1000
/** Rounds of it: it takes long, and is no close call. */
const FLOODS = 3
const SINGLES = 9
/** A lively talk: each side so many, so far apart. */
const TALK = 40
const TALK_PAUSE_MS = 125
/** Who types fast, and far away. */
const TYPED = 5
const TYPED_PAUSE_MS = 400
const FAR_MS = 300
const FRAME_MS = 16
/** What broadcasts that were dropped may take to be noticed: a slow poll looks for them, once a minute at the least. */
const NOTICED_MS = 60_000

export async function measure(stage, pairs, table) {
  const texts = (count, mark) => Array.from({ length: count }, (_, n) => `${mark} ${n}: two onions, and not a tear`)
  const watching = async (peer, who, other) => {
    const page = await stage.page(who)
    await page.evaluate(([name, config]) => globalThis.bench.watch(name, config), [peer, stage.config(who, other)])
    return page
  }

  async function once(peer, many, above) {
    const [ana, ben] = await Promise.all(['Ana', 'Ben'].map(stage.person))
    const [here, there] = [await watching(peer, ana, ben), await watching(peer, ben, ana)]
    const expect = (count) => there.evaluate((more) => globalThis.bench.expect(more), count)
    const arrived = () => there.evaluate(() => globalThis.bench.arrived())
    const send = async (bodies) => {
      await expect(bodies.length)
      const { began, bubble, sent } = await here.evaluate((all) => globalThis.bench.send(all), bodies)
      return { bubble: bubble - began, sent: sent - began, shown: (await arrived()) - began }
    }
    const press = async (body) => {
      await expect(1)
      await here.evaluate((text) => globalThis.bench.sendOnPress(text), body)
      await here.keyboard.press('Enter')
      const { began, sent, ...times } = await here.evaluate(() => globalThis.bench.afterPress())
      return { ...times, sent: sent - began, shown: (await arrived()) - began }
    }
    await send(texts(3, 'warm-up'))
    const singles = []
    for (let n = 0; n < SINGLES; n++) {
      await sleep(30)
      singles.push(await press(`single ${n}: two onions, and not a tear`))
    }
    const one = Object.fromEntries(Object.keys(singles[0]).map((what) => [what, median(singles.map((times) => times[what]))]))
    await sleep(30)
    const said = [here, there].map((_, side) => texts(TALK, `side ${side}`))
    const began = await Promise.all([here, there].map((page, side) => page.evaluate(([bodies, pause]) => globalThis.bench.talk(bodies, pause), [said[side], TALK_PAUSE_MS])))
    const heard = await Promise.all([there, here].map((page, side) => page.evaluate((bodies) => globalThis.bench.heard(bodies), said[side])))
    const talk = median(began.flatMap((times, side) => times.map((time, n) => heard[side][n] - time)))
    await stage.network({ ms: FAR_MS })
    const typed = await here.evaluate(([bodies, pause]) => globalThis.bench.type(bodies, pause), [texts(TYPED, 'typed'), TYPED_PAUSE_MS])
    await stage.network()
    await sleep(FAR_MS)
    const queued = many && (await send(texts(MANY, 'queued')))
    const limited = async () => {
      const bodies = texts(MANY, 'limited')
      await stage.network({ hosted: true })
      await expect(MANY)
      await here.evaluate((all) => globalThis.bench.send(all), bodies)
      await Promise.race([arrived().catch(() => {}), sleep(NOTICED_MS)])
      await stage.network()
      return there.evaluate((all) => globalThis.bench.holes(all), bodies)
    }
    const holes = above && (await limited())
    await Promise.all([here, there].map((page) => page.context().close()))
    return { one, talk, typed, queued, holes }
  }

  const runs = Object.fromEntries(PEERS.map((peer) => [peer, []]))
  stage.progress('send', -1)
  for (const peer of PEERS) await once(peer, false, false)
  for (let pair = 0; pair < pairs; pair++) {
    for (const peer of PEERS) {
      stage.progress(`send, ${peer}`, pair, pairs)
      runs[peer].push(await once(peer, pair < FLOODS, pair === 0))
    }
  }

  const samples = (take) => Object.fromEntries(PEERS.map((peer) => [peer, runs[peer].map(take)]))
  const row = (name, take, ...goals) => table.row({ name, unit: 'ms', samples: samples(take), goals })
  const beside = (most) => ({ against: 'supabase-js', most })
  row('one, key press to paint', ({ one }) => one.painted)
  table.row({ name: 'one, painted so many frames after that of the key press', unit: '', samples: samples(({ one }) => one.late), compare: false, goals: [{ most: 0 }] })
  table.row({ name: 'one, key press to kept beyond the page, by us alone', unit: 'ms', samples: { [OURS]: runs[OURS].map(({ one }) => one.kept) }, goals: [{ most: FRAME_MS }] })
  row('one, sent', ({ one }) => one.sent)
  row('one, shown at the other side', ({ one }) => one.shown)
  row('eight a second each way, shown at the other side', ({ talk }) => talk, beside(1))
  row(`five typed in two seconds, ${FAR_MS} ms a round trip, from the last to all sent`, ({ typed }) => typed, beside(0.6))
  for (const peer of PEERS) runs[peer].splice(FLOODS)
  row('1,000 queued, 3 rounds, last bubble', ({ queued }) => queued.bubble)
  row('1,000 queued, 3 rounds, all sent', ({ queued }) => queued.sent, beside(0.1))
  row('1,000 queued, 3 rounds, all shown at the other side', ({ queued }) => queued.shown, beside(0.1))
  for (const peer of PEERS) runs[peer].splice(1)
  table.row({ name: `1,000 queued at the free plan's message rate, 1 round, holes at the other side ${NOTICED_MS / 1000} s later`, unit: '', samples: samples(({ holes }) => holes), compare: false, goals: [{ most: 0 }] })
}
