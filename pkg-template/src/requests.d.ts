import type { ChatInboxOptions, ChatSessionOptions } from './inbox.js'
export function askEarly(options: ChatSessionOptions | ChatInboxOptions): void
export function dropEarly(): void
