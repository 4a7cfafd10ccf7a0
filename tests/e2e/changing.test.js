// Second thoughts: what was said is edited, unsent, reacted and replied to, on real screens.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APP_URL, Window, chatting, database, eventually, faults, introduce, open, pair, seed, threadId } from './helpers.js'

/** @typedef {import('./helpers.js').Person} Person */
/** @typedef {{ seq: number, sender: string, body: string, edited: boolean, deleted: boolean, reaction_a: string | null, reaction_b: string | null, reply_to: number | null }} Row */

const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true }
const UNSENT = 'Message unsent'
const bodies = (/** @type {number} */ count) => Array.from({ length: count }, (_, n) => `message ${n + 1}`)
const path = (/** @type {string} */ name) => `/rest/v1/rpc/${name}*`
const sleep = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms))

/** @param {Person} a @param {Person} b @returns {Promise<Row[]>} */
async function table(a, b) {
  const sql = `select seq::int, sender_mongo_id as sender, body, edited_at is not null as edited, deleted_at is not null as deleted,
      reaction_a, reaction_b, reply_to::int from public.chat_messages where thread_id = $1 order by seq`
  return (await database.query(sql, [threadId(a, b)])).rows
}

/** How many changes the thread has seen. @param {Person} a @param {Person} b @returns {Promise<number>} */
async function changes(a, b) {
  return (await database.query('select last_rev::int from public.chat_threads where thread_id = $1', [threadId(a, b)])).rows[0]?.last_rev
}

/** All that a screen shows of its messages. @param {Window} window */
const screen = ({ page }) =>
  page.getByTestId('message').evaluateAll((all) =>
    all.map((one) => ({
      seq: Number(one.dataset['seq']),
      sender: one.dataset['sender'],
      text: one.querySelector('.bubble > p')?.textContent,
      edited: one.querySelector('footer')?.textContent?.includes('edited'),
      gone: one.dataset['gone'] !== undefined,
      reactions: Array.from(one.querySelectorAll('.reactions button'), (button) => button.getAttribute('aria-label')),
      quote: one.querySelector('.quote-text')?.textContent,
      change: one.dataset['change'],
    })),
  )

/** What `me` must see of `rows`, all of them or the newest. @param {Row[]} rows @param {Person} me @param {Person} other */
function wanted(rows, me, other) {
  const isA = me.mongoId < other.mongoId
  return rows.map(({ seq, sender, body, edited, deleted, reaction_a, reaction_b, reply_to }) => {
    const [mine, theirs] = isA ? [reaction_a, reaction_b] : [reaction_b, reaction_a]
    const by = (/** @type {string} */ emoji) => [emoji === mine ? ['you'] : [], emoji === theirs ? [other.name] : []].flat().join(' and ')
    const original = rows.find((row) => row.seq === reply_to)
    return {
      seq,
      sender: sender === me.mongoId ? 'me' : 'them',
      text: deleted ? UNSENT : body,
      edited,
      gone: deleted,
      reactions: [...new Set([theirs, mine])].flatMap((emoji) => (emoji === null ? [] : [`${emoji} by ${by(emoji)}`])),
      quote: original && (original.deleted ? UNSENT : original.body),
      change: undefined,
    }
  })
}

/** All screens show the thread as the table has it, which holds `expected`. @param {[Person, Person]} people @param {[Person, Window][]} screens @param {Partial<Row>[]} expected */
async function agree([a, b], screens, expected) {
  await eventually(async () => {
    const rows = await table(a, b)
    assert.equal(rows.length, expected.length)
    for (const [index, row] of expected.entries()) assert.deepEqual({ ...rows[index], ...row }, rows[index])
    for (const [me, window] of screens) assert.deepEqual(await screen(window), wanted(rows, me, me === a ? b : a), `${me.name}'s screen`)
  })
}

/** All that a browser keeps of this origin in databases, as one text. @param {Window} window @returns {Promise<string>} */
const kept = ({ page }) =>
  page.evaluate(async () => {
    const heard = (/** @type {IDBRequest} */ request) => new Promise((done, failed) => ((request.onsuccess = () => done(request.result)), (request.onerror = failed)))
    const all = []
    for (const { name = '' } of await indexedDB.databases()) {
      const database = await heard(indexedDB.open(name))
      for (const store of database.objectStoreNames) all.push(await heard(database.transaction(store).objectStore(store).getAll()))
      database.close()
    }
    return JSON.stringify(all)
  })

/** A new tab after this one died without a word, or after a reload. @param {Window} window @param {Person} other @param {'reloaded' | 'killed'} how */
async function again(window, other, how) {
  let next = window
  if (how === 'reloaded') await window.page.reload()
  else {
    const devtools = await window.context.newCDPSession(window.page)
    const crashed = new Promise((done) => window.page.once('crash', done))
    devtools.send('Page.crash').catch(() => {})
    await crashed
    await window.page.close()
    next = new Window(window.context, await window.context.newPage())
    await next.page.goto(APP_URL)
  }
  await next.chatWith(other)
  return next
}

/**
 * What can be done with the only message, Ana's: at whose screen, and what the table holds then.
 *
 * @type {Record<string, { rpc: string, act: (window: Window) => Promise<unknown>, after: Partial<Row>[] }>}
 */
const ACTIONS = {
  'an edit': { rpc: 'edit_chat_message', act: (window) => window.edit('first', 'second'), after: [{ body: 'second', edited: true }] },
  'an unsend': { rpc: 'unsend_chat_message', act: (window) => window.unsend('first'), after: [{ body: '', deleted: true }] },
  'a reaction': { rpc: 'react_chat_message', act: (window) => window.react('first', '❤️'), after: [{ body: 'first', edited: false }] },
  'a reply': { rpc: 'insert_chat_message', act: (window) => window.reply('first', 'second'), after: [{ body: 'first' }, { body: 'second', reply_to: 1 }] },
}

/** Ana and Ben in each other's chat, and Ana has said `first`. */
async function said() {
  const people = await pair()
  const windows = await chatting(...people)
  await windows[0].send('first')
  await windows[1].bubble('first').waitFor()
  await windows[0].bubble('first').and(windows[0].page.locator('[data-status=sent]')).waitFor()
  return { people, windows }
}

for (const [what, { act, after }] of Object.entries(ACTIONS)) {
  test(`changing: ${what} is shown at once, and is seen by both`, async () => {
    const { people, windows } = await said()
    const [ana, ben] = people
    await act(windows[0])
    await agree(people, [[ana, windows[0]], [ben, windows[1]]], after)
  })

  test(`changing: ${what} without a network is shown at once, and done when it is back`, async () => {
    const { people, windows } = await said()
    const [ana, ben] = people
    const [atAna, atBen] = windows
    const before = await screen(atBen)
    await atAna.context.setOffline(true)
    await atAna.is('offline')
    await act(atAna)
    await eventually(async () => assert.notDeepEqual((await screen(atAna)).map((one) => ({ ...one, change: undefined })), before.map((one) => ({ ...one, sender: 'me' }))))
    assert.deepEqual(await screen(atBen), before)
    await atAna.context.setOffline(false)
    await agree(people, [[ana, atAna], [ben, atBen]], after)
  })
}

for (const [what, { rpc, act, after }] of Object.entries(ACTIONS)) {
  for (const how of /** @type {const} */ (['reloaded', 'killed'])) {
    test(`changing: ${what}, and the page is ${how} before it has left`, async () => {
      const { people, windows } = await said()
      const [ana, ben] = people
      await faults({ on: 'request', match: { method: 'POST', path: path(rpc) }, do: { status: 503, body: {} } })
      await act(windows[0])
      const seen = await eventually(async () => {
        const now = await screen(windows[0])
        assert.ok(now.some(({ change, seq }) => change === 'sending' || Number.isNaN(seq)))
        return now
      })
      const next = await again(windows[0], ben, how)
      await eventually(async () => assert.deepEqual(await screen(next), seen, 'it is still shown as done'))
      await faults()
      await agree(people, [[ana, next], [ben, windows[1]]], after)
    })
  }

  test(`changing: ${what} of which neither answer nor broadcast comes, and the page is killed: it is done once`, async () => {
    const { people, windows } = await said()
    const [ana, ben] = people
    await faults({ on: 'request', match: { method: 'POST', path: path(rpc) }, do: { lose_answer: true } }, { on: 'broadcast', do: { drop: true } })
    await act(windows[0])
    const done = async () => [(await table(ana, ben)).length, await changes(ana, ben)]
    const once = what === 'a reply' ? [2, 0] : [1, 1]
    await eventually(async () => assert.deepEqual(await done(), once))
    const next = await again(windows[0], ben, 'killed')
    await faults()
    await agree(people, [[ana, next], [ben, windows[1]]], after)
    assert.deepEqual(await done(), once)
  })
}

test('changing: of an edited and of an unsent message the old text is gone: from screens, boards, and what the browser keeps', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  const atBoard = await open(ben)
  const all = [atAna, atBen, atBoard]
  await atAna.send('a secret of one kind')
  await atBen.bubble('a secret of one kind').waitFor()
  await atBoard.page.getByText('a secret of one kind').waitFor()
  await atBen.reply('a secret of one kind', 'are you sure?')
  await atAna.bubble('are you sure?').waitFor()

  await atAna.edit('a secret of one kind', 'a word of another')
  for (const window of [atAna, atBen]) await window.bubble('a word of another').waitFor()
  for (const window of all) await eventually(async () => assert.ok(!(await window.page.content()).includes('a secret of one kind')))
  for (const window of all) await eventually(async () => assert.ok(!(await kept(window)).includes('a secret of one kind')))

  await atAna.send('and the newest')
  await atBoard.page.getByText('and the newest').waitFor()
  for (const body of ['a word of another', 'and the newest']) await atAna.unsend(body)
  await agree([ana, ben], [[ana, atAna], [ben, atBen]], [{ deleted: true }, { body: 'are you sure?', reply_to: 1 }, { deleted: true }])
  for (const body of ['a word of another', 'and the newest']) {
    for (const window of all) await eventually(async () => assert.ok(!(await window.page.content()).includes(body)))
    for (const window of all) await eventually(async () => assert.ok(!(await kept(window)).includes(body)))
  }
  await eventually(async () => assert.deepEqual(await atBoard.conversations(), [`Ana | ${UNSENT}`]))
  await atAna.leave()
  assert.deepEqual(await atAna.conversations(), [`Ben | ${UNSENT}`])
})

test('changing: unread messages that are unsent are not counted any more', async () => {
  const [ana, ben] = await pair()
  await introduce(ana, ben)
  const [atAna, atBen] = await Promise.all([open(ana), open(ben)])
  await atAna.chatWith(ben)
  await atAna.is('live')
  for (const body of ['one', 'two']) await atAna.send(body)
  await eventually(async () => assert.deepEqual(await atBen.conversations(), ['Ana | two | 2']))
  await atAna.unsend('one')
  await eventually(async () => assert.deepEqual(await atBen.conversations(), ['Ana | two | 1']))
  await atAna.unsend('two')
  await eventually(async () => assert.deepEqual(await atBen.conversations(), [`Ana | ${UNSENT}`]))
  assert.equal(await atBen.page.title(), 'Chopped')
})

test('changing: both react, change their mind, join in and take it back', async () => {
  const { people, windows } = await said()
  const [ana, ben] = people
  const [atAna, atBen] = windows
  const screens = /** @type {[Person, Window][]} */ ([[ana, atAna], [ben, atBen]])
  const chips = (/** @type {Window} */ window) => window.page.getByTestId('reactions').getByRole('button')
  const shows = (/** @type {string[]} */ ...labels) => eventually(async () => assert.deepEqual(await chips(atAna).evaluateAll((all) => all.map((one) => one.ariaLabel)), labels))

  await Promise.all([atAna.react('first', '😂'), atBen.react('first', '👍')])
  await shows('👍 by Ben', '😂 by you')
  await agree(people, screens, [{ body: 'first', edited: false }])
  await atBen.react('first', '❤️')
  await shows('❤️ by Ben', '😂 by you')
  await chips(atAna).first().click()
  await shows('❤️ by you and Ben')
  assert.equal(await chips(atAna).first().getAttribute('aria-pressed'), 'true')
  await chips(atAna).first().click()
  await shows('❤️ by Ben')
  // The one that is taken is shown pressed in the menu, and a tap takes it back.
  await atBen.menu('first')
  const taken = atBen.page.getByRole('menuitemcheckbox', { checked: true })
  assert.deepEqual(await taken.allInnerTexts(), ['❤️'])
  await taken.click()
  await shows()
  await agree(people, screens, [{ reaction_a: null, reaction_b: null }])
})

test('changing: a quote leads to its original, pages further up, which is highlighted and has the focus; and it follows it', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, bodies(130))
  await database.query(
    `insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, reply_to) values ($1, $2, $3, $4, 'do you remember?', 1)`,
    [threadId(ana, ben), ben.id, ben.mongoId, ana.mongoId],
  )
  const [atAna, atBen] = await chatting(ana, ben)
  const quote = atAna.bubble('do you remember?').getByTestId('quote')
  await eventually(async () => assert.match(await quote.innerText(), /You\s+message 1$/))
  await quote.click()
  const original = atAna.page.locator('[data-seq="1"]')
  await original.and(atAna.page.locator('[data-highlighted]')).waitFor()
  const isInView = () => original.evaluate((one) => {
    const [own, list] = [one, one.closest('.list')].map((box) => /** @type {Element} */ (box).getBoundingClientRect())
    return !!own && !!list && own.top >= list.top && own.bottom <= list.bottom
  })
  await eventually(async () => assert.ok(await isInView()))
  assert.equal(await atAna.page.evaluate(() => document.activeElement?.getAttribute('data-seq')), '1')
  // What comes in leaves the reader there; what they send brings them back to the end.
  await atBen.send('well?')
  await atAna.page.getByTestId('new-messages').waitFor()
  assert.ok(await isInView())
  await atAna.edit('message 1', 'the first of all')
  await eventually(async () => assert.match(await atBen.bubble('do you remember?').getByTestId('quote').innerText(), /Ana\s+the first of all$/))
  await atAna.send('I do')
  await eventually(async () => assert.ok(!(await isInView())))
  await atAna.bubble('I do').and(atAna.page.locator('[data-status=sent]')).waitFor()
  // An original that is not loaded at the other's is unsent.
  await database.query('update public.chat_messages set deleted_at = now(), edited_at = null, body = $2 where thread_id = $1 and seq = 1', [threadId(ana, ben), ''])
  for (const window of [atAna, atBen]) await eventually(async () => assert.match(await window.bubble('do you remember?').getByTestId('quote').innerText(), /Message unsent$/))
})

test('changing: two devices of one person change the same message: all screens end as the table', async () => {
  const { people, windows } = await said()
  const [ana, ben] = people
  const phone = await open(ana, PHONE)
  await phone.chatWith(ben)
  await phone.is('live')
  const screens = /** @type {[Person, Window][]} */ ([[ana, windows[0]], [ana, phone], [ben, windows[1]]])
  await Promise.all([windows[0].edit('first', 'by the desk'), phone.react('first', '👍')])
  await agree(people, screens, [{ body: 'by the desk', edited: true }])

  // While the phone edits, the desk unsends it.
  await windows[0].menu('by the desk')
  await windows[0].page.keyboard.press('Escape')
  await phone.menu('by the desk')
  await phone.page.getByRole('menuitem', { name: 'Edit' }).click()
  await phone.composer.fill('by the phone')
  await windows[0].unsend('by the desk')
  await agree(people, screens, [{ body: '', deleted: true }])
  assert.match(await phone.page.getByTestId('subject').innerText(), /can’t be edited any more/)
  assert.equal(await phone.composer.inputValue(), 'by the phone', 'nothing that was typed is lost')
  assert.ok(await phone.page.getByTestId('send').isDisabled())
})

test('changing: an edit that the server refuses: the row, why, and what was typed; it is asked for again, or dropped', async () => {
  const { people, windows } = await said()
  const [ana, ben] = people
  const [atAna, atBen] = windows
  const screens = /** @type {[Person, Window][]} */ ([[ana, atAna], [ben, atBen]])
  const refused = atAna.page.getByTestId('refused-change')
  const REFUSAL = { on: 'request', match: { method: 'POST', path: path('edit_chat_message') }, do: { status: 400, body: { code: 'CH410', message: 'the window is over' } } }
  await faults(REFUSAL)
  await atAna.edit('first', 'too late')
  await refused.waitFor()
  assert.deepEqual(await refused.locator('p, span').allInnerTexts(), ['too late', 'Not edited. It is too late for that.'])
  assert.equal((await screen(atAna))[0]?.text, 'first')
  // It is kept, also by the next page.
  const next = await again(atAna, ben, 'reloaded')
  await refused.waitFor()
  await faults()
  await next.page.getByTestId('retry').click()
  await agree(people, screens, [{ body: 'too late', edited: true }])

  await faults(REFUSAL)
  await atAna.edit('too late', 'later still')
  await refused.waitFor()
  await next.page.getByTestId('discard').click()
  await refused.waitFor({ state: 'detached' })
  await agree(people, screens, [{ body: 'too late', edited: true }])
})

test('changing: the menu offers what may be done: nothing of the other’s to change, and nothing when the time is over', async () => {
  await database.query(`update public.chat_limits set edit_window = '3 seconds', unsend_window = '6 seconds'`)
  try {
    const { people, windows } = await said()
    const offers = async (/** @type {Window} */ window) => {
      await window.menu('first')
      const names = await window.page.getByRole('menuitem').allInnerTexts()
      await window.page.keyboard.press('Escape')
      return names
    }
    assert.deepEqual(await offers(windows[1]), ['Reply', 'Copy text'])
    await eventually(async () => assert.deepEqual(await offers(windows[0]), ['Reply', 'Copy text', 'Unsend']))
    await eventually(async () => assert.deepEqual(await offers(windows[0]), ['Reply', 'Copy text']))
    await windows[0].composer.press('ArrowUp')
    assert.equal(await windows[0].page.getByTestId('subject').count(), 0)
    assert.equal((await table(...people)).length, 1)
  } finally {
    await database.query('update public.chat_limits set edit_window = default, unsend_window = default')
  }
})

test('changing: a message that was never sent is rewritten, or discarded', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  await atAna.context.setOffline(true)
  await atAna.is('offline')
  for (const body of ['one', 'two']) await atAna.send(body)
  await atAna.edit('one', 'rather this')
  await atAna.bubble('rather this').waitFor()
  await atAna.unsend('two')
  await atAna.bubble('two').waitFor({ state: 'detached' })
  await atAna.context.setOffline(false)
  await agree([ana, ben], [[ana, atAna], [ben, atBen]], [{ body: 'rather this', edited: false }])
})

test('changing: of a message that may have arrived, an edit and an unsend reach what did', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  for (const [body, change, arrives, after] of /** @type {[string, () => Promise<unknown>, boolean, Partial<Row>[]][]} */ ([
    ['one', () => atAna.edit('one', 'rather this'), true, [{ body: 'rather this' }]],
    ['two', () => atAna.unsend('two'), true, [{ body: 'rather this' }, { deleted: true }]],
    ['three', () => atAna.unsend('three'), false, [{ body: 'rather this' }, { deleted: true }]],
  ])) {
    await faults({ on: 'request', match: { method: 'POST', path: path('insert_chat_message') }, do: arrives ? { lose_answer: true } : { status: 503, body: {} } }, { on: 'broadcast', do: { drop: true } })
    const tried = atAna.page.waitForRequest((request) => request.url().includes('insert_chat_message'))
    await atAna.send(body)
    await tried
    await change()
    await faults()
    await agree([ana, ben], [[ana, atAna], [ben, atBen]], after)
    assert.equal(await atAna.page.getByTestId('refused-change').count(), 0)
  }
})

test('changing: by the keyboard alone: Tab, arrows, Esc and Enter; what was typed comes back after an edit', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, ['one', 'two', 'three'])
  const window = await open(ana)
  const { page, composer } = window
  await window.chatWith(ben)
  await window.is('live')
  const has = async () => page.evaluate(() => document.activeElement?.closest('[data-id]')?.querySelector('.bubble > p')?.textContent)
  const item = () => page.evaluate(() => document.activeElement?.textContent)

  await composer.fill('half a thought')
  await page.keyboard.press('Shift+Tab')
  assert.equal(await has(), 'three', 'one stop for all messages, and the newest is it')
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('ArrowUp')
  assert.equal(await has(), 'one')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Shift+Tab')
  assert.equal(await has(), 'one')

  await page.keyboard.press('Enter')
  assert.equal(await item(), '👍')
  for (const [key, wanted] of [['ArrowRight', '❤️'], ['ArrowLeft', '👍'], ['ArrowLeft', '🙏'], ['ArrowDown', 'Reply'], ['ArrowDown', 'Copy text'], ['End', 'Unsend'], ['ArrowDown', '👍'], ['ArrowUp', 'Unsend'], ['ArrowUp', 'Edit']]) {
    await page.keyboard.press(String(key))
    assert.equal(await item(), wanted, key)
  }
  await page.keyboard.press('Escape')
  assert.equal(await page.getByTestId('message-menu').count(), 0)
  assert.equal(await has(), 'one', 'the focus is where it was')
  assert.ok(await page.getByTestId('chat-modal').isVisible())

  await page.keyboard.press('Enter')
  await page.keyboard.press('End')
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  assert.ok(await composer.evaluate((field) => field === document.activeElement))
  assert.equal(await composer.inputValue(), 'one')
  await page.keyboard.type(' more')
  await page.keyboard.press('Escape')
  assert.equal(await composer.inputValue(), 'half a thought')
  assert.ok(await page.getByTestId('chat-modal').isVisible())

  await composer.press('ArrowUp')
  assert.equal(await page.getByTestId('subject').count(), 0, 'it moves in what is typed')
  await composer.fill('')
  await composer.press('ArrowUp')
  assert.equal(await composer.inputValue(), 'three')
  await page.keyboard.type('!')
  await page.keyboard.press('Enter')
  await window.bubble('three!').waitFor()
  assert.equal(await composer.inputValue(), '')
  await eventually(async () => assert.equal((await table(ana, ben))[2]?.body, 'three!'))
  await page.keyboard.press('Escape')
  await page.getByTestId('chat-modal').waitFor({ state: 'detached' })
})

test('changing: the menu of a message opens a little above the end too, where the list follows what comes in', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, bodies(40))
  const window = await open(ana)
  await window.chatWith(ben)
  await window.is('live')
  await window.page.getByTestId('messages').evaluate((list) => list.scrollBy({ top: -30 }))
  await window.menu('message 38')
})

test('changing: an edit that was left, by the chat’s end or a reload, is taken up where it was', async () => {
  const { people, windows } = await said()
  const [atAna] = windows
  await atAna.composer.press('ArrowUp')
  await atAna.composer.fill('first, or rather')
  await atAna.page.getByTestId('close').click()
  await atAna.page.reload()
  await atAna.chatWith(people[1])
  await atAna.is('live')
  assert.equal(await atAna.composer.inputValue(), '')
  await atAna.composer.press('ArrowUp')
  assert.equal(await atAna.composer.inputValue(), 'first, or rather')
  await atAna.page.keyboard.press('Escape')
  await atAna.composer.press('ArrowUp')
  assert.equal(await atAna.composer.inputValue(), 'first', 'Esc is the end of it')
})

test('changing: a long press opens the menu on a phone, a tap and a scroll do not', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, bodies(40))
  const window = await open(ana, PHONE)
  const { page } = window
  await window.chatWith(ben)
  await window.is('live')
  const menu = page.getByTestId('message-menu')
  const devtools = await window.context.newCDPSession(page)
  const { x, y, width, height } = await window.bubble('message 39').locator('.bubble').evaluate((bubble) => bubble.getBoundingClientRect().toJSON())
  const finger = (/** @type {string} */ type, /** @type {number} */ by = 0) =>
    devtools.send('Input.dispatchTouchEvent', /** @type {any} */ ({ type, touchPoints: type === 'touchEnd' ? [] : [{ x: x + width / 2, y: y + height / 2 + by }] }))

  await finger('touchStart')
  await finger('touchEnd')
  await sleep(800)
  assert.equal(await menu.count(), 0)
  await finger('touchStart')
  for (const by of [20, 40, 80]) await finger('touchMove', by)
  await sleep(800)
  await finger('touchEnd')
  assert.equal(await menu.count(), 0)
  await page.getByTestId('messages').evaluate((list) => list.scrollTo({ top: list.scrollHeight }))
  await sleep(300)

  await finger('touchStart')
  await menu.waitFor()
  await finger('touchEnd')
  await sleep(300)
  assert.ok(await menu.isVisible(), 'it stays when the finger goes')
  const { left, right, top, bottom } = await menu.evaluate((element) => element.getBoundingClientRect().toJSON())
  assert.ok(left >= 0 && right <= 390 && top >= 0 && bottom <= 780, 'all of it is on the screen')
  await page.touchscreen.tap(5, 100)
  await menu.waitFor({ state: 'detached' })
  assert.ok(await page.getByTestId('chat-modal').isVisible())
})

test('changing: a screen reader hears of a message once, and of an edit or an unsend not again', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  await atBen.page.getByTestId('announcer').evaluate((region) => {
    const heard = /** @type {string[]} */ ((/** @type {any} */ (globalThis).heard = []))
    new MutationObserver(() => region.textContent && heard.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true })
  })
  const heard = () => atBen.page.evaluate('heard')
  await atAna.send('first')
  await eventually(async () => assert.deepEqual(await heard(), ['Ana: first']))
  await atAna.edit('first', 'second')
  await atBen.bubble('second').waitFor()
  await atAna.react('second', '👍')
  await atBen.page.getByTestId('reactions').waitFor()
  await atAna.unsend('second')
  await atBen.page.locator('.message[data-gone]').waitFor()
  assert.deepEqual(await heard(), ['Ana: first'])
  assert.equal(await atBen.page.getByTestId('announcer').innerText(), '')
  await atAna.send('third')
  await eventually(async () => assert.deepEqual(await heard(), ['Ana: first', 'Ana: third']))
})

test('changing: the text of a message is copied', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, ['two\nlines & more'])
  const window = await open(ben, { permissions: ['clipboard-read', 'clipboard-write'] })
  await window.chatWith(ana)
  await window.menu('two\nlines & more')
  await window.page.getByRole('menuitem', { name: 'Copy text' }).click()
  await window.page.getByTestId('notice').getByText('Copied').waitFor()
  assert.equal(await window.page.evaluate(() => navigator.clipboard.readText()), 'two\nlines & more')
})
