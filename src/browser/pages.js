// The newest page of each thread, in IndexedDB: the next visit shows it before the network has said a word. Whatever goes wrong
// here, the chat does without. A database of its own, so that the messages that are not sent yet are never held up by it.

const DATABASE = 'chopped-chat pages'
const STORE = 'pages'
/** So many threads are kept, the ones looked at last, and so many messages of each. */
const THREADS = 50
const MESSAGES = 100
/** Whoever opens a thread does not wait longer, in ms. */
const PATIENCE = 50
/** What changes is written after so long, in ms. */
const SOON = 200

/** What is to be written, by key. @type {Map<string, { project: string, person: string, thread: string, other: string, list: object[] }>} */
const unwritten = new Map()
let timer
/** Ends what was begun before a sign-out. */
let signOuts = 0

/** Runs `act` with the store, and settles with what its request gave. */
function transact(mode, act) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1)
    request.onupgradeneeded = () =>
      request.result.createObjectStore(STORE, { keyPath: ['project', 'person', 'thread'] }).createIndex('at', 'at')
    request.onerror = () => reject(request.error)
    request.onsuccess = () => {
      const database = request.result
      database.onversionchange = () => database.close()
      const transaction = database.transaction(STORE, mode)
      const asked = act(transaction.objectStore(STORE))
      transaction.oncomplete = () => resolve(asked?.result)
      transaction.onabort = () => reject(transaction.error)
      // Once the transaction is done.
      database.close()
    }
  })
}

/**
 * Calls `found` with the thread and the rows that are kept, if there are any in time. Where they are not `wanted` they are deleted.
 */
export function openPage(project, person, thread, wanted, found) {
  const since = signOuts
  const late = performance.now() + PATIENCE
  const key = [project, person, thread]
  if (!wanted) unwritten.delete(thread)
  transact(wanted ? 'readonly' : 'readwrite', (store) => (wanted ? store.get(key) : store.delete(key))).then(
    (page) => page && since === signOuts && performance.now() < late && found([thread, page.rows]),
    () => {},
  )
}

/** Keeps the newest of `list`, messages as a page has them, as they are in a moment; with what `extras` has of each. */
export function keepPage(project, person, thread, other, list, extras) {
  unwritten.set(thread, { project, person, thread, other, list, extras })
  timer ??= setTimeout(write, SOON)
}

/** Deletes every page of this origin. */
export async function dropPages() {
  signOuts += 1
  unwritten.clear()
  await transact('readwrite', (store) => store.clear()).catch(() => {})
}

function write() {
  timer = undefined
  const pages = [...unwritten.values()].map(({ list, person, other, extras, ...page }) => ({
    ...page,
    person,
    at: Date.now(),
    rows: list
      .filter(({ seq }) => seq !== null)
      .slice(-MESSAGES)
      .map((message) => ({
        id: message.id,
        thread_id: page.thread,
        sender_mongo_id: message.sender === 'me' ? person : other,
        body: message.body,
        created_at: message.createdAt,
        seq: message.seq,
        ...extras?.(message),
      })),
  }))
  unwritten.clear()
  const since = signOuts
  transact('readwrite', (store) => {
    if (since !== signOuts) return
    for (const page of pages) if (page.rows.length > 0) store.put(page)
    store.index('at').getAllKeys().onsuccess = ({ target: { result: oldestFirst } }) =>
      oldestFirst.forEach((key, at) => {
        const [project, person] = key
        // One too many, or somebody else's, who was here before.
        const isOthers = pages.some((page) => page.project === project && page.person !== person)
        if (isOthers || at < oldestFirst.length - THREADS) store.delete(key)
      })
  }).catch(() => {})
}
