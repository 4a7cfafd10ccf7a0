import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import { admin, client, closeAll, join, pair, person, say, serviceRoleKey, until, url } from './support.js'

after(closeAll)
afterEach(() => admin('DELETE', '/faults'))

const options = (channel) => ({ config: { private: true, ...channel } })

async function topicsOf(userId) {
  const { sockets } = await admin('GET', '/state')
  return sockets.flatMap((socket) => socket.channels).filter((channel) => channel.user_id === userId)
}

/** A joined channel and what it hears. */
async function listen(as, threadId) {
  const seen = []
  const system = []
  const channel = as.client.channel(`chat:${threadId}`, options())
  channel.on('broadcast', { event: 'INSERT' }, (message) => seen.push(message))
  channel.on('system', {}, (message) => system.push(message))
  const states = []
  await new Promise((resolve, reject) => {
    channel.subscribe((status, error) => {
      states.push(status)
      if (status === 'SUBSCRIBED') resolve()
      else if (states.length === 1) reject(error ?? new Error(status))
    })
  })
  return { channel, seen, states, system }
}

for (const vsn of ['1.0.0', '2.0.0']) {
  describe(`realtime, vsn ${vsn}`, () => {
    test('a participant joins the private topic and gets the INSERT of both', async () => {
      const { a, b, threadId } = await pair({ vsn })
      const { seen } = await listen(a, threadId)
      const sent = [await say(a, b, threadId, 'hello'), await say(b, a, threadId, 'hello yourself')]
      await until(() => seen.length === 2, 'two broadcasts')
      for (const [index, { payload, meta, type, event }] of seen.entries()) {
        assert.deepEqual(payload.record, sent[index])
        assert.equal(payload.table, 'chat_messages')
        assert.equal(payload.operation, 'INSERT')
        assert.equal(payload.old_record, null)
        assert.equal(payload.id, meta.id)
        assert.deepEqual([type, event], ['broadcast', 'INSERT'])
      }
    })

    test('a stranger is refused, and says so', async () => {
      const { threadId } = await pair({ vsn })
      const stranger = await person({ vsn })
      const { status, error } = await join(stranger.client.channel(`chat:${threadId}`, options()))
      assert.equal(status, 'CHANNEL_ERROR')
      assert.match(String(error), /Unauthorized: You do not have permissions to read from this Channel topic/)
      assert.deepEqual(await topicsOf(stranger.id), [])
    })

    test('a participant may not speak on the topic: no forged INSERT reaches anybody', async () => {
      const { a, b, threadId } = await pair({ vsn })
      const heard = await listen(b, threadId)
      const { channel } = await listen(a, threadId)
      await channel.send({ type: 'broadcast', event: 'INSERT', payload: { record: { body: 'forged' } } })
      const real = await say(a, b, threadId, 'real')
      await until(() => heard.seen.length > 0, 'the real one')
      assert.deepEqual(heard.seen.map((message) => message.payload.record), [real])
    })

    test('leaving is seen by the server', async () => {
      const { a, threadId } = await pair({ vsn })
      const { channel } = await listen(a, threadId)
      const joined = await topicsOf(a.id)
      assert.deepEqual(joined.map(({ topic, private: hidden }) => [topic, hidden]), [[`chat:${threadId}`, true]])
      await a.client.removeChannel(channel)
      await until(async () => (await topicsOf(a.id)).length === 0, 'the leave')
    })

    test('a token that ends closes the channel; a new one in time does not', async () => {
      const { a, b, threadId } = await pair({ vsn })
      const { seen, states, system } = await listen(a, threadId)
      const token = await admin('POST', '/tokens', { sub: a.id, expires_in: 600 })
      await a.client.realtime.setAuth(token.access_token)
      await say(b, a, threadId, 'after the new token')
      await until(() => seen.length === 1, 'the broadcast after the new token')
      assert.equal((await admin('POST', '/faults', [{ match: { topic: `chat:${threadId}` }, do: { expire: true } }])).hit_at_once, 1)
      await until(() => states.includes('CLOSED'), 'the close')
      assert.match(system.at(-1).message, /^Token has expired \d+ seconds ago$/)
    })

    test('a cut socket comes back by itself and hears again', async () => {
      const { a, b, threadId } = await pair({ vsn })
      const { seen, states } = await listen(a, threadId)
      await admin('POST', '/faults', [{ match: { topic: `chat:${threadId}` }, do: { cut: true } }])
      await until(() => states.filter((state) => state === 'SUBSCRIBED').length === 2, 'the rejoin', 15_000)
      await say(b, a, threadId, 'welcome back')
      await until(() => seen.length === 1, 'the broadcast')
    })
  })
}

test('replay comes after the answer, and so does replication_ready', async () => {
  const { a, b, threadId } = await pair()
  await say(b, a, threadId, 'before')
  const seen = []
  const system = []
  const channel = a.client.channel(
    `chat:${threadId}`,
    options({ broadcast: { replay: { since: Date.now() - 60_000, limit: 5 }, replication_ready: true } }),
  )
  channel.on('broadcast', { event: 'INSERT' }, (message) => seen.push(message))
  channel.on('system', {}, (message) => system.push(message.message))
  assert.equal((await join(channel)).status, 'SUBSCRIBED')
  await until(() => seen.length === 1 && system.length === 1, 'the replayed message and the system message')
  assert.equal(seen[0].meta.replayed, true)
  assert.equal(seen[0].payload.record.body, 'before')
  assert.equal(system[0], 'Replication connection established')
})

test('what is not imitated says so', async () => {
  const answer = await fetch(`${url}/realtime/v1/api/broadcast`, {
    method: 'POST',
    headers: { apikey: serviceRoleKey },
    body: '{}',
  })
  assert.equal(answer.status, 501)
  const changes = client(serviceRoleKey).channel('any')
  changes.on('postgres_changes', { event: '*', schema: 'public', table: 'chat_messages' }, () => {})
  const { status, error } = await join(changes)
  assert.equal(status, 'CHANNEL_ERROR')
  assert.match(String(error), /does not|has no postgres_changes/)
})
