// What becomes of a message whose sending goes wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SEND, admin, allShow, chatting, eventually, faults, open, pair, rows, seed } from './helpers.js'

const whenSending = (/** @type {object} */ effect, times = 1) => ({ on: 'request', match: { method: 'POST', path: SEND }, do: effect, times })
/** As PostgREST words a refusal of row level security. */
const FORBIDDEN = {
  status: 403,
  body: { code: '42501', details: null, hint: null, message: 'new row violates row-level security policy for table "chat_messages"' },
}

test('a refused message says so; retry sends it, once', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  await faults(whenSending(FORBIDDEN))
  await atAna.send('please')
  const bubble = atAna.bubble('please')
  await bubble.getByRole('alert').waitFor()
  assert.equal(await bubble.getAttribute('data-status'), 'error')
  assert.equal(await bubble.getByRole('alert').innerText(), 'This message was refused.')
  const { id } = (await atAna.bubbles())[0] ?? {}
  // The others pass.
  await atAna.send('and this one')
  await atBen.bubble('and this one').waitFor()
  assert.deepEqual(
    (await rows(ana, ben)).map(({ body }) => body),
    ['and this one'],
  )

  await bubble.getByTestId('retry').click()
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    ['and this one', 'please'],
  )
  assert.equal((await rows(ana, ben)).find(({ body }) => body === 'please')?.id, id, 'the bubble’s id is the row’s')
})

test('a refused message can be discarded', async () => {
  const [ana, ben] = await pair()
  const window = await open(ana)
  await window.chatWith(ben)
  await window.is('live')
  await faults(whenSending(FORBIDDEN))
  await window.send('never mind')
  await window.page.getByTestId('discard').click()
  await eventually(async () => assert.deepEqual(await window.bubbles(), []))
  assert.deepEqual(await rows(ana, ben), [])
})

test('while the server fails a message waits as sending, and goes by itself when it is over', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  await faults({ on: 'request', match: { path: SEND }, do: { status: 503, body: { message: 'no' } } })
  await atAna.send('first')
  await atAna.send('second')
  await eventually(async () => assert.ok((await admin('GET', '/faults'))[0].done >= 2, 'it tries again'))
  assert.deepEqual(
    (await atAna.bubbles()).map(({ status }) => status),
    ['sending', 'sending'],
  )
  assert.deepEqual(await rows(ana, ben), [])
  await faults()
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    ['first', 'second'],
  )
  assert.deepEqual(
    (await rows(ana, ben)).map(({ body }) => body),
    ['first', 'second'],
  )
})

for (const [what, answer, why] of /** @type {const} */ ([
  ['503', { status: 503, body: { message: 'no' } }, /^The kitchen does not take messages right now\. They/],
  ['429', { status: 429, body: { message: 'slow down' } }, /^The kitchen does not take messages right now\. It gets too many at once\. They/],
])) {
  test(`while it is answered ${what}, bubble and header say after a moment that nothing is sent, and what can be done`, async () => {
    const [ana, ben] = await pair()
    const [atAna, atBen] = await chatting(ana, ben)
    const { page } = atAna
    const header = page.getByTestId('connection')
    assert.equal(await header.innerText(), 'Connected')
    await faults({ on: 'request', match: { path: SEND }, do: answer })
    await atAna.send('anybody there?')
    await atAna.send('never mind')
    const late = (/** @type {string} */ body) => atAna.bubble(body).getByTestId('late')
    await Promise.all([late('anybody there?').waitFor(), late('never mind').waitFor()])
    assert.equal(await late('anybody there?').locator('span').innerText(), 'Not sent yet. It goes as soon as it can.')
    assert.equal(await header.innerText(), 'Connected, but not sending')
    const banner = await page.getByTestId('chat-error').innerText()
    assert.match(banner, why)
    assert.ok(banner.endsWith('They are tried again by themselves. What you wrote is kept, even if you close this page.'), banner)
    // It receives all the while.
    await seed(ben, ana, ['I am'])
    await atAna.bubble('I am').waitFor()

    await late('never mind').getByTestId('discard').click()
    await faults()
    await allShow(
      [
        [ana, atAna],
        [ben, atBen],
      ],
      ['I am', 'anybody there?'],
    )
    assert.equal(await header.innerText(), 'Connected')
    assert.equal(await page.getByTestId('chat-error').count() + (await page.getByTestId('late').count()), 0)
  })
}

test('an answer that is lost after the message was written makes no second one', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  // The broadcast would tell, too: without it only the retry does.
  await faults(whenSending({ lose_answer: true }, 2), { on: 'broadcast', match: { event: 'INSERT' }, do: { drop: true }, times: 2 }, { on: 'broadcast', match: { event: 'THREAD' }, do: { drop: true }, times: 2 })
  await atAna.send('once')
  await atAna.bubble('once').and(atAna.page.locator('[data-status=sent]')).waitFor()
  await atAna.send('and then')
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    ['once', 'and then'],
  )
})

test('a page that is loaded again while two messages hang delivers each once', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  await atAna.send('before')
  await atBen.bubble('before').waitFor()
  await faults(whenSending({ lose_answer: true }, 1))
  await atAna.send('hanging')
  await atBen.bubble('hanging').waitFor()
  await faults(whenSending({ delay_ms: 30_000 }, 1))
  await atAna.send('not even there')
  await atAna.bubble('not even there').and(atAna.page.locator('[data-status=sending]')).waitFor()
  await atAna.page.reload()
  await faults()
  await atAna.chatWith(ben)
  await atAna.is('live')
  await atAna.bubble('not even there').and(atAna.page.locator('[data-status=sent]')).waitFor()
  await atBen.send('back again?')
  await atAna.bubble('back again?').waitFor()
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    ['before', 'hanging', 'not even there', 'back again?'],
  )
})

test('the composer: 4000 characters as PostgreSQL counts them, Enter and Shift+Enter, Esc', async () => {
  const [ana, ben] = await pair()
  const window = await open(ana)
  await window.chatWith(ben)
  await window.is('live')
  const { composer, page } = window
  const send = page.getByTestId('send')
  assert.ok(await send.isDisabled(), 'nothing to send')
  await composer.fill(' \n ')
  assert.ok(await send.isDisabled(), 'white space')
  await composer.fill('😀'.repeat(4001))
  assert.ok(await send.isDisabled(), 'one too many')
  await page.getByText('-1 characters left').waitFor()
  await composer.fill('😀'.repeat(4000))
  assert.ok(await send.isEnabled())
  await send.click()
  await eventually(async () => assert.equal((await rows(ana, ben))[0]?.body, '😀'.repeat(4000)))

  await composer.fill('one')
  await composer.press('Shift+Enter')
  assert.equal(await composer.inputValue(), 'one\n')
  await window.leave()
  await eventually(async () =>
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-testid')), `person-${ben.mongoId}`),
  )
})
