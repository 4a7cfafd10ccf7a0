// What a chat message, and a change of one, cost in Realtime messages, counted as Supabase bills them: each send and each
// delivery. One tab a person; Ana writes, Ben reads. The README has the table.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Stage, Tab, acquainted } from './chaos/stage.js'
import { admin, browser, database, open, pair, seed, threadId } from './helpers.js'

const MESSAGES = 5
/** Long enough for each to be delivered, or read, by itself. */
const PACE_MS = 3_500

/** @type {Stage} */
let stage
before(async () => {
  stage = await Stage.open(browser)
})
after(() => stage.leave())

/** @returns {Promise<number>} */
const billed = async () => (await admin('GET', '/state')).messages

/** What a message costs: of some that come one by one, and of as many at once. @param {(body: string) => Promise<unknown>} send */
async function cost(send) {
  const costs = []
  for (const pace of [PACE_MS, 0]) {
    await sleep(PACE_MS)
    const start = await billed()
    for (let n = 0; n < MESSAGES; n++) {
      await send(`message ${n + 1}`)
      await sleep(pace)
    }
    await sleep(PACE_MS)
    costs.push(((await billed()) - start) / MESSAGES)
  }
  const [single = NaN, burst = NaN] = costs
  return { single, burst }
}

/** @param {string} what @param {{ single: number, burst: number }} costs */
const tell = (what, { single, burst }) => console.log(`${what}: ${single} one by one, ${burst} in a burst`)

async function withoutInbox() {
  const [ana, ben] = await acquainted()
  const tabs = await Promise.all([Tab.open(stage, 'ours', ana, ben), Tab.open(stage, 'ours', ben, ana)])
  await Promise.all(tabs.map((tab) => tab.is('live')))
  const costs = await cost((body) => tabs[0].send(body))
  await Promise.all(tabs.map(({ context }) => context.close()))
  return costs
}

/**
 * On the example, Ana in the chat.
 *
 * @param {{ receipts: boolean, reads: boolean }} how `reads`: Ben is in the chat too, else at the board
 * @param {string[]} [bodies] what they have said and read
 */
async function atExample({ receipts, reads }, bodies = []) {
  const [ana, ben] = await pair()
  await seed(ana, ben, bodies)
  const [atAna, atBen] = await Promise.all([open(ana), open(ben)])
  if (!receipts) for (const { page } of [atAna, atBen]) await page.getByRole('checkbox').uncheck()
  await atAna.chatWith(ben)
  await atAna.is('live')
  if (reads) {
    await atBen.chatWith(ana)
    await atBen.is('live')
  }
  return atAna
}

/** @param {{ receipts: boolean, reads: boolean }} how */
async function withInbox(how) {
  const atAna = await atExample(how)
  return cost((body) => atAna.send(body))
}

/** @param {() => Promise<unknown>} change */
async function costOf(change) {
  await sleep(PACE_MS)
  const start = await billed()
  await change()
  await sleep(PACE_MS)
  return (await billed()) - start
}

test('where nobody uses an inbox its migration costs nothing', async () => {
  const costs = await withoutInbox()
  tell('no inbox', costs)
  assert.equal(costs.single, 3)
  await database.query('alter table public.chat_messages disable trigger chat_messages_inbox')
  try {
    assert.equal((await withoutInbox()).single, costs.single)
  } finally {
    await database.query('alter table public.chat_messages enable trigger chat_messages_inbox')
  }
})

for (const [what, how, single] of /** @type {const} */ ([
  // The message 3, both inboxes 4, the reader's own inbox 2.
  ['inbox without receipts, both in the chat', { receipts: false, reads: true }, 9],
  // And the thread 3, the author's inbox 2.
  ['inbox with receipts, both in the chat', { receipts: true, reads: true }, 14],
  // Without Ben at the thread: twice one less. It is delivered, and not read.
  ['inbox with receipts, the reader at the board', { receipts: true, reads: false }, 12],
])) {
  test(what, async () => {
    const costs = await withInbox(how)
    tell(what, costs)
    assert.equal(costs.single, single)
    assert.ok(costs.burst < single, 'a burst is marked together')
  })
}

test('a change where nobody uses an inbox', async () => {
  const [ana, ben] = await acquainted()
  const tabs = await Promise.all([Tab.open(stage, 'ours', ana, ben), Tab.open(stage, 'ours', ben, ana)])
  await Promise.all(tabs.map((tab) => tab.is('live')))
  await tabs[0].send('first')
  // As another device of hers does it, one with `chopped-chat/inbox`.
  const edit = 'update public.chat_messages set body = $2, edited_at = now() where thread_id = $1'
  const costs = await costOf(() => database.query(edit, [threadId(ana, ben), 'second']))
  await Promise.all(tabs.map(({ context }) => context.close()))
  console.log(`a change, no inbox: ${costs}`)
  // The change itself, to both.
  assert.equal(costs, 3)
})

for (const [what, reads, older, newest] of /** @type {const} */ ([
  // The change 3; and where their lines of the board tell of it, both inboxes 4.
  ['both in the chat', true, 3, 7],
  // Without Ben at the thread: one less.
  ['the reader at the board', false, 2, 6],
])) {
  test(`changes with inbox and receipts, ${what}`, async () => {
    const atAna = await atExample({ receipts: true, reads }, ['old', 'an answer', 'new'])
    /** @type {[string, number, () => Promise<unknown>][]} */
    const all = [
      ['an edit of an older message', older, () => atAna.edit('old', 'older')],
      ['a reaction to an older message', older, () => atAna.react('older', '👍')],
      // What is unread may be less then.
      ['an unsend of an older message', newest, () => atAna.unsend('older')],
      ['an edit of the newest message', newest, () => atAna.edit('new', 'newer')],
      ['a reaction to the newest message', newest, () => atAna.react('newer', '👍')],
      ['an unsend of the newest message', newest, () => atAna.unsend('newer')],
    ]
    const costs = []
    for (const [name, , change] of all) costs.push([name, await costOf(change)])
    console.log(`${what}: ${costs.map(([name, count]) => `${name} ${count}`).join(', ')}`)
    assert.deepEqual(costs, all.map(([name, count]) => [name, count]))
  })
}
