// ChatSession as the package gives it, in Chromium against the stand-in: who is told of what, and what it leaves behind.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { hosts } from './hosts.js'
import { held, launch, packed, thread } from './support.js'

/** What 80 sessions may leave behind: less than one object each. */
const NEW_OBJECTS = 80

/** @type {import('playwright-core').Browser} */
let browser
/** @type {import('./hosts.js').Served} */
let served
/** @type {import('playwright-core').Page} */
let page
before(async () => {
  const [launched, app, chat] = await Promise.all([launch(), packed(), thread()])
  browser = launched
  served = await hosts.find(({ name }) => name === 'no bundler').serve(await app('session'))
  page = await browser.newPage()
  await page.addInitScript((chat) => Object.assign(globalThis, { chat }), chat.options)
  await page.goto(served.url)
  await page.waitForFunction(() => document.title === 'live')
  await page.evaluate(async () => {
    const { ChatSession } = await import(new URL('node_modules/chopped-chat/index.js', location.href).href)
    const { token, ...options } = globalThis.chat
    // The callbacks of the options refer to the session: JavaScript keeps what is in their scope.
    const make = (more) => {
      const session = new ChatSession({
        ...options,
        getToken: () => session && { access_token: token, expires_in: 3600 },
        ensureThread: () => {},
        ...more,
      })
      return session
    }
    const quiet = (ms = 50) => new Promise((done) => setTimeout(done, ms))
    const until = async (is) => {
      for (const end = performance.now() + 60_000; !is(); await quiet(5)) {
        if (performance.now() > end) throw new Error(`waited a minute until ${is}`)
      }
    }
    Object.assign(globalThis, { make, quiet, until })
  })
})
after(async () => {
  await browser?.close()
  await served?.end()
})

test('whoever subscribed before it was opened is told until it is closed, and again when it is reopened', async () => {
  const told = await page.evaluate(async () => {
    const session = make()
    const told = { one: [], twice: 0, off: 0 }
    session.subscribe(() => told.one.push(session.getSnapshot().status))
    const twice = () => (told.twice += 1)
    const offs = [session.subscribe(twice), session.subscribe(twice)]
    session.subscribe(() => (told.off += 1))()
    const rounds = []
    for (let n = 0; n < 2; n++) {
      await session.open()
      await until(() => told.one.at(-1) === 'live')
      const open = told.one.at(-1)
      session.close()
      await until(() => told.one.at(-1) === 'closed')
      rounds.push([open, told.one.at(-1), told.twice / told.one.length])
      if (n === 0) offs[0]()
      told.one = []
      told.twice = 0
    }
    return { rounds, off: told.off }
  })
  assert.deepEqual(told, { rounds: [['live', 'closed', 2], ['live', 'closed', 1]], off: 0 })
})

test('a subscriber may close the session, and reopen it when it hears that it is closed: the others are told of both', async () => {
  const heard = await page.evaluate(async () => {
    const session = make()
    const heard = []
    session.subscribe(() => heard.push(session.getSnapshot().status))
    let closings = 0
    session.subscribe(() => {
      const { status } = session.getSnapshot()
      if (status === 'live' && closings++ === 0) session.close()
      if (status === 'closed' && closings === 1) session.open().catch(() => {})
    })
    session.subscribe(() => heard.push(session.getSnapshot().status))
    session.open().catch(() => {})
    await until(() => closings === 2 && heard.at(-1) === 'live')
    session.close()
    await until(() => heard.at(-1) === 'closed')
    return { closings, first: heard.includes('closed'), last: heard.at(-1), live: heard.filter((status) => status === 'live').length > 1 }
  })
  assert.deepEqual(heard, { closings: 2, first: true, last: 'closed', live: true })
})

test('a subscriber that throws does not stop the others, and one that is no function is refused', async () => {
  const seen = await page.evaluate(async () => {
    const session = make()
    const seen = { reported: [], told: 0, refused: '' }
    const { reportError } = globalThis
    globalThis.reportError = (error) => seen.reported.push(error.message)
    session.subscribe(() => {
      throw new Error('mine')
    })
    session.subscribe(() => (seen.told += 1))
    await session.open()
    session.close()
    await quiet()
    globalThis.reportError = reportError
    try {
      session.subscribe('no function')
    } catch ({ code, message }) {
      seen.refused = `${code} ${message}`
    }
    return seen
  })
  assert.ok(seen.told > 0)
  assert.deepEqual(seen.reported, Array(seen.told).fill('mine'))
  assert.match(seen.refused, /^invalid-options .*callback must be a function/)
})

test('why it stopped stays in the snapshot until it is opened anew or closed', async () => {
  const seen = await page.evaluate(async () => {
    let refuses = true
    const session = make({
      // A thread that no test before made known to the page.
      otherMongoId: 'f'.repeat(24),
      ensureThread: () => {
        if (refuses) throw { status: 403, code: 'forbidden', message: 'not yours' }
      },
    })
    const heard = []
    session.subscribe(() => heard.push(session.getSnapshot().error?.code))
    const rejected = await session.open().catch(({ code }) => code)
    await quiet()
    const kept = [session.getSnapshot().status, session.getSnapshot().error?.code, heard.at(-1)]
    refuses = false
    session.open().catch(() => {})
    const anew = session.getSnapshot().status
    await quiet()
    const told = heard.length
    session.close()
    await quiet()
    return { rejected, kept, anew, tellsOfClosing: heard.length > told, closed: session.getSnapshot().error }
  })
  assert.notEqual(seen.rejected, undefined)
  assert.deepEqual(seen.kept, ['closed', seen.rejected, seen.rejected])
  assert.deepEqual([seen.anew, seen.tellsOfClosing, seen.closed], ['connecting', true, null])
})

test('what signing out would delete is counted: open or closed, refused, kept in memory or by a page that is gone', async () => {
  const send = '**/rest/v1/rpc/insert_chat_message*'
  const counted = await browser.newPage()
  const { options } = await thread()
  await counted.addInitScript((chat) => Object.assign(globalThis, { chat }), options)
  const load = async () => {
    await counted.goto(served.url)
    await counted.waitForFunction(() => document.title === 'live')
  }
  const unsent = (/** @type {number} */ count) =>
    counted.waitForFunction(async (count) => {
      const { countUnsent } = await import(new URL('node_modules/chopped-chat/index.js', location.href).href)
      return (await countUnsent()) === count
    }, count)
  const write = (/** @type {string[]} */ bodies, more = {}) =>
    counted.evaluate(
      async ([bodies, more]) => {
        const { ChatSession } = await import(new URL('node_modules/chopped-chat/index.js', location.href).href)
        const { token, ...options } = globalThis.chat
        const session = new ChatSession({ ...options, getToken: () => ({ access_token: token, expires_in: 3600 }), ensureThread: () => {}, ...more })
        await session.open()
        for (const body of bodies) session.send(body)
        session.close()
      },
      [bodies, more],
    )
  try {
    await load()
    await unsent(0)
    await counted.route(send, (route) => route.fulfill({ status: 503, body: '{}' }))
    await write(['one', 'two'])
    await unsent(2)
    await counted.unroute(send)
    await counted.route(send, (route) => route.fulfill({ status: 403, json: { code: '42501', message: 'no' } }))
    await load()
    await unsent(2)
    await counted.evaluate(async () => (await import(new URL('node_modules/chopped-chat/index.js', location.href).href)).signOut())
    await unsent(0)
    await write(['in memory'], { persistOutbox: false })
    await unsent(1)
    await counted.evaluate(async () => (await import(new URL('node_modules/chopped-chat/index.js', location.href).href)).signOut())
    await unsent(0)
  } finally {
    await counted.close()
  }
})

for (const [what, end] of [
  ['opened and closed', 'close'],
  ['opened and signed out', 'signOut'],
  ['never opened', ''],
]) {
  test(`a session that was ${what} and dropped is freed, whoever is subscribed`, async (t) => {
    /** @param {number} times */
    const cycles = async (times) => {
      await page.evaluate(
        async ([times, end]) => {
          const { signOut } = await import(new URL('node_modules/chopped-chat/index.js', location.href).href)
          for (let n = 0; n < times; n++) {
            const session = make()
            session.subscribe(() => session.getSnapshot())
            if (!end) continue
            await session.open()
            if (end === 'close') session.close()
            else await signOut()
          }
          // The storage of a page that signed out has timers of 2 s.
          await quiet(end === 'signOut' ? 2100 : 50)
        },
        [times, end],
      )
      return held(page)
    }
    const early = await cycles(20)
    const late = await cycles(80)
    t.diagnostic(`${late.objects - early.objects} objects more after 80 sessions`)
    assert.ok(late.objects - early.objects < NEW_OBJECTS, `${late.objects - early.objects} objects more after 80 sessions`)
  })
}
