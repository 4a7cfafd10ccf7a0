/**
 * chopped-chat with all conversations of a person and with receipts: everything of `chopped-chat`, and what stands here. Of one
 * page import from one of the two alone: each is an engine of its own.
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

/** What to show; frozen, and the identical object until something changed. */
export interface ChatSnapshot extends Snapshot {
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
  /** The first 200 characters; empty where the backend has erased its author. */
  readonly body: string
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
