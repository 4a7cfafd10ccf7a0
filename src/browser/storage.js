// The drafts that are not sent yet, in IndexedDB, so that they outlive the page; and which page may send them.
//
// A draft belongs to the page that wrote it. Each page holds a Web Lock, named after itself, until it ends, however it
// ends; the others queue for it, and whoever gets it takes the drafts over. So a draft is sent by one page at a time, and
// goes on within milliseconds of the death of its own. A page that starts takes over what the dead have left before it
// writes or sends anything of its own, so that what was typed first goes first.
//
// Without Web Locks (a page that is no secure context) a page takes over what it finds when it starts, even from a page
// that lives. Both may send it then, and it is still one message: the table has the id once, and the second send is
// answered with the row of the first.

const DATABASE = 'chopped-chat'
const DRAFTS = 'drafts'
/** How long a write may take before it counts as failed, in ms: some browsers never answer. */
const PATIENCE = 2000

/** Of secure contexts only. */
const locks = () => globalThis.navigator?.locks

const channel = () => (globalThis.BroadcastChannel ? new BroadcastChannel(DATABASE) : undefined)

/** @returns {Promise<IDBDatabase>} */
const open = (lost) =>
  new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(DRAFTS, { keyPath: ['project', 'person', 'id'] })
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

/** What `act` asks of the drafts, once all of it is done. */
const transact = (database, mode, act) =>
  new Promise((resolve, reject) => {
    const transaction = database.transaction(DRAFTS, mode)
    const request = act(transaction.objectStore(DRAFTS))
    transaction.oncomplete = () => resolve(request?.result)
    transaction.onabort = () => reject(transaction.error)
  })

const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

/** Settles when the storages that were closed have written what they had to, or could not in time. */
let closing = Promise.resolve()

/** Deletes every draft of this origin, and tells its other pages. */
export async function forgetAll() {
  const told = channel()
  told?.postMessage(null)
  told?.close()
  try {
    await closing
    const database = await open(() => {})
    await transact(database, 'readwrite', (drafts) => drafts.clear())
    database.close()
  } catch {
    // No storage, no drafts.
  }
}

/** The stored drafts of one person on one project, as one page has them. */
export class Storage {
  #project
  #person
  /** The callbacks; none once it is closed. */
  #tell
  #me = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-')
  /** The page's own drafts by id. */
  #records = new Map()
  /** What is not written yet: a record, or null for one to delete. */
  #unwritten = new Map()
  #last = 0
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

  /**
   * @param {(ticket: number) => void} written all writes up to this one are done, or have failed
   * @param {(works: boolean) => void} works whether what is written is kept
   * @param {(records: object[] | undefined) => void} adopted drafts that are this page's from now on; undefined when
   *   all that was there at the start has been told, or cannot be had in time
   * @param {() => void} signedOut another page forgot everything
   */
  constructor(project, person, written, works, adopted, signedOut) {
    this.#project = project
    this.#person = person
    this.#tell = { written, works, adopted, signedOut }
    this.#started = this.#start().catch(() => this.#works(false))
    Promise.race([this.#started, sleep(PATIENCE)]).then(() => this.#tell?.adopted())
  }

  put(ticket, id, thread, order, writtenAt, body, code, detail) {
    const record = { project: this.#project, person: this.#person, owner: this.#me, id, thread, order, writtenAt, body, code, detail }
    this.#records.set(id, record)
    this.#last = ticket
    this.#busy = this.#write(id, record)
  }

  remove(id) {
    this.#records.delete(id)
    this.#busy = this.#write(id, null)
  }

  close() {
    this.#tell = undefined
    this.#channel?.close()
    const closed = Promise.race([this.#busy, sleep(PATIENCE)]).then(() => {
      this.#ended.abort()
      this.#database?.then((database) => database.close()).catch(() => {})
    })
    // Of nothing: the results of all that were before it would pile up in it.
    closing = Promise.all([closing, closed]).then(() => {})
  }

  #works(works) {
    this.#tell?.works(works)
  }

  #name = (owner) => `${DATABASE} ${this.#project} ${this.#person} ${owner}`

  /** Takes this page's lock, and keeps it until the page or the storage ends. */
  #lock() {
    if (!locks()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const { signal } = this.#ended
      const untilTheEnd = () => {
        resolve()
        return new Promise((release) => signal.addEventListener('abort', release))
      }
      locks().request(this.#name(this.#me), untilTheEnd).catch(reject)
    })
  }

  #open() {
    this.#database ??= open(() => {
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

  async #write(id, record) {
    this.#unwritten.set(id, record)
    const ticket = this.#last
    const late = setTimeout(() => this.#works(false), PATIENCE)
    try {
      await this.#started
      const database = await this.#open()
      // One transaction takes along all that was put before it began, however many calls that were.
      if (this.#unwritten.size > 0) this.#flight = this.#flush(database)
      await this.#flight
      this.#works(true)
    } catch {
      // No storage, or none left: it stays unwritten, and is tried again with the next write.
      this.#works(false)
    }
    clearTimeout(late)
    this.#tell?.written(ticket)
  }

  /** Writes what is not written; where that fails it is unwritten again, unless something newer is. */
  async #flush(database) {
    const batch = this.#unwritten
    this.#unwritten = new Map()
    try {
      await transact(database, 'readwrite', (drafts) => {
        for (const [id, record] of batch) {
          if (record) drafts.put(record)
          else drafts.delete([this.#project, this.#person, id])
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
    this.#channel = channel()
    if (this.#channel) {
      this.#channel.onmessage = ({ data }) => {
        if (data === null) this.#tell?.signedOut()
        else if (data?.project === this.#project && data.person === this.#person) this.#watch(data.owner)
      }
      this.#channel.postMessage({ project: this.#project, person: this.#person, owner: this.#me })
    }
    const prefix = this.#name('')
    const held = (await locks()?.query())?.held ?? []
    for (const { name } of held) if (name.startsWith(prefix)) this.#watch(name.slice(prefix.length))
    const records = await transact(await this.#open(), 'readonly', (drafts) => drafts.getAll(this.#mine()))
    const owners = [...new Set(records.map(({ owner }) => String(owner)))]
    await Promise.all(owners.map((owner) => this.#inherit(owner)))
    for (const owner of owners) this.#watch(owner)
    this.#works(true)
  }

  /** Takes over from a page that is dead. */
  #inherit(owner) {
    if (!locks()) return this.#adopt(owner)
    return locks().request(this.#name(owner), { ifAvailable: true }, (lock) => lock && this.#adopt(owner))
  }

  #mine = () => IDBKeyRange.bound([this.#project, this.#person], [this.#project, this.#person, []])

  #watch(owner) {
    if (owner === this.#me || this.#watched.has(owner)) return
    this.#watched.add(owner)
    const adopt = () => this.#adopt(owner)
    const taken = locks() ? locks().request(this.#name(owner), { signal: this.#ended.signal }, adopt) : adopt()
    taken.catch(() => {}).finally(() => this.#watched.delete(owner))
  }

  async #adopt(owner) {
    const database = await this.#open()
    if (!this.#tell) return
    const adopted = []
    await transact(database, 'readwrite', (drafts) => {
      const all = drafts.getAll(this.#mine())
      all.onsuccess = () => {
        for (const record of all.result) {
          if (String(record.owner) !== owner) continue
          adopted.push({ ...record, owner: this.#me })
          drafts.put(adopted.at(-1))
        }
      }
    })
    for (const record of adopted) this.#records.set(record.id, record)
    if (adopted.length > 0) this.#tell?.adopted(adopted)
  }
}
