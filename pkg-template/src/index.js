import start, { ChatSession as Core, countUnsent as coreCountUnsent, hasClient, signOut as coreSignOut, threadId as coreThreadId } from './core.js'
import { askEarly, dropEarly } from './requests.js'
import { ChatError, notify } from './values.js'
import { load } from './load.js'

export { ChatError }

/** @type {Promise<void> | undefined} */
let starting
let started = false

/** @param {import('./index.js').WasmSource} [source] */
export default function init(source) {
  starting ??= load(source)
    .then((module) => start({ module_or_path: module }))
    .then(
      () => {
        started = true
      },
      (error) => {
        // Forgotten, so that the next call tries again.
        starting = undefined
        throw new ChatError('init-failed', 'The WebAssembly module could not be loaded.', String(error))
      },
    )
  return starting
}

/** @param {import('./index.js').ChatSessionOptions} [options] */
export async function prefetch(options) {
  // Else its engine has a token and a socket, and asks for the rest itself.
  if (options && !(started && hasClient())) askEarly(options)
  // Whoever opens the chat tries again, and hears why.
  await init().catch(() => {})
}

function needInit() {
  if (!started) {
    throw new ChatError('not-initialized', 'chopped-chat is not loaded yet: await its default export, init(), first.')
  }
}

/**
 * @param {string} a
 * @param {string} b
 */
export function threadId(a, b) {
  needInit()
  return coreThreadId(a, b)
}

export async function countUnsent() {
  await init()
  return coreCountUnsent()
}

export async function signOut() {
  dropEarly()
  await init()
  await coreSignOut()
}

export class ChatSession {
  #options
  /** While the thread is open. What the engine holds of a page, and all that this refers to, is not freed before it lets go. @type {Core | undefined} */
  #core
  #opening = false
  /** @type {Set<() => void>} */
  #subscribers = new Set()

  /** @param {import('./index.js').ChatSessionOptions} options */
  constructor(options) {
    needInit()
    this.#options = { ...options }
    this.#ask(() => {})
    // Bound, so that they can be handed to useSyncExternalStore as they are.
    this.subscribe = this.subscribe.bind(this)
    this.getSnapshot = this.getSnapshot.bind(this)
  }

  /** @param {() => void} callback */
  subscribe(callback) {
    if (typeof callback !== 'function') {
      throw new ChatError('invalid-options', 'subscribe(callback): callback must be a function')
    }
    // An entry of its own: the same function may subscribe twice.
    const tell = () => callback()
    this.#subscribers.add(tell)
    return () => {
      this.#subscribers.delete(tell)
    }
  }

  #changed() {
    const { status, error } = this.getSnapshot()
    // One that stopped by an error stays, to say why. First, as a subscriber may open it again.
    if (status === 'closed' && !error && !this.#opening) {
      const core = this.#core
      this.#core = undefined
      // Not before it has returned.
      queueMicrotask(() => core?.free())
    }
    for (const tell of [...this.#subscribers]) notify(tell)
  }

  /**
   * Asks the engine's object, or one for the moment: it checks the options, and answers as what is closed does.
   *
   * @template T
   * @param {(core: Core) => T} what
   */
  #ask(what) {
    if (this.#core) return what(this.#core)
    const core = new Core(this.#options)
    try {
      return what(core)
    } finally {
      core.free()
    }
  }

  getSnapshot() {
    return this.#ask((core) => core.getSnapshot())
  }

  open() {
    if (!this.#core) {
      this.#core = new Core(this.#options)
      this.#core.subscribe(() => this.#changed())
    }
    // What has stopped is closed first, and opened then.
    this.#opening = true
    try {
      return this.#core.open()
    } finally {
      this.#opening = false
    }
  }

  /**
   * @param {string} body
   * @param {string} [id]
   */
  send(body, id) {
    return this.#ask((core) => core.send(body, id))
  }

  loadOlder() {
    return this.#ask((core) => core.loadOlder())
  }

  /** @param {string} id */
  retry(id) {
    this.#core?.retry(id)
  }

  /** @param {string} id */
  discard(id) {
    this.#core?.discard(id)
  }

  close() {
    this.#core?.close()
  }
}

if (Symbol.dispose) {
  Object.defineProperty(ChatSession.prototype, Symbol.dispose, { value: ChatSession.prototype.close })
}
