import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { client, closeAll, pair, person, say, serviceRoleKey } from './support.js'

after(closeAll)

describe('a thread of 12 messages', () => {
  let a, b, threadId, sent

  before(async () => {
    ;({ a, b, threadId } = await pair())
    sent = []
    for (let n = 1; n <= 12; n++) sent.push(await say(n % 2 ? a : b, n % 2 ? b : a, threadId, `message ${n}`))
  })

  const messages = (as = a.client) => as.from('chat_messages').select().eq('thread_id', threadId)

  test('the newest page and the one before it', async () => {
    const newest = await messages().order('seq', { ascending: false }).limit(5)
    assert.ifError(newest.error)
    assert.deepEqual(newest.data, sent.slice(7).reverse())
    const older = await messages()
      .lt('created_at', newest.data.at(-1).created_at)
      .order('created_at', { ascending: false })
      .limit(5)
    assert.deepEqual(older.data, sent.slice(2, 7).reverse())
  })

  test('a keyset over two columns', async () => {
    const { created_at, id } = sent[4]
    const { data, error } = await messages()
      .or(`created_at.lt."${created_at}",and(created_at.eq."${created_at}",id.lt.${id})`)
      .order('created_at', { ascending: false })
    assert.ifError(error)
    assert.deepEqual(data, sent.slice(0, 4).reverse())
  })

  test('filters', async () => {
    const bodies = async (query) => {
      const { data, error } = await query.order('seq')
      assert.ifError(error)
      return data.map((row) => row.seq)
    }
    assert.deepEqual(await bodies(messages().in('body', ['message 3', 'message 5', 'a "quoted", one'])), [3, 5])
    assert.deepEqual(await bodies(messages().gt('seq', 10)), [11, 12])
    assert.deepEqual(await bodies(messages().gte('seq', 2).lte('seq', 3)), [2, 3])
    assert.deepEqual(await bodies(messages().neq('sender_mongo_id', a.mongoId).lt('seq', 5)), [2, 4])
    assert.deepEqual(await bodies(messages().ilike('body', 'MESSAGE 1_')), [10, 11, 12])
    assert.deepEqual(await bodies(messages().not('seq', 'in', '(1,2,3,4,5,6,7,8,9)')), [10, 11, 12])
    assert.deepEqual(await bodies(messages().is('recipient_mongo_id', null)), [])
    assert.deepEqual(await bodies(messages().range(9, 20)), [10, 11, 12])
  })

  test('counts, single rows and columns', async () => {
    const counted = await a.client
      .from('chat_messages')
      .select('*', { count: 'exact', head: true })
      .eq('thread_id', threadId)
    assert.deepEqual([counted.count, counted.data], [12, null])
    const one = await messages().eq('seq', 7).single()
    assert.deepEqual(one.data, sent[6])
    const aliased = await a.client.from('chat_messages').select('text:body,seq::text').eq('id', sent[0].id).single()
    assert.deepEqual(aliased.data, { text: 'message 1', seq: '1' })
    assert.equal((await messages().eq('seq', 99).maybeSingle()).data, null)
    const many = await messages().single()
    assert.deepEqual([many.status, many.error.code], [406, 'PGRST116'])
  })

  test('a stranger and a signed-out visitor see nothing', async () => {
    const stranger = await person()
    assert.deepEqual((await messages(stranger.client)).data, [])
    const visitor = await messages(client())
    assert.deepEqual([visitor.status, visitor.error.code], [401, '42501'])
  })
})

test('a retried send gives the row that is there', async () => {
  const { a, b, threadId } = await pair()
  const id = randomUUID()
  const first = await say(a, b, threadId, 'once', id)
  assert.deepEqual(await say(a, b, threadId, 'once', id), first)
  const { data } = await b.client.from('chat_messages').select('id,seq').eq('thread_id', threadId)
  assert.deepEqual(data, [{ id, seq: 1 }])
})

test('pages are read by the function as by the table', async () => {
  const { a, b, threadId } = await pair()
  for (const body of ['one', 'two', 'three', 'four']) await say(a, b, threadId, body)
  const { data: table } = await b.client.from('chat_messages').select().eq('thread_id', threadId).order('seq', { ascending: false })
  const list = async (/** @type {object} */ bounds) => (await b.client.rpc('list_chat_messages', { _thread_id: threadId, ...bounds })).data
  assert.deepEqual(await list({}), table)
  assert.deepEqual(await list({ _limit: 2 }), table.slice(0, 2))
  assert.deepEqual(await list({ _before: 3, _limit: 1 }), table.slice(2, 3))
  assert.deepEqual(await list({ _after: 1, _before: 4 }), table.slice(1, 3))
  const selected = await b.client.rpc('list_chat_messages', { _thread_id: threadId, _after: 3 }).select('seq,body')
  assert.deepEqual(selected.data, [{ seq: 4, body: 'four' }])
})

test('a forged sender, an update and a delete change nothing', async () => {
  const { a, b, threadId } = await pair()
  const message = await say(a, b, threadId, 'mine')
  const forged = await b.client.from('chat_messages').insert({
    thread_id: threadId,
    sender_supabase_id: a.id,
    sender_mongo_id: a.mongoId,
    recipient_mongo_id: b.mongoId,
    body: 'forged',
  })
  assert.deepEqual([forged.status, forged.error.code], [403, '42501'])
  const changed = await a.client.from('chat_messages').update({ body: 'changed' }).eq('id', message.id)
  assert.deepEqual([changed.status, changed.error.code], [403, '42501'])
  const deleted = await a.client.from('chat_messages').delete().eq('id', message.id)
  assert.deepEqual([deleted.status, deleted.error.code], [403, '42501'])
  const { data } = await a.client.from('chat_messages').select().eq('thread_id', threadId)
  assert.deepEqual(data, [message])
})

test('the service role reads all and writes by the functions alone', async () => {
  const { a, b, threadId } = await pair()
  await say(a, b, threadId, 'seen by the backend')
  const service = client(serviceRoleKey)
  const { data, error } = await service.from('chat_messages').select('body').eq('thread_id', threadId)
  assert.ifError(error)
  assert.deepEqual(data, [{ body: 'seen by the backend' }])
  const [user_a_mongo_id, user_b_mongo_id] = threadId.split('__')
  const thread = { thread_id: threadId, user_a_mongo_id, user_b_mongo_id }
  const upserted = await service.from('chat_threads').upsert(thread, { onConflict: 'thread_id' }).select().single()
  assert.deepEqual([upserted.status, upserted.error.code], [403, '42501'])
})

test("errors are values with PostgREST's codes", async () => {
  const { a, threadId } = await pair()
  const unknown = await a.client.rpc('no_such_function', { x: 1 })
  assert.deepEqual([unknown.status, unknown.error.code], [404, 'PGRST202'])
  const table = await a.client.from('no_such_table').select()
  assert.deepEqual([table.status, table.error.code], [404, 'PGRST205'])
  const blank = await a.client.rpc('insert_chat_message', {
    _thread_id: threadId,
    _sender_mongo_id: a.mongoId,
    _recipient_mongo_id: threadId.replace(a.mongoId, '').replace('__', ''),
    _body: '   ',
  })
  assert.equal(blank.status, 400)
  const ensured = await a.client.rpc('ensure_chat_thread', { _mongo_id_1: 'a', _mongo_id_2: 'b' })
  assert.deepEqual([ensured.status, ensured.error.code], [403, '42501'])
})
