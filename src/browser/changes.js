// The messages of a thread as a page has them where they can change: what the server has, and over it what this person has done to
// them and the server does not know yet. A file of its own, which is not in the core.

import { pages } from './requests.js'
import { CHANGES, Storage } from './storage.js'
import { put, remove } from './values.js'

// What leaves early asks for the same as the engine.
pages.messages = 'page'

const NONE = Object.freeze({ me: null, them: null })
/** Clocks that differ by less are the same, in ms. */
const CLOCKS_DIFFER = 2000
/** The longest wait of a timer, in ms. */
const LONGEST = 2 ** 31 - 1

/** A message is in a window of so many seconds that began when it was written. `null` never ends. */
const endOf = (createdAt, seconds) => (seconds === null ? Infinity : Date.parse(createdAt) + seconds * 1000)

export class Changes {
  #list
  #sides
  #expired
  /** What is to become of messages, by id. */
  #pending = new Map()
  /** Those messages without it. */
  #plain = new Map()
  /** Messages outside of the list that others reply to, by number; and all numbers that are replied to. */
  #quotes = new Map()
  #replied = new Set()
  /** For how long messages can be changed, once it is known. */
  #windows
  #timer

  /**
   * @param {object[]} list the messages, oldest first
   * @param {boolean} isLow whether this person's id is the first of the thread's
   * @param {() => void} expired called when a message can't be changed any more
   */
  constructor(list, isLow, expired) {
    this.#list = list
    this.#sides = isLow ? ['reaction_a', 'reaction_b'] : ['reaction_b', 'reaction_a']
    this.#expired = expired
  }

  close() {
    clearTimeout(this.#timer)
  }

  putSent(at, replaced, row, seq, mine) {
    const [me, them] = this.#sides.map((side) => row[side] ?? null)
    this.#put(at, replaced, {
      id: row.id.toLowerCase(),
      seq,
      sender: mine ? 'me' : 'them',
      body: row.body,
      createdAt: row.created_at,
      status: 'sent',
      editedAt: row.edited_at ?? null,
      deleted: row.deleted_at != null,
      replyTo: row.reply_to ?? null,
      reactions: me ?? them ? Object.freeze({ me, them }) : NONE,
    })
  }

  putPending(at, replaced, id, body, writtenAt, error, replyTo) {
    this.#put(at, replaced, {
      id,
      seq: null,
      sender: 'me',
      body,
      createdAt: new Date(writtenAt).toISOString(),
      status: error ? 'error' : 'sending',
      ...(error && { error }),
      editedAt: null,
      deleted: false,
      replyTo: replyTo ?? null,
      reactions: NONE,
    })
  }

  #put(at, replaced, plain) {
    if (plain.replyTo !== null) this.#replied.add(plain.replyTo)
    put(this.#list, at, replaced, this.#dressed(plain))
    this.#requote(plain.seq)
    this.#watch(plain)
  }

  /** What others reply to is kept when it goes. */
  remove(at, count) {
    for (const message of this.#list.slice(at, at + count)) {
      if (this.#replied.has(message.seq)) this.#quotes.set(message.seq, quoteOf(message))
    }
    remove(this.#list, at, count)
  }

  /** `message` as the page sees it. */
  #dressed(plain) {
    const change = this.#pending.get(plain.id)
    const message = { ...plain, quoted: this.#quoteOf(plain.replyTo), change: null }
    if (change) {
      this.#plain.set(plain.id, plain)
      wear(message, change)
    } else this.#plain.delete(plain.id)
    return Object.assign(message, this.#allowed(message))
  }

  #quoteOf(seq) {
    if (seq === null) return null
    const at = this.#indexOf(seq)
    return at < 0 ? (this.#quotes.get(seq) ?? null) : quoteOf(this.#list[at])
  }

  #indexOf(seq) {
    let [low, high] = [0, this.#list.length]
    while (low < high) {
      const middle = (low + high) >> 1
      // Those that are not sent yet come last.
      if ((this.#list[middle].seq ?? Infinity) < seq) low = middle + 1
      else high = middle
    }
    return this.#list[low]?.seq === seq ? low : -1
  }

  /** The message with the number `seq` came or changed. */
  #requote(seq) {
    if (!this.#replied.has(seq)) return
    const quoted = this.#quoteOf(seq)
    this.#list.forEach(({ replyTo, ...message }, at) => {
      if (replyTo === seq) put(this.#list, at, 1, { ...message, replyTo, quoted })
    })
  }

  /** A message that others reply to. */
  quote(row, seq, mine) {
    this.#quotes.set(seq, Object.freeze({ seq, mine, body: row.body, deleted: row.deleted_at != null }))
    this.#replied.add(seq)
    this.#requote(seq)
  }

  /** What is to become of a message; nothing where `change` is undefined. */
  set(id, change) {
    const at = this.#list.findLastIndex((message) => message.id === id)
    const shown = this.#list[at]
    const plain = shown && { ...(this.#plain.get(id) ?? shown), status: shown.status }
    if (change) this.#pending.set(id, change)
    else this.#pending.delete(id)
    if (plain) this.#put(at, 1, plain)
  }

  /** For how long messages can be changed, in seconds, by the server's clock. Whether that makes a difference. */
  setWindows(edit = null, unsend = null, now) {
    const ahead = Date.parse(now) - Date.now()
    const known = this.#windows
    // Every page that is read says it again, as late as it is under way.
    if (known && known.edit === edit && known.unsend === unsend && Math.abs(known.ahead - ahead) < CLOCKS_DIFFER) return false
    this.#windows = { edit, unsend, ahead }
    return this.#look()
  }

  /** What may still be done with a message. */
  #allowed({ sender, seq, deleted, createdAt }) {
    const mine = sender === 'me' && !deleted
    if (!mine || seq === null) return { canEdit: mine, canUnsend: mine }
    if (!this.#windows) return { canEdit: false, canUnsend: false }
    const { edit, unsend, ahead } = this.#windows
    const now = Date.now() + ahead
    return { canEdit: now < endOf(createdAt, edit), canUnsend: now < endOf(createdAt, unsend) }
  }

  /** Looks at what may be done with each message again. */
  #look() {
    clearTimeout(this.#timer)
    this.#timer = undefined
    let changed = false
    this.#list.forEach((message, at) => {
      if (message.sender !== 'me') return
      const allowed = this.#allowed(message)
      if (allowed.canEdit !== message.canEdit || allowed.canUnsend !== message.canUnsend) {
        put(this.#list, at, 1, { ...message, ...allowed })
        changed = true
      }
      this.#watch(message)
    })
    return changed
  }

  /** Looks again when the next window of a message ends. */
  #watch({ sender, seq, createdAt }) {
    if (this.#timer !== undefined || !this.#windows || sender !== 'me' || seq === null) return
    const { edit, unsend, ahead } = this.#windows
    const now = Date.now() + ahead
    // Older messages end first: whichever is first is the soonest, or looks again when it is.
    const ends = [edit, unsend].map((seconds) => endOf(createdAt, seconds) - now).filter((wait) => wait > 0)
    const wait = Math.min(...ends, LONGEST)
    if (ends.length > 0) this.#timer = setTimeout(() => this.#look() && this.#expired(), wait)
  }

  /** What the row of a message has more than the core knows, and its text as the server has it. */
  extras = (shown) => {
    const { body, editedAt, deleted, replyTo, reactions, createdAt } = this.#plain.get(shown.id) ?? shown
    const [mine, theirs] = this.#sides
    return {
      body,
      edited_at: editedAt,
      deleted_at: deleted ? createdAt : null,
      reply_to: replyTo,
      [mine]: reactions.me,
      [theirs]: reactions.them,
    }
  }
}

const quoteOf = ({ seq, sender, body, deleted }) => Object.freeze({ seq, mine: sender === 'me', body, deleted })

/** Shows `change` as done, apart from what was refused. */
function wear(message, { edit, unsend, reaction, refused, error }) {
  if (unsend && refused !== 'unsend') {
    Object.assign(message, { body: '', deleted: true, editedAt: null, replyTo: null, quoted: null, reactions: NONE })
  } else {
    if (edit !== undefined && refused !== 'edit') {
      message.body = edit
      if (message.seq !== null) message.editedAt ??= new Date().toISOString()
    }
    if (reaction !== undefined && refused !== 'react') message.reactions = Object.freeze({ ...message.reactions, me: reaction })
  }
  message.change = Object.freeze({
    status: refused ? 'error' : 'sending',
    kind: refused ?? (unsend ? 'unsend' : edit === undefined ? 'react' : 'edit'),
    body: edit ?? null,
    error: error ?? null,
  })
}

/** What is to become of a message, as `Changes` takes it: `reaction` is null where it is taken back. */
export const change = (edit, unsend, reacts, reaction, refused, error) => ({
  edit,
  unsend,
  reaction: reacts ? (reaction ?? null) : undefined,
  refused,
  error,
})

/** The changes that are not done yet, in storage as the messages that are not sent. @param {Function} adopted */
export const openChanges = (project, person, adopted) => new Storage(project, person, () => {}, adopted, CHANGES)

export const keepChange = (storage, id, thread, { edit, unsend, reaction, refused }, code, detail) =>
  storage.keep({ id, thread, edit, unsend, reacts: reaction !== undefined, reaction, refused, code, detail })
