import type { ChatSessionOptions } from './index.js'
export function askEarly(options: ChatSessionOptions): void
export function dropEarly(): void
