// Who sits where: somebody who was never there, one person twice, two people on one page.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SEND, allShow, channelsOf, database, chatting, eventually, faults, open, pair, person, rows, shown, sockets } from './helpers.js'

test('a person who never signed in is written to, and finds it when they come', async () => {
  const [ana, ben] = await pair()
  const atAna = await open(ana)
  await atAna.chatWith(ben)
  await atAna.is('live')
  await atAna.send('welcome')
  await atAna.bubble('welcome').and(atAna.page.locator('[data-status=sent]')).waitFor()

  const atBen = await open(ben)
  await atBen.chatWith(ana)
  await atBen.bubble('welcome').waitFor()
  await atBen.send('thank you')
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    ['welcome', 'thank you'],
  )
})

test('one person in two windows: both show the same, as their own', async () => {
  const [ana, ben] = await pair()
  const [desk, atBen] = await chatting(ana, ben)
  const phone = await open(ana, { viewport: { width: 390, height: 780 }, hasTouch: true })
  await phone.chatWith(ben)
  await phone.is('live')
  await Promise.all([desk.send('from the desk'), phone.send('from the phone'), atBen.send('from Ben')])
  await allShow(
    [
      [ana, desk],
      [ben, atBen],
    ],
    ['from the desk', 'from the phone', 'from Ben'],
  )
  const table = await rows(ana, ben)
  await eventually(async () => assert.deepEqual(await phone.bubbles(), shown(table, ana)))
})

test('a person who is erased is gone from the pages that are open, and their messages keep their places', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  await atBen.send('my secret')
  await atAna.bubble('my secret').waitFor()
  await atAna.send('keep it')
  await atAna.bubble('keep it').and(atAna.page.locator('[data-status=sent]')).waitFor()

  await database.query('select public.erase_chat_person($1)', [ben.mongoId])
  await eventually(async () => assert.deepEqual((await atAna.bubbles()).map(({ body }) => body), ['This message was erased', 'keep it']))
  assert.equal(await atAna.page.getByText('my secret').count(), 0)
  await atAna.is('live')
})

test('the next person on the same page sees nothing of the one before', async () => {
  const [ana, ben] = await pair()
  const cleo = await person('Cleo')
  const window = await open(ana)
  await window.chatWith(ben)
  await window.is('live')
  await window.send('for Ben only')
  await window.bubble('for Ben only').and(window.page.locator('[data-status=sent]')).waitFor()
  const [joined] = await channelsOf(ana)
  await window.leave()
  await window.page.getByTestId('sign-out').click()

  await window.signIn(cleo)
  await window.chatWith(ben)
  await window.is('live')
  assert.deepEqual(await window.bubbles(), [])
  assert.deepEqual((await channelsOf(cleo)).length, 1)
  await eventually(async () => assert.ok(!(await sockets()).includes(String(joined?.socket)), 'Ana’s socket has ended'))
  await window.send('this is Cleo')
  await window.bubble('this is Cleo').and(window.page.locator('[data-status=sent]')).waitFor()
  assert.deepEqual(
    (await rows(cleo, ben)).map(({ sender_mongo_id, body }) => [sender_mongo_id, body]),
    [[cleo.mongoId, 'this is Cleo']],
  )
})

test('a chat that is closed while its messages are on their way still sends them', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  await faults({ on: 'request', match: { method: 'POST', path: SEND }, do: { delay_ms: 1500 }, times: 1 })
  for (const body of ['wait', 'for', 'me']) await atAna.send(body)
  await atAna.leave()
  await atBen.bubble('me').waitFor()
  await atAna.chatWith(ben)
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    ['wait', 'for', 'me'],
  )
})
