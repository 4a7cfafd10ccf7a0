// What a hook shows: a session, or an inbox, that lives while a component is mounted.
import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import init, { ChatError, prefetch } from './index.js'

/** @typedef {import('./index.js').TokenSource & Partial<import('./index.js').EnsureSource>} Sources */

/**
 * @template S
 * @typedef {{ subscribe(callback: () => void): () => void, getSnapshot(): S, open(): Promise<void>, close(): void }} Session
 */

/**
 * A session that lives while somebody is subscribed: React's effects open and close it, so StrictMode may do so twice.
 *
 * @template O
 * @template S
 * @template {Session<S>} L
 */
export class Store {
  /** @type {O | null} */
  options
  /** @type {L | null} */
  session = null
  /** The last component is gone. */
  left = false
  /** @type {(() => void) | undefined} */
  #off
  /** @type {S | undefined} */
  #snapshot
  /** @type {Set<() => void>} */
  #subscribers = new Set()

  /** @param {O | null} options */
  constructor(options) {
    this.options = options
  }

  /** A session that is not open; each kind has its own, and so with the next one. @param {O} _options @returns {L} */
  make(_options) {
    return /** @type {any} */ (null)
  }

  /** What there is to show without a session. @param {import('./index.js').ChatStatus} _status @param {ChatError | null} _error @returns {S} */
  empty(_status, _error) {
    return /** @type {any} */ (null)
  }

  /** What is to be done once there is a session. @param {L} _session */
  opened(_session) {}

  /** There will be none. @param {ChatError} why */
  failed(why) {
    this.show(this.empty('closed', why))
  }

  get mounted() {
    return this.#subscribers.size > 0
  }

  /** Whether there is to be a session. */
  get wanted() {
    return this.mounted
  }

  /** @param {() => void} subscriber */
  subscribe = (subscriber) => {
    // A set of its own entries: React may subscribe the same function twice.
    const tell = () => subscriber()
    this.#subscribers.add(tell)
    this.left = false
    if (this.#subscribers.size === 1) void this.start()
    return () => {
      this.#subscribers.delete(tell)
      if (this.mounted) return
      this.left = true
      this.#snapshot = undefined
      this.#leave()
    }
  }

  getSnapshot = () => (this.#snapshot ??= this.empty(this.options ? 'connecting' : 'closed', null))

  /** @param {S} snapshot */
  show(snapshot) {
    if (this.#snapshot === snapshot) return
    this.#snapshot = snapshot
    for (const tell of [...this.#subscribers]) tell()
  }

  async start() {
    try {
      if (this.options) void prefetch(/** @type {any} */ (this.options))
      await init()
      // Gone meanwhile, or started by a second subscription.
      if (this.session || !this.options || !this.wanted) return
      const session = this.make(this.options)
      if (this.mounted) {
        this.session = session
        this.#off = session.subscribe(() => this.show(session.getSnapshot()))
      }
      // Why it can't open stands in the snapshot.
      session.open().catch(() => {})
      this.opened(session)
      if (!this.session) session.close()
    } catch (error) {
      const ours = error instanceof ChatError
      const why = ours ? error : new ChatError('init-failed', 'The chat could not be started.', String(error))
      this.#leave()
      this.failed(why)
      // For whoever watches over the page's errors.
      if (!ours) throw error
    }
  }

  /** Does without the session. */
  #leave() {
    const session = this.session
    this.session = null
    // How it ends is not for this snapshot.
    this.#off?.()
    // Whoever mounts in the same turn, such as a component that was edited, takes the thread over as it is.
    if (session) setTimeout(() => session.close())
  }
}

/**
 * The store of `Kind` for these options.
 *
 * @template {Sources} O
 * @template T
 * @param {new (options: O | null) => T} Kind
 * @param {O | null} options
 * @returns {T}
 */
export function useStore(Kind, options) {
  // By value: a page may write its options in place. Functions are told apart from none only, and the latest are called.
  const key = options && JSON.stringify(options, (_, value) => (typeof value === 'function' ? 'function' : value))
  const latest = useRef(options)
  useEffect(() => {
    latest.current = options
  })
  return useMemo(() => {
    if (!options) return new Kind(null)
    const stable = { ...options }
    const { getToken, ensureThread } = options
    if (getToken) stable.getToken = () => (latest.current?.getToken ?? getToken)()
    if (ensureThread) stable.ensureThread = (other) => (latest.current?.ensureThread ?? ensureThread)(other)
    return new Kind(stable)
    // The key stands for the options.
  }, [key])
}

/**
 * What a store of `Kind` shows while the component is mounted, and what can be done with it.
 *
 * @template {Sources} O
 * @template S
 * @template A
 * @param {new (options: O | null) => Store<O, S, any> & { actions: A }} Kind
 * @param {O | null} options
 * @returns {S & A}
 */
export function useLive(Kind, options) {
  const store = useStore(Kind, options)
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot)
  return useMemo(() => ({ ...snapshot, ...store.actions }), [snapshot, store])
}
