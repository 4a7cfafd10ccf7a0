// Outages as a genuine project has them, while both type: nothing is lost and nothing refused, both screens end as the
// table, and until then the page says what is wrong. How long a recovery takes is `cargo xtask chaos`'s to tell.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { OUTAGES } from './chaos/outages.js'
import { Play } from './chaos/play.js'
import { Stage } from './chaos/stage.js'
import { admin, eventually, faults } from './project.js'

/** @type {Stage} */
let stage
before(async () => {
  stage = await Stage.open()
})
afterEach(() => admin('DELETE', '/faults'))
after(() => stage.close())

/** @typedef {{ status: string, error: string | null }} State */

const notLive = (/** @type {State} */ { status }) => status !== 'live'
const saysWhy = (/** @type {State} */ { error }) => error !== null
const either = (/** @type {State} */ state) => notLive(state) || saysWhy(state)

/**
 * What the engine must do for each: how long the outage lasts here, and what each page must say at its end.
 *
 * @type {[string, number, (state: State) => boolean, string][]}
 */
const EXPECTED = [
  // A join that is refused, word for word as a stranger's, ends nothing; a 405 with 25006 is for later.
  ['database read-only, a socket cut', 30_000, either, 'that it is not connected, or that nothing can be sent'],
  // After a join that is not followed by "Replication connection established" a page is not live, and polls. Longer than the 60 s
  // after which the server closes the channel.
  ['replication away', 75_000, notLive, 'that it is not live'],
  // Joined all the while: the connection is there, and yet nothing can be sent.
  ['REST answers 502', 30_000, saysWhy, 'why nothing can be sent'],
  ['REST does not answer', 30_000, saysWhy, 'why nothing can be sent'],
  ['Realtime away', 20_000, notLive, 'that it is not connected'],
  ['policies not evaluable, a socket cut', 20_000, notLive, 'that it is not connected'],
]

for (const [name, lasts, honest, what] of EXPECTED) {
  test(`${name}: nothing lost, nothing refused, both screens end as the table, and meanwhile the page says ${what}`, async () => {
    const play = await Play.start(stage, 'ours')
    await faults(.../** @type {object[]} */ (OUTAGES[name]))
    let over = false
    /** @type {State[][]} */
    const said = [[], []]
    const refused = new Set()
    const watch = (async () => {
      while (!over) {
        for (const [who, tab] of play.tabs.entries()) {
          said[who]?.push(await tab.state())
          for (const { body, status } of await tab.bubbles()) if (status === 'error') refused.add(body)
        }
        await sleep(200)
      }
    })()
    const pauses = Array.from({ length: 20 }, () => lasts / 20 - 50)
    await Promise.all([sleep(lasts), ...play.tabs.map((_, who) => play.type(who, pauses))])
    over = true
    await watch
    await faults()

    await eventually(async () => {
      const { lost, doubled, complete } = await play.look()
      assert.deepEqual({ lost: [...lost], doubled }, { lost: [], doubled: [] })
      assert.ok(complete, 'everything is sent and on both screens')
      for (const tab of play.tabs) assert.deepEqual(await tab.state(), { status: 'live', error: null })
    }, 120_000)
    const { swapped, resent } = await play.look()
    assert.deepEqual({ swapped, resent, refused: [...refused], typed: [...play.typed.values()].flat().length }, { swapped: 0, resent: 0, refused: [], typed: 40 })
    for (const states of said) assert.ok(states.slice(-1).some(honest), `says ${what}: ${states.map((state) => JSON.stringify(state)).filter((now, n, all) => now !== all[n - 1])}`)
    await play.end()
  })
}
