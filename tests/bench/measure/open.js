// From the click to the first page, and to being able to receive.
import { copyFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { lines } from '../plots.js'
import { OURS, PEERS as ALL, out } from '../stage.js'

/** The same beside a page whose author helps: `page/help.js`. */
const HELPED = [OURS, 'supabase-js'].map((peer) => ({ name: `${peer}, helped`, peer, helped: true }))
const PEERS = [...ALL.map((peer) => ({ name: peer, peer, helped: false })), ...HELPED]
const ROUND_TRIPS = [0, 40, 100, 200]
/** What the preflight of a hosted gateway, and its TCP and TLS, cost more. */
const HOSTED = [40, 100].map((ms) => ({ name: `${ms} ms, hosted`, ms, hosted: true }))
const NETWORKS = [...ROUND_TRIPS.map((ms) => ({ name: `${ms} ms`, ms })), { name: '40 ms, 10 Mbit/s', ms: 40, mbit: 10 }, ...HOSTED]
const IN_README = [40, 100]
const PLOT = 'open-times.svg'
/** What a person needs at least to close a chat and open one. */
const BETWEEN_MS = 100

export async function measure(stage, pairs, table) {
  const [ana, ben, cleo] = await Promise.all(['Ana', 'Ben', 'Cleo'].map(stage.person))
  await stage.fill(ana, ben, 120)
  await stage.fill(ana, cleo, 120)

  const once = async ({ peer, helped }, network) => {
    await stage.network()
    const page = await stage.page(ana)
    const devtools = await page.context().newCDPSession(page)
    if (network.mbit) {
      const throughput = (network.mbit * 1e6) / 8
      await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: throughput, uploadThroughput: throughput })
    }
    // The head of a page is read long before the click.
    const connect = async () => helped && page.evaluate((links) => globalThis.bench.connectTo(links), stage.links())
    const open = async (other) => {
      const before = await stage.requests()
      const times = await page.evaluate(([name, config, help]) => globalThis.bench.open(name, config, help), [peer, stage.config(ana, other), helped])
      return { ...times, requests: (await stage.requests()) - before }
    }
    const close = async () => {
      await page.evaluate(() => globalThis.bench.close())
      await sleep(BETWEEN_MS + network.ms)
    }
    await stage.network(network)
    await connect()
    const cold = await open(ben)
    await close()
    await stage.reload(page)
    await connect()
    const before = await open(ben)
    if (helped) {
      await page.context().close()
      return { cold, before }
    }
    await close()
    // Without Access-Control-Max-Age Chromium keeps a preflight for 5 s, and one reads a chat for longer.
    if (network.hosted) await devtools.send('Network.clearBrowserCache')
    const warm = await open(cleo)
    await close()
    const again = await open(cleo)
    await page.context().close()
    return { cold, before, warm, again }
  }

  stage.progress('open', -1)
  for (const peer of PEERS) await once(peer, NETWORKS[0])
  const runs = NETWORKS.map(() => Object.fromEntries(PEERS.map(({ name }) => [name, []])))
  for (let pair = 0; pair < pairs; pair++) {
    for (const [at, network] of NETWORKS.entries()) {
      for (const peer of PEERS) {
        stage.progress(`open, ${network.name}, ${peer.name}`, pair, pairs)
        runs[at][peer.name].push(await once(peer, network))
      }
    }
  }
  await stage.network()

  const peers = (name) => (name.startsWith('cold') ? PEERS.map((peer) => peer.name) : ALL)
  const samples = (name, at, take) => Object.fromEntries(peers(name).map((peer) => [peer, runs[at][peer].map(take)]))
  const beside = (most) => [{ against: 'supabase-js', most }]
  const rows = [
    ['cold, first page', ({ cold }) => cold.firstPage, beside(0.75)],
    ['cold, ready to receive', ({ cold }) => cold.ready, beside(0.65)],
    ['cold, opened before on this device, first page', ({ before }) => before.firstPage, beside(0.5)],
    ['warm, first page', ({ warm }) => warm.firstPage, beside(0.5)],
    ['warm, ready to receive', ({ warm }) => warm.ready, beside(0.55)],
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

  const near = ROUND_TRIPS.map((ms) => ({ name: `${ms} ms`, ms }))
  const panels = rows.slice(0, 2).map(([title, take]) => ({
    title,
    lines: [OURS, 'supabase-js', ...HELPED.map(({ name }) => name)].flatMap((peer) =>
      [near, HOSTED].map((networks) => ({
        peer,
        dashed: networks === HOSTED,
        points: networks.map(({ name, ms }) => ({ ms, times: runs[NETWORKS.findIndex((network) => network.name === name)][peer].map(take) })),
      })),
    ),
  }))
  await writeFile(new URL(PLOT, out), lines(`Opening a chat, ${table.about.date}, medians of ${pairs} rounds`, panels))
  if (table.about.complete) await copyFile(new URL(PLOT, out), new URL(`../../../docs/${PLOT}`, import.meta.url))
}
