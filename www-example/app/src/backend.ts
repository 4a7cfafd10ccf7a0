import { BACKEND_URL } from './config.ts'

export interface Person {
  mongo_user_id: string
  name: string
}

/** A refusal of the backend by its code, or `unreachable`. */
export class BackendError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

export const signIn = (email: string, password: string): Promise<Person> => call('/api/auth/sign-in', { email, password })
export const signOut = (): Promise<void> => call('/api/auth/sign-out', {})
export const people = (): Promise<Person[]> => call('/api/people')

async function call<Answer>(path: string, body?: object): Promise<Answer> {
  const request: RequestInit = { credentials: 'include' }
  if (body !== undefined) {
    request.method = 'POST'
    request.headers = { 'Content-Type': 'application/json' }
    request.body = JSON.stringify(body)
  }
  const response = await fetch(BACKEND_URL + path, request).catch(() => {
    throw new BackendError('unreachable', `The kitchen does not answer at ${BACKEND_URL}.`)
  })
  if (response.status === 204) return undefined as Answer
  const answer: unknown = await response.json().catch(() => undefined)
  if (response.ok && answer !== undefined) return answer as Answer
  const { code, message } = (answer ?? {}) as { code?: string; message?: string }
  throw new BackendError(code ?? 'server', message ?? `The backend answered ${response.status}.`)
}
