// Broadcasts from the socket to the list that a view gets. The socket is a fake one inside the page.
import { PEERS } from '../stage.js'

const LENGTHS = [50, 10_000]
const COUNTS = [1, 100, 10_000]
/** Ratios to the baseline, by length and count. One into a long list is bounded by the
 *  floor alone, which is above a fifth of the baseline by itself. */
const MOST = { 50: { 1: 1, 100: 1, 10_000: 0.15 }, 10_000: { 100: 0.2, 10_000: 0.2 } }
const OF_FLOOR = 2
/** The work that a flood is, which others at the processor do not lengthen as they do its time. */
const WORK_OF_FLOOR = 2.5
/** Rounds of a flood: a peer needs minutes for it, and the ratio is no close call. */
const FLOODS = 3

export async function measure(stage, pairs, table) {
  const ana = await stage.person('Ana')
  const cases = LENGTHS.flatMap((length) => COUNTS.map((count) => ({ length, count })))
  const none = () => Object.fromEntries([...PEERS, 'floor'].map((peer) => [peer, []]))
  const samples = cases.map(none)
  const longest = cases.map(none)
  const work = cases.map(none)
  for (let pair = -1; pair < pairs; pair++) {
    for (const peer of [...PEERS, 'floor']) {
      stage.progress(`ingest, ${peer}`, pair, pairs)
      const page = await stage.page(ana)
      const devtools = await page.context().newCDPSession(page)
      await devtools.send('Performance.enable', { timeDomain: 'threadTicks' })
      await page.exposeFunction('threadTime', async () => (await devtools.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration').value * 1000)
      await page.evaluate(() => import('/page/faked.js'))
      for (const [at, { length, count }] of cases.entries()) {
        if (count === 10_000 && (pair < 0 || pair >= FLOODS)) continue
        await page.evaluate(() => globalThis.faked.longestTask())
        const { took, worked } = await page.evaluate(
          ([name, long, many]) => (name === 'floor' ? globalThis.faked.parseAlone(many) : globalThis.faked.ingest(name, long, many)),
          [peer, length, count],
        )
        // The first round warms up.
        if (pair < 0) continue
        samples[at][peer].push(took)
        work[at][peer].push(worked)
        longest[at][peer].push(await page.evaluate(() => globalThis.faked.longestTask()))
      }
      await page.context().close()
    }
  }
  for (const [at, { length, count }] of cases.entries()) {
    const beside = count in MOST[length] ? [{ against: 'supabase-js', most: MOST[length][count] }] : []
    table.row({
      name: `${count.toLocaleString('en')} into ${length.toLocaleString('en')}${count === 10_000 ? `, ${FLOODS} rounds` : ''}`,
      unit: 'ms',
      samples: samples[at],
      goals: [...beside, { against: 'floor', most: OF_FLOOR }],
    })
    if (count !== 10_000) continue
    const name = `${count.toLocaleString('en')} into ${length.toLocaleString('en')}`
    table.row({ name: `${name}, work of the page's thread`, unit: 'ms', samples: work[at], goals: length === 50 ? [{ against: 'floor', most: WORK_OF_FLOOR }] : [] })
    table.row({ name: `${name}, longest task over 50 ms`, unit: 'ms', samples: longest[at], compare: false })
  }
}
