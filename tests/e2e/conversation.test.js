// Two people talk.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APP_URL, allShow, chatting, pair, Window } from './helpers.js'

/** The Mongo ids that the backend's scripts/demo-accounts.mjs gives. */
const DEMO_ANA = '665f1c2ab7d4e09a31c0a001'
const DEMO_BEN = '665f1c2ab7d4e09a31c0b002'

test('two people see each other’s messages live, in one order, and it is the table’s', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  await atAna.send('hello Ben')
  await atBen.bubble('hello Ben').waitFor()
  await atBen.send('hello Ana')
  await atAna.bubble('hello Ana').waitFor()

  const bursts = ['Ana', 'Ben'].map((name) => Array.from({ length: 15 }, (_, n) => `${name} ${n + 1}`))
  await Promise.all(
    [atAna, atBen].map(async (window, who) => {
      for (const body of bursts[who] ?? []) await window.send(body)
    }),
  )
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    ['hello Ben', 'hello Ana', ...bursts.flat()],
  )
  for (const [who, window] of [atAna, atBen].entries()) {
    const mine = (await window.bubbles()).filter(({ sender }) => sender === 'me').slice(1)
    assert.deepEqual(
      mine.map(({ body }) => body),
      bursts[who],
      'what one person sends keeps its order',
    )
  }
})

test('a text comes over as it was written', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  const texts = ['<b>&amp;</b> "quoted" \\ {}', 'two\nlines', '😀 𝒳 é שלום', `'; drop table chat_messages; --`, 'x'.repeat(4000)]
  for (const text of texts) await atAna.send(text)
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    texts,
  )
})

test('the demo: two accounts in one browser, by two names of this machine', async () => {
  const window = await Window.empty()
  const ana = window.page
  await ana.goto(APP_URL)
  await ana.getByTestId('sign-in-ana').click()
  const ben = new Window(window.context, await window.context.newPage())
  const other = new URL(APP_URL)
  other.hostname = '127.0.0.1'
  other.searchParams.set('as', 'ben')
  await ben.page.goto(other.href)

  await ana.getByTestId(`person-${DEMO_BEN}`).click()
  await ben.page.getByTestId(`person-${DEMO_ANA}`).click()
  const body = `dinner at eight? ${Date.now()}`
  await window.send(body)
  await ben.bubble(body).waitFor()
  assert.equal(await ben.page.getByTestId('me').innerText(), 'Ben')
  assert.equal(await ana.getByTestId('me').innerText(), 'Ana')
})
