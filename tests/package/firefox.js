// Firefox as it comes from its maker or from Debian, steered by WebDriver BiDi (https://w3c.github.io/webdriver-bidi): what
// Playwright steers is a Firefox of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import WebSocket from 'ws'

const STARTS_WITHIN = 60_000

/** @param {string} program */
export async function launchFirefox(program) {
  const profile = await mkdtemp(join(tmpdir(), 'firefox-'))
  const child = spawn(program, ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = new Promise((done) => child.on('exit', done).on('error', done))
  const kill = () => child.kill('SIGKILL')
  process.on('exit', kill)
  const end = async () => {
    kill()
    await exited
    process.off('exit', kill)
    // Its processes of content end by themselves, and write until then.
    await rm(profile, { recursive: true, force: true, maxRetries: 20 })
  }
  try {
    const bidi = await connect(`${await address(child.stderr)}/session`)
    await bidi('session.new', { capabilities: {} })
    return { visit: (/** @type {string} */ url, /** @type {object} */ chat) => visit(bidi, url, chat), end }
  } catch (error) {
    await end()
    throw error
  }
}

/** @param {import('node:stream').Readable} stderr */
async function address(stderr) {
  let said = ''
  const late = setTimeout(() => stderr.destroy(new Error(`Firefox was not ready within ${STARTS_WITHIN} ms:\n${said}`)), STARTS_WITHIN)
  for await (const chunk of stderr.iterator({ destroyOnReturn: false })) {
    said += chunk
    const url = /WebDriver BiDi listening on (ws:\S+)/.exec(said)?.[1]
    if (!url) continue
    clearTimeout(late)
    // Whoever writes to a full pipe waits for ever.
    stderr.resume()
    return url
  }
  throw new Error(`Firefox ended:\n${said}`)
}

/** Sends commands. @param {string} url */
async function connect(url) {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  let last = 0
  /** @type {Map<number, { done: (result: any) => void, failed: (error: Error) => void }>} */
  const waiting = new Map()
  /** @type {Set<(method: string, params: any) => void>} */
  const listeners = new Set()
  socket.on('message', (data) => {
    const { id, result, message, error, method, params } = JSON.parse(String(data))
    if (method) for (const listener of listeners) listener(method, params)
    else if (error) waiting.get(id)?.failed(new Error(`${error}: ${message}`))
    else waiting.get(id)?.done(result)
    waiting.delete(id)
  })
  socket.on('close', () => waiting.forEach(({ failed }) => failed(new Error('Firefox ended'))))
  const command = (/** @type {string} */ method, /** @type {object} */ params) =>
    new Promise((done, failed) => {
      waiting.set((last += 1), { done, failed })
      socket.send(JSON.stringify({ id: last, method, params }))
    })
  return Object.assign(command, { listeners })
}

/** Opens `url` in a new tab, with `chat` on its globalThis before it runs. @param {Awaited<ReturnType<typeof connect>>} bidi @param {string} url @param {object} chat */
async function visit(bidi, url, chat) {
  const { context } = await bidi('browsingContext.create', { type: 'tab' })
  /** @type {string[]} */
  const said = []
  const listen = (/** @type {string} */ method, /** @type {any} */ { level, text, source, stackTrace }) => {
    if (method === 'log.entryAdded' && level === 'error' && source.context === context) said.push(`${text} ${stackTrace?.callFrames[0]?.url ?? ''}`)
  }
  bidi.listeners.add(listen)
  await bidi('session.subscribe', { events: ['log.entryAdded'], contexts: [context] })
  const functionDeclaration = `() => { globalThis.chat = ${JSON.stringify(chat)} }`
  await bidi('script.addPreloadScript', { functionDeclaration, contexts: [context] })
  const go = () => bidi('browsingContext.navigate', { context, url, wait: 'complete' })
  await go()
  /** The JSON of an expression, which may be a promise. @param {string} expression */
  const evaluate = async (expression) => {
    const made = await bidi('script.evaluate', {
      expression: `(async () => JSON.stringify(await (${expression})))()`,
      target: { context },
      awaitPromise: true,
    })
    if (made.exceptionDetails) throw new Error(`${expression}: ${made.exceptionDetails.text}`)
    return made.result.value && JSON.parse(made.result.value)
  }
  return {
    said,
    again: go,
    evaluate,
    /** @param {string} expression */
    async until(expression, within = 60_000) {
      for (const end = Date.now() + within; !(await evaluate(expression)); await new Promise((done) => setTimeout(done, 20))) {
        if (Date.now() > end) throw new Error(`${expression}: not within ${within} ms\n${said.join('\n')}`)
      }
    },
    async end() {
      bidi.listeners.delete(listen)
      await bidi('browsingContext.close', { context })
    },
  }
}
