// What an open chat holds and gives back, and what it says in a day when nobody says anything: on the server inside the page,
// with a clock that is turned by hand.
import { PEERS } from '../stage.js'

const FEW = 50
const CHATS = 10
const MANY = 10_000
const HOURS = 24
/** Chats that a page may well have open. */
const SEVERAL = 5
/** Requests an hour, however many chats there are. */
const POLLS = 81
/** Counted, not timed: more rounds would say the same. */
const LIVES = 5
const DAYS = 1
const FORGOTTEN_MS = 120_000

export async function measure(stage, pairs, table) {
  const ana = await stage.person('Ana')

  async function faked(peer) {
    const page = await stage.page(ana, async (blank) => {
      await blank.clock.install()
      await blank.addInitScript(noteMemories)
    })
    await page.evaluate(() => import('/page/faked.js'))
    const devtools = await page.context().newCDPSession(page)
    /** JavaScript and DOM, and WebAssembly, in KiB. */
    const held = async () => {
      for (let n = 0; n < 3; n++) await devtools.send('HeapProfiler.collectGarbage')
      const { usedSize, embedderHeapUsedSize } = await devtools.send('Runtime.getHeapUsage')
      const wasm = await page.evaluate(() => globalThis.wasmBytes())
      return { all: (usedSize + embedderHeapUsedSize + wasm) / 1024, wasm: wasm / 1024 }
    }
    const open = (length) =>
      page.evaluate(
        async ([name, long]) => {
          globalThis.chats ??= []
          globalThis.chats.push(await globalThis.faked.chatOf(name, long))
        },
        [peer, length],
      )
    return { page, held, open }
  }

  async function lifetime(peer) {
    const { page, held, open } = await faked(peer)
    const { all: nothing } = await held()
    await open(FEW)
    const first = await held()
    for (let n = 0; n < CHATS; n++) await open(FEW)
    const more = await held()
    await open(MANY)
    const many = await held()
    await page.evaluate(async () => {
      for (const chat of globalThis.chats.splice(0)) await chat.close()
    })
    await page.clock.runFor(FORGOTTEN_MS)
    const closed = await held()
    await page.context().close()
    return {
      first: first.all - nothing,
      another: (more.all - first.all) / CHATS,
      thousand: (many.all - more.all) / (MANY / 1000),
      closed: closed.all - nothing,
      wasm: closed.wasm,
    }
  }

  /** What a page with so many chats says in an hour of it. */
  async function day(peer, { chats = 1, hidden = false } = {}) {
    const { page, open } = await faked(peer)
    for (let n = 0; n < chats; n++) await open(FEW)
    if (hidden) await page.evaluate(hide)
    const before = await page.evaluate(() => ({ ...globalThis.faked.traffic }))
    await page.clock.runFor(HOURS * 3_600_000)
    const after = await page.evaluate(() => ({ ...globalThis.faked.traffic }))
    await page.context().close()
    return Object.fromEntries(Object.keys(after).map((name) => [name, (after[name] - before[name]) / HOURS]))
  }

  const lives = Object.fromEntries(PEERS.map((peer) => [peer, []]))
  const [days, busyDays, hiddenDays] = [1, 2, 3].map(() => Object.fromEntries(PEERS.map((peer) => [peer, []])))
  for (let pair = 0; pair < Math.min(pairs, LIVES); pair++) {
    for (const peer of PEERS) {
      stage.progress(`memory, ${peer}`, pair, Math.min(pairs, LIVES))
      lives[peer].push(await lifetime(peer))
      if (pair >= DAYS) continue
      stage.progress(`memory, idle days, ${peer}`, pair, DAYS)
      days[peer].push(await day(peer))
      busyDays[peer].push(await day(peer, { chats: SEVERAL }))
      hiddenDays[peer].push(await day(peer, { hidden: true }))
    }
  }

  const beside = (most) => ({ against: 'supabase-js', most })
  const rows = (of, unit, names) => {
    for (const [name, take, ...goals] of names) {
      table.row({ name, unit, goals, compare: !name.startsWith('of that'), samples: Object.fromEntries(PEERS.map((peer) => [peer, of[peer].map(take)])) })
    }
  }
  rows(lives, 'KiB', [
    ['loaded, one chat of 50 open (JS heap + wasm)', ({ first }) => first, beside(1.3)],
    ['one more chat of 50', ({ another }) => another],
    ['1,000 messages more', ({ thousand }) => thousand, beside(1)],
    ['two minutes after all are closed', ({ closed }) => closed, beside(1.3)],
    ['of that WebAssembly, which never shrinks', ({ wasm }) => wasm],
  ])
  rows(days, '', [
    ['idle, HTTP requests per hour', ({ requests }) => requests, { most: POLLS }],
    ['idle, frames sent per hour', ({ framesOut }) => framesOut],
  ])
  rows(busyDays, '', [[`idle with ${SEVERAL} chats, HTTP requests per hour`, ({ requests }) => requests, { most: POLLS }]])
  rows(hiddenDays, '', [['hidden, HTTP requests per hour', ({ requests }) => requests, { most: 0 }]])
  rows(days, 'KiB', [['idle, KiB both ways per hour', ({ bytes }) => bytes / 1024]])
}

/** As for a tab behind another one. */
function hide() {
  Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' })
  Object.defineProperty(document, 'hidden', { get: () => true })
  document.dispatchEvent(new Event('visibilitychange'))
}

/** Before anything runs: WebAssembly's memory is the one heap that no tool counts. */
function noteMemories() {
  const memories = []
  const real = WebAssembly.instantiate
  WebAssembly.instantiate = async (...args) => {
    const made = await real(...args)
    const { exports } = made.instance ?? made
    memories.push(...Object.values(exports).filter((value) => value instanceof WebAssembly.Memory))
    return made
  }
  globalThis.wasmBytes = () => memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0)
}
