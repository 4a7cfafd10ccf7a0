// The main flows in Firefox as its maker or Debian ships it. By Puppeteer, since what Playwright steers is a Firefox of its own.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import puppeteer from 'puppeteer-core'
import { APP_URL, PASSWORD, SEND, eventually, faults, pair, rows, setting } from './helpers.js'

/** @typedef {import('./helpers.js').Person} Person */
/** @typedef {import('puppeteer-core').Page} Page */

const none = 'there is no Firefox here: install it, or set FIREFOX to the path of its program'

const byTest = (/** @type {string} */ name) => `[data-testid="${name}"]`

describe('Firefox', { skip: process.env['FIREFOX'] ? false : none }, () => {
  /** @type {import('puppeteer-core').Browser} */
  let firefox
  /** @type {import('puppeteer-core').BrowserContext[]} */
  const open = []
  before(async () => {
    firefox = await puppeteer.launch({ browser: 'firefox', executablePath: setting('FIREFOX'), headless: true, timeout: 60_000 })
  })
  afterEach(() => Promise.all(open.splice(0).map((context) => context.close())))
  after(() => firefox?.close())

  /** The board of `me`, signed in by the form. @param {Person} me */
  async function signedIn({ email }) {
    const context = await firefox.createBrowserContext()
    open.push(context)
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    await page.setViewport({ width: 900, height: 760 })
    await page.goto(APP_URL)
    await page.locator('summary').click()
    await page.locator('[name=email]').fill(email)
    await page.locator('[name=password]').fill(PASSWORD)
    await page.keyboard.press('Enter')
    await page.waitForSelector(byTest('me'))
    return page
  }

  /** @param {Page} page @param {Person} other */
  const enter = async (page, { mongoId }) => {
    await page.locator(byTest(`person-${mongoId}`)).click()
    await page.waitForSelector('[data-testid=connection][data-status=live]')
  }

  /** The chat of `me` with `other`, live. @param {Person} me @param {Person} other */
  async function chatting(me, other) {
    const page = await signedIn(me)
    await enter(page, other)
    return page
  }

  /** @param {Page} page @param {string} text */
  const say = async (page, text) => {
    await page.bringToFront()
    await page.locator(byTest('composer')).fill(text)
    await page.keyboard.press('Enter')
  }

  const bubbles = (/** @type {Page} */ page) =>
    page.$$eval(byTest('message'), (all) =>
      all.map((one) => [one.getAttribute('data-sender'), one.getAttribute('data-status'), one.querySelector('.bubble > p')?.textContent]),
    )
  /** @param {Page} page @param {string[][]} wanted */
  const shows = (page, wanted) => eventually(async () => assert.deepEqual(await bubbles(page), wanted))

  /** Takes an entry of the menu of the first message. @param {Page} page @param {string} role @param {string} name */
  const choose = async (page, role, name) => {
    await page.bringToFront()
    await page.locator(`${byTest('message')} .bubble`).hover()
    await page.locator(byTest('message-options')).click()
    await page.locator(`::-p-xpath(//*[@role="${role}"][.="${name}"])`).click()
  }

  test('two people talk, edit, react, reply and unsend', async () => {
    const [ana, ben] = await pair()
    // One after the other: their windows are tabs of one, and a hidden one is not drawn.
    const atAna = await chatting(ana, ben)
    const atBen = await chatting(ben, ana)
    await say(atAna, 'hello Bem')
    await shows(atBen, [['them', 'sent', 'hello Bem']])

    await atAna.bringToFront()
    await atAna.focus(byTest('composer'))
    await atAna.keyboard.press('ArrowUp')
    await eventually(async () => assert.equal(await atAna.$eval(byTest('composer'), (box) => /** @type {HTMLTextAreaElement} */ (box).value), 'hello Bem'))
    await say(atAna, 'hello Ben')
    await shows(atBen, [['them', 'sent', 'hello Ben']])
    await choose(atBen, 'menuitemcheckbox', '❤️')
    await choose(atBen, 'menuitem', 'Reply')
    await say(atBen, 'hello Ana')
    const details = (/** @type {Page} */ page) => page.$$eval('.quote-text, .reactions button', (all) => all.map((one) => one.ariaLabel ?? one.textContent))
    for (const [page, who] of /** @type {[Page, string][]} */ ([[atAna, 'Ben'], [atBen, 'you']])) {
      await eventually(async () => assert.deepEqual(await details(page), [`❤️ by ${who}`, 'hello Ben']))
    }
    await choose(atAna, 'menuitem', 'Unsend')
    await atAna.locator(byTest('unsend-dialog-go')).click()
    await shows(atBen, [['them', 'sent', 'Message unsent'], ['me', 'sent', 'hello Ana']])
    for (const page of [atAna, atBen]) await eventually(async () => assert.deepEqual(await details(page), ['Message unsent']))
  })

  test('what cannot be sent or edited now is done by the next page', async () => {
    const [ana, ben] = await pair()
    const page = await chatting(ana, ben)
    await say(page, 'there')
    await eventually(async () => assert.deepEqual((await rows(ana, ben)).map(({ body }) => body), ['there']))
    await faults({ on: 'request', match: { path: SEND }, do: { status: 503, body: {} } }, { on: 'request', match: { path: '/rest/v1/rpc/edit_chat_message*' }, do: { status: 503, body: {} } })
    await choose(page, 'menuitem', 'Edit')
    await say(page, 'here')
    await say(page, 'not yet')
    await eventually(async () => assert.deepEqual((await bubbles(page)).map(([, , body]) => body), ['here', 'not yet']))
    await page.reload()
    await page.waitForSelector(byTest('chat-modal')).catch(() => {})
    if (!(await page.$(byTest('chat-modal')))) await page.locator(byTest(`person-${ben.mongoId}`)).click()
    await eventually(async () => assert.deepEqual((await bubbles(page)).map(([, , body]) => body), ['here', 'not yet']))
    await faults()
    await eventually(async () => assert.deepEqual((await rows(ana, ben)).map(({ body }) => body), ['here', 'not yet']))
  })

  test('the board tells of a message, the chat opens at it, and its author sees that it was read', async () => {
    const [ana, ben] = await pair()
    const atBen = await chatting(ben, ana)
    const atAna = await signedIn(ana)
    const board = () =>
      atAna.evaluate((card) => ['.text', '.badge'].map((part) => document.querySelector(card)?.querySelector(part)?.textContent).concat(document.title), byTest(`person-${ben.mongoId}`))
    const ticks = () => atBen.$eval(`${byTest('message')} .ticks`, (ticks) => ticks.getAttribute('aria-label'))
    await say(atBen, 'hello Ana')
    await eventually(async () => assert.deepEqual(await board(), ['hello Ana', '1', '(1) Chopped']))
    await eventually(async () => assert.equal(await ticks(), 'Delivered'))
    await atAna.bringToFront()
    await enter(atAna, ben)
    await atAna.waitForSelector(byTest('first-unread'))
    await eventually(async () => assert.equal(await ticks(), 'Read'))
    await eventually(async () => assert.deepEqual(await board(), ['hello Ana', undefined, 'Chopped']))
  })
})
