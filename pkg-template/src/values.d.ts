export { ChatError } from './index.js'
export function notify(callback: () => void): void
