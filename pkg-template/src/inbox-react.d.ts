import type { ChatInboxOptions, ChatInboxSnapshot, ChatSessionOptions, ChatSnapshot } from './inbox.js'
import type { Chat as Core } from './react.js'

/** A thread's snapshot and what can be done with it. */
export interface Chat extends ChatSnapshot, Pick<Core, 'send' | 'loadOlder' | 'retry' | 'discard'> {
  /** As `ChatSession.markRead`, if the thread is open. */
  readonly markRead: (seq: number) => void
}

/** As `useChat` of `chopped-chat/react`, with receipts. */
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
