// What a session and an inbox have in common: they are opened, subscribed to and closed.
import { ChatError, notify } from './values.js'

/** @typedef {import('./core.js').Core} Core */

/**
 * Asks the engine's object of `handle`, or one for the moment: it checks the options, and answers as what is closed does.
 *
 * @type {<C extends Core, T>(handle: Handle<C>, what: (core: C) => T) => T}
 */
export let ask

/** @template {Core} C */
export class Handle {
  static {
    ask = (handle, what) => handle.#ask(what)
    if (Symbol.dispose) Object.defineProperty(this.prototype, Symbol.dispose, { value: this.prototype.close })
  }

  /** @type {() => C} */
  #make
  /** While it is open. What the engine holds of a page, and all that this refers to, is not freed before it lets go. @type {C | undefined} */
  #core
  #opening = false
  /** @type {Set<() => void>} */
  #subscribers = new Set()

  /** @param {() => C} make makes the engine's object, which checks the options */
  constructor(make) {
    this.#make = make
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
   * @template T
   * @param {(core: C) => T} what
   */
  #ask(what) {
    if (this.#core) return what(this.#core)
    const core = this.#make()
    try {
      return what(core)
    } finally {
      core.free()
    }
  }

  getSnapshot() {
    return this.#ask((core) => /** @type {ReturnType<C['getSnapshot']>} */ (core.getSnapshot()))
  }

  open() {
    if (!this.#core) {
      this.#core = this.#make()
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

  close() {
    this.#core?.close()
  }
}
