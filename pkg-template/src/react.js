import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import init, { ChatError, ChatSession } from './index.js'

/** @typedef {import('./index.js').ChatSessionOptions} Options */
/** @typedef {import('./index.js').ChatSnapshot} Snapshot */

/** @type {(status: Snapshot['status'], error: ChatError | null) => Snapshot} */
const empty = (status, error) => ({ status, messages: [], hasOlder: false, loadingOlder: false, error, outboxPersists: true })
const CONNECTING = empty('connecting', null)
const CLOSED = empty('closed', null)

/** A session that lives while somebody is subscribed: React's effects open and close it, so StrictMode may do so twice. */
class Store {
  /** @type {Options | null} */
  #options
  /** @type {ChatSession | null} */
  #session = null
  /** @type {(() => void) | undefined} */
  #off
  /** @type {Snapshot} */
  #snapshot
  /** @type {Set<() => void>} */
  #subscribers = new Set()

  /** @param {Options | null} options */
  constructor(options) {
    this.#options = options
    this.#snapshot = options ? CONNECTING : CLOSED
  }

  /** @param {() => void} subscriber */
  subscribe = (subscriber) => {
    // A set of its own entries: React may subscribe the same function twice.
    const tell = () => subscriber()
    this.#subscribers.add(tell)
    if (this.#subscribers.size === 1) void this.#start()
    return () => {
      this.#subscribers.delete(tell)
      if (this.#subscribers.size === 0) this.#stop()
    }
  }

  getSnapshot = () => this.#snapshot

  /** @param {Snapshot} snapshot */
  #show(snapshot) {
    if (this.#snapshot === snapshot) return
    this.#snapshot = snapshot
    for (const tell of [...this.#subscribers]) tell()
  }

  async #start() {
    try {
      await init()
      // Gone meanwhile, or started by a second subscription.
      if (this.#subscribers.size === 0 || this.#session || !this.#options) return
      const session = new ChatSession(this.#options)
      this.#session = session
      this.#off = session.subscribe(() => this.#show(session.getSnapshot()))
      // Why it can't open stands in the snapshot.
      session.open().catch(() => {})
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      this.#show(empty('closed', error))
    }
  }

  #stop() {
    const session = this.#session
    this.#session = null
    this.#snapshot = this.#options ? CONNECTING : CLOSED
    // Whoever mounts in the same turn, such as a component that was edited, takes the thread over as it is.
    if (session) setTimeout(() => session.close())
    // The session holds who subscribes, who holds the session: neither would ever be freed.
    this.#off?.()
  }

  /** @returns {ChatSession} */
  #open() {
    if (this.#session) return this.#session
    if (this.#options) throw new ChatError('not-initialized', 'The chat is still loading.')
    throw new ChatError('closed', 'The session is closed.')
  }

  actions = {
    send: (/** @type {string} */ body) => this.#open().send(body),
    loadOlder: async () => this.#open().loadOlder(),
    retry: (/** @type {string} */ id) => this.#session?.retry(id),
    discard: (/** @type {string} */ id) => this.#session?.discard(id),
  }
}

/** @param {Options | null} options */
export function useChat(options) {
  // By value: a page may write its options in place. Functions are told apart from none only, and the latest are called.
  const key = options && JSON.stringify(options, (_, value) => (typeof value === 'function' ? 'function' : value))
  const latest = useRef(options)
  useEffect(() => {
    latest.current = options
  })
  const store = useMemo(() => {
    if (!options) return new Store(null)
    const stable = { ...options }
    if (options.getToken) {
      stable.getToken = () => (latest.current?.getToken ?? options.getToken)()
    }
    if (options.ensureThread) {
      stable.ensureThread = (other) => (latest.current?.ensureThread ?? options.ensureThread)(other)
    }
    return new Store(stable)
    // The key stands for the options.
  }, [key])
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot)
  return useMemo(() => ({ ...snapshot, ...store.actions }), [snapshot, store])
}
