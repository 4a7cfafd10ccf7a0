import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { EMPTY, fresh } from './bundle.mjs'

const realFetch = globalThis.fetch
afterEach(() => {
  globalThis.fetch = realFetch
})

/** Answers every fetch with `answer` and lists what was asked for. */
function answering(answer) {
  const asked = []
  globalThis.fetch = async (url) => {
    asked.push(String(url))
    return answer()
  }
  return asked
}

const wasm = () => new Response(EMPTY, { headers: { 'content-type': 'application/wasm' } })
const AT = 'https://app.test/assets/index-1.js'

test('the file beside the code is taken', async () => {
  const asked = answering(wasm)
  const { load } = await fresh('load.js', AT)
  assert.ok((await load(undefined)) instanceof WebAssembly.Module)
  assert.deepEqual(asked, ['https://app.test/assets/core_bg.wasm'])
})

test('a server that does not say what it is serves, too', async () => {
  answering(() => new Response(EMPTY, { headers: { 'content-type': 'application/octet-stream' } }))
  const { load } = await fresh('load.js', AT)
  assert.ok((await load(new URL(AT))) instanceof WebAssembly.Module)
})

for (const [what, answer] of [
  ['a page instead of it', () => new Response('<!doctype html>', { headers: { 'content-type': 'text/html' } })],
  ['a 404', () => new Response('', { status: 404 })],
  ['broken bytes', () => new Response('no wasm')],
  ['broken bytes that are said to be it', () => new Response('no wasm', { headers: { 'content-type': 'application/wasm' } })],
  [
    'no network',
    () => {
      throw new TypeError('Failed to fetch')
    },
  ],
]) {
  test(`${what}: the copy inside is taken`, async () => {
    const asked = answering(answer)
    const { load } = await fresh('load.js', AT)
    assert.ok((await load(undefined)) instanceof WebAssembly.Module)
    assert.equal(asked.length, 1)
  })
}

for (const [where, url] of [
  ["in Vite's pre-bundling", 'http://localhost:5173/node_modules/.vite/deps/chopped-chat.js?v=1'],
  ['in a file', undefined],
]) {
  test(`${where} nothing is fetched and the copy inside is taken`, async () => {
    const asked = answering(wasm)
    const { load } = await fresh('load.js', url)
    assert.ok((await load(undefined)) instanceof WebAssembly.Module)
    assert.deepEqual(asked, [])
  })
}

test('a source of the page is taken as it is, and its failure told', async () => {
  const asked = answering(wasm)
  const { load } = await fresh('load.js', AT)
  for (const source of ['/my.wasm', new URL('https://cdn.test/my.wasm'), wasm(), EMPTY, new WebAssembly.Module(EMPTY)]) {
    assert.ok((await load(source)) instanceof WebAssembly.Module)
  }
  assert.deepEqual(asked, ['/my.wasm', 'https://cdn.test/my.wasm'])
  await assert.rejects(load(new Response('', { status: 404 })), /404/)
})
