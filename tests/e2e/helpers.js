// What the tests share: the stack that `cargo xtask test e2e` started, accounts of their own, and windows in Chromium.
import assert from 'node:assert/strict'
import { after, afterEach } from 'node:test'
import { PASSWORD, admin, database, eventually, introduce, launch, rows, setting, threadId, write } from './project.js'

export { PASSWORD, admin, database, eventually, faults, introduce, pair, person, rows, SEND, setting, signOff, signUp, threadId, write } from './project.js'

export const APP_URL = setting('APP_URL')
export const BACKEND_URL = setting('BACKEND_URL')

/**
 * @typedef {import('./project.js').Person} Person
 * @typedef {{ id: string, seq: number | null, sender: string, status: string, body: string }} Bubble
 */

export const browser = await launch()
/** @type {Window[]} */
const windows = []

afterEach(async () => {
  await admin('DELETE', '/faults')
  const errors = windows.flatMap((window) => window.errors)
  const done = windows.splice(0)
  windows.push(...done.filter((window) => window.stays))
  await Promise.all(done.filter((window) => !window.stays).map((window) => window.end()))
  assert.deepEqual(errors, [], 'no page threw, or complained')
})
after(async () => {
  await browser.close()
  await database.end()
})

/**
 * The channels that the server has for `person`, with their sockets: of threads alone, unless another beginning of topics is given. That
 * of the inbox is there as long as the board is.
 *
 * @param {Person} person
 * @returns {Promise<{ socket: string, topic: string, join_ref: string }[]>}
 */
export async function channelsOf(person, topics = 'chat:') {
  const { sockets } = await admin('GET', '/state')
  const isMeant = (/** @type {any} */ { user_id, topic }) => user_id === person.id && topic.startsWith(topics)
  return sockets.flatMap((/** @type {any} */ socket) =>
    socket.channels.filter(isMeant).map((/** @type {any} */ channel) => ({ socket: socket.id, ...channel })),
  )
}

/** @returns {Promise<string[]>} */
export async function sockets() {
  const state = await admin('GET', '/state')
  return state.sockets.map((/** @type {any} */ socket) => socket.id)
}

/**
 * Writes messages into the thread, without a browser, and both have read them: those with an even index are `a`'s.
 *
 * @param {Person} a
 * @param {Person} b
 * @param {string[]} bodies
 */
export async function seed(a, b, bodies) {
  await introduce(a, b)
  await write(a, b, bodies)
  await database.query(
    `insert into public.chat_markers (thread_id, supabase_id, read_seq, delivered_seq)
     select thread_id, unnest(array[$2, $3]::uuid[]), last_seq, last_seq from public.chat_threads where thread_id = $1
     on conflict (thread_id, supabase_id) do update set read_seq = excluded.read_seq, delivered_seq = excluded.delivered_seq`,
    [threadId(a, b), a.id, b.id],
  )
}

/**
 * Opens the app as `who`, signed in by its form, in a context of its own.
 *
 * @param {Person} who
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function open(who, options) {
  const window = await Window.empty(options)
  await window.signIn(who)
  return window
}

/**
 * `a` and `b` in two windows, in each other's chat, live.
 *
 * @param {Person} a
 * @param {Person} b
 * @returns {Promise<[Window, Window]>}
 */
export async function chatting(a, b) {
  const [atA, atB] = await Promise.all([open(a), open(b)])
  await Promise.all([atA.chatWith(b), atB.chatWith(a)])
  await Promise.all([atA.is('live'), atB.is('live')])
  return [atA, atB]
}

export class Window {
  /** @type {string[]} */
  errors = []
  /** Whether it outlives its test. */
  stays = false

  /** @param {import('playwright-core').BrowserContext} context @param {import('playwright-core').Page} page */
  constructor(context, page) {
    this.context = context
    this.page = page
    page.setDefaultTimeout(60_000)
    page.on('pageerror', (error) => this.errors.push(String(error.stack ?? error)))
    page.on('console', (message) => {
      // The network's failures are what many tests are about.
      if (message.type() === 'error' && !/Failed to load resource|WebSocket|net::|CORS/.test(message.text())) this.errors.push(message.text())
    })
    windows.push(this)
  }

  /** @param {import('playwright-core').BrowserContextOptions} [options] */
  static async empty(options) {
    const context = await browser.newContext({ viewport: { width: 900, height: 760 }, ...options })
    return new Window(context, await context.newPage())
  }

  end() {
    return this.context.close()
  }

  /** @param {Person} who */
  async signIn({ email }) {
    const { page } = this
    if (page.url() === 'about:blank') await page.goto(APP_URL)
    await page.getByText('Another account').click()
    await page.getByLabel('E-mail').fill(email)
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByTestId('me').waitFor()
  }

  /** @param {Person} other */
  async chatWith({ mongoId }) {
    const modal = this.page.getByTestId('chat-modal')
    // The board may be put in another order between the press and its end, which is no click then: one clicks again.
    for (let tries = 0; tries < 5 && !(await modal.isVisible()); tries++) {
      await this.page.getByTestId(`person-${mongoId}`).click({ timeout: 10_000 }).catch(() => {})
      await modal.waitFor({ timeout: 5_000 }).catch(() => {})
    }
    await modal.waitFor()
  }

  async leave() {
    await this.page.keyboard.press('Escape')
    await this.page.getByTestId('chat-modal').waitFor({ state: 'detached' })
  }

  /** Waits for the connection to be so. @param {import('../../pkg-template/src/index.d.ts').ChatStatus} status */
  async is(status, timeout = 60_000) {
    await this.page.locator(`[data-testid=connection][data-status=${status}]`).waitFor({ timeout })
  }

  get composer() {
    return this.page.getByTestId('composer')
  }

  /** @param {string} body */
  async send(body) {
    await this.composer.fill(body)
    await this.composer.press('Enter')
  }

  /** The bubbles from top to bottom. @returns {Promise<Bubble[]>} */
  bubbles() {
    return this.page.getByTestId('message').evaluateAll((elements) =>
      elements.map((element) => ({
        id: element.dataset['id'] ?? '',
        seq: element.dataset['seq'] === undefined ? null : Number(element.dataset['seq']),
        sender: element.dataset['sender'] ?? '',
        status: element.dataset['status'] ?? '',
        body: element.querySelector('.bubble > p')?.textContent ?? '',
      })),
    )
  }

  /** The one bubble with this text of its own. @param {string} body */
  bubble(body) {
    return this.page.getByTestId('message').filter({ has: this.page.locator('.bubble > p').and(this.page.getByText(body, { exact: true })) })
  }

  /** Opens the menu of a message, with a mouse. @param {string} body */
  async menu(body) {
    const bubble = this.bubble(body)
    await bubble.hover()
    await bubble.getByTestId('message-options').click()
    await this.page.getByTestId('message-menu').waitFor()
  }

  /** @param {string} body @param {string} entry */
  async choose(body, entry) {
    await this.menu(body)
    await this.page.getByRole('menuitem', { name: entry }).click()
  }

  /** @param {string} body @param {string} text */
  async edit(body, text) {
    await this.choose(body, 'Edit')
    await this.send(text)
  }

  /** @param {string} body */
  async unsend(body) {
    await this.choose(body, 'Unsend')
    await this.page.getByTestId('unsend-dialog-go').click()
  }

  /** Sets the reaction, or takes it back. @param {string} body @param {string} emoji */
  async react(body, emoji) {
    await this.menu(body)
    await this.page.getByRole('menuitemcheckbox', { name: emoji }).click()
  }

  /** @param {string} body @param {string} text */
  async reply(body, text) {
    await this.choose(body, 'Reply')
    await this.send(text)
  }

  /** What the ticks of a bubble say. @param {string} body */
  ticks(body) {
    return this.bubble(body).getByRole('img').getAttribute('aria-label')
  }

  /**
   * The board's conversations, the first place first: with whom, the ticks, the newest message, what is unread.
   *
   * @returns {Promise<string[]>}
   */
  conversations() {
    return this.page.locator('.board button:has([data-testid=preview])').evaluateAll((buttons) =>
      buttons.map((button) =>
        ['.name', '.ticks', '.text', '.badge']
          .map((part) => button.querySelector(part))
          .flatMap((part) => (part === null ? [] : [part.matches('.ticks') ? part.getAttribute('aria-label') : part.textContent]))
          .join(' | '),
      ),
    )
  }
}

/**
 * What a screen must show of `rows`, all of them, to `me`.
 *
 * @param {Awaited<ReturnType<typeof rows>>} table
 * @param {Person} me
 * @returns {Bubble[]}
 */
export const shown = (table, me) =>
  table.map(({ id, seq, sender_mongo_id, body }) => ({ id, seq, sender: sender_mongo_id === me.mongoId ? 'me' : 'them', status: 'sent', body }))

/**
 * Both screens show the thread as the table has it, with these bodies, if given, in whatever order.
 *
 * @param {[Person, Window][]} screens
 * @param {string[]} [bodies]
 */
export async function allShow(screens, bodies) {
  const [[a], [b]] = /** @type {[[Person, Window], [Person, Window]]} */ (screens)
  await eventually(async () => {
    const table = await rows(a, b)
    if (bodies) assert.deepEqual(table.map(({ body }) => body).sort(), [...bodies].sort())
    assert.deepEqual(
      table.map(({ seq }) => seq),
      table.map((_, index) => index + 1),
    )
    for (const [me, window] of screens) assert.deepEqual(await window.bubbles(), shown(table, me), `${me.name}'s screen`)
  })
}
