// The board as an inbox, and receipts: who wrote, how many messages are unread, and which were seen.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APP_URL, Window, database, eventually, introduce, open, pair, person, seed, threadId, write } from './helpers.js'

/** @typedef {import('./helpers.js').Person} Person */

/** Longer than it takes for something in view to count as seen, and to be told. */
const SEEN = 2_000
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true }

const bodies = (/** @type {number} */ count, what = 'message') => Array.from({ length: count }, (_, n) => `${what} ${n + 1}`)
const sleep = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms))

/** `from` writes to `to`, from another device. @param {Person} from @param {Person} to @param {string[]} all */
const says = (from, to, ...all) => write(from, to, all, { byTurns: false })

/** The board of `who`, live. @param {Person} who @param {import('playwright-core').BrowserContextOptions} [options] */
async function board(who, options) {
  const window = await open(who, options)
  await isLive(window)
  return window
}
const isLive = (/** @type {Window} */ { page }) => page.locator('[data-testid=inbox][data-status=live]').waitFor({ state: 'attached' })

/** @param {Window} window @param {string[]} wanted */
const shows = (window, wanted, within = 60_000) => eventually(async () => assert.deepEqual(await window.conversations(), wanted), within)

/** @param {Window} window @param {string} body @param {string} wanted */
const ticked = (window, body, wanted) => eventually(async () => assert.equal(await window.ticks(body), wanted))

/** How far the server knows that `me` has read. @param {Person} me @param {Person} other @returns {Promise<number>} */
async function readBy(me, other) {
  const sql = 'select read_seq::int from public.chat_markers where thread_id = $1 and supabase_id = $2'
  return (await database.query(sql, [threadId(me, other), me.id])).rows[0]?.read_seq ?? 0
}

const toEnd = (/** @type {Window} */ { page }) => page.getByTestId('messages').evaluate((list) => list.scrollTo({ top: list.scrollHeight }))

/** Whether the element is within what the list shows. @param {import('playwright-core').Locator} locator */
const isInView = (locator) =>
  locator.evaluate((element) => {
    const [own, list] = [element, element.closest('.list')].map((one) => /** @type {Element} */ (one).getBoundingClientRect())
    return !!own && !!list && own.top >= list.top && own.bottom <= list.bottom
  })

test('a message while the board is open: preview, badge, order, title and app badge follow by themselves', async () => {
  const [ana, ben] = await pair()
  const cleo = await person('Cleo')
  await introduce(ana, ben)
  const window = await Window.empty()
  const { page } = window
  await page.addInitScript(`globalThis.badges = []
    navigator.setAppBadge = async (count) => void badges.push(count)
    navigator.clearAppBadge = async () => void badges.push(0)`)
  await window.signIn(ana)
  await isLive(window)
  await shows(window, [])
  assert.equal(await page.title(), 'Chopped')
  await page.evaluate('globalThis.same = true')

  await says(ben, ana, 'one', 'two')
  await shows(window, ['Ben | two | 2'])
  // Their first message is what makes the conversation.
  await introduce(cleo, ana)
  await says(cleo, ana, 'hello')
  await shows(window, ['Cleo | hello | 1', 'Ben | two | 2'])
  assert.equal(await page.title(), '(3) Chopped')
  await says(ben, ana, ...bodies(98, 'more'))
  await shows(window, ['Ben | more 98 | 99+', 'Cleo | hello | 1'])
  assert.equal(await page.title(), '(99+) Chopped')
  await says(ana, cleo, 'in a minute')
  await shows(window, ['Cleo | Sent | You: in a minute | 1', 'Ben | more 98 | 99+'])
  assert.equal(await page.evaluate('same'), true, 'without a reload')
  assert.equal(await page.evaluate('badges.at(-1)'), 101)

  // Behind them is who said nothing yet.
  const names = await page.locator('.board button').evaluateAll((all) => all.map((one) => one.querySelector('[data-testid=preview]') !== null))
  assert.deepEqual(names.slice(0, 3), [true, true, false])
  await page.getByTestId('sign-out').click()
  await eventually(async () => assert.equal(await page.title(), 'Chopped'))
  assert.equal(await page.evaluate('badges.at(-1)'), 0)
})

test('a chat opens at the first unread message; what is seen is cleared, on the other device too', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, ['hello', 'hi'])
  await says(ben, ana, ...bodies(30))
  const [desk, phone] = await Promise.all([board(ana), board(ana, PHONE)])
  for (const window of [desk, phone]) await shows(window, ['Ben | message 30 | 30'])
  const divider = desk.page.getByTestId('first-unread')
  const clear = ['Ben | message 30']

  await desk.chatWith(ben)
  await divider.waitFor()
  assert.ok(await isInView(divider))
  assert.ok(await isInView(desk.bubble('message 1')), 'it stands above the first one')
  // What is below the view is not seen.
  await sleep(SEEN)
  const read = await readBy(ana, ben)
  assert.ok(read > 2 && read < 25, `seen up to ${read}`)
  await shows(phone, [`Ben | message 30 | ${32 - read}`])
  assert.equal(await desk.page.title(), `(${32 - read}) Chopped`)

  await toEnd(desk)
  await shows(desk, clear)
  const start = performance.now()
  await shows(phone, clear)
  const took = Math.round(performance.now() - start)
  console.log(`clear on the other device ${took} ms later`)
  assert.ok(took < 2_000, `${took} ms`)
  assert.equal(await phone.page.title(), 'Chopped')

  await says(ben, ana, 'and one more')
  await desk.bubble('and one more').waitFor()
  assert.equal(await divider.count(), 1, 'the divider stays where it was')
  await shows(phone, ['Ben | and one more'])
  await desk.leave()
  await desk.chatWith(ben)
  await desk.bubble('and one more').waitFor()
  await desk.is('live')
  assert.equal(await divider.count(), 0, 'and is gone at the next visit')
})

test('the first unread message is found where it lies pages further up', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, bodies(60, 'old'))
  await says(ben, ana, ...bodies(80, 'new'))
  const window = await board(ana)
  await window.chatWith(ben)
  await window.page.getByTestId('first-unread').waitFor()
  await eventually(async () => assert.ok(await isInView(window.bubble('new 1'))))
  await sleep(SEEN)
  assert.ok((await readBy(ana, ben)) < 100)
  await toEnd(window)
  await shows(window, ['Ben | new 80'])
})

test('after many own messages an answer is seen', async () => {
  const [ana, ben] = await pair()
  await introduce(ana, ben)
  await says(ana, ben, ...bodies(70, 'mine'))
  const window = await board(ana)
  await window.chatWith(ben)
  await window.is('live')
  await says(ben, ana, 'at last')
  await window.bubble('at last').waitFor()
  await eventually(async () => assert.equal(await readBy(ana, ben), 71))
})

test('an own message is sent, then delivered, then read: in the chat and on the board', async () => {
  const [ana, ben] = await pair()
  const [atAna, atAnasPhone] = await Promise.all([board(ana), board(ana, PHONE)])
  await atAna.chatWith(ben)
  await atAna.is('live')
  await atAna.send('dinner?')
  await ticked(atAna, 'dinner?', 'Sent')
  await shows(atAnasPhone, ['Ben | Sent | You: dinner?'])
  const atBen = await board(ben)
  await shows(atBen, ['Ana | dinner? | 1'])
  await ticked(atAna, 'dinner?', 'Delivered')
  await shows(atAnasPhone, ['Ben | Delivered | You: dinner?'])
  await atBen.chatWith(ana)
  await ticked(atAna, 'dinner?', 'Read')
  await shows(atAnasPhone, ['Ben | Read | You: dinner?'])
})

test('a stranger who writes first appears with their name', async () => {
  const ana = await person('Ana')
  const atAna = await board(ana)
  // An account that is newer than the list of people on Ana's page.
  const dan = await person('Dan')
  const atDan = await board(dan)
  await atDan.chatWith(ana)
  await atDan.send('we have not met')
  await shows(atAna, ['Dan | we have not met | 1'])
  await atAna.chatWith(dan)
  await atAna.bubble('we have not met').waitFor()
  await shows(atAna, ['Dan | we have not met'])
})

for (const [what, comesBack] of /** @type {[string, (window: Window) => Promise<unknown>][]} */ ([
  ['by the same page', ({ context }) => context.setOffline(false)],
  [
    'by the next page, which opens no chat',
    async ({ context, page }) => {
      await page.close()
      await context.setOffline(false)
      await (await context.newPage()).goto(APP_URL)
    },
  ],
])) {
  test(`what is read without a network is told when it is back, ${what}`, async () => {
    const [ana, ben] = await pair()
    await introduce(ana, ben)
    await says(ben, ana, ...bodies(30))
    const window = await board(ana)
    await window.chatWith(ben)
    await window.page.getByTestId('first-unread').waitFor()
    await sleep(SEEN)
    await window.context.setOffline(true)
    await window.is('offline')
    await toEnd(window)
    await shows(window, ['Ben | message 30'])
    assert.ok((await readBy(ana, ben)) < 30)
    await comesBack(window)
    await eventually(async () => assert.equal(await readBy(ana, ben), 30))
  })
}

for (const [what, away, back] of /** @type {[string, string, string][]} */ ([
  ['without the focus', `document.hasFocus = () => false; dispatchEvent(new Event('blur'))`, `delete document.hasFocus; dispatchEvent(new Event('focus'))`],
  [
    'that is hidden',
    `Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`,
    `delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))`,
  ],
])) {
  test(`a window ${what} marks nothing as read until it is looked at`, async () => {
    const [ana, ben] = await pair()
    await introduce(ana, ben)
    await says(ben, ana, 'before')
    const window = await board(ana)
    await window.chatWith(ben)
    await eventually(async () => assert.equal(await readBy(ana, ben), 1))
    await window.page.evaluate(away)
    await says(ben, ana, 'while nobody looks')
    await window.bubble('while nobody looks').waitFor()
    await sleep(SEEN)
    assert.equal(await readBy(ana, ben), 1)
    await shows(window, ['Ben | while nobody looks | 1'])
    assert.equal(await window.page.title(), '(1) Chopped')
    await window.page.evaluate(back)
    await eventually(async () => assert.equal(await readBy(ana, ben), 2))
    await shows(window, ['Ben | while nobody looks'])
  })
}

test('a chat that is scrolled up does not mark what is below', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, bodies(40))
  const window = await board(ana)
  await window.chatWith(ben)
  await window.is('live')
  await window.page.getByTestId('messages').evaluate((list) => list.scrollTo({ top: 0 }))
  await says(ben, ana, 'down here')
  await window.page.getByTestId('new-messages').waitFor()
  await sleep(SEEN)
  assert.equal(await readBy(ana, ben), 40)
  await shows(window, ['Ben | down here | 1'])
  await window.page.getByTestId('new-messages').click()
  await eventually(async () => assert.equal(await readBy(ana, ben), 41))
})

test('without receipts nobody is told, nothing is shown, and the badge is cleared all the same', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, ['hello', 'hi'])
  const [atAna, atBen] = await Promise.all([board(ana), board(ben)])
  await atAna.page.getByRole('checkbox').uncheck()
  await isLive(atAna)
  await atBen.chatWith(ana)
  await atBen.is('live')
  await atBen.send('are you there?')
  await shows(atAna, ['Ben | are you there? | 1'])
  await atAna.chatWith(ben)
  await eventually(async () => assert.equal(await readBy(ana, ben), 3))
  await shows(atAna, ['Ben | are you there?'])
  await atAna.send('yes')
  await eventually(async () => assert.equal(await readBy(ben, ana), 4))
  await sleep(SEEN)
  assert.deepEqual([await atBen.ticks('are you there?'), await atAna.ticks('yes')], ['Sent', 'Sent'])
  // And from then on again.
  await atAna.leave()
  await atAna.page.getByRole('checkbox').check()
  await atBen.send('good')
  await atAna.chatWith(ben)
  await ticked(atBen, 'good', 'Read')
  await ticked(atAna, 'yes', 'Read')
})
