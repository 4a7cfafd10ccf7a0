import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import { admin, client, closeAll, join, pair, person, say, serviceRoleKey, until } from './support.js'

after(closeAll)
afterEach(() => admin('DELETE', '/faults'))

const options = (channel) => ({ config: { private: true, ...channel } })

for (const vsn of ['1.0.0', '2.0.0']) {
  describe(`realtime, vsn ${vsn}`, () => {
    test('a participant joins the private topic and gets the INSERT of both', async () => {
      const { a, b, threadId } = await pair({ vsn })
      const seen = []
      const channel = a.client.channel(`chat:${threadId}`, options())
      channel.on('broadcast', { event: 'INSERT' }, (message) => seen.push(message))
      assert.equal((await join(channel)).status, 'SUBSCRIBED')
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
      const { a, b, threadId } = await pair({ vsn })
      const stranger = await person({ vsn })
      const channel = stranger.client.channel(`chat:${threadId}`, options())
      const { status, error } = await join(channel)
      assert.equal(status, 'CHANNEL_ERROR')
      assert.match(String(error), /Unauthorized: You do not have permissions to read from this Channel topic/)
      assert.equal((await say(a, b, threadId, 'unheard')).seq, 1)
    })
  })
}
