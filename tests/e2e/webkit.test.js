// What stands for Safari: the main flow, what is kept, who may send it, and the loader, in WebKitGTK.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { By, Key, until } from 'selenium-webdriver'
import { Stage, acquainted } from './chaos/stage.js'
import { APP_URL, PASSWORD, SEND, browser, channelsOf, eventually, faults, pair, rows, setting } from './helpers.js'
import { WebKit, endAll } from './webkit.js'

/** @typedef {import('./helpers.js').Person} Person */

/** ms that a busy machine may take. */
const PATIENCE = 60_000

const none = 'there is no WebKitWebDriver with Xvfb here: on Debian, apt-get install webkit2gtk-driver xvfb'

/** What the drafts' store holds. */
const STORED = `new Promise((done, failed) => {
  const opening = indexedDB.open('chopped-chat')
  opening.onerror = failed
  opening.onsuccess = () => {
    const database = opening.result
    const all = database.transaction('drafts').objectStore('drafts').getAll()
    all.onsuccess = () => (database.close(), done(all.result.map(({ body }) => body)))
  }
})`

describe('WebKit', { skip: process.env['WEBKIT_DRIVER'] ? false : none }, () => {
  /** @type {WebKit[]} */
  const open = []
  const launch = async () => {
    const webkit = await WebKit.launch()
    open.push(webkit)
    return webkit
  }
  afterEach(() => Promise.all(open.splice(0).map((webkit) => webkit.end())))
  after(endAll)

  describe('a page with the package', () => {
    /** @type {Stage} */
    let stage
    before(async () => {
      stage = await Stage.open(browser)
    })
    after(() => stage.leave())

    /** A page of `ana`, live, in a thread with another. */
    const live = async () => {
      const people = await acquainted()
      const webkit = await launch()
      const url = stage.address('ours', ...people)
      await webkit.driver.get(url)
      await webkit.until(`globalThis.chat?.state().status === 'live'`)
      return { people, webkit, url }
    }
    const loaded = `performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)`
    const sent = (/** @type {string} */ body) => `chat.bubbles().some((bubble) => bubble.body === '${body}' && bubble.status === 'sent')`
    const SENDING_FAILS = { on: 'request', match: { path: SEND }, do: { status: 503, body: {} } }

    test('what it records replays in a native engine, to the last output', async () => {
      const [ana, ben] = await acquainted()
      const webkit = await launch()
      await webkit.driver.get(stage.address('ours', ana, ben, true))
      await webkit.until(`globalThis.chat?.state().status === 'live'`)
      await faults(SENDING_FAILS)
      await webkit.evaluate(`chat.send('while sends fail')`)
      await stage.write(ben, ana, ['from another device', 'and another'])
      await webkit.until(`chat.state().error === 'server'`)
      await faults({ do: { cut: true } })
      await faults()
      await webkit.until(sent('while sends fail'))
      await webkit.until(`chat.state().status === 'live' && chat.bubbles().length === 3`)
      const recording = await webkit.evaluate('chat.recording()')
      assert.ok(!/from another device|while sends fail/.test(recording), 'what people write is not in it')
      const file = join(setting('SCREENSHOTS'), 'webkit.jsonl')
      await writeFile(file, recording)
      const { stdout } = await promisify(execFile)(setting('XTASK'), ['replay', file], { maxBuffer: 1 << 26 })
      assert.match(stdout, /outputs the same/)
    })

    test('the WebAssembly comes as a file', async () => {
      const { webkit } = await live()
      const names = await webkit.evaluate(loaded)
      assert.deepEqual([names.includes('/pkg/core_bg.wasm'), names.includes('/pkg/inline.js')], [true, false])
    })

    test('where there is no file, the copy inside the package serves', async () => {
      stage.withoutWasm = true
      try {
        const { webkit } = await live()
        assert.ok((await webkit.evaluate(loaded)).includes('/pkg/inline.js'))
        await webkit.evaluate(`chat.send('from the copy')`)
        await webkit.until(sent('from the copy'))
      } finally {
        stage.withoutWasm = false
      }
    })

    test('what is not sent outlives a reload, and is sent once, in order', async () => {
      const { people, webkit } = await live()
      await faults(SENDING_FAILS)
      for (const body of ['first', 'second']) await webkit.evaluate(`chat.send('${body}')`)
      assert.deepEqual((await webkit.evaluate(STORED)).sort(), ['first', 'second'])
      await webkit.driver.navigate().refresh()
      await webkit.until(`globalThis.chat?.bubbles().length === 2`)
      const bubbles = await webkit.evaluate('chat.bubbles()')
      assert.deepEqual(bubbles.map((/** @type {any} */ { body, status }) => [body, status]), [['first', 'sending'], ['second', 'sending']])
      assert.deepEqual((await webkit.evaluate(STORED)).sort(), ['first', 'second'])
      await faults()
      await webkit.until(sent('second'))
      assert.deepEqual((await rows(...people)).map(({ body }) => body), ['first', 'second'])
      await eventually(async () => assert.deepEqual(await webkit.evaluate(STORED), []))
    })

    test('each tab holds a lock, and one sends what another left that was killed', async () => {
      const { people, webkit, url } = await live()
      const { first, second, kill } = await webkit.beside(url)
      await webkit.driver.switchTo().window(second)
      await webkit.until(`globalThis.chat?.state().status === 'live'`)
      const [ana] = people
      const locks = `navigator.locks.query().then(({ held }) => held.filter(({ name }) => name.includes('${ana.mongoId}')).length)`
      assert.equal(await webkit.evaluate(locks), 2)
      // The request never leaves the page.
      await webkit.evaluate(`(globalThis.fetch = () => new Promise(() => {}), null)`)
      await webkit.evaluate(`chat.send('left behind')`)
      assert.deepEqual(await webkit.evaluate(STORED), ['left behind'])
      await webkit.driver.switchTo().window(first)
      // It lives: nobody takes it away.
      assert.deepEqual(await webkit.evaluate('chat.bubbles()'), [])
      assert.deepEqual(await rows(...people), [])
      kill()
      await eventually(async () => assert.deepEqual((await rows(...people)).map(({ body }) => body), ['left behind']))
    })

    test('signing out deletes what is kept, and ends the other tab', async () => {
      const { webkit, url } = await live()
      const { second } = await webkit.beside(url)
      await webkit.until(`globalThis.chat?.state().status === 'live'`)
      await faults(SENDING_FAILS)
      await webkit.evaluate(`chat.send('never sent')`)
      assert.deepEqual(await webkit.evaluate(STORED), ['never sent'])
      await webkit.evaluate(`import('/pkg/index.js').then(({ signOut }) => signOut())`)
      assert.deepEqual(await webkit.evaluate(STORED), [])
      assert.equal(await webkit.evaluate('chat.state().status'), 'closed')
      await webkit.driver.switchTo().window(second)
      await webkit.until(`globalThis.chat?.state().status === 'closed'`)
    })
  })

  describe('the example', () => {
    const byTest = (/** @type {string} */ name) => By.css(`[data-testid="${name}"]`)

    /** The board of `me`, signed in by the form. @param {Person} me */
    async function signedIn({ email }) {
      const webkit = await launch()
      const { driver } = webkit
      await driver.get(APP_URL)
      await driver.wait(until.elementLocated(By.css('summary')), PATIENCE).click()
      await driver.findElement(By.name('email')).sendKeys(email)
      await driver.findElement(By.name('password')).sendKeys(PASSWORD, Key.ENTER)
      await driver.wait(until.elementLocated(byTest('me')), PATIENCE)
      return webkit
    }

    /** The same in the chat with `other`, live. @param {Person} me @param {Person} other */
    async function chatting(me, other) {
      const webkit = await signedIn(me)
      await webkit.driver.wait(until.elementLocated(byTest(`person-${other.mongoId}`)), PATIENCE).click()
      await webkit.driver.wait(until.elementLocated(By.css('[data-testid=connection][data-status=live]')), PATIENCE)
      return webkit
    }

    const composer = (/** @type {WebKit} */ { driver }) => driver.findElement(byTest('composer'))
    const bubbles = (/** @type {WebKit} */ webkit) =>
      webkit.evaluate(`Array.from(document.querySelectorAll('[data-testid=message]'), ({ dataset, children: [bubble] }) =>
        [dataset.sender, dataset.status, bubble.querySelector(':scope > p').textContent])`)
    const shows = (/** @type {WebKit} */ webkit, /** @type {string[][]} */ wanted) =>
      eventually(async () => assert.deepEqual(await bubbles(webkit), wanted))

    test('two people talk', async () => {
      const [ana, ben] = await pair()
      const [atAna, atBen] = await Promise.all([chatting(ana, ben), chatting(ben, ana)])
      await composer(atAna).sendKeys('hello Ben', Key.ENTER)
      await shows(atBen, [['them', 'sent', 'hello Ben']])
      await composer(atBen).sendKeys('hello Ana')
      await atBen.driver.findElement(byTest('send')).click()
      await shows(atAna, [['me', 'sent', 'hello Ben'], ['them', 'sent', 'hello Ana']])
      await shows(atBen, [['them', 'sent', 'hello Ben'], ['me', 'sent', 'hello Ana']])
    })

    test('what was said is edited, reacted to, replied to and unsent', async () => {
      const [ana, ben] = await pair()
      const [atAna, atBen] = await Promise.all([chatting(ana, ben), chatting(ben, ana)])
      await composer(atAna).sendKeys('hello Bem', Key.ENTER)
      await shows(atBen, [['them', 'sent', 'hello Bem']])
      /** Opens the menu of the first message and takes what it calls so. @param {WebKit} webkit @param {string} role @param {string} name */
      const choose = async ({ driver }, role, name) => {
        const first = await driver.findElement(byTest('message'))
        await driver.actions().move({ origin: await first.findElement(By.css('.bubble')) }).perform()
        await first.findElement(byTest('message-options')).click()
        await driver.wait(until.elementLocated(By.xpath(`//*[@role="${role}"][.="${name}"]`)), PATIENCE).click()
      }
      const details = (/** @type {WebKit} */ webkit) =>
        webkit.evaluate(`Array.from(document.querySelectorAll('.quote-text, .reactions button'), (one) => one.ariaLabel ?? one.textContent)`)

      await composer(atAna).sendKeys(Key.ARROW_UP)
      assert.equal(await composer(atAna).getAttribute('value'), 'hello Bem')
      await composer(atAna).sendKeys(Key.BACK_SPACE, 'n', Key.ENTER)
      await shows(atBen, [['them', 'sent', 'hello Ben']])
      await choose(atBen, 'menuitemcheckbox', '❤️')
      await choose(atBen, 'menuitem', 'Reply')
      await composer(atBen).sendKeys('hello Ana', Key.ENTER)
      for (const [webkit, who] of /** @type {[WebKit, string][]} */ ([[atAna, 'Ben'], [atBen, 'you']])) {
        await eventually(async () => assert.deepEqual(await details(webkit), [`❤️ by ${who}`, 'hello Ben']))
      }
      await choose(atAna, 'menuitem', 'Unsend')
      await atAna.driver.findElement(byTest('unsend-dialog-go')).click()
      await shows(atBen, [['them', 'sent', 'Message unsent'], ['me', 'sent', 'hello Ana']])
      for (const webkit of [atAna, atBen]) await eventually(async () => assert.deepEqual(await details(webkit), ['Message unsent']))
    })

    test('the board tells of a message, the chat opens at it, and its author sees that it was read', async () => {
      const [ana, ben] = await pair()
      const atBen = await chatting(ben, ana)
      // The last window has the focus, and without it nothing is read.
      const atAna = await signedIn(ana)
      const card = `document.querySelector('[data-testid="person-${ben.mongoId}"]')`
      const board = () => atAna.evaluate(`['.text', '.badge'].map((part) => ${card}.querySelector(part)?.textContent).concat(document.title)`)
      const ticks = () => atBen.evaluate(`document.querySelector('[data-testid=message] .ticks').getAttribute('aria-label')`)
      await composer(atBen).sendKeys('hello Ana', Key.ENTER)
      await eventually(async () => assert.deepEqual(await board(), ['hello Ana', '1', '(1) Chopped']))
      await eventually(async () => assert.equal(await ticks(), 'Delivered'))
      await atAna.driver.findElement(byTest(`person-${ben.mongoId}`)).click()
      await atAna.driver.wait(until.elementLocated(byTest('first-unread')), PATIENCE)
      await eventually(async () => assert.equal(await ticks(), 'Read'))
      await eventually(async () => assert.deepEqual(await board(), ['hello Ana', null, 'Chopped']))
    })

    test('whoever signs out leaves the server, and the next one sees nothing of them', async () => {
      const [ana, ben] = await pair()
      const webkit = await chatting(ana, ben)
      await composer(webkit).sendKeys('for Ben', Key.ENTER)
      await shows(webkit, [['me', 'sent', 'for Ben']])
      await webkit.driver.findElement(byTest('close')).click()
      await webkit.driver.findElement(byTest('sign-out')).click()
      await webkit.driver.wait(until.elementLocated(By.css('summary')), PATIENCE)
      await eventually(async () => assert.deepEqual(await channelsOf(ana, ''), []))
      assert.deepEqual(await webkit.evaluate(STORED), [])
    })

    // Known, and mended in a later issue: until then they fail, and count as neither.
    const later = { todo: 'is mended in a later issue' }

    test('Enter that ends a composition does not send', later, async () => {
      const [ana, ben] = await pair()
      const webkit = await chatting(ana, ben)
      await composer(webkit).sendKeys('にほんご')
      // WebKit tells of it after the composition has ended; that it was part of one stands in the key's code alone.
      await webkit.evaluate(`(() => {
        const enter = new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true })
        Object.defineProperty(enter, 'keyCode', { get: () => 229 })
        document.querySelector('[data-testid=composer]').dispatchEvent(enter)
      })()`)
      assert.equal(await composer(webkit).getAttribute('value'), 'にほんご')
      assert.deepEqual(await bubbles(webkit), [])
    })

    test('the composer grows with its text', later, async () => {
      const [ana, ben] = await pair()
      const webkit = await chatting(ana, ben)
      const { height: one } = await composer(webkit).getRect()
      await composer(webkit).sendKeys('onions '.repeat(50))
      const { height: many } = await composer(webkit).getRect()
      assert.ok(many > one, `${many} px for many lines, ${one} for one`)
    })

    test('the focus stays in the composer when Send is clicked', later, async () => {
      const [ana, ben] = await pair()
      const webkit = await chatting(ana, ben)
      await composer(webkit).sendKeys('hello')
      await webkit.driver.findElement(byTest('send')).click()
      await shows(webkit, [['me', 'sent', 'hello']])
      assert.equal(await webkit.evaluate('document.activeElement.dataset.testid'), 'composer')
    })
  })
})
