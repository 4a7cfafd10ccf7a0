// What wasm-bindgen makes of src/browser/, as far as the package uses it.
import type { ChatInboxOptions, ChatInboxSnapshot, ChatSessionOptions, ChatSnapshot } from './inbox.js'

export default function init(from: { module_or_path: WebAssembly.Module }): Promise<unknown>
export function threadId(a: string, b: string): string
export function countUnsent(): Promise<number>
export function signOut(): Promise<void>
export function hasClient(): boolean
/** Only with the recorder in it. */
export function recording(): string
/** What a session and an inbox have in common. */
export interface Core {
  subscribe(callback: () => void): () => void
  getSnapshot(): ChatSnapshot | ChatInboxSnapshot
  open(): Promise<void>
  close(): void
  /** Frees it; it is not to be used after. */
  free(): void
}
export class ChatSession implements Core {
  constructor(options: ChatSessionOptions)
  subscribe(callback: () => void): () => void
  getSnapshot(): ChatSnapshot
  open(): Promise<void>
  send(body: string, id?: string): string
  loadOlder(): Promise<void>
  retry(id: string): void
  discard(id: string): void
  close(): void
  free(): void
  /** Only with the inbox in it. */
  markRead(seq: number): void
  /** Only with changes in it, as all that follows. */
  reply(body: string, id: string | undefined, seq: number): string
  edit(id: string, body: string): void
  unsend(id: string): void
  react(id: string, emoji: string | null): void
  jumpTo(seq: number): Promise<void>
}
/** Only with the inbox in it. */
export class ChatInbox implements Core {
  constructor(options: ChatInboxOptions)
  subscribe(callback: () => void): () => void
  getSnapshot(): ChatInboxSnapshot
  open(): Promise<void>
  loadMore(): Promise<void>
  close(): void
  free(): void
}
