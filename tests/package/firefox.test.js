// The packed package in Firefox, where there is one: a session goes live, sends, and keeps what is not sent.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { launchFirefox } from './firefox.js'
import { hosts } from './hosts.js'
import { packed, setting, thread } from './support.js'

const TRIED = ['Vite 5, dev', 'Vite 8, build', 'no bundler', 'Content-Security-Policy', 'Content-Security-Policy, no file']

describe('Firefox', { skip: process.env.FIREFOX ? false : 'there is no Firefox here: install it, or set FIREFOX to the path of its program' }, () => {
  /** @type {Awaited<ReturnType<typeof launchFirefox>>} */
  let firefox
  /** @type {Awaited<ReturnType<typeof packed>>} */
  let app
  /** @type {Awaited<ReturnType<typeof thread>>} */
  let chat
  let apps = 0
  before(async () => {
    ;[firefox, app, chat] = await Promise.all([launchFirefox(setting('FIREFOX')), packed(), thread()])
  })
  after(() => firefox?.end())

  for (const name of TRIED) {
    test(name, () => visited(name, async ({ until, evaluate }, inside = false) => {
      await until("document.title === 'live'")
      const loaded = await evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
      assert.equal(loaded.some((/** @type {string} */ url) => /inline/.test(url)), inside)
    }))
  }

  test('what cannot be sent is kept, and sent by the next page', () => visited('no bundler', async ({ until, evaluate, again }) => {
    const status = (/** @type {string} */ body) => `session.getSnapshot().messages.find(({ body }) => body === '${body}')?.status`
    const insert = { method: 'POST', path: '/rest/v1/rpc/insert_chat_message*' }
    await until("document.title === 'live'")
    await evaluate("session.send('at once')")
    await until(`${status('at once')} === 'sent'`)
    const faults = [{ on: 'request', match: insert, do: { status: 503, body: {} } }]
    await fetch(`${setting('ADMIN_URL')}/faults`, { method: 'POST', body: JSON.stringify(faults), headers: { 'content-type': 'application/json' } })
    try {
      await evaluate("session.send('kept')")
      await until(`${status('kept')} === 'sending'`)
      await again()
      await until(`globalThis.session && ${status('kept')} === 'sending'`)
      assert.equal(await evaluate('session.getSnapshot().outboxPersists'), true)
    } finally {
      await fetch(`${setting('ADMIN_URL')}/faults`, { method: 'DELETE' })
    }
    await until(`${status('kept')} === 'sent'`)
  }, /503|favicon/))

  /** @param {string} name of a host @param {(page: Awaited<ReturnType<typeof firefox.visit>>, inside?: boolean) => Promise<void>} act @param {RegExp} [expected] what the page may complain of */
  async function visited(name, act, expected = /core_bg|favicon/) {
    const { serve, inside } = hosts.find((host) => host.name === name)
    const served = await serve(await app(`firefox ${(apps += 1)}`))
    try {
      const page = await firefox.visit(served.url, chat.options)
      await act(page, inside)
      await page.end()
      assert.deepEqual(page.said.filter((line) => !expected.test(line)), [])
    } finally {
      await served.end()
    }
  }
})
