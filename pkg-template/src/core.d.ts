// What wasm-bindgen makes of src/browser/, as far as the package uses it.
import type { ChatSnapshot, ChatSessionOptions } from './index.js'

export default function init(from: { module_or_path: WebAssembly.Module }): Promise<unknown>
export function threadId(a: string, b: string): string
export function countUnsent(): Promise<number>
export function signOut(): Promise<void>
export function hasClient(): boolean
/** Only with the recorder in it. */
export function recording(): string
export class ChatSession {
  constructor(options: ChatSessionOptions)
  subscribe(callback: () => void): () => void
  getSnapshot(): ChatSnapshot
  open(): Promise<void>
  send(body: string, id?: string): string
  loadOlder(): Promise<void>
  retry(id: string): void
  discard(id: string): void
  close(): void
  /** Frees it; it is not to be used after. */
  free(): void
}
