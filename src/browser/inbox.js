// The JavaScript values of an inbox and of receipts, and the marks that outlive the page. A file of its own, which is not in the
// core that a page without an inbox loads.

import { SEEN, ask, signOuts } from './storage.js'
import { put } from './values.js'

/** How far an own message has come. */
const progress = (seq, read, delivered) => (seq <= read ? 'read' : seq <= delivered ? 'delivered' : 'sent')

export const preview = (id, mine, body, createdAt, deleted, seq, read, delivered) =>
  Object.freeze({
    id,
    sender: mine ? 'me' : 'them',
    body,
    createdAt,
    deleted,
    status: mine ? progress(seq, read, delivered) : 'sent',
  })

export const putLine = (list, at, replaced, threadId, otherMongoId, unread, readByOther, deliveredToOther, lastMessage) =>
  put(list, at, replaced, { threadId, otherMongoId, lastMessage, unread, readByOther, deliveredToOther })

export const inboxSnapshot = (status, threads, unread, hasMore, loadingMore, error) =>
  Object.freeze({ status, threads, unread, hasMore, loadingMore, error })

/** Gives the own messages of `list` from `start` to `end` the status that they have now. Whether one has another than before. */
export function tick(list, start, end, read, delivered) {
  let changed = false
  for (let at = end; at-- > start; ) {
    const message = list[at]
    if (message.sender !== 'me' || message.seq === null) continue
    const status = progress(message.seq, read, delivered)
    if (message.status !== status) {
      list[at] = Object.freeze({ ...message, status })
      changed = true
      // Those before it are read as well.
    } else if (status === 'read') break
  }
  return changed
}

/**
 * The number of the other's first message above `seen`: null where there is none, undefined where it may lie before `list`.
 * One that was erased is nothing to read.
 */
export function firstUnread(list, seen, mayBeOlder) {
  for (const { seq, sender, body } of list) {
    if (seq === null || seq <= seen) continue
    if (mayBeOlder && seq === list[0].seq && seq > seen + 1) return undefined
    if (sender === 'them' && body !== '') return seq
  }
  return null
}

export const withMarkers = (snapshot, firstUnread, readByOther, deliveredToOther) =>
  Object.freeze({ ...snapshot, firstUnread, readByOther, deliveredToOther })

/** How far this page has asked storage to keep each thread as seen: what another page kept beyond it stays. */
const kept = new Map()

/** Calls `act` with the store and what it has of `key`. */
function seen(key, act) {
  const read = (store) => void (store.get(key).onsuccess = ({ target }) => act(store, target.result?.seq ?? 0))
  void ask('readwrite', read, SEEN)
}

/** Keeps that `person` has seen `thread` up to `seq`, until the server knows it. */
export function keepSeen(project, person, thread, seq) {
  const key = [project, person, thread]
  const since = signOuts
  kept.set(key.join(), seq)
  seen(key, (store, stored) => since === signOuts && stored < seq && store.put({ project, person, thread, seq }))
}

/** The server knows it. */
export function dropSeen(project, person, thread) {
  const key = [project, person, thread]
  const seq = kept.get(key.join()) ?? 0
  kept.delete(key.join())
  seen(key, (store, stored) => stored <= seq && store.delete(key))
}

/** Calls `found` with what earlier pages of `person` kept: a list of records with `thread` and `seq`. */
export function findSeen(project, person, found) {
  const since = signOuts
  const all = (store) => store.getAll(IDBKeyRange.bound([project, person], [project, person, []]))
  void ask('readonly', all, SEEN).then((records) => found((since === signOuts && records) || []))
}
