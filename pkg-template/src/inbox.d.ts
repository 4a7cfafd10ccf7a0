/**
 * chopped-chat with all conversations of a person, with receipts, and with changes of what was said: everything of `chopped-chat`, and
 * what stands here. Of one page import from one of the two alone: each is an engine of its own.
 *
 * ```ts
 * import init, { ChatInbox } from 'chopped-chat/inbox'
 * await init()
 * const inbox = new ChatInbox(options)
 * const off = inbox.subscribe(() => render(inbox.getSnapshot().threads))
 * await inbox.open()
 * ```
 */
import {
  ChatError,
  type ChatMessage as Message,
  ChatSession as Session,
  type ChatSessionOptions as SessionOptions,
  type ChatSnapshot as Snapshot,
  type ChatStatus,
  type TokenSource,
} from './index.js'

export * from './index.js'
export { default } from './index.js'

/** What sessions and inboxes of one person have in common: the last one that is opened decides. */
export interface ReceiptOptions {
  /**
   * Whether the other person is told how far this one has read, and this one how far the other has; `true` unless said.
   * `false`: neither is. What was read is kept by the server in any case: it counts the unread.
   */
  receipts?: boolean
}

export type ChatSessionOptions = SessionOptions & ReceiptOptions

/** What a message replies to. It is a reference and no copy: it follows when the original is edited or unsent. */
export interface QuotedMessage {
  /** The original's number. */
  readonly seq: number
  /** Whether this person wrote it. */
  readonly mine: boolean
  /** Empty where it was unsent, or its author was erased. */
  readonly body: string
  /** Whether it was unsent. */
  readonly deleted: boolean
}

/** One emoji a person at most, in its fully-qualified form: equal ones are equal texts. */
export interface ChatReactions {
  readonly me: string | null
  readonly them: string | null
}

/** What the person changed of a message and the server has not confirmed. */
export interface ChatChange {
  /**
   * `sending`: it is shown as if it were done. `error`: it was refused, and the message is shown as it was; `retry` asks again,
   * `discard` drops the change.
   */
  readonly status: 'sending' | 'error'
  readonly kind: 'edit' | 'unsend' | 'react'
  /** Of an edit what was typed, so that it is not lost. */
  readonly body: string | null
  /** Why it was refused. */
  readonly error: ChatError | null
}

/** A message; frozen, and the identical object until it changes. */
export interface ChatMessage extends Message {
  /** ISO 8601: when it was edited last, by the server's time; `null` where it never was. */
  readonly editedAt: string | null
  /** Whether its author has unsent it. It keeps its place and its number; `body` is empty. */
  readonly deleted: boolean
  /** The number of the message that it replies to. */
  readonly replyTo: number | null
  /** That message; `null` where it replies to none, and until it is known. */
  readonly quoted: QuotedMessage | null
  readonly reactions: ChatReactions
  /** Whether it may be edited now: an own one, not unsent, and the time for it is not over. It turns `false` by itself. */
  readonly canEdit: boolean
  /** Whether it may be unsent now, as `canEdit`. */
  readonly canUnsend: boolean
  /** What is still to become of it; `null` for nothing. */
  readonly change: ChatChange | null
}

/** What else is said of a message that is sent. */
export interface SendOptions {
  /** A UUID that is used for nothing else, in the place of one that is made: sent again under it, it is not sent twice. */
  id?: string | undefined
  /** The number of the message that it replies to, an earlier one of the thread. */
  replyTo?: number | null | undefined
}

/** What to show; frozen, and the identical object until something changed. */
export interface ChatSnapshot extends Snapshot {
  /** Oldest first; what is not sent yet comes last. */
  readonly messages: readonly ChatMessage[]
  /**
   * Where the unread messages began when the session was opened: the number of the other's first one, `null` if there were none. It
   * stays until the session is closed. `undefined` while that is not known: the server has not said, or the message lies
   * before the ones that are loaded.
   */
  readonly firstUnread: number | null | undefined
  /** The other person has read the messages up to this number; 0 where receipts are off, of either. */
  readonly readByOther: number
  /** Those up to this number have reached a device of theirs. */
  readonly deliveredToOther: number
}

export class ChatSession extends Session {
  constructor(options: ChatSessionOptions)

  getSnapshot(): ChatSnapshot

  /**
   * The person has seen the messages up to the number `seq`, a message's. The server is told within a second, or once it can be
   * reached, by the next page if need be. A number below an earlier one changes nothing, and so does a session that is closed.
   *
   * @throws {ChatError} `invalid-options` for what is no message's number
   */
  markRead(seq: number): void

  /**
   * As of `chopped-chat`, and it may be a reply. One to a message that is unsent meanwhile is sent all the same.
   *
   * @throws {ChatError} `message-empty`, `message-too-long`, `closed`; `invalid-options` for an `id` that is no UUID and a
   *   `replyTo` that is no message's number
   */
  send(body: string, options?: string | SendOptions): string

  /**
   * Gives an own message another text. It is shown at once, and survives what a message that is sent survives: no network, a reload,
   * a crash. One that was not sent yet, or was refused, is rewritten; one that is under way is edited once it has arrived. What the
   * server refuses stands in the message's `change`: `window-over` where it is too late (15 minutes unless the database says
   * otherwise), `not-yours`, `already-unsent`, `setup-missing` where the migration `20261128000001_chat_changes.sql` is not
   * applied.
   *
   * @throws {ChatError} `message-empty`, `message-too-long`, `closed`
   */
  edit(id: string, body: string): void

  /**
   * Takes an own message back, for both people: as `edit`, within 48 hours. It becomes `deleted`, without text, reactions and
   * what it replied to. One that is not sent yet is discarded. It is for good: no change can follow.
   *
   * @throws {ChatError} `closed`
   */
  unsend(id: string): void

  /**
   * Sets this person's reaction to a message, of either; `null` takes it back. Of several in a row the last one is sent. To toggle,
   * compare with the message's `reactions.me`, which has the fully-qualified form: ❤️ whatever of ❤ and ❤️ was given.
   *
   * @throws {ChatError} `closed`; `invalid-options` for what is not one emoji, that is one user-perceived character of at most 32
   *   bytes in UTF-8
   */
  react(id: string, emoji: string | null): void

  /**
   * Reads the pages down to the message with the number `seq`, such as a quoted one; resolves when it is there.
   *
   * @throws {ChatError} (rejects) what went wrong; try again later. `invalid-options` for what is no message's number, `closed`
   */
  jumpTo(seq: number): Promise<void>
}

/** The options of an inbox, as of a session without the other person. */
export type ChatInboxOptions = {
  /** `https://<ref>.supabase.co` */
  supabaseUrl: string
  /** The legacy anon JWT or an `sb_publishable_…` key. */
  supabaseAnonKey: string
  /** The signed-in person's Mongo id. */
  myMongoId: string
  /** Threads a page, a whole number from 1 to 200; 30 unless said. The inbox that is opened first decides. */
  pageSize?: number
  /** As of a session: whether what waits to be sent, and what was read, is kept in IndexedDB. */
  persistOutbox?: boolean
} & TokenSource &
  ReceiptOptions

/** As of `chopped-chat`, of an inbox as well: what it starts with. */
export function prefetch(options?: ChatSessionOptions | ChatInboxOptions): Promise<void>

/** The newest message of a thread. */
export interface LastMessage {
  /** A UUID. */
  readonly id: string
  readonly sender: 'me' | 'them'
  /** The first 200 characters; empty where it was unsent, or the backend has erased its author. */
  readonly body: string
  /** Whether its author has unsent it. */
  readonly deleted: boolean
  /** ISO 8601: the server's time. */
  readonly createdAt: string
  /** How far an own message has come; `sent` of the other's. */
  readonly status: 'sent' | 'delivered' | 'read'
}

/** A conversation; frozen, and the identical object until it changes. */
export interface ChatThread {
  readonly threadId: string
  readonly otherMongoId: string
  readonly lastMessage: LastMessage | null
  /** The other's messages that are not read, exactly; 100 is 100 or more. */
  readonly unread: number
  /** As {@link ChatSnapshot.readByOther}. */
  readonly readByOther: number
  /** As {@link ChatSnapshot.deliveredToOther}. */
  readonly deliveredToOther: number
}

/** What to show; frozen, and the identical object until something changed. */
export interface ChatInboxSnapshot {
  readonly status: ChatStatus
  /** Newest first. A thread without messages is not among them. */
  readonly threads: readonly ChatThread[]
  /** The unread messages of all threads, those that are not loaded too; of each thread 100 at most. */
  readonly unread: number
  /** Whether there are threads behind the last one. */
  readonly hasMore: boolean
  readonly loadingMore: boolean
  /** What keeps the inbox from being live, if anything failed. */
  readonly error: ChatError | null
}

/** All conversations of a person. It shares WebSocket and token with their sessions. */
export class ChatInbox {
  /**
   * Checks the options and does nothing else yet.
   *
   * @throws {ChatError} `invalid-options`, naming the option; `not-initialized`
   */
  constructor(options: ChatInboxOptions)

  /** Calls `callback` after the snapshot has changed, as `ChatSession.subscribe` does. Gives the function that stops it. */
  subscribe(callback: () => void): () => void

  /** What to show. `closed` and empty while the inbox is not open. */
  getSnapshot(): ChatInboxSnapshot

  /**
   * Opens the inbox; resolves when the first page is there. Resolves at once where it is; where the inbox has stopped, or was
   * closed, it tries anew.
   *
   * @throws {ChatError} (rejects) why the inbox has stopped, `setup-missing` where its migration is not applied; `closed` if it
   *   was closed meanwhile
   */
  open(): Promise<void>

  /**
   * Reads the page behind the last thread; resolves when it is there, or when there is none.
   *
   * @throws {ChatError} (rejects) what went wrong; try again later
   */
  loadMore(): Promise<void>

  /** Leaves the inbox. `open()` opens it again. */
  close(): void

  /** The same as `close()`, for `using inbox = …`. */
  [Symbol.dispose](): void
}
