// Tokens that end, networks that go, channels that are left.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKEND_URL, PASSWORD, Window, admin, allShow, channelsOf, chatting, eventually, faults, open, pair, person, sockets, threadId } from './helpers.js'

const topic = (/** @type {Parameters<typeof threadId>} */ ...people) => `chat:${threadId(...people)}`

/** Tokens that Auth gives during `body` last so many seconds. @param {number} s @param {() => Promise<void>} body */
async function withTokensOf(s, body) {
  const { before } = await admin('POST', '/jwt-expiry', { s })
  try {
    await body()
  } finally {
    await admin('POST', '/jwt-expiry', { s: before })
  }
}

/** A page whose last chat was closed, and its socket. @type {{ window: Window, socket: string } | undefined} */
let left

test('closing leaves the topic; opening again takes the same socket', async () => {
  const [ana, ben] = await pair()
  const window = await open(ana)
  await window.chatWith(ben)
  await window.is('live')
  const [joined] = await channelsOf(ana)
  assert.ok(joined)
  assert.equal(joined.topic, topic(ana, ben))
  for (const close of [() => window.page.keyboard.press('Escape'), () => window.page.getByTestId('close').click()]) {
    await close()
    await window.page.getByTestId('chat-modal').waitFor({ state: 'detached' })
    await eventually(async () => assert.deepEqual(await channelsOf(ana), []))
    await window.chatWith(ben)
    await window.is('live')
    assert.deepEqual(
      (await channelsOf(ana)).map(({ socket, topic }) => [socket, topic]),
      [[joined.socket, joined.topic]],
    )
  }
  await window.leave()
  assert.ok((await sockets()).includes(joined.socket), 'kept warm')
  window.stays = true
  left = { window, socket: joined.socket }
})

test('the token ends while the chat is open: renewed in time, the channel stays and messages arrive', async () => {
  const [ana, ben] = await pair()
  await withTokensOf(10, async () => {
    const [atAna, atBen] = await chatting(ana, ben)
    const renewed = () => admin('GET', '/state').then(({ requests }) => Number(requests['POST /auth/v1/token'] ?? 0))
    const [joined] = await channelsOf(ana)
    const tokens = await renewed()
    await atBen.send('with the first token')
    await atAna.bubble('with the first token').waitFor()
    // Both twice: past the end of the first token.
    await eventually(async () => assert.ok((await renewed()) >= tokens + 4))
    await atBen.send('with the third')
    await atAna.bubble('with the third').waitFor()
    assert.deepEqual(await channelsOf(ana), [joined], 'the channel was not left')
    await atAna.send('and back')
    await allShow(
      [
        [ana, atAna],
        [ben, atBen],
      ],
      ['with the first token', 'with the third', 'and back'],
    )
  })
})

test('the token ends and cannot be renewed for a while: the server closes the channel, and nothing is missed', async () => {
  const [ana, ben] = await pair()
  const atBen = await open(ben)
  await atBen.chatWith(ana)
  await withTokensOf(6, async () => {
    const atAna = await open(ana)
    await atAna.chatWith(ben)
    await atAna.is('live')
    await atAna.page.route('**/api/chat/token', (route) => route.fulfill({ status: 503, json: { code: 'supabase-unreachable' } }))
    await atAna.is('reconnecting')
    assert.deepEqual(await channelsOf(ana), [])
    await atBen.send('are you there?')
    await atAna.page.unroute('**/api/chat/token')
    await atAna.is('live')
    await allShow(
      [
        [ana, atAna],
        [ben, atBen],
      ],
      ['are you there?'],
    )
  })
})

test('the socket stays as long as the board, and ends when the person signs out', async () => {
  assert.ok(left, 'the first test here closed a chat')
  const { window, socket } = left
  // A closed thread is kept for 30 s; the other tests here have taken longer.
  assert.ok((await sockets()).includes(socket), 'the inbox needs it')
  await window.page.getByTestId('sign-out').click()
  await eventually(async () => assert.ok(!(await sockets()).includes(socket), 'the socket has ended'))
  await window.end()
})

test('signed out elsewhere: the chat says so, and signing in again opens it', async () => {
  const [ana, ben] = await pair()
  await withTokensOf(6, async () => {
    const window = await open(ana)
    await window.chatWith(ben)
    await window.is('live')
    const { status } = await window.context.request.post(`${BACKEND_URL}/api/auth/sign-out`, { data: {} }).then((answer) => ({ status: answer.status() }))
    assert.equal(status, 204)
    await window.is('auth-required')
    assert.equal(await window.page.getByTestId('chat-error').getAttribute('data-code'), 'auth-required')
    assert.ok(await window.composer.isDisabled())
    await eventually(async () => assert.deepEqual(await channelsOf(ana, ''), [], 'nothing is heard any more'))
    await window.page.getByTestId('chat-error').getByRole('button', { name: 'Sign in' }).click()
    await window.signIn(ana)
    await window.chatWith(ben)
    await window.is('live')
    await window.send('here again')
    await window.bubble('here again').and(window.page.locator('[data-status=sent]')).waitFor()
  })
})

test('an account without a Mongo id is told so', async () => {
  const nobody = await person('Nobody', {})
  const { code, status } = await fetch(`${BACKEND_URL}/api/auth/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: nobody.email, password: PASSWORD }),
  }).then(async (answer) => ({ status: answer.status, ...(await answer.json()) }))
  assert.deepEqual({ code, status }, { code: 'identity-unlinked', status: 403 })
})

test('offline and back: what was missed is there, and what was written meanwhile goes', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  await atAna.context.setOffline(true)
  await atAna.is('offline')
  await faults({ match: { topic: topic(ana, ben) }, do: { cut: true } })
  await eventually(async () => assert.equal((await channelsOf(ben)).length, 1))
  await atAna.send('written in the tunnel')
  const missed = ['one', 'two', 'three']
  for (const body of missed) await atBen.send(body)
  await atBen.bubble('three').and(atBen.page.locator('[data-status=sent]')).waitFor()
  assert.deepEqual(
    (await atAna.bubbles()).map(({ body, status }) => [body, status]),
    [['written in the tunnel', 'sending']],
  )
  await atAna.context.setOffline(false)
  await atAna.is('live')
  await allShow(
    [
      [ana, atAna],
      [ben, atBen],
    ],
    [...missed, 'written in the tunnel'],
  )
})

test('Realtime restarts, and broadcasts get lost: both screens end complete', async () => {
  const [ana, ben] = await pair()
  const [atAna, atBen] = await chatting(ana, ben)
  /** @type {[typeof ana, typeof atAna][]} */
  const screens = [
    [ana, atAna],
    [ben, atBen],
  ]
  await admin('POST', '/restart-realtime')
  await atBen.send('during the restart')
  await allShow(screens, ['during the restart'])
  for (const one of [ana, ben]) await eventually(async () => assert.equal((await channelsOf(one)).length, 1))
  const lost = { on: 'broadcast', do: { drop: true }, times: 2 }
  await faults({ ...lost, match: { topic: topic(ana, ben), event: 'INSERT' } }, { ...lost, match: { event: 'THREAD' } })
  // Nobody hears of the first; the second leaves a hole before it.
  await atBen.send('lost on the way')
  await atBen.bubble('lost on the way').and(atBen.page.locator('[data-status=sent]')).waitFor()
  await atBen.send('and this tells of it')
  await atAna.bubble('and this tells of it').waitFor()
  await allShow(
    screens,
    ['during the restart', 'lost on the way', 'and this tells of it'],
  )
})
