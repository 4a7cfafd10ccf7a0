// A small stage for whole clients in Chromium: people, the table, the stand-in's faults, and a server with the two
// endpoints and a page for each client. Lighter than the example app, so that rounds are short and faults hit one thing.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { admin, database, ensure, introduce, launch, pair, setting, write } from '../project.js'

/** @typedef {import('../project.js').Person} Person */
/** @typedef {'ours' | 'baseline'} Client */
/** @typedef {Client | `${Client}-inbox`} Page */
/** @typedef {{ id: string, body: string, status: string, seq: number | null, mine: boolean }} Bubble */

const root = join(import.meta.dirname, '../../..')

/** Two new people and their thread. @returns {Promise<[Person, Person]>} */
export async function acquainted() {
  const [a, b] = await pair()
  await introduce(a, b)
  return [a, b]
}

export class Stage {
  #server = createServer((request, response) => {
    this.#answer(request.method ?? '', new URL(request.url ?? '/', 'http://localhost')).then(
      ([status, type, body]) => response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body),
      (error) => response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error)),
    )
  })
  /** The token endpoint answers 503. */
  tokensFail = false
  /** How long its tokens are valid, in seconds. */
  tokenLife = 3600
  /** The WebAssembly is not to be had as a file, as behind some bundlers. */
  withoutWasm = false

  /** @param {import('playwright-core').Browser} browser */
  constructor(browser) {
    this.browser = browser
  }

  /** @param {import('playwright-core').Browser} [browser] */
  static async open(browser) {
    const stage = new Stage(browser ?? (await launch()))
    await new Promise((ready) => stage.#server.listen(0, '127.0.0.1', () => ready(undefined)))
    return stage
  }

  async close() {
    await this.browser.close()
    this.leave()
    await database.end()
  }

  /** Ends what is its own: the browser and the database go on. */
  leave() {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  get url() {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the stage is closed')
    return `http://localhost:${address.port}`
  }

  /**
   * The page of `client` for `me`, in a thread with `other`. `records`: ours is `chopped-chat/debug`.
   *
   * @param {Page} client @param {Person} me @param {Person} other @param {boolean} [records]
   */
  address(client, me, other, records = false) {
    const about = { url: setting('SUPABASE_URL'), key: setting('SUPABASE_ANON_KEY'), me: me.mongoId, user: me.id, other: other.mongoId, records }
    return `${this.url}/${client}.html#${encodeURIComponent(JSON.stringify(about))}`
  }

  /** Messages that `a` sends from another device. @param {Person} a @param {Person} b @param {string[]} bodies */
  write(a, b, bodies) {
    return write(a, b, bodies, { byTurns: false })
  }

  /** @param {string} method @param {URL} url @returns {Promise<[number, string, string | Buffer]>} */
  async #answer(method, { pathname, searchParams }) {
    const json = (/** @type {number} */ status, /** @type {unknown} */ body) =>
      /** @type {[number, string, string]} */ ([status, 'application/json', JSON.stringify(body)])
    if (pathname === '/api/token') {
      if (this.tokensFail) return json(503, { code: 'supabase-unreachable', message: 'as the test wants it' })
      return json(200, await admin('POST', '/tokens', { sub: searchParams.get('user'), expires_in: this.tokenLife }))
    }
    if (pathname === '/api/ensure' && method === 'POST') {
      await ensure({ mongoId: searchParams.get('me') ?? '' }, { mongoId: searchParams.get('other') ?? '' })
      return json(200, {})
    }
    if (pathname.endsWith('.html')) {
      const library = pathname.startsWith('/baseline') ? '<script src="/supabase-js/supabase.js"></script>' : ''
      const page = `<script type="module" src="/stage${pathname.replace('.html', '-page.js')}"></script>`
      return [200, 'text/html', `<!doctype html><link rel="icon" href="data:,">${library}${page}`]
    }
    if (this.withoutWasm && pathname.endsWith('.wasm')) return [404, 'text/plain', 'not found']
    const folders = { '/pkg/': 'pkg', '/stage/': 'tests/e2e/chaos', '/supabase-js/': 'tests/supabase-js/node_modules/@supabase/supabase-js/dist/umd' }
    for (const [prefix, folder] of Object.entries(folders)) {
      if (!pathname.startsWith(prefix)) continue
      const types = /** @type {Record<string, string>} */ ({ '.js': 'text/javascript', '.wasm': 'application/wasm' })
      return [200, types[extname(pathname)] ?? 'text/plain', await readFile(join(root, folder, normalize(pathname.slice(prefix.length))))]
    }
    return [404, 'text/plain', 'not found']
  }
}

/** A tab with a client in it, and the person before it. */
export class Tab {
  /** How many messages stood out of order at some moment, in pages that are gone. */
  swappedBefore = 0

  /** @param {Stage} stage @param {import('playwright-core').BrowserContext} context @param {Page} client @param {Person} me @param {Person} other @param {boolean} records */
  constructor(stage, context, client, me, other, records) {
    this.address = stage.address(client, me, other, records)
    this.context = context
    this.me = me
  }

  /** @param {Stage} stage @param {Page} client @param {Person} me @param {Person} other @param {{ context?: import('playwright-core').BrowserContext, records?: boolean }} [how] */
  static async open(stage, client, me, other, { context, records = false } = {}) {
    const tab = new Tab(stage, context ?? (await stage.browser.newContext()), client, me, other, records)
    await tab.load()
    return tab
  }

  async load() {
    this.page = await this.context.newPage()
    await this.page.goto(this.address)
    await this.ready()
  }

  get #page() {
    if (!this.page) throw new Error('no page is open')
    return this.page
  }

  ready() {
    return this.#page.waitForFunction('window.chat !== undefined', undefined, { polling: 20 })
  }

  async reload() {
    await this.#remember()
    await this.#page.reload()
    await this.ready()
  }

  /** The page dies without a word, as in a crash. */
  async kill() {
    const devtools = await this.context.newCDPSession(this.#page)
    const crashed = new Promise((done) => this.#page.once('crash', done))
    devtools.send('Page.crash').catch(() => {})
    await crashed
    await this.#page.close()
    this.page = undefined
  }

  /** What happens to a tab; `ms` is how long, if it takes any time. @param {string} mishap @param {number} ms */
  async strike(mishap, ms) {
    if (mishap === 'offline') {
      await this.context.setOffline(true)
      await sleep(ms)
      await this.context.setOffline(false)
    } else if (mishap === 'frozen') {
      await this.#freeze(true)
      await sleep(ms)
      await this.#freeze(false)
    } else if (mishap === 'reloaded') {
      await this.reload()
    } else if (mishap === 'killed') {
      await this.#remember()
      await this.kill()
      await sleep(300)
      await this.load()
    }
  }

  /** @param {boolean} frozen */
  async #freeze(frozen) {
    const devtools = await this.context.newCDPSession(this.#page)
    await devtools.send('Page.setWebLifecycleState', { state: frozen ? 'frozen' : 'active' })
    await devtools.detach()
  }

  /** Types a message; answers its bubble's id once a person would see it. @param {string} body @returns {Promise<string>} */
  send(body) {
    return this.#page.evaluate(`chat.send(${JSON.stringify(body)})`)
  }

  /** @returns {Promise<Bubble[]>} */
  bubbles() {
    return this.#page.evaluate('chat.bubbles()')
  }

  /** What the header would say: the connection, and the code of what is wrong, if anything. @returns {Promise<{ status: string, error: string | null }>} */
  state() {
    return this.#page.evaluate('chat.state()')
  }

  /** @param {string} status */
  async is(status) {
    await this.#page.waitForFunction(`chat.state().status === '${status}'`, undefined, { polling: 20, timeout: 30_000 })
  }

  /** What happened to the engine since the page was loaded, if it records. @returns {Promise<string>} */
  recording() {
    return this.#page.evaluate('chat.recording()')
  }

  /** The person presses retry at each bubble that says error. */
  async retryErrors() {
    await this.#page.evaluate('chat.retryErrors()')
  }

  /** How many messages stood after one of a higher number, at any moment. @returns {Promise<number>} */
  async swapped() {
    return this.swappedBefore + /** @type {number} */ (await this.#page.evaluate('chat.swapped.size'))
  }

  async #remember() {
    this.swappedBefore = await this.swapped()
  }

  /** @param {string} script @returns {Promise<any>} */
  async run(script) {
    return this.#page.evaluate(script)
  }
}
