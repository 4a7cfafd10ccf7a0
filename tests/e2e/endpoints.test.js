// The backend's two endpoints, as pages of any origin see them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APP_URL, BACKEND_URL, PASSWORD, database, pair, person, threadId, Window } from './helpers.js'

const HERE = new URL(APP_URL).origin
const TOKEN = '/api/chat/token'
const ENSURE = '/api/chat/threads/ensure'

/** @param {string} path @param {{ method?: string, origin?: string, cookie?: string, body?: string, type?: string, headers?: Record<string, string> }} [request] */
async function call(path, { method = 'GET', origin = HERE, cookie, body, type = 'application/json', headers = {} } = {}) {
  const answer = await fetch(BACKEND_URL + path, {
    method,
    headers: { ...headers, ...(origin && { origin }), ...(cookie && { cookie }), ...(body !== undefined && { 'content-type': type }) },
    ...(body !== undefined && { body }),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) }
}

/** @param {{ email: string }} who */
async function cookieOf({ email }) {
  const answer = await call('/api/auth/sign-in', { method: 'POST', body: JSON.stringify({ email, password: PASSWORD }) })
  assert.equal(answer.status, 200)
  return answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ')
}

/** @param {Awaited<ReturnType<typeof call>>} answer @param {number} status @param {string} code */
function refused(answer, status, code) {
  assert.deepEqual([answer.status, answer.body.code], [status, code])
  assert.ok(answer.body.message.length > 10, 'in words')
  assert.deepEqual(Object.keys(answer.body).sort(), ['code', 'message'], 'and nothing else')
}

test('the token of the signed-in person, never cached, for the app’s origins alone', async () => {
  const ana = await person('Ana')
  const cookie = await cookieOf(ana)
  const answer = await call(TOKEN, { cookie })
  assert.equal(answer.status, 200)
  assert.deepEqual(Object.keys(answer.body).sort(), ['access_token', 'expires_in'])
  assert.ok(Number.isInteger(answer.body.expires_in) && answer.body.expires_in > 3500)
  const claims = JSON.parse(Buffer.from(answer.body.access_token.split('.')[1], 'base64url').toString())
  assert.equal(claims.sub, ana.id)
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  assert.equal(answer.headers.get('access-control-allow-origin'), HERE)
  assert.equal(answer.headers.get('access-control-allow-credentials'), 'true')
  assert.match(String(answer.headers.get('vary')), /origin/i)
})

for (const path of [TOKEN, ENSURE]) {
  const method = path === TOKEN ? 'GET' : 'POST'
  const body = path === TOKEN ? {} : { body: '{"other_mongo_id":"665f1c2ab7d4e09a31c0b002"}' }

  test(`${path}: a foreign origin gets nothing, not even with the cookies`, async () => {
    const cookie = await cookieOf(await person('Ana'))
    for (const origin of ['https://evil.example', 'null', `${HERE}.evil.example`, HERE.replace('http:', 'https:'), HERE.replace(/:\d+$/, '')]) {
      const answer = await call(path, { method, cookie, origin, ...body })
      refused(answer, 403, 'forbidden-origin')
      assert.equal(answer.headers.get('access-control-allow-origin'), null)
      const preflight = await call(path, { method: 'OPTIONS', origin, headers: { 'access-control-request-method': method } })
      assert.equal(preflight.status, 403)
      assert.equal(preflight.headers.get('access-control-allow-origin'), null)
    }
  })

  test(`${path}: preflight of the app’s origin`, async () => {
    const { status, headers } = await call(path, {
      method: 'OPTIONS',
      headers: { 'access-control-request-method': method, 'access-control-request-headers': 'content-type' },
    })
    assert.equal(status, 204)
    assert.equal(headers.get('access-control-allow-origin'), HERE)
    assert.equal(headers.get('access-control-allow-credentials'), 'true')
    assert.equal(headers.get('access-control-allow-methods'), method)
    assert.equal(headers.get('access-control-allow-headers')?.toLowerCase(), 'content-type')
  })

  test(`${path}: signed out, and with a cookie that is forged or broken`, async () => {
    refused(await call(path, { method, ...body }), 401, 'signed-out')
    const cookie = await cookieOf(await person('Ana'))
    const [name, value] = /** @type {[string, string]} */ (cookie.split('=base64-'))
    const session = JSON.parse(Buffer.from(value, 'base64url').toString())
    const forged = { ...session, access_token: session.access_token.replace(/\.[^.]+$/, '.AAAA') }
    const forgery = `${name}=base64-${Buffer.from(JSON.stringify(forged)).toString('base64url')}`
    refused(await call(path, { method, cookie: forgery, ...body }), 401, 'signed-out')
    refused(await call(path, { method, cookie: `${name}=base64-!!!`, ...body }), 401, 'signed-out')
  })
}

test('ensure makes the thread of the caller and the other, and the same one again', async () => {
  const [ana, ben] = await pair()
  const cookie = await cookieOf(ana)
  for (const _ of [1, 2]) {
    const answer = await call(ENSURE, { method: 'POST', cookie, body: JSON.stringify({ other_mongo_id: ben.mongoId }) })
    assert.deepEqual([answer.status, answer.body], [200, { thread_id: threadId(ana, ben) }])
  }
})

test('ensure makes nothing for a page whose person is not the one who is signed in', async () => {
  const [ana, ben] = await pair()
  const cookie = await cookieOf(ana)
  const as = (/** @type {unknown} */ my_mongo_id) => call(ENSURE, { method: 'POST', cookie, body: JSON.stringify({ other_mongo_id: ben.mongoId, my_mongo_id }) })
  for (const other of [ben.mongoId, '', null, 7]) refused(await as(other), 403, 'another-account')
  // Ana's page, with her thread with Ben, in a browser where Ben has signed in.
  const atBen = await call(ENSURE, { method: 'POST', cookie: await cookieOf(ben), body: JSON.stringify({ other_mongo_id: ben.mongoId, my_mongo_id: ana.mongoId }) })
  refused(atBen, 403, 'another-account')
  const { rows } = await database.query('select from public.chat_threads where thread_id = $1', [threadId(ana, ben)])
  assert.equal(rows.length, 0)
  assert.deepEqual((await as(ana.mongoId)).body, { thread_id: threadId(ana, ben) })
})

test('ensure refuses what is no Mongo id of another person', async () => {
  const ana = await person('Ana')
  const cookie = await cookieOf(ana)
  const bad = ['', 'a__b', '_a', 'a_', 'x'.repeat(120), 'a\u0000b', ana.mongoId, 7, null, ['a']].map((id) => JSON.stringify({ other_mongo_id: id }))
  for (const body of [...bad, '{}', '[]', 'null', '"text"', 'not json', '']) {
    refused(await call(ENSURE, { method: 'POST', cookie, body }), 400, 'invalid-input')
  }
  const form = await call(ENSURE, { method: 'POST', cookie, body: '{"other_mongo_id":"abc"}', type: 'text/plain' })
  refused(form, 400, 'invalid-input')
})

test('a page of another origin in the same browser cannot read the token', async () => {
  const ana = await person('Ana')
  const window = await Window.empty()
  await window.signIn(ana)
  const { page } = window
  assert.equal(await page.evaluate((url) => fetch(url, { credentials: 'include' }).then((answer) => answer.status), BACKEND_URL + TOKEN), 200)
  // The same site, another port: the cookies go along, so only CORS stands between.
  await page.route('http://localhost:1/', (route) => route.fulfill({ contentType: 'text/html', body: '<p>another app</p>' }))
  await page.goto('http://localhost:1/')
  const read = (/** @type {string} */ url) =>
    fetch(url, { credentials: 'include' }).then(
      (answer) => `status ${answer.status}`,
      (error) => String(error.name),
    )
  assert.equal(await page.evaluate(read, BACKEND_URL + TOKEN), 'TypeError')
})
