import type { ChatError, ChatErrorCode } from 'chopped-chat/inbox'

const TEXTS: Record<ChatErrorCode, string> = {
  'invalid-options': 'This chat was set up wrongly. Tell whoever runs this page.',
  'auth-required': 'You are signed out. Sign in again to go on.',
  'identity-unlinked': 'Your account is not linked to the kitchen yet. Ask an administrator.',
  'not-a-participant': 'This conversation is not yours to open.',
  network: 'No connection. It will be tried again.',
  timeout: 'The kitchen took too long to answer.',
  server: 'The kitchen made a mistake. Try again in a moment.',
  'rate-limited': 'Too many messages at once. Wait a moment.',
  refused: 'This message was refused.',
  'message-empty': 'There is nothing to send.',
  'message-too-long': 'This message is too long.',
  'private-only': 'Live chat is not set up: the channel must be private.',
  'realtime-disabled': 'Live updates are switched off in this Supabase project.',
  'setup-missing': 'The chat is not installed in this Supabase project yet.',
  'window-over': 'It is too late for that.',
  'not-yours': 'That is not yours to change.',
  'already-unsent': 'This message was unsent meanwhile.',
  closed: 'This chat is closed.',
  'not-initialized': 'The chat is still loading. Try again in a moment.',
  'init-failed': 'The chat could not be loaded. Reload the page to try again.',
}

/** What to tell a person whose messages have been on their way for too long, and what they can do. */
export function lateText(error: ChatError | null, isKept: boolean): string {
  const why = { 'rate-limited': 'It gets too many at once.', network: 'It can’t be reached.', timeout: 'It does not answer.' } as const
  const cause = error !== null && Object.hasOwn(why, error.code) ? ` ${why[error.code as keyof typeof why]}` : ''
  const advice = isKept ? 'What you wrote is kept, even if you close this page.' : 'Keep this page open until then.'
  return `The kitchen does not take messages right now.${cause} They are tried again by themselves. ${advice}`
}

/** What to tell a person about a chat error. */
export function errorText(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  return Object.hasOwn(TEXTS, code) ? TEXTS[code as ChatErrorCode] : 'Something went wrong. Try again.'
}
