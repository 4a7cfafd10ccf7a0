import type { ChatSessionOptions, ChatSnapshot } from './index.js'

/** A thread's snapshot and what can be done with it. */
export interface Chat extends ChatSnapshot {
  /**
   * Sends `body` and gives the message's id at once. While the WebAssembly loads the bubble is there, too, and is stored
   * and sent as soon as it has loaded, even if the component is gone by then; if it can't load, the message is refused.
   *
   * @throws {ChatError} `message-empty`, `message-too-long`; `closed` for `null` and once the component is gone
   */
  readonly send: (body: string) => string
  /** Reads the page before the first message, if the thread is open; rejects as `ChatSession.loadOlder` does. */
  readonly loadOlder: () => Promise<void>
  /** Sends a refused message again. */
  readonly retry: (id: string) => void
  /** Drops a message that is not sent. */
  readonly discard: (id: string) => void
}

/**
 * The thread of `options` while the component is mounted; nothing for `null`. Loads the WebAssembly module by itself.
 *
 * Options are compared by value, so they may be written in place; of functions the latest ones are called. Components on
 * the same thread share it. The functions stay the same as long as the options do. On a server it is `connecting`.
 */
export function useChat(options: ChatSessionOptions | null): Chat
