import type { ChatInboxOptions, ChatInboxSnapshot, ChatSessionOptions, ChatSnapshot, SendOptions } from './inbox.js'
import type { Chat as Core } from './react.js'

/** A thread's snapshot and what can be done with it. */
export interface Chat extends ChatSnapshot, Pick<Core, 'loadOlder'> {
  /** As `send` of `chopped-chat/react`; `replyTo` is the number of the message that it replies to. */
  readonly send: (body: string, options?: Pick<SendOptions, 'replyTo'>) => string
  /**
   * As `ChatSession.edit`. A message that was said while the WebAssembly loads is rewritten at once.
   *
   * @throws {ChatError} `message-empty`, `message-too-long`; `closed` for `null` and once the component is gone
   */
  readonly edit: (id: string, body: string) => void
  /** As `ChatSession.unsend`. A message that was said while the WebAssembly loads is discarded at once. */
  readonly unsend: (id: string) => void
  /** As `ChatSession.react`, if the thread is open. */
  readonly react: (id: string, emoji: string | null) => void
  /**
   * As `ChatSession.jumpTo`; may be called before the thread is open, and waits for it.
   *
   * @throws {ChatError} (rejects) as that does; `closed` for `null` and once the component is gone, `init-failed`
   */
  readonly jumpTo: (seq: number) => Promise<void>
  /** Sends a refused message again, or asks again for a change that was refused. */
  readonly retry: (id: string) => void
  /** Drops a message that is not sent, or a change that was refused. */
  readonly discard: (id: string) => void
  /** As `ChatSession.markRead`, if the thread is open. */
  readonly markRead: (seq: number) => void
}

/** As `useChat` of `chopped-chat/react`, with receipts and changes. */
export function useChat(options: ChatSessionOptions | null): Chat

/** All conversations, and what can be done with them. */
export interface Inbox extends ChatInboxSnapshot {
  /** Reads the page behind the last thread, if the inbox is open; rejects as `ChatInbox.loadMore` does. */
  readonly loadMore: () => Promise<void>
}

/**
 * The conversations of `options` while the component is mounted; none for `null`. Loads the WebAssembly module by itself. Options
 * are compared by value, and components share one inbox, as with `useChat`. On a server it is `connecting`.
 */
export function useInbox(options: ChatInboxOptions | null): Inbox

/** How many messages are unread in all conversations. Renders only when that changes; shares the inbox of `useInbox`. */
export function useUnread(options: ChatInboxOptions | null): number

/**
 * Marks as read what the person sees: the other's messages whose bottom edge is in view for 300 ms while the page is visible and has
 * the focus. Gives the `ref` of the element that holds the messages; each message's element in it carries its number,
 * `data-seq={message.seq}`.
 */
export function useSeen(chat: Pick<Chat, 'messages' | 'markRead'>): (list: Element | null) => void
