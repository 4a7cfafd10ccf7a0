// What of a recording nobody else should read.

/** Each token and what stands for it. */
const tokens = new Map()

/** A token of the same claims, as far as the engine reads them. */
function maskToken(token) {
  if (!tokens.has(token)) tokens.set(token, [...claims(token), `masked-${tokens.size + 1}`].join('.'))
  return tokens.get(token)
}

function claims(token) {
  try {
    const { sub, app_metadata: data } = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')))
    const kept = JSON.stringify({ sub, app_metadata: { mongoUserId: data?.mongoUserId } })
    return ['e30', btoa(kept).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')]
  } catch {
    return []
  }
}

const masked = (key, value) => {
  if (typeof value !== 'string') return value
  if (key === 'access_token') return maskToken(value)
  return ['body', '_body', 'edit'].includes(key) ? value.replaceAll(/\S/gu, 'x') : value
}

/** Replaces what is secret in a line of JSON: tokens, and each letter of a message. */
export const mask = (line) => `${JSON.stringify(JSON.parse(line), masked)}\n`

export const stringify = (value) => JSON.stringify(value) ?? 'null'
