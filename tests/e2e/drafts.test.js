// What a person has written is never lost without asking: typed text, and messages that are not sent yet.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKEND_URL, PASSWORD, SEND, admin, allShow, channelsOf, chatting, eventually, faults, open, pair, person, rows } from './helpers.js'

const NOTHING_IS_SENT = { on: 'request', match: { path: SEND }, do: { status: 503, body: { message: 'no' } } }

/** @param {import('./helpers.js').Window} window */
const asked = ({ page }) => page.getByTestId('sign-out-dialog')

test('typed text is there again after Close, Esc, a click beside the chat, a look at somebody else and a reload; sent, it is gone', async () => {
  const [ana, ben] = await pair()
  const cleo = await person('Cleo')
  const window = await open(ana)
  const { page, composer } = window
  const text = 'half a thought\nof two lines'
  const closed = () => page.getByTestId('chat-modal').waitFor({ state: 'detached' })
  const stillThere = async () => {
    await window.chatWith(ben)
    assert.equal(await composer.inputValue(), text)
  }

  await window.chatWith(ben)
  await composer.fill(text)
  await page.getByTestId('close').click()
  await closed()
  await stillThere()
  await window.leave()
  await stillThere()
  await page.mouse.click(5, 5)
  await closed()
  await window.chatWith(cleo)
  assert.equal(await composer.inputValue(), '', 'it is for Ben')
  await composer.fill('for Cleo')
  await window.leave()
  await stillThere()
  await page.reload()
  await stillThere()

  await composer.press('Enter')
  await window.bubble(text).and(page.locator('[data-status=sent]')).waitFor()
  await window.leave()
  await window.chatWith(ben)
  assert.equal(await composer.inputValue(), '')
  await window.leave()
  await window.chatWith(cleo)
  assert.equal(await composer.inputValue(), 'for Cleo')
})

test('signing out with typed text asks; staying keeps it, going deletes it', async () => {
  const [ana, ben] = await pair()
  const window = await open(ana)
  const { page } = window
  await window.chatWith(ben)
  await window.composer.fill('not yet')
  await window.leave()
  await page.getByTestId('sign-out').click()
  assert.equal(await page.locator('#ask-text').innerText(), '1 is only typed. Signing out deletes it in this browser.')
  // Whoever just presses Enter, or Esc, deletes nothing.
  await page.keyboard.press('Enter')
  await asked(window).waitFor({ state: 'detached' })
  await page.getByTestId('sign-out').click()
  await asked(window).waitFor()
  await page.keyboard.press('Escape')
  await asked(window).waitFor({ state: 'detached' })
  await window.chatWith(ben)
  assert.equal(await window.composer.inputValue(), 'not yet')
  await window.leave()

  await page.getByTestId('sign-out').click()
  await page.getByTestId('sign-out-dialog-go').click()
  await window.signIn(ana)
  await window.chatWith(ben)
  assert.equal(await window.composer.inputValue(), '')
})

test('signing out with unsent messages asks, after a reload too; staying, they are sent; going, they are deleted', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  const { page } = atAna
  await faults(NOTHING_IS_SENT)
  for (const body of ['one', 'two']) await atAna.send(body)
  await atAna.composer.fill('three')
  await atAna.leave()
  for (const reloads of [false, true]) {
    if (reloads) await page.reload()
    await page.getByTestId('sign-out').click()
    assert.equal(await page.locator('#ask-text').innerText(), '2 messages are not sent yet and 1 is only typed. Signing out deletes them in this browser.')
    await page.getByRole('button', { name: 'Stay signed in' }).click()
  }
  await faults()
  await atAna.chatWith(ben)
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    ['one', 'two'],
  )

  await faults(NOTHING_IS_SENT)
  await atAna.send('four')
  await atAna.leave()
  await page.getByTestId('sign-out').click()
  await page.getByTestId('sign-out-dialog-go').click()
  await atAna.signIn(ana)
  await faults()
  await atAna.chatWith(ben)
  await atAna.is('live')
  await atAna.send('five')
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    ['one', 'two', 'five'],
  )
})

test('signed out by the server: “Sign in” keeps what is unsent and typed, for the same person alone', async () => {
  const [ana, ben] = await pair()
  const cleo = await person('Cleo')
  const { before } = await admin('POST', '/jwt-expiry', { s: 6 })
  const window = await open(ana)
  const { page } = window
  try {
    await window.chatWith(ben)
    await window.is('live')
    await faults(NOTHING_IS_SENT)
    await window.send('on its way')
    await window.composer.fill('and this is typed')
    await window.context.request.post(`${BACKEND_URL}/api/auth/sign-out`, { data: {} })
    await window.is('auth-required')
  } finally {
    await admin('POST', '/jwt-expiry', { s: before })
  }
  await page.getByTestId('chat-error').getByRole('button', { name: 'Sign in' }).click()
  await faults()

  await window.signIn(cleo)
  await window.chatWith(ben)
  await window.is('live')
  assert.deepEqual([await window.bubbles(), await window.composer.inputValue()], [[], ''])
  assert.deepEqual([await rows(ana, ben), await rows(cleo, ben)], [[], []])
  await window.context.request.post(`${BACKEND_URL}/api/auth/sign-out`, { data: {} })
  await page.evaluate(() => localStorage.removeItem('chopped.mongoUserId'))
  await page.reload()

  await window.signIn(ana)
  await window.chatWith(ben)
  await window.bubble('on its way').and(page.locator('[data-status=sent]')).waitFor()
  assert.equal(await window.composer.inputValue(), 'and this is typed')
  assert.deepEqual((await rows(ana, ben)).map(({ body }) => body), ['on its way'])
  await eventually(async () => assert.equal((await channelsOf(ana)).length, 1))
})

test('somebody else has signed in in another tab: nothing goes as theirs, no message is condemned, and all goes once its author is back', async () => {
  const [ana, ben] = await pair()
  const window = await open(ana)
  const { page } = window
  await window.chatWith(ben)
  await window.is('live')
  await faults(NOTHING_IS_SENT)
  await window.send('mine')
  await window.bubble('mine').waitFor()
  await window.context.request.post(`${BACKEND_URL}/api/auth/sign-in`, { data: { email: ben.email, password: PASSWORD } })
  // The page that takes the message over has Ana's name and Ben's cookies.
  await page.reload()
  await faults()
  await window.chatWith(ben)
  await window.is('auth-required')
  assert.equal(await window.bubble('mine').getAttribute('data-status'), 'sending')
  assert.deepEqual(await rows(ana, ben), [])

  await page.getByTestId('chat-error').getByRole('button', { name: 'Sign in' }).click()
  await window.signIn(ana)
  await window.chatWith(ben)
  await window.bubble('mine').and(page.locator('[data-status=sent]')).waitFor()
  assert.deepEqual((await rows(ana, ben)).map(({ sender_mongo_id, body }) => [sender_mongo_id, body]), [[ana.mongoId, 'mine']])
})
