/** The exact origins in a comma separated list such as ALLOWED_ORIGINS; blanks and closing slashes don't count. */
export function parseOrigins(list: string | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map((origin) => origin.trim().replace(/\/+$/, ''))
    .filter((origin) => origin !== '')
}

/**
 * A request without an Origin header comes from no foreign page: browsers send it with every cross-origin fetch and
 * with every POST. The opaque origin "null" is never allowed.
 */
export function isAllowedOrigin(origin: string | null, allowed: readonly string[]): boolean {
  return origin === null || (origin !== 'null' && allowed.includes(origin))
}

/** The headers that let a page of an allowed origin send its cookies and read the answer. */
export function corsHeaders(origin: string | null): Record<string, string> {
  // Vary always: a cache must not give one origin's answer to another.
  const headers: Record<string, string> = { Vary: 'Origin' }
  if (origin !== null) {
    headers['Access-Control-Allow-Origin'] = origin
    headers['Access-Control-Allow-Credentials'] = 'true'
  }
  return headers
}

/** What a preflight (OPTIONS) is told beside {@link corsHeaders}. */
export function preflightHeaders(method: string): Record<string, string> {
  return {
    'Access-Control-Allow-Methods': method,
    'Access-Control-Allow-Headers': 'Content-Type',
    'Access-Control-Max-Age': '600',
  }
}
