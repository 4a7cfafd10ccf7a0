// From the click to the list of conversations, and from a message to a chat that is not open to its line in the list.
import { setTimeout as sleep } from 'node:timers/promises'
import { OURS } from '../stage.js'
import { median } from '../statistics.js'

const PEERS = [OURS, 'supabase-js']
const NETWORKS = [
  ...[0, 40, 100].map((ms) => ({ name: `${ms} ms`, ms })),
  ...[40, 100].map((ms) => ({ name: `${ms} ms, hosted`, ms, hosted: true })),
]
/** Near and far, between which a round trip is counted. */
const [NEAR, FAR] = [0, 2]
/** More than a page of either. */
const CONVERSATIONS = 40
const MESSAGES = 5
/** Messages to one chat after the other, for one sample; far enough apart that each is alone. */
const SINGLES = 9
const PAUSE_MS = 150
const DISTANCES = [0, 40]

export async function measure(stage, pairs, table) {
  const ana = await stage.person('Ana')
  const others = []
  for (let n = 0; n < CONVERSATIONS; n++) {
    others.push(await stage.person(`Other ${n}`))
    await stage.fill(ana, others[n], MESSAGES)
  }
  const config = stage.config(ana, others[0], { user: ana.id })

  async function open(peer, network) {
    await stage.network()
    const page = await stage.page(ana)
    await stage.network(network)
    const before = await stage.requests()
    const times = await page.evaluate(([name, about]) => globalThis.bench.open(name, about), [`${peer}-inbox`, config])
    const requests = (await stage.requests()) - before
    await page.context().close()
    return { ...times, requests }
  }

  let said = 0
  async function update(peer) {
    await stage.network()
    const page = await stage.page(ana)
    await page.evaluate(([name, about]) => globalThis.bench.watch(name, about), [`${peer}-inbox`, config])
    const took = {}
    for (const ms of DISTANCES) {
      await stage.network({ ms })
      const times = []
      for (let n = 0; n < SINGLES; n++) {
        await sleep(PAUSE_MS + 2 * ms)
        const body = `news ${said++}: two onions, and not a tear`
        const began = performance.timeOrigin + performance.now()
        await stage.say(others[n], ana, body)
        const [seen] = await page.evaluate((bodies) => globalThis.bench.heard(bodies), [body])
        times.push(seen - began)
      }
      took[ms] = median(times)
    }
    await stage.network()
    await page.context().close()
    return took
  }

  stage.progress('inbox', -1)
  for (const peer of PEERS) {
    await open(peer, NETWORKS[0])
    await update(peer)
  }
  const none = () => Object.fromEntries(PEERS.map((peer) => [peer, []]))
  const opened = NETWORKS.map(none)
  const updated = none()
  for (let pair = 0; pair < pairs; pair++) {
    for (const [at, network] of NETWORKS.entries()) {
      for (const peer of PEERS) {
        stage.progress(`inbox, ${network.name}, ${peer}`, pair, pairs)
        opened[at][peer].push(await open(peer, network))
      }
    }
    for (const peer of PEERS) {
      stage.progress(`inbox, news, ${peer}`, pair, pairs)
      updated[peer].push(await update(peer))
    }
  }
  await stage.network()

  const samples = (of, take) => Object.fromEntries(PEERS.map((peer) => [peer, of[peer].map(take)]))
  for (const [name, take, goals] of [
    ['cold, first list', ({ firstPage }) => firstPage, [{ against: 'supabase-js', most: 0.75 }]],
    ['cold, ready to receive', ({ ready }) => ready, []],
  ]) {
    for (const [at, network] of NETWORKS.entries()) {
      table.row({ name: `${name}, ${network.name}`, unit: 'ms', samples: samples(opened[at], take), goals, readme: network.ms > 0 })
    }
    const trips = Object.fromEntries(
      PEERS.map((peer) => [peer, opened[FAR][peer].map((run, pair) => (take(run) - take(opened[NEAR][peer][pair])) / (NETWORKS[FAR].ms - NETWORKS[NEAR].ms))]),
    )
    table.row({ name: `${name}, round trips waited for`, unit: '', samples: trips, compare: false })
  }
  table.row({ name: 'cold, HTTP requests', unit: '', samples: samples(opened[NEAR], ({ requests }) => requests) })
  for (const ms of DISTANCES) {
    table.row({ name: `news of a chat that is not open, in its line, ${ms} ms`, unit: 'ms', samples: samples(updated, (took) => took[ms]), goals: [{ against: 'supabase-js', most: 1 }] })
  }
}
