// `cargo xtask chaos`: two people type while the network, the server and their tabs fail, once with chopped-chat and once
// with the baseline client, at the same time and under the same faults. Prints what became of their messages.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { admin, faults } from '../project.js'
import { inboxes } from './inboxes.js'
import { Play } from './play.js'
import { recoveries } from './recovery.js'
import { Stage } from './stage.js'
import { AT_A_CHAT, Weather, dice } from './weather.js'

/** @typedef {import('./stage.js').Client} Client */

const TYPING_MS = 4_000
const MESSAGES = 8
const { values: flags } = parseArgs({ options: { rounds: { type: 'string', default: '50' }, seed: { type: 'string' }, recoveries: { type: 'string', default: '0' }, inboxes: { type: 'string', default: '0' }, recordings: { type: 'string' } } })
const rounds = Number(flags.rounds)
const firstSeed = flags.seed === undefined ? Date.now() % 1_000_000 : Number(flags.seed)

/** What happens at one moment. */
const BLOWS = ['every socket cut', 'realtime restarts', 'tokens expire', 'token endpoint fails for 1 s']
/** What happens to a person's tab; the same to the same person of both clients. */
const MISHAPS = ['offline', 'frozen', 'reloaded', 'killed', 'none']

/** @param {Stage} stage @param {number} seed @param {Client[]} clients */
async function play(stage, seed, clients) {
  const { between, one } = dice(seed)
  const plays = await Promise.all(clients.map((client) => Play.start(stage, client)))
  const weather = new Weather(AT_A_CHAT, { between, one })
  const blow = { name: one(BLOWS), at: between(500, TYPING_MS) }
  const mishap = { name: one(MISHAPS), who: between(0, 2), at: between(400, 2_800), ms: between(800, 2_200) }
  const pauses = [0, 1].map(() => Array.from({ length: MESSAGES }, () => between(50, (2 * TYPING_MS) / MESSAGES)))
  const names = [...weather.storms, blow, mishap].map(({ name }) => name)

  await Promise.all([
    weather.passes(),
    sleep(blow.at).then(async () => {
      if (blow.name === 'every socket cut') await weather.set({ do: { cut: true } })
      else if (blow.name === 'realtime restarts') await admin('POST', '/restart-realtime')
      else if (blow.name === 'tokens expire') await weather.set({ do: { expire: true } })
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
  if (flags.recordings) {
    for (const { client, tabs } of plays.filter(({ client }) => client === 'ours')) {
      await writeFile(join(flags.recordings, `${client}-${seed}.jsonl`), (await tabs[0]?.recording()) ?? '')
    }
  }
  await Promise.all(plays.map((play) => play.end()))
  return { names, results }
}

const stage = await Stage.open()
/** Short enough for renewals while people type. */
stage.tokenLife = 90
/** @type {Client[]} */
const clients = ['ours', 'baseline']
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
  const good = await inboxes(stage, clients, Number(flags.inboxes), firstSeed)
  failed ||= !good
  if (flags.recoveries !== '0') await recoveries(stage, clients, Number(flags.recoveries))
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
  const name = client === 'ours' ? 'chopped-chat' : 'the baseline'
  console.log(`${name.padEnd(14)}${cells(typed, lost, doubled, swapped, resent, quantile(times, 0.5), quantile(times, 1), incomplete)}`)
}
console.log(failed ? '0 passed, 1 failed' : '1 passed, 0 failed')
process.exitCode = failed ? 1 : 0
