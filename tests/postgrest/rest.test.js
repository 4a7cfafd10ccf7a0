// The stand-in's REST against a genuine PostgREST on the same database: each request is put to both, on the same rows.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { cases, supabaseJs } from './cases.js'
import { differences } from './differences.js'
import { anonKey, applyFixtures, ask, binary, database, serviceRoleKey, startPostgrest, url } from './servers.js'
import { ana, ben, eve, reset, snapshot } from './world.js'

const HEADERS = ['content-type', 'content-range', 'www-authenticate', 'retry-after', 'location', 'preference-applied', 'allow', 'x-test', 'x-test-2']
const skip = binary === undefined && 'npm has no PostgREST for this system'

let postgrest
before(async () => {
  if (skip) return
  await applyFixtures()
  postgrest = await startPostgrest()
})
after(async () => {
  await postgrest?.stop()
  await database.end()
})

/** Ids and times that are made anew at each run, under one name. */
function alike(text) {
  const known = [ana, ben, eve].map(({ id }) => id)
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, (id) => (known.includes(id) || id.startsWith('10000000-') ? id : 'new id'))
    .replace(/20\d\d-\d\d-\d\dT[\d:.]+\+00:00/g, (time) => (time.startsWith('2026-01-0') ? time : 'new time'))
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function answerOf(base, request, extra) {
  const writes = !['GET', 'HEAD', 'OPTIONS'].includes(request.method)
  if (writes) await reset()
  const { status, headers, body } = await ask(base, { ...request, headers: { ...request.headers, ...extra } })
  return {
    status,
    headers: Object.fromEntries(HEADERS.filter((name) => name in headers).map((name) => [name, headers[name]])),
    body: parsed(alike(body)),
    database: writes ? parsed(alike(JSON.stringify(await snapshot()))) : undefined,
  }
}

async function until(condition, what) {
  const end = Date.now() + 20_000
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Without what is undefined. */
const plain = (value) => JSON.parse(JSON.stringify(value))

test('every request of the package, the backend and supabase-js, good and bad, is answered as PostgREST answers it', { skip }, async (t) => {
  await reset()
  const before = parsed(alike(JSON.stringify(await snapshot())))
  const met = new Map(differences.map(([what]) => [what, 0]))
  const all = Object.entries({ ...cases, ...supabaseJs })
  const failures = []
  for (const [name, given] of all) {
    const request = typeof given === 'function' ? given() : given
    const genuine = await answerOf(postgrest.base, request, {})
    // The gateway's key, which PostgREST knows nothing of.
    const ours = await answerOf(`${url}/rest/v1`, request, { apikey: anonKey })
    let expected = genuine
    for (const [what, applies, change] of differences) {
      if (!applies(genuine, name)) continue
      expected = change(expected, { ...ours, before })
      met.set(what, met.get(what) + 1)
    }
    const [has, wants] = [plain(ours), plain({ ...expected, before: undefined })]
    const differ = Object.keys({ ...has, ...wants }).filter((part) => !isDeepStrictEqual(has[part], wants[part]))
    const shown = differ.map((part) => `  ${part}: ${JSON.stringify(has[part])}\n  PostgREST: ${JSON.stringify(wants[part])}`)
    if (differ.length > 0) failures.push(`${name}: ${request.method} ${request.path}\n${shown.join('\n')}`)
  }
  t.diagnostic(`${all.length} requests compared with PostgREST ${postgrest.version}; expected differences: ${[...met].map(([what, n]) => `${what} (${n})`).join('; ')}`)
  assert.equal(failures.length, 0, failures.join('\n\n'))
  assert.deepEqual([...met].filter(([, n]) => n === 0).map(([what]) => what), [], 'a difference that no request shows')
})

test('a lock that cannot be had is told alike', { skip }, async () => {
  await reset()
  const client = await database.connect()
  try {
    await client.query('begin; update public.items set note = note where id = 1')
    const request = { method: 'POST', path: '/rpc/locked', headers: { 'content-type': 'application/json', authorization: `Bearer ${ana.token}` }, body: '{}' }
    const [genuine, ours] = await Promise.all([ask(postgrest.base, request), ask(`${url}/rest/v1`, { ...request, headers: { ...request.headers, apikey: anonKey } })])
    assert.deepEqual([ours.status, JSON.parse(ours.body)], [genuine.status, JSON.parse(genuine.body)])
    assert.equal(JSON.parse(ours.body).code, '55P03')
  } finally {
    await client.query('rollback')
    client.release()
  }
})

test('more than one person may send is refused alike, and a page may read for how long', { skip }, async () => {
  await reset()
  await database.query('update public.chat_limits set sends_per_second = 0.01, send_burst = 1; delete from chat_private.send_buckets')
  try {
    const request = { ...cases['send without an id'] }
    request.headers = { ...request.headers, origin: 'http://app.example' }
    const send = (base, extra) => ask(base, { ...request, headers: { ...request.headers, ...extra } })
    assert.equal((await send(postgrest.base)).status, 200)
    const [genuine, ours] = [await send(postgrest.base), await send(`${url}/rest/v1`, { apikey: anonKey })]
    const seen = ({ status, headers, body }) => [status, headers['retry-after'], JSON.parse(body)]
    assert.deepEqual(seen(ours), seen(genuine))
    assert.deepEqual(seen(genuine).slice(0, 2), [429, '100'])
    for (const answer of [genuine, ours]) assert.match(String(answer.headers['access-control-expose-headers']), /Retry-After/)
  } finally {
    await database.query('update public.chat_limits set sends_per_second = default, send_burst = default; delete from chat_private.send_buckets')
  }
})

test('a client that hangs up has called nothing back: the write is there, and no lock is held', { skip }, async () => {
  for (const [base, extra] of [[postgrest.base, {}], [`${url}/rest/v1`, { apikey: anonKey }]]) {
    await reset()
    const client = await database.connect()
    try {
      // Holds the write up until its client is gone.
      await client.query("begin; insert into public.items (id, name) values (9, 'in the way')")
      // Whose statements have no timeout.
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${serviceRoleKey}`, ...extra }
      const gone = new AbortController()
      const sent = fetch(`${base}/items`, { method: 'POST', headers, body: '{"id":9,"name":"nine"}', signal: gone.signal })
      const waits = "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%items%' and query not like 'select from%'"
      // By another connection: a transaction sees one picture of what the others do.
      await until(async () => (await database.query(waits)).rowCount > 0, 'the write that waits')
      gone.abort()
      await assert.rejects(sent)
      await client.query('rollback')
    } finally {
      client.release()
    }
    await until(async () => (await database.query("select from public.items where name = 'nine'")).rowCount === 1, 'the write of a client that is gone')
  }
})

test('preflights: the gateway answers in the place of PostgREST, and allows at least as much', { skip }, async () => {
  const wanted = 'apikey,authorization,content-profile,content-type,prefer'
  const headers = { origin: 'http://app.example', 'access-control-request-method': 'POST', 'access-control-request-headers': wanted }
  const [genuine, ours] = await Promise.all([postgrest.base, `${url}/rest/v1`].map((base) => ask(base, { method: 'OPTIONS', path: '/rpc/insert_chat_message', headers })))
  const words = (answer, name) => (answer.headers[name] ?? '').toLowerCase().split(/, ?/)
  assert.equal(ours.status, genuine.status)
  assert.equal(ours.headers['access-control-allow-origin'], genuine.headers['access-control-allow-origin'])
  for (const method of words(genuine, 'access-control-allow-methods')) assert.ok(words(ours, 'access-control-allow-methods').includes(method), method)
  for (const header of wanted.split(',')) for (const answer of [genuine, ours]) assert.ok(words(answer, 'access-control-allow-headers').includes(header), header)
  const [simple, oursToo] = await Promise.all([[postgrest.base, {}], [`${url}/rest/v1`, { apikey: anonKey }]].map(([base, extra]) => ask(base, { method: 'GET', path: '/items', headers: { ...headers, ...extra } })))
  assert.equal(oursToo.headers['access-control-allow-origin'], simple.headers['access-control-allow-origin'])
  for (const header of words(simple, 'access-control-expose-headers')) assert.ok(words(oursToo, 'access-control-expose-headers').includes(header), header)
})

test("without a key the gateway refuses, which PostgREST cannot", { skip }, async () => {
  const request = { method: 'GET', path: '/items', headers: { authorization: `Bearer ${ana.token}` } }
  assert.equal((await ask(postgrest.base, request)).status, 200)
  const ours = await ask(`${url}/rest/v1`, request)
  assert.deepEqual([ours.status, JSON.parse(ours.body).message], [401, 'No API key found in request'])
})
