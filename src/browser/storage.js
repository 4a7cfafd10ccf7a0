// The messages that are not sent yet, in IndexedDB, so that they outlive the page; and which page may send them.
//
// A message belongs to the page that wrote it. Each page holds a Web Lock, named after itself, until it ends, however it
// ends; the others queue for it, and whoever gets it takes its messages over. So each is sent by one page at a time, and
// goes on within milliseconds of the death of its own. A page that starts takes over what the dead have left before it
// writes or sends anything of its own, so that what was typed first goes first.
//
// Without Web Locks (a page that is no secure context) a page takes over what it finds when it starts, even from a page
// that lives. Both may send it then, and it is still one message: the table has the id once, and the second send is
// answered with the row of the first.

import { dropPages } from './pages.js'

const DATABASE = 'chopped-chat'
/** As the store was named first: a name on disk stays. */
const DRAFTS = { database: DATABASE, store: 'drafts', key: 'id' }
/**
 * How far a thread was seen, where the server does not know it yet; see `inbox.js`. A database of its own: a new version of the other
 * one would close it to pages of before.
 */
export const SEEN = { database: `${DATABASE} seen`, store: 'seen', key: 'thread' }
/** What is still to become of messages; see `changes.js`. */
export const CHANGES = { database: `${DATABASE} changes`, store: 'changes', key: 'id' }
/** How long a write may take before it counts as failed, in ms: some browsers never answer. */
const PATIENCE = 2000

/** Of secure contexts only. */
const locks = () => globalThis.navigator?.locks

const channel = (name = DATABASE) => (globalThis.BroadcastChannel ? new BroadcastChannel(name) : undefined)

/** Grows with every sign-out that this page knows of: what was to be stored before one must not be stored behind it. */
export let signOuts = 0

/**
 * Calls `signedOut` when another page of this origin signs out.
 *
 * @param {() => void} signedOut
 * @returns {{ close(): void }}
 */
export function hearSignOut(signedOut) {
  const heard = channel() ?? { close() {} }
  heard.onmessage = ({ data }) => {
    if (data !== null) return
    signOuts += 1
    signedOut()
    // The other page has emptied them; this one may have written since.
    void dropPages()
  }
  return heard
}

/** @returns {Promise<IDBDatabase>} */
const open = ({ database, store, key }, lost) =>
  new Promise((resolve, reject) => {
    const request = indexedDB.open(database, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(store, { keyPath: ['project', 'person', key] })
    request.onerror = () => reject(request.error)
    request.onsuccess = () => {
      const database = request.result
      database.onclose = lost
      database.onversionchange = () => {
        // Somebody deletes it, and waits for us.
        database.close()
        lost()
      }
      resolve(database)
    }
  })

/** What `act` asks of the store, once all of it is done. */
const transact = (database, mode, act) =>
  new Promise((resolve, reject) => {
    const [store] = database.objectStoreNames
    const transaction = database.transaction(store, mode)
    const request = act(transaction.objectStore(store))
    transaction.oncomplete = () => resolve(request?.result)
    transaction.onabort = () => reject(transaction.error)
  })

/** What `done` settles with, or nothing where that takes too long. */
const within = (done) => Promise.race([done, new Promise((late) => setTimeout(late, PATIENCE))])

/** What `act` asks of the store, or nothing: no storage, no messages. */
export const ask = (mode, act, kept = DRAFTS) =>
  within(
    open(kept, () => {})
      .then((database) => transact(database, mode, act).finally(() => database.close()))
      .catch(() => {}),
  )

/** Deletes what is kept on this origin, sent or not, and tells its other pages. */
export async function forgetAll() {
  signOuts += 1
  const told = channel()
  told?.postMessage(null)
  told?.close()
  const clear = (store) => store.clear()
  await Promise.all([within(dropPages()), ...[DRAFTS, SEEN, CHANGES].map((kept) => ask('readwrite', clear, kept))])
}

/**
 * How many messages are not sent yet: those of `lists`, which are what this page's threads show, and what else is stored.
 *
 * @param {{ id: string, seq: number | null }[][]} lists
 */
export async function countUnsent(lists) {
  const messages = lists.flat()
  const unsent = new Set(messages.filter(({ seq }) => seq === null).map(({ id }) => id))
  const keys = (await ask('readonly', (store) => store.getAllKeys())) ?? []
  for (const [, , id] of keys) unsent.add(id)
  // Sent, and about to be deleted.
  for (const { id, seq } of messages) if (seq !== null) unsent.delete(id)
  return unsent.size
}

/** The stored messages of one person on one project, as one page has them. */
export class Storage {
  #project
  #person
  #kept
  /** The callbacks; none once it is closed. */
  #tell
  #me = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-')
  /** The page's own messages by id. */
  #records = new Map()
  /** What is not written yet: a record, or null for one to delete. */
  #unwritten = new Map()
  #database
  /**
   * Settles when the page has its lock and has taken over what there was: what is written before would be up for taking,
   * and out of order.
   */
  #started
  /** Settles when the last transaction has. */
  #flight = Promise.resolve()
  /** Settles when nothing is being written. */
  #busy = Promise.resolve()
  #watched = new Set()
  #ended = new AbortController()
  #channel
  #since = signOuts

  /**
   * @param {(works: boolean) => void} works whether what is written is kept
   * @param {(records: object[] | undefined) => object[]} adopted messages that are this page's from now on; undefined when
   *   all that was there at the start has been told, or cannot be had in time. Returns the records that are not to stay
   *   as they are
   * @param {typeof DRAFTS} kept what it keeps
   */
  constructor(project, person, works, adopted, kept = DRAFTS) {
    this.#project = project
    this.#person = person
    this.#kept = kept
    this.#tell = { works, adopted }
    this.#started = this.#start().catch(() => this.#works(false))
    within(this.#started).then(() => this.#tell?.adopted())
  }

  put(id, thread, order, writtenAt, body, replyTo, code, detail) {
    this.keep({ id, thread, order, writtenAt, body, replyTo, code, detail })
  }

  keep(fields) {
    const record = { project: this.#project, person: this.#person, owner: this.#me, ...fields }
    this.#records.set(record.id, record)
    this.#busy = this.#write(record.id, record)
  }

  remove(id) {
    this.#records.delete(id)
    this.#busy = this.#write(id, null)
  }

  close() {
    this.#tell = undefined
    this.#channel?.close()
    within(this.#busy).then(() => {
      this.#ended.abort()
      this.#shut()
    })
  }

  #works(works) {
    this.#tell?.works(works)
  }

  #name = (owner) => `${this.#kept.database} ${this.#project} ${this.#person} ${owner}`

  /** Takes this page's lock, and keeps it until the page or the storage ends. */
  #lock() {
    if (!locks()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const { signal } = this.#ended
      const untilTheEnd = () => {
        resolve()
        // The end may have come before the lock did.
        return signal.aborted || new Promise((release) => signal.addEventListener('abort', release))
      }
      locks().request(this.#name(this.#me), { signal }, untilTheEnd).catch(reject)
    })
  }

  #open() {
    this.#database ??= open(this.#kept, () => {
      this.#database = undefined
      this.#works(false)
      // All of it is to be written again, by the next write.
      for (const [id, record] of this.#records) this.#unwritten.set(id, record)
    }).catch((error) => {
      this.#database = undefined
      throw error
    })
    return this.#database
  }

  #shut() {
    this.#database?.then((database) => database.close()).catch(() => {})
    this.#database = undefined
  }

  /**
   * What `act` asks of the store; it may be called twice. A browser that loses its connection to the database says so at
   * every use from then on (WebKit: "Connection to Indexed Database server lost"), and a new one works.
   */
  async #transact(mode, act) {
    const opened = this.#open()
    try {
      return await transact(await opened, mode, act)
    } catch (error) {
      if (error?.name === 'QuotaExceededError') throw error
      if (this.#database === opened) this.#shut()
      return await transact(await this.#open(), mode, act)
    } finally {
      if (this.#ended.signal.aborted) this.#shut()
    }
  }

  async #write(id, record) {
    this.#unwritten.set(id, record)
    const late = setTimeout(() => this.#works(false), PATIENCE)
    try {
      await this.#started
      // One transaction takes along all that was put before it began, however many calls that were.
      if (this.#unwritten.size > 0) this.#flight = this.#flush()
      await this.#flight
      this.#works(true)
    } catch {
      // No storage, or none left: it stays unwritten, and is tried again with the next write.
      this.#works(false)
    }
    clearTimeout(late)
  }

  /** Writes what is not written; where that fails it is unwritten again, unless something newer is. */
  async #flush() {
    const batch = this.#unwritten
    this.#unwritten = new Map()
    try {
      await this.#transact('readwrite', (store) => {
        if (this.#since !== signOuts) return
        for (const [id, record] of batch) {
          if (record) store.put(record)
          else store.delete([this.#project, this.#person, id])
        }
      })
    } catch (error) {
      for (const [id, record] of batch) if (!this.#unwritten.has(id)) this.#unwritten.set(id, record)
      throw error
    }
  }

  /** Finds the other pages of this person, the living and the dead. */
  async #start() {
    await this.#lock()
    if (!this.#tell) return
    this.#channel = channel(this.#kept.database)
    if (this.#channel) {
      this.#channel.onmessage = ({ data }) => {
        if (data?.project === this.#project && data.person === this.#person) this.#watch(data.owner)
      }
      this.#channel.postMessage({ project: this.#project, person: this.#person, owner: this.#me })
    }
    const prefix = this.#name('')
    const held = (await locks()?.query())?.held ?? []
    for (const { name } of held) if (name.startsWith(prefix)) this.#watch(name.slice(prefix.length))
    if (!this.#tell) return
    const records = await this.#transact('readonly', (store) => store.getAll(this.#mine()))
    const owners = [...new Set(records.map(({ owner }) => String(owner)))]
    await this.#inherit(owners)
    for (const owner of owners) this.#watch(owner)
    this.#works(true)
  }

  /** Takes over from those of `owners` that are dead, in one go: what they left is put in order together. */
  async #inherit(owners) {
    if (!locks()) return this.#adopt(owners)
    let release = () => {}
    const done = new Promise((resolve) => (release = resolve))
    const isDead = (owner) =>
      new Promise((resolve) => {
        const held = (lock) => {
          resolve(lock !== null)
          return lock && done
        }
        locks().request(this.#name(owner), { ifAvailable: true }, held).catch(() => resolve(false))
      })
    try {
      const dead = await Promise.all(owners.map(isDead))
      await this.#adopt(owners.filter((_, at) => dead[at]))
    } finally {
      release()
    }
  }

  #mine = () => IDBKeyRange.bound([this.#project, this.#person], [this.#project, this.#person, []])

  #watch(owner) {
    if (owner === this.#me || this.#watched.has(owner)) return
    this.#watched.add(owner)
    const adopt = () => this.#adopt([owner])
    const taken = locks() ? locks().request(this.#name(owner), { signal: this.#ended.signal }, adopt) : adopt()
    taken.catch(() => {}).finally(() => this.#watched.delete(owner))
  }

  async #adopt(owners) {
    let adopted = []
    await this.#transact('readwrite', (store) => {
      adopted = []
      if (!this.#tell) return
      const all = store.getAll(this.#mine())
      all.onsuccess = () => {
        for (const record of all.result) {
          if (!owners.includes(String(record.owner))) continue
          adopted.push({ ...record, owner: this.#me })
          store.put(adopted.at(-1))
        }
      }
    })
    for (const record of adopted) this.#records.set(record.id, record)
    if (adopted.length === 0 || !this.#tell) return
    for (const record of this.#tell.adopted(adopted)) {
      console.warn('chopped-chat: a stored message could not be read as it is, and was removed or marked:', record)
      this.remove(record.id)
    }
  }
}
