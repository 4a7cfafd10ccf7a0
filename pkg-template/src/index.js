import start, { ChatSession as Core, signOut as coreSignOut, threadId as coreThreadId } from './core.js'
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

export async function signOut() {
  await init()
  await coreSignOut()
}

export class ChatSession {
  #options
  /** While the thread is open. What the engine holds of a page, and all that this refers to, is not freed before it lets go. @type {Core | undefined} */
  #core
  /** @type {Set<() => void>} */
  #subscribers = new Set()

  /** @param {import('./index.js').ChatSessionOptions} options */
  constructor(options) {
    needInit()
    this.#options = { ...options }
    void this.#idle()
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
    if (this.getSnapshot().status === 'closed') {
      // First, as a subscriber may open it again.
      this.#core = undefined
    }
    for (const tell of [...this.#subscribers]) notify(tell)
  }

  /** What checks the options and answers that it is closed. */
  #idle() {
    return new Core(this.#options)
  }

  getSnapshot() {
    return (this.#core ?? this.#idle()).getSnapshot()
  }

  open() {
    if (!this.#core) {
      this.#core = this.#idle()
      this.#core.subscribe(() => this.#changed())
    }
    return this.#core.open()
  }

  /**
   * @param {string} body
   * @param {string} [id]
   */
  send(body, id) {
    return (this.#core ?? this.#idle()).send(body, id)
  }

  loadOlder() {
    return (this.#core ?? this.#idle()).loadOlder()
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
