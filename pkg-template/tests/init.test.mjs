import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY, fresh } from './bundle.mjs'

test('before init every door says so', async () => {
  const { ChatSession, ChatError, threadId } = await fresh('index.js')
  for (const use of [() => new ChatSession({}), () => threadId('a', 'b')]) {
    assert.throws(use, (error) => error instanceof ChatError && error.code === 'not-initialized' && /init\(\)/.test(error.message))
  }
})

test('init loads once, and after a failure again', async () => {
  const { default: init, ChatError, ChatSession, threadId } = await fresh('index.js')
  await assert.rejects(init(Uint8Array.of(1)), (error) => error instanceof ChatError && error.code === 'init-failed')
  assert.throws(() => threadId('a', 'b'), { code: 'not-initialized' })
  const [first, second] = [init(EMPTY), init(EMPTY)]
  assert.equal(first, second)
  await first
  assert.equal(init(), first)
  assert.equal(threadId('a', 'b'), 'a__b')
  const options = { myMongoId: 'a' }
  const { getSnapshot } = new ChatSession(options)
  assert.deepEqual(getSnapshot(), options)
})

test('counting what is unsent needs no init', async () => {
  const { countUnsent } = await fresh('index.js')
  assert.equal(await countUnsent(), 7)
})

test('signing out needs no init', async () => {
  const { signOut } = await fresh('index.js')
  await signOut()
  assert.equal(globalThis.startedCores.at(-1), 'signed out')
  assert.equal(globalThis.startedCores.length, 2, 'the engine was started before')
})
