// Older messages, and a list that is opened again and again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allShow, chatting, eventually, open, pair, rows, seed, shown } from './helpers.js'

const bodies = (/** @type {number} */ count) => Array.from({ length: count }, (_, n) => `message ${n + 1}`)

test('130 messages come as 50, 50 and 30, without a repeat or a hole, and the reader keeps their place', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, bodies(130))
  const table = await rows(ana, ben)
  const window = await open(ana)
  const list = window.page.getByTestId('messages')
  /** @type {number[]} */
  const pages = []
  window.page.on('response', async (response) => {
    const isRead = response.request().method() === 'POST' && response.url().includes('/rest/v1/rpc/list_chat_page')
    if (isRead) pages.push((await response.json()).messages.length)
  })
  await window.chatWith(ben)
  await window.is('live')

  for (const [oldest, first] of [
    [81, 31],
    [31, 1],
  ]) {
    await eventually(async () => assert.deepEqual(await window.bubbles(), shown(table.slice(Number(oldest) - 1), ana)))
    // In one go: the position of the message that is about to get company above it, as the reader sees it.
    const before = await list.evaluate((element, seq) => {
      element.scrollTop = 0
      return element.querySelector(`[data-seq="${seq}"]`)?.getBoundingClientRect().top
    }, oldest)
    await eventually(async () => assert.deepEqual(await window.bubbles(), shown(table.slice(Number(first) - 1), ana)))
    const place = await window.page.locator(`[data-seq="${oldest}"]`).evaluate((element) => element.getBoundingClientRect().top)
    assert.ok(Math.abs(place - Number(before)) <= 2, `message ${oldest} was at ${before} and is at ${place}`)
  }
  await list.evaluate((element) => element.scrollTo({ top: 0 }))
  await window.page.getByText('The start of your conversation with Ben').waitFor()
  // Reads of one or none ask whether something is new, or still the same.
  const read = pages.filter((length) => length > 1)
  assert.deepEqual(read, [50, 50, 30], 'each message was read once')
})

test('sent before the first page is there: nothing claims to be the start of the conversation', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, bodies(60))
  const window = await open(ana)
  const { page } = window
  let answer = () => {}
  const held = new Promise((done) => (answer = () => done(undefined)))
  await page.route('**/rest/v1/rpc/list_chat_page*', async (route) => {
    await held
    await route.continue()
  })
  await window.chatWith(ben)
  await window.send('too early?')
  await window.bubble('too early?').waitFor()
  const start = page.getByText('The start of your conversation with Ben')
  assert.equal(await start.count(), 0)
  await window.bubble('too early?').and(page.locator('[data-status=sent]')).waitFor()
  assert.equal(await start.count(), 0)
  answer()
  await window.is('live')
  await eventually(async () => assert.ok((await window.bubbles()).length > 50))
  // And where it is the start, that is said.
  await page.getByTestId('messages').evaluate((element) => element.scrollTo({ top: 0 }))
  await start.waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

test('a message that comes while one reads further up does not move the list, and says that it is there', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, bodies(60))
  const [atAna, atBen] = await chatting(ana, ben)
  const list = atAna.page.getByTestId('messages')
  const fromEnd = () => list.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight)
  await eventually(async () => assert.ok((await fromEnd()) < 2, 'at the end'))

  const place = await list.evaluate((element) => {
    element.scrollTop = 400
    return element.scrollTop
  })
  await atBen.send('down here')
  await atAna.page.getByTestId('new-messages').waitFor()
  assert.equal(await list.evaluate((element) => element.scrollTop), place)
  await atAna.page.getByTestId('new-messages').click()
  await eventually(async () => assert.ok((await fromEnd()) < 2, 'at the end again'))
  await atBen.send('and here')
  await atAna.bubble('and here').waitFor()
  await eventually(async () => assert.ok((await fromEnd()) < 2, 'follows'))
})

test('what comes in before the browser has told of a scroll does not undo it', async () => {
  const [ana, ben] = await pair()
  await seed(ana, ben, bodies(40))
  const [{ page }] = await chatting(ana, ben)
  // In one task, so that no frame comes between: the person scrolls, and the list is rendered again.
  const [before, after] = await page.getByTestId('messages').evaluate(async (element) => {
    element.scrollTop = 400
    Object.defineProperty(navigator, 'onLine', { value: false, configurable: true })
    const rendered = new Promise((resolve) => new MutationObserver(resolve).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true }))
    let told = false
    element.addEventListener('scroll', () => (told = true), { once: true })
    dispatchEvent(new Event('offline'))
    await rendered
    return told ? ['a frame came between'] : [400, element.scrollTop]
  })
  assert.equal(after, before)
})

test('closed and opened twice, the list has no hole', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  /** @type {[typeof ana, typeof atAna][]} */
  const screens = [
    [ana, atAna],
    [ben, atBen],
  ]
  const said = []
  for (const round of [1, 2, 3]) {
    for (const n of [1, 2]) {
      const body = `round ${round}, ${n}`
      said.push(body)
      await atAna.send(body)
    }
    await allShow(screens, said)
    await atAna.leave()
    said.push(`missed in round ${round}`)
    await atBen.send(`missed in round ${round}`)
    await atBen.bubble(`missed in round ${round}`).and(atBen.page.locator('[data-status=sent]')).waitFor()
    await atAna.chatWith(ben)
    await atAna.is('live')
    await allShow(screens, said)
  }
})
