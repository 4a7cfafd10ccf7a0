/**
 * Realtime 1:1 chat on Supabase.
 *
 * ```ts
 * import init, { ChatSession } from 'chopped-chat'
 * await init()
 * const session = new ChatSession(options)
 * const off = session.subscribe(() => render(session.getSnapshot()))
 * await session.open()
 * ```
 */

declare global {
  // As TypeScript's own "esnext.disposable" has it, for projects that do not take that in.
  interface SymbolConstructor {
    readonly dispose: unique symbol
  }
}

/** Where the WebAssembly module may come from. */
export type WasmSource = string | URL | Request | Response | BufferSource | WebAssembly.Module

/**
 * Loads the WebAssembly module, once a page however often it is called; after a failure the next call tries again.
 * Without `source` it is found by itself: beside the package's code, else in a copy inside it.
 *
 * @throws {ChatError} `init-failed`. A Content-Security-Policy needs `script-src 'wasm-unsafe-eval'`.
 */
export default function init(source?: WasmSource): Promise<void>

/**
 * Gets ready what the next chat starts with, without opening anything: on hover of its button, on focus, in an idle moment. The
 * WebAssembly is loaded as by `init()` (who gives a `source` calls `init(source)` first), and with `options` the token, the thread,
 * the newest page and the socket are asked for at once, side by side with it. Who opens that chat within 10 s takes them over;
 * what nobody took is dropped then, by `signOut()`, and where another person comes. While any chat is open or was a moment
 * ago, its token and socket serve the next one too, and nothing is asked for. `useChat` calls it by itself.
 *
 * It never rejects: what failed is asked again by whoever opens the chat, and that tells why.
 */
export function prefetch(options?: ChatSessionOptions): Promise<void>

/** What the token endpoint answers. */
export interface AccessToken {
  /** The signed-in person's Supabase access token. */
  access_token: string
  /** How long it is still valid, in seconds. */
  expires_in: number
}

/** Where the signed-in person's access token comes from: one of the two. */
export type TokenSource =
  | {
      /** GET, with the page's cookies; answers {@link AccessToken}, or 401 when nobody is signed in. */
      tokenUrl: string
      getToken?: undefined
    }
  | {
      /**
       * Called instead; `null` when nobody is signed in. What it throws counts as no network, to be tried again, unless
       * it has a numeric `status`, which then counts as the endpoint's HTTP status.
       */
      getToken: () => AccessToken | null | Promise<AccessToken | null>
      tokenUrl?: undefined
    }

/** What makes sure that the thread exists before it is joined: one of the two. */
export type EnsureSource =
  | {
      /** POST `{"other_mongo_id": "…"}`, with the page's cookies; any 2xx is good. */
      ensureThreadUrl: string
      ensureThread?: undefined
    }
  | {
      /** Called instead, with the other person's Mongo id. A throw counts as with `getToken`. */
      ensureThread: (otherMongoId: string) => unknown
      ensureThreadUrl?: undefined
    }

/** The options of a session. Sessions of one person share the last one's token and ensure sources. */
export type ChatSessionOptions = {
  /** `https://<ref>.supabase.co` */
  supabaseUrl: string
  /** The legacy anon JWT or an `sb_publishable_…` key. */
  supabaseAnonKey: string
  /** The signed-in person's Mongo id: 1 to 119 bytes, without `__`, control characters or a `_` at an end. */
  myMongoId: string
  /** The other person's. */
  otherMongoId: string
  /** Messages a page, a whole number from 1 to 200; 50 unless said. */
  pageSize?: number
  /**
   * Whether messages that are not sent yet are kept in IndexedDB, as plain text, so that they survive a reload or a crash and
   * are sent by the next page; `true` unless said. Of several sessions the one that is opened first decides.
   */
  persistOutbox?: boolean
  /**
   * Whether the newest page is kept in IndexedDB, as plain text, so that the next visit shows it at once, without a network as
   * well: 100 messages a thread and 50 threads at most, until `signOut()` or until somebody else is here; `true` unless said.
   * `false` deletes what is kept of this thread.
   */
  cacheMessages?: boolean
} & TokenSource &
  EnsureSource

/**
 * - `connecting`: on the way to live for the first time
 * - `live`: joined, broadcasts arrive as far as can be told, and the first page is there; `error` tells if sending fails
 * - `reconnecting`: was live, on the way back
 * - `offline`: the browser says that there is no network
 * - `auth-required`: signed out, or somebody else is signed in; goes on by itself once there is a token of this person again,
 *   asked for at once when the page is looked at and every 30 to 60 s while it is seen
 * - `closed`: not open, or stopped for good by `error`
 */
export type ChatStatus = 'connecting' | 'live' | 'reconnecting' | 'offline' | 'auth-required' | 'closed'

/** A message; frozen, and the identical object until it changes. */
export interface ChatMessage {
  /** A UUID, the same from sending to sent. */
  readonly id: string
  /** Its number in the thread, 1, 2, 3, … without holes; `null` until it is sent. */
  readonly seq: number | null
  readonly sender: 'me' | 'them'
  /** At most 4000 characters (code points); empty where the backend has erased its author. */
  readonly body: string
  /** ISO 8601: the server's time once sent, this device's before. */
  readonly createdAt: string
  /**
   * `error`: the server, or a firewall on the way to it, refused this message; `retry` or `discard` it. `delivered` and `read`:
   * how far an own message has come with the other person, of `chopped-chat/inbox` alone.
   */
  readonly status: 'sending' | 'sent' | 'delivered' | 'read' | 'error'
  /** Why it was refused. */
  readonly error?: ChatError
}

/** What to show; frozen, and the identical object until something changed. */
export interface ChatSnapshot {
  readonly status: ChatStatus
  /** Oldest first; what is not sent yet comes last. */
  readonly messages: readonly ChatMessage[]
  /** Whether there are messages before the first one. */
  readonly hasOlder: boolean
  readonly loadingOlder: boolean
  /**
   * What keeps the thread from being live, if anything failed. While it is `live`: why what waits is not sent, after a try that
   * failed or 5 s without an answer; it is tried on, every 5 s at least while the page is seen.
   */
  readonly error: ChatError | null
  /**
   * `false` where messages that are not sent yet would not survive a reload: opted out, or storage is absent, blocked or
   * full. They are sent all the same while the page lives.
   */
  readonly outboxPersists: boolean
  /** `true` while the messages are those of an earlier visit, and the server has not said yet what there is now. */
  readonly fromCache: boolean
}

/** The stable code of a {@link ChatError}. */
export type ChatErrorCode =
  /** An option or argument is missing or malformed. */
  | 'invalid-options'
  /** Nobody is signed in, somebody else is, or the token is refused again and again. */
  | 'auth-required'
  /** Signed in, but the account has no Mongo id linked to it. */
  | 'identity-unlinked'
  /** The signed-in person is not one of the thread's two. */
  | 'not-a-participant'
  /** The network or the server can't be reached. */
  | 'network'
  /** No answer in time. */
  | 'timeout'
  /** The server failed, or answered something that is not understood. */
  | 'server'
  /** Too many requests, or more messages than one person may send at once. What waits goes later, by itself. */
  | 'rate-limited'
  /** The server refused the message. */
  | 'refused'
  /** The message holds nothing but white space. */
  | 'message-empty'
  /** The message is longer than 4000 characters. */
  | 'message-too-long'
  /** The project refuses the private channel. */
  | 'private-only'
  /** Realtime is switched off or suspended for the project. */
  | 'realtime-disabled'
  /** A table, function or endpoint of the installation is missing. */
  | 'setup-missing'
  /** It is too late to edit or unsend the message; of `chopped-chat/inbox` alone. */
  | 'window-over'
  /** The message is not this person's to change; of `chopped-chat/inbox` alone. */
  | 'not-yours'
  /** The message was unsent, and can't be changed any more; of `chopped-chat/inbox` alone. */
  | 'already-unsent'
  /** The session is closed. */
  | 'closed'
  /** `init()` has not ended yet. */
  | 'not-initialized'
  /** The WebAssembly module could not be loaded; of `useChat` also: something of the page threw while the chat was started. */
  | 'init-failed'

/** Every failure of this package. */
export class ChatError extends Error {
  constructor(code: ChatErrorCode, sentence: string, detail?: string)
  readonly name: 'ChatError'
  readonly code: ChatErrorCode
  /** What the other side said, where it said something. */
  readonly detail: string | null
}

/**
 * One thread, open on a page. Sessions of one person share a WebSocket, a token and, on the same thread, everything;
 * opening a session of another `myMongoId` on the same project closes those of the one before.
 */
export class ChatSession {
  /**
   * Checks the options and does nothing else yet.
   *
   * @throws {ChatError} `invalid-options`, naming the option; `not-initialized`
   */
  constructor(options: ChatSessionOptions)

  /**
   * Calls `callback` after the snapshot has changed. A burst of changes is a few calls: the page is left alone for as long as
   * it took to render, 8 to 100 ms. Gives the function that stops it.
   */
  subscribe(callback: () => void): () => void

  /** What to show. `closed` and empty while the session is not open. */
  getSnapshot(): ChatSnapshot

  /**
   * Opens the thread; resolves when the first page is there. Resolves at once where it is; where the thread has stopped,
   * or was closed, it tries anew.
   *
   * @throws {ChatError} (rejects) why the thread has stopped, or `closed` if it was closed meanwhile
   */
  open(): Promise<void>

  /**
   * Sends `body` and gives the message's id at once: the bubble is there as `sending`. Subscribers hear of it in the
   * same turn. It is stored within milliseconds: from then on it is sent by this page or, if that dies, by the person's
   * next one, and is there once.
   * `id`, a UUID that is used for nothing else, takes the place of one that is made: sent again under it, it is not sent
   * twice.
   *
   * @throws {ChatError} `message-empty`, `message-too-long`, `closed`; `invalid-options` for an `id` that is no UUID
   */
  send(body: string, id?: string): string

  /**
   * Reads the page before the first message; resolves when it is there, or when there is none.
   *
   * @throws {ChatError} (rejects) what went wrong; try again later
   */
  loadOlder(): Promise<void>

  /** Sends a refused message again. Any other id changes nothing. */
  retry(id: string): void

  /** Drops a message that is not sent. Any other id changes nothing. */
  discard(id: string): void

  /** Leaves the thread. What was still `sending` goes on. `open()` opens it again. */
  close(): void

  /** The same as `close()`, for `using session = …`. */
  [Symbol.dispose](): void
}

/**
 * To be called when the person signs out: closes every session of the page at once, forgets tokens, sockets and messages,
 * and deletes every unsent message that chopped-chat stored on this origin. Its other tabs do the same. Resolves when the
 * storage is empty, or after 2 s where it does not answer.
 *
 * Without it, what was not sent stays stored for its author alone: a session of another `myMongoId` neither shows nor
 * sends it, one of the same `myMongoId` sends it. A session that finds itself `auth-required` keeps what was typed, and
 * sends it once the same person has signed in again.
 *
 * @throws {ChatError} (rejects) `init-failed`
 */
export function signOut(): Promise<void>

/**
 * How many messages {@link signOut} would delete: all that are not sent yet, refused ones among them, which this page holds
 * or chopped-chat stored on this origin, whoever wrote them. Storage that does not answer within 2 s counts as empty. Ask the
 * person before you sign them out.
 *
 * @throws {ChatError} (rejects) `init-failed`
 */
export function countUnsent(): Promise<number>

/**
 * The id of the thread of two people: their Mongo ids sorted by UTF-8 bytes and joined by `__`.
 *
 * @throws {ChatError} `invalid-options`, `not-initialized`
 */
export function threadId(a: string, b: string): string
