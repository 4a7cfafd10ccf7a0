// A page that dies at any step of a send, the tab that takes over, and what it costs to come back.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { Stage, Tab, acquainted } from './chaos/stage.js'
import { SEND, admin, database, eventually, faults, rows } from './project.js'

/** @typedef {import('./chaos/stage.js').Person} Person */

/** @type {Stage} */
let stage
/** @type {import('playwright-core').BrowserContext[]} */
const contexts = []

before(async () => {
  stage = await Stage.open()
})
afterEach(async () => {
  await admin('POST', '/latency', { ms: 0 })
  await faults()
  await Promise.all(contexts.splice(0).map((context) => context.close()))
})
after(() => stage.close())

/** @param {Person} me @param {Person} other @param {Tab} [beside] */
async function live(me, other, beside) {
  const tab = await Tab.open(stage, 'ours', me, other, beside ? { context: beside.context } : {})
  if (!beside) contexts.push(tab.context)
  await tab.is('live')
  return tab
}

/** The drafts that storage keeps. @param {Tab} tab @returns {Promise<{ id: string, body: string }[]>} */
const stored = (tab) =>
  tab.run(`new Promise((done, failed) => {
    const opening = indexedDB.open('chopped-chat')
    opening.onerror = failed
    opening.onsuccess = () => {
      const database = opening.result
      const all = database.transaction('drafts').objectStore('drafts').getAll()
      all.onsuccess = () => (database.close(), done(all.result))
    }
  })`)

/** As a page that got no further: the request to send never leaves it. */
const NO_REQUESTS = `{ const real = fetch; globalThis.fetch = (url, init) => String(url).includes('${SEND.slice(0, -1)}') ? new Promise(() => {}) : real(url, init) }`

/**
 * What there is of `body` after the page died and was loaded again: one row, one bubble, under the id that it had.
 *
 * @param {Tab} tab
 * @param {[Person, Person]} people
 * @param {string} body
 * @param {string} [id]
 */
async function thereOnce(tab, [ana, ben], body, id) {
  await eventually(async () => {
    const found = (await rows(ana, ben)).filter((row) => row.body === body)
    const bubbles = (await tab.bubbles()).filter((bubble) => bubble.body === body)
    assert.deepEqual([found.length, bubbles.length], [1, 1])
    assert.deepEqual([bubbles[0]?.id, bubbles[0]?.status], [found[0]?.id, 'sent'])
    if (id !== undefined) assert.equal(found[0]?.id, id)
    assert.deepEqual(await stored(tab), [])
  })
}

test('killed before the store and the request: it is nowhere, not even as a ghost', async () => {
  const people = await acquainted()
  const [ana, ben] = people
  const tab = await live(ana, ben)
  // The page stands still at the write, and no request has left it.
  await tab.run(NO_REQUESTS)
  await tab.run(`IDBObjectStore.prototype.put = () => { for (const end = performance.now() + 60000; performance.now() < end;); }`)
  tab.send('nobody saw it').catch(() => {})
  await new Promise((done) => setTimeout(done, 300))
  const page = tab.page
  await Promise.all([page?.close(), tab.load()])
  await tab.is('live')
  assert.deepEqual(await stored(tab), [])
  assert.deepEqual(await rows(ana, ben), [])
  assert.deepEqual(await tab.bubbles(), [])
})

test('killed after the store, before the request left', async () => {
  const people = await acquainted()
  const tab = await live(...people)
  await tab.run(NO_REQUESTS)
  const id = await tab.send('stored')
  await eventually(async () => assert.deepEqual((await stored(tab)).map(({ id }) => id), [id]))
  await tab.kill()
  assert.deepEqual(await rows(...people), [])
  await tab.load()
  await thereOnce(tab, people, 'stored', id)
})

test('killed while the request is under way', async () => {
  const people = await acquainted()
  const tab = await live(...people)
  await faults({ on: 'request', match: { method: 'POST', path: SEND }, do: { delay_ms: 1_500 }, times: 1 })
  const id = await tab.send('under way')
  await tab.kill()
  await tab.load()
  await thereOnce(tab, people, 'under way', id)
  // And when the first request, if it still ran, has run.
  await new Promise((done) => setTimeout(done, 1_600))
  await thereOnce(tab, people, 'under way', id)
})

test('killed when the server has it and neither answer nor broadcast came', async () => {
  const people = await acquainted()
  const tab = await live(...people)
  await faults({ on: 'request', match: { method: 'POST', path: SEND }, do: { lose_answer: true } }, { on: 'broadcast', do: { drop: true } })
  const id = await tab.send('answer lost')
  await eventually(async () => assert.equal((await rows(...people)).length, 1))
  await tab.kill()
  await faults()
  await tab.load()
  await thereOnce(tab, people, 'answer lost', id)
})

test('killed after the answer, before storage and broadcast knew', async () => {
  const people = await acquainted()
  const tab = await live(...people)
  await faults({ on: 'broadcast', do: { drop: true } })
  await tab.run(`IDBObjectStore.prototype.delete = () => {}`)
  const id = await tab.send('answered')
  await eventually(async () => assert.equal((await tab.bubbles())[0]?.status, 'sent'))
  assert.deepEqual((await stored(tab)).map(({ id }) => id), [id])
  await tab.kill()
  await faults()
  await tab.load()
  await thereOnce(tab, people, 'answered', id)
})

test('reloaded while several wait: they go in the order in which they were typed', async () => {
  const people = await acquainted()
  const tab = await live(...people)
  await faults({ on: 'request', match: { path: SEND }, do: { status: 503, body: {} } })
  const bodies = ['first', 'second', 'third']
  for (const body of bodies) await tab.send(body)
  await tab.reload()
  await eventually(async () => assert.deepEqual((await tab.bubbles()).map(({ body, status }) => [body, status]), bodies.map((body) => [body, 'sending'])))
  await faults()
  await eventually(async () => assert.deepEqual((await rows(...people)).map(({ body }) => body), bodies))
  for (const body of bodies) await thereOnce(tab, people, body)
})

test('typed while storage is still being read: it goes behind what an earlier page left, also where that page dies too', async () => {
  const people = await acquainted()
  const tab = await live(...people)
  await faults({ on: 'request', match: { path: SEND }, do: { status: 503, body: {} } })
  await tab.send('first')
  await tab.context.addInitScript(`{
    const open = IDBFactory.prototype.open
    IDBFactory.prototype.open = function (...what) {
      const request = open.apply(this, what)
      let heard = null
      request.addEventListener('success', (event) => setTimeout(() => heard?.call(request, event), 400))
      Object.defineProperty(request, 'onsuccess', { set: (listener) => (heard = listener) })
      return request
    }
  }`)
  await tab.reload()
  await tab.send('second')
  await tab.reload()
  await tab.send('third')
  await faults()
  const there = async () => (await rows(...people)).map(({ body }) => body)
  await eventually(async () => assert.ok((await there()).includes('third')))
  // The second one's page may have died before it could write.
  assert.deepEqual((await there()).filter((body) => body !== 'second'), ['first', 'third'])
  assert.ok(['first,second,third', 'first,third'].includes((await there()).join()), (await there()).join())
})

test('more than one person may send: what the database refuses waits, and goes in its order', async () => {
  const people = await acquainted()
  const tab = await live(...people)
  // The header is another origin's: a page reads it only if it is told that it may.
  await tab.run(`{
    const real = fetch
    globalThis.waits = []
    globalThis.fetch = async (...request) => {
      const response = await real(...request)
      if (response.status === 429) globalThis.waits.push(response.headers.get('retry-after'))
      return response
    }
  }`)
  await database.query('update public.chat_limits set sends_per_second = 1, send_burst = 2')
  try {
    const bodies = ['one', 'two', 'three', 'four', 'five']
    for (const body of bodies) await tab.send(body)
    await eventually(async () => assert.deepEqual((await rows(...people)).map(({ body }) => body), bodies))
    for (const body of bodies) await thereOnce(tab, people, body)
    const waits = /** @type {(string | null)[]} */ (await tab.run('waits'))
    assert.deepEqual([...new Set(waits)], ['1'])
  } finally {
    await database.query('update public.chat_limits set sends_per_second = default, send_burst = default')
  }
})

test('another tab sends what a dead one left', async () => {
  const people = await acquainted()
  const [ana, ben] = people
  const first = await live(ana, ben)
  const second = await live(ana, ben, first)
  const third = await live(ana, ben, first)
  await first.run(NO_REQUESTS)
  const id = await first.send('left behind')
  await eventually(async () => assert.equal((await stored(second)).length, 1))
  // It lives: nobody takes it away.
  await new Promise((done) => setTimeout(done, 1_000))
  assert.deepEqual(await rows(ana, ben), [])
  assert.deepEqual([...(await second.bubbles()), ...(await third.bubbles())], [])

  const start = performance.now()
  await first.kill()
  await eventually(async () => assert.equal((await rows(ana, ben)).length, 1))
  console.log(`taken over ${Math.round(performance.now() - start)} ms after the kill began`)
  await thereOnce(second, people, 'left behind', id)
  await thereOnce(third, people, 'left behind', id)
})

for (const [missed, reads] of /** @type {[number, number][]} */ ([
  [50, 2],
  [120, 4],
  [150, 4],
])) {
  test(`${missed} missed messages cost at most ${reads} reads after the network is back`, async () => {
    const [ana, ben] = await acquainted()
    await stage.write(ana, ben, ['before'])
    const tab = await live(ben, ana)
    await eventually(async () => assert.equal((await tab.bubbles()).length, 1))
    await tab.context.setOffline(true)
    await faults({ do: { cut: true } })
    await tab.is('offline')
    await stage.write(ana, ben, Array.from({ length: missed }, (_, n) => `missed ${n}`))
    const count = async () => {
      const { requests } = await admin('GET', '/state')
      return ['list_chat_messages', 'sync_chat'].reduce((sum, name) => sum + (requests[`POST /rest/v1/rpc/${name}`] ?? 0), 0)
    }
    const before = await count()
    await admin('POST', '/latency', { ms: 100 })
    const start = performance.now()
    await tab.context.setOffline(false)
    await tab.run(`new Promise((done) => { const look = () => chat.bubbles().length > ${missed} ? done() : setTimeout(look, 2); look() })`)
    const took = performance.now() - start
    await tab.is('live')
    // What follows the join is part of the cost.
    await new Promise((done) => setTimeout(done, 1_500))
    const cost = (await count()) - before
    console.log(`${missed} missed: ${cost} reads, complete after ${Math.round(took)} ms at 100 ms a round trip`)
    assert.deepEqual((await tab.bubbles()).map(({ seq }) => seq), Array.from({ length: missed + 1 }, (_, n) => n + 1))
    assert.ok(cost <= reads, `${cost} reads`)
  })
}
