/**
 * supabase-js wants a global WebSocket even where no socket is ever opened. Node has one from version 22 on;
 * with an older Node this gives it one before the first request. Not needed in a project on Node 22.
 */
export async function register(): Promise<void> {
  if (process.env['NEXT_RUNTIME'] === 'nodejs' && !('WebSocket' in globalThis)) {
    const { WebSocket } = await import('ws')
    Object.assign(globalThis, { WebSocket })
  }
}
