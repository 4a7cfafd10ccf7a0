// From the click to the first page, and to being able to receive.
import { setTimeout as sleep } from 'node:timers/promises'
import { PEERS as ALL } from '../stage.js'

/** And ours where the page asks for the WebAssembly beside the code, as `init(source)` allows: it costs one line. */
const EARLY = 'chopped-chat, early'
const PEERS = [...ALL, EARLY]
const ROUND_TRIPS = [0, 40, 100, 200]
const NETWORKS = [...ROUND_TRIPS.map((ms) => ({ name: `${ms} ms`, ms })), { name: '40 ms, 10 Mbit/s', ms: 40, mbit: 10 }]
const IN_README = [40, 100]
/** What a person needs at least to close a chat and open one. */
const BETWEEN_MS = 100

export async function measure(stage, pairs, table) {
  const [ana, ben, cleo] = await Promise.all(['Ana', 'Ben', 'Cleo'].map(stage.person))
  await stage.fill(ana, ben, 120)
  await stage.fill(ana, cleo, 120)

  const once = async (peer, { ms, mbit }) => {
    await stage.latency(0)
    const page = await stage.page(ana)
    if (mbit) {
      const devtools = await page.context().newCDPSession(page)
      const throughput = (mbit * 1e6) / 8
      await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: throughput, uploadThroughput: throughput })
    }
    await stage.latency(ms)
    const open = async (other) => {
      const before = await stage.requests()
      const times = await page.evaluate(([name, config, early]) => globalThis.bench.open(name, config, early), [peer === EARLY ? ALL[0] : peer, stage.config(ana, other), peer === EARLY])
      return { ...times, requests: (await stage.requests()) - before }
    }
    const close = async () => {
      await page.evaluate(() => globalThis.bench.close())
      await sleep(BETWEEN_MS + ms)
    }
    const cold = await open(ben)
    if (peer === EARLY) {
      await page.context().close()
      return { cold }
    }
    await close()
    const warm = await open(cleo)
    await close()
    const again = await open(cleo)
    await page.context().close()
    return { cold, warm, again }
  }

  for (const peer of PEERS) await once(peer, NETWORKS[0])
  const runs = NETWORKS.map(() => Object.fromEntries(PEERS.map((peer) => [peer, []])))
  for (let pair = 0; pair < pairs; pair++) {
    stage.round(pair, pairs)
    for (const [at, network] of NETWORKS.entries()) {
      for (const peer of PEERS) runs[at][peer].push(await once(peer, network))
    }
  }
  await stage.latency(0)

  const peers = (name) => (name.startsWith('cold') ? PEERS : ALL)
  const samples = (name, at, take) => Object.fromEntries(peers(name).map((peer) => [peer, runs[at][peer].map(take)]))
  const rows = [
    ['cold, first page', ({ cold }) => cold.firstPage, [{ against: 'supabase-js', most: 1 }]],
    ['cold, ready to receive', ({ cold }) => cold.ready, [{ against: 'supabase-js', most: 0.75 }]],
    ['warm, first page', ({ warm }) => warm.firstPage, [{ against: 'supabase-js', most: 0.5 }]],
    ['warm, ready to receive', ({ warm }) => warm.ready, []],
    ['reopened, first page', ({ again }) => again.firstPage, [{ most: 16.7 }]],
    ['reopened, ready to receive', ({ again }) => again.ready, []],
  ]
  for (const [name, take, goals] of rows) {
    for (const [at, network] of NETWORKS.entries()) {
      const readme = IN_README.includes(network.ms) && (name.startsWith('cold') || !network.mbit)
      table.row({ name: `${name}, ${network.name}`, unit: 'ms', samples: samples(name, at, take), goals, readme })
    }
    // What a round trip more costs, in round trips: from the nearest to the farthest, pair by pair.
    const far = ROUND_TRIPS.length - 1
    const trips = Object.fromEntries(
      peers(name).map((peer) => [peer, runs[far][peer].map((run, pair) => (take(run) - take(runs[0][peer][pair])) / ROUND_TRIPS[far])]),
    )
    table.row({ name: `${name}, round trips waited for`, unit: '', samples: trips, compare: false, goals: name.startsWith('warm, first') ? [{ most: 1.25 }] : [] })
  }
  for (const [name, take] of [
    ['cold', ({ cold }) => cold.requests],
    ['warm', ({ warm }) => warm.requests],
    ['reopened', ({ again }) => again.requests],
  ]) {
    table.row({ name: `${name}, HTTP requests`, unit: '', samples: samples(name, 0, take), goals: [] })
  }
}
