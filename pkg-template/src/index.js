import start, { ChatSession as Core, signOut as coreSignOut, threadId as coreThreadId } from './core.js'
import { ChatError } from './values.js'
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
  #core

  /** @param {import('./index.js').ChatSessionOptions} options */
  constructor(options) {
    needInit()
    this.#core = new Core(options)
    // Bound, so that they can be handed to useSyncExternalStore as they are.
    this.subscribe = this.subscribe.bind(this)
    this.getSnapshot = this.getSnapshot.bind(this)
  }

  /** @param {() => void} callback */
  subscribe(callback) {
    return this.#core.subscribe(callback)
  }

  getSnapshot() {
    return this.#core.getSnapshot()
  }

  open() {
    return this.#core.open()
  }

  /**
   * @param {string} body
   * @param {string} [id]
   */
  send(body, id) {
    return this.#core.send(body, id)
  }

  loadOlder() {
    return this.#core.loadOlder()
  }

  /** @param {string} id */
  retry(id) {
    this.#core.retry(id)
  }

  /** @param {string} id */
  discard(id) {
    this.#core.discard(id)
  }

  close() {
    this.#core.close()
  }
}

if (Symbol.dispose) {
  Object.defineProperty(ChatSession.prototype, Symbol.dispose, { value: ChatSession.prototype.close })
}
