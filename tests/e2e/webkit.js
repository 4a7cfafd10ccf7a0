// WebKitGTK, which stands for Safari: MiniBrowser on a screen that nobody sees, steered by Selenium through WebKitWebDriver.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { Builder, Capabilities } from 'selenium-webdriver'
import { eventually, setting } from './project.js'

/** Processes of ours, the last first. @type {import('node:child_process').ChildProcess[]} */
const running = []
process.on('exit', endAll)

export function endAll() {
  for (const child of running.splice(0)) child.kill('SIGKILL')
}

/** @param {string} program @param {string[]} args @param {import('node:child_process').StdioOptions} stdio @param {NodeJS.ProcessEnv} [env] */
function start(program, args, stdio, env = process.env) {
  const child = spawn(program, args, { stdio, env })
  child.on('error', (error) => console.error(`${program}: ${error.message}`))
  running.unshift(child)
  return child
}

/** The name of a screen in memory. @type {Promise<string> | undefined} */
let screen
async function display() {
  const server = start('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], ['ignore', 'ignore', 'ignore', 'pipe'])
  const named = server.stdio[3]
  if (!named || !('readable' in named)) throw new Error('Xvfb names no display')
  const [name] = await Promise.race([once(named, 'data'), once(server, 'exit').then(() => Promise.reject(new Error('Xvfb ended')))])
  return `:${String(name).trim()}`
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((done) => server.close(done))
  return typeof address === 'object' && address ? address.port : 0
}

/** One person's browser: its cookies and storage are its own, and gone with it. */
export class WebKit {
  /** @param {import('selenium-webdriver').WebDriver} driver @param {import('node:child_process').ChildProcess} service */
  constructor(driver, service) {
    this.driver = driver
    this.service = service
  }

  static async launch() {
    screen ??= display()
    const port = await freePort()
    const env = {
      ...process.env,
      DISPLAY: await screen,
      GDK_BACKEND: 'x11',
      // Its sandbox wants namespaces, which a container has not.
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
      // There is no GPU, and no desktop that hears of accessibility.
      WEBKIT_DISABLE_COMPOSITING_MODE: '1',
      NO_AT_BRIDGE: '1',
    }
    const service = start(setting('WEBKIT_DRIVER'), [`--port=${port}`, '--host=127.0.0.1'], 'ignore', env)
    const server = `http://127.0.0.1:${port}`
    await eventually(() => fetch(`${server}/status`))
    const driver = await new Builder().usingServer(server).withCapabilities(new Capabilities({ browserName: 'MiniBrowser' })).build()
    return new WebKit(driver, service)
  }

  async end() {
    await this.driver.quit().catch(() => {})
    this.service.kill()
  }

  /** The value of an expression, which may be a promise. @param {string} expression @returns {Promise<any>} */
  async evaluate(expression) {
    const [value, error] = await this.driver.executeAsyncScript(
      `const done = arguments[arguments.length - 1];
       Promise.resolve().then(() => ${expression}).then((value) => done([value ?? null, null]), (error) => done([null, String(error)]))`,
    )
    if (error) throw new Error(`${expression}: ${error}`)
    return value
  }

  /** @param {string} expression */
  until(expression) {
    return eventually(async () => {
      if (!(await this.evaluate(expression))) throw new Error(`not so: ${expression}`)
    })
  }

  /**
   * Opens `url` in a second tab and comes back to the first. Answers what kills the second without a word, as a crash does;
   * the driver ends with it, and the first tab lives on.
   *
   * @param {string} url
   */
  async beside(url) {
    const first = await this.driver.getWindowHandle()
    const before = await this.#pages()
    await this.driver.switchTo().newWindow('tab')
    await this.driver.get(url)
    const second = await this.driver.getWindowHandle()
    const its = (await this.#pages()).filter((pid) => !before.includes(pid))
    if (its.length === 0) throw new Error('the two tabs share a process')
    await this.driver.switchTo().window(first)
    return { first, second, kill: () => its.forEach((pid) => process.kill(pid, 'SIGKILL')) }
  }

  /** The processes of its pages. */
  #pages() {
    return webProcesses(this.service.pid ?? 0)
  }
}

/** The processes of pages that a service's browser has. @param {number} service */
async function webProcesses(service) {
  const all = new Map()
  for (const name of await readdir('/proc')) {
    const stat = /^\d+$/.test(name) ? await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '') : ''
    const [, command, parent] = /\((.*)\) \S (\d+)/.exec(stat) ?? []
    if (command) all.set(Number(name), { command, parent: Number(parent) })
  }
  const isOurs = (/** @type {number} */ pid) => {
    for (; pid > 1; pid = all.get(pid)?.parent ?? 0) if (pid === service) return true
    return false
  }
  // The kernel keeps 15 letters of a name.
  return [...all].filter(([pid, { command }]) => command.startsWith('WebKitWebProces') && isOurs(pid)).map(([pid]) => pid)
}
